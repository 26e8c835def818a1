"""Layer files of three repositories: written from known weights, served, read back."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import pytest
import torch

from practicals.data import fetch
from practicals.data.images import IMAGENET_MEAN, IMAGENET_STD
from practicals.networks import backbones, converted, googlenet

NAMES = tuple(converted.SOURCES)


def random_files(name: str, seed: int = 0) -> dict[str, bytes]:
    """Return layer files of the right sizes with random content."""
    rng = np.random.default_rng(seed)
    sizes = converted.files(name).items()
    return {
        file: rng.standard_normal(size // 4, np.float32).astype("<f4").tobytes()
        for file, size in sizes
    }


def as_published(name: str, state: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """Write a state dict as its repository stores it, tensor by tensor, the slow way."""
    raw = {}
    for file, parts in converted.SOURCES[name].layout().items():
        blocks = []
        for part in parts:
            value = state[part.key].float()
            if value.ndim == 4 and name.startswith("vgg16"):
                value = torch.einsum("oihw->hwio", value)
            elif value.ndim == 4:
                value = torch.einsum("oihw->ohwi", value)
            blocks.append(value.contiguous().numpy().astype("<f4").tobytes())
        raw[file] = b"".join(blocks)
    return raw


def unfolded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return VGG16's weights with the first convolution for BGR in 0–255 minus VGG's mean."""
    weight, bias = (state[key].double() for key in converted.VGG_FIRST)
    std, mean = (torch.tensor(v).double() for v in (IMAGENET_STD, IMAGENET_MEAN))
    rgb = weight / (255 * std).view(1, 3, 1, 1)
    shift = 255 * mean - torch.tensor([123.68, 116.779, 103.939]).double()
    bias = bias - (rgb * shift.view(1, 3, 1, 1)).sum((1, 2, 3))
    return state | dict(zip(converted.VGG_FIRST, (rgb.flip(1).float(), bias.float()), strict=True))


@pytest.mark.parametrize(
    "name, count, size, some",
    [
        (
            NAMES[0],
            116,
            4 * 6_998_552,
            {"conv1/7x7_s2_filter.bin": 37_632, "inception_4e/pool_proj_bias.bin": 512},
        ),
        (
            NAMES[1],
            152,
            42_613_888,
            {"weights_mixed_4_tower_1_conv_4.dat": 688_128, "bias_mixed_8_tower_conv_1.dat": 1280},
        ),
        (NAMES[2], 7, 4 * 1_735_488, {"group1-shard1of1": 7_168, "group7-shard1of1": 2_360_320}),
    ],
)
def test_files_have_their_published_names_and_sizes(name, count, size, some):
    files = converted.files(name)
    assert len(files) == count and sum(files.values()) == size
    assert some.items() <= files.items()


@pytest.mark.parametrize(
    "layer, file",
    [
        ("Conv2d_1a_3x3", "conv"),
        ("Conv2d_4a_3x3", "conv_4"),
        ("Mixed_5b.branch1x1", "mixed_conv"),
        ("Mixed_5c.branch5x5_2", "mixed_1_tower_conv_1"),
        ("Mixed_5d.branch3x3dbl_1", "mixed_2_tower_1_conv"),
        ("Mixed_6a.branch3x3", "mixed_3_conv"),
        ("Mixed_6a.branch3x3dbl_3", "mixed_3_tower_conv_2"),
        ("Mixed_6b.branch7x7_3", "mixed_4_tower_conv_2"),
        ("Mixed_6e.branch7x7dbl_5", "mixed_7_tower_1_conv_4"),
        ("Mixed_6d.branch_pool", "mixed_6_tower_2_conv"),
        ("Mixed_7a.branch3x3_2", "mixed_8_tower_conv_1"),
        ("Mixed_7a.branch7x7x3_1", "mixed_8_tower_1_conv"),
    ],
)
def test_layers_of_the_trunk_have_tensorflows_names(layer, file):
    (part,) = converted.inception_layout()[f"weights_{file}.dat"]
    assert part.key == f"{layer}.conv.weight"


@pytest.mark.parametrize("name", NAMES)
def test_every_number_lands_in_its_place(name):
    """Random files: each tensor, put back into the stored order, is the file again."""
    raw = random_files(name)
    state = converted.convert(name, raw)
    if name.startswith("vgg16"):
        state = unfolded(state)
    again = as_published(name, state)
    for file in raw:
        expected, found = (np.frombuffer(files[file], "<f4") for files in (raw, again))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4, err_msg=file)


@pytest.mark.parametrize(
    "name, network", zip(NAMES, ("googlenet", "inception_v3", "vgg16"), strict=True)
)
def test_result_fills_the_network(name, network):
    state = {k: v.float() for k, v in converted.convert(name, random_files(name)).items()}
    net = backbones.from_state(network, state)
    assert net.covered[-1] == ("pool3" if network == "vgg16" else net.layers[-1])


def test_vgg16s_first_layer_gives_its_answers_for_torchvisions_input():
    """Inside the picture exactly; the padded border differs by the two means, half a grey level."""
    torch.manual_seed(0)
    weight, bias, rgb = torch.randn(4, 3, 3, 3), torch.randn(4), torch.rand(1, 3, 8, 8)
    bgr = 255 * rgb.flip(1) - torch.tensor(converted.VGG_MEAN_BGR).view(1, 3, 1, 1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    conv = partial(torch.nn.functional.conv2d, padding=1)
    expected = conv(bgr, weight, bias)
    folded = converted.fold_caffe_input(weight, bias, converted.VGG_MEAN_BGR)
    found = conv((rgb - mean) / std, *folded)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(found[inside], expected[inside], rtol=1e-4, atol=1e-2)
    assert (found - expected).abs().max() < 0.5 * weight.abs().sum((1, 2, 3)).max()


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_file_is_named(name):
    raw = random_files(name)
    file = sorted(raw)[3]
    del raw[file]
    with pytest.raises(converted.ConversionError, match=f"{file} is absent"):
        converted.convert(name, raw)


@pytest.mark.parametrize("cut", [-4, -1])
def test_a_file_that_is_cut_short_is_named(cut):
    raw = random_files(NAMES[2])
    raw["group3-shard1of1"] = raw["group3-shard1of1"][:cut]
    with pytest.raises(
        converted.ConversionError, match=r"group3-shard1of1 has .* expected 295,424"
    ):
        converted.convert(NAMES[2], raw)


def test_a_page_in_place_of_numbers_is_refused():
    raw = random_files(NAMES[0])
    raw["conv1/7x7_s2_bias.bin"] = np.full(64, np.nan, "<f4").tobytes()
    with pytest.raises(converted.ConversionError, match="not a number"):
        converted.convert(NAMES[0], raw)


def test_content_hash_sees_every_change():
    state = {"a": torch.zeros(2), "b": torch.zeros(2)}
    hashes = {
        converted.content_sha256(other)
        for other in (
            state,
            state | {"a": torch.tensor([0.0, 1e-30])},
            state | {"a": torch.zeros(2).half()},
            state | {"a": torch.zeros(1, 2)},
            {"a": state["a"], "c": state["b"]},
            {"a": state["a"]},
        )
    }
    assert len(hashes) == 6
    assert converted.content_sha256(dict(reversed(state.items()))) in hashes


@pytest.mark.parametrize("name", NAMES)
def test_random_content_is_not_the_measured_one(name):
    state = converted.convert(name, random_files(name))
    assert "content sha256" in converted.problem(name, state)


@pytest.mark.parametrize("name", NAMES)
def test_mirrors_file_comes_back_over_http(name, needs, tmp_path):
    """The mirror's weights, stored as the authors store them, served, fetched and converted."""
    needs(name)
    kept = torch.load(fetch.locate(name), map_location="cpu", weights_only=True)
    for file, data in as_published(
        name, unfolded(kept) if name.startswith("vgg16") else kept
    ).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(data)
    raw = served(tmp_path, list(converted.files(name)))
    state = converted.convert(name, raw)
    assert converted.problem(name, state) is None
    assert all(state[key].dtype == kept[key].dtype for key in state)
    for key in state:
        torch.testing.assert_close(state[key], kept[key], rtol=1e-5, atol=1e-4)


def served(folder, names: list[str]) -> dict[str, bytes]:
    """Serve a folder on this machine and fetch its files from there."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        found = {}
        for name in names:
            with urlopen(f"{address}/{quote(name)}", timeout=10) as answer:
                found[name] = answer.read()
        return found
    finally:
        server.shutdown()
        server.server_close()


def test_googlenets_first_layer_is_still_caffes():
    """What is converted is BGR, as in the mirror's file; the loader flips it once."""
    name = NAMES[0]
    raw = random_files(name)
    stored = np.frombuffer(raw["conv1/7x7_s2_filter.bin"], "<f4").reshape(64, 7, 7, 3)
    state = converted.convert(name, raw)
    expected = torch.from_numpy(stored[..., 0].copy()).half()
    torch.testing.assert_close(state["conv1.weight"][:, 0], expected)
    torch.testing.assert_close(googlenet.from_caffe(state)["conv1.weight"][:, 2], expected)


def test_fetch_makes_a_file_that_is_accepted_and_refuses_another(needs, tmp_path, monkeypatch):
    """The whole way on this machine: serve parts, fetch, convert, keep; then one altered part."""
    from dataclasses import replace

    from practicals.data import registry
    from practicals.networks import __main__ as command

    name = NAMES[0]
    needs(name)
    kept = torch.load(fetch.locate(name), map_location="cpu", weights_only=True)
    for file, data in as_published(name, kept).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(data)
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATA_MIRROR", raising=False)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    local = replace(converted.SOURCES[name], url=f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setitem(converted.SOURCES, name, local)
    try:
        place = command.make(name)
        assert registry.file_problem(registry.load()[name], place) is None
        place.write_bytes(place.read_bytes()[:-1] + b"?")
        assert registry.file_problem(registry.load()[name], place) is not None
        place.unlink()
        part = tmp_path / next(iter(converted.files(name)))
        part.write_bytes(part.read_bytes()[:-4] + b"\x00\x00\x80?")
        with pytest.raises(converted.ConversionError, match="content sha256"):
            command.make(name)
        assert not place.exists()
    finally:
        server.shutdown()
        server.server_close()
