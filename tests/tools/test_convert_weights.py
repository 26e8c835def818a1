"""Layer files of three repositories: written from known weights, served, fetched, converted."""

import threading
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from tools.convert_weights import __main__ as command
from tools.convert_weights import layers

from practicals.data import fetch
from practicals.data.images import IMAGENET_MEAN, IMAGENET_STD
from practicals.networks import backbones, googlenet, packed

NAMES = GOOGLENET, INCEPTION, VGG, TRUNK = tuple(layers.SOURCES)
NETWORKS = ("googlenet", "inception_v3", "vgg16", "vgg16")


def random_files(name: str) -> dict[str, bytes]:
    """Return layer files of the right sizes with random content."""
    rng = np.random.default_rng(0)
    return {
        file: rng.standard_normal(size // 4, np.float32).astype("<f4").tobytes()
        for file, size in layers.files(name).items()
    }


def as_published(name: str, state: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """Write a state dict as its repository stores it, tensor by tensor, the slow way."""
    stored, raw = "oihw->hwio" if name in (VGG, TRUNK) else "oihw->ohwi", {}
    sizes = iter(layers.files(name).items())
    for parts in layers.SOURCES[name].layout().values():
        values = (state[part.key].float() for part in parts)
        blocks = [torch.einsum(stored, v) if v.ndim == 4 else v for v in values]
        whole = b"".join(v.contiguous().numpy().astype("<f4").tobytes() for v in blocks)
        while whole:
            file, size = next(sizes)
            raw[file], whole = whole[:size], whole[size:]
    return raw


def accept_any_layer(monkeypatch, state=None):
    """Take the published digests away, or let them be those of ``state`` in single precision."""
    digests = {}
    for place in layers.VGG_SHA256 if state else ():
        pair = (state[f"features.{place}.{kind}"].float().numpy() for kind in ("weight", "bias"))
        digests[place] = tuple(sha256(value.tobytes()).hexdigest()[:16] for value in pair)
    monkeypatch.setattr(layers, "VGG_SHA256", digests)


def unfolded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return VGG16's weights with the first convolution for BGR in 0–255 minus VGG's mean."""
    weight, bias = (state[key].double() for key in layers.VGG_FIRST)
    std, mean = (torch.tensor(v).double() for v in (IMAGENET_STD, IMAGENET_MEAN))
    rgb = weight / (255 * std).view(1, 3, 1, 1)
    shift = 255 * mean - torch.tensor([123.68, 116.779, 103.939]).double()
    bias = bias - (rgb * shift.view(1, 3, 1, 1)).sum((1, 2, 3))
    return state | dict(zip(layers.VGG_FIRST, (rgb.flip(1).float(), bias.float()), strict=True))


PUBLISHED = {
    GOOGLENET: (
        (116, 4 * 6_998_552),
        {"conv1/7x7_s2_filter.bin": 37_632, "inception_4e/pool_proj_bias.bin": 512},
    ),
    INCEPTION: (
        (152, 42_613_888),
        {"weights_mixed_4_tower_1_conv_4.dat": 688_128, "bias_mixed_8_tower_conv_1.dat": 1280},
    ),
    VGG: ((7, 4 * 1_735_488), {"group1-shard1of1": 7_168, "group7-shard1of1": 2_360_320}),
    TRUNK: ((24, 4 * 14_714_688), {"group8-shard2of2": 526_336, "group13-shard3of3": 1_050_624}),
}


@pytest.mark.parametrize("name", NAMES)
def test_files_have_their_published_names_and_sizes(name):
    files, (expected, some) = layers.files(name), PUBLISHED[name]
    assert (len(files), sum(files.values())) == expected and some.items() <= files.items()


TENSORFLOW = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_4a_3x3": "conv_4",
    "Mixed_5b.branch1x1": "mixed_conv",
    "Mixed_5c.branch5x5_2": "mixed_1_tower_conv_1",
    "Mixed_5d.branch3x3dbl_1": "mixed_2_tower_1_conv",
    "Mixed_6a.branch3x3": "mixed_3_conv",
    "Mixed_6a.branch3x3dbl_3": "mixed_3_tower_conv_2",
    "Mixed_6b.branch7x7_3": "mixed_4_tower_conv_2",
    "Mixed_6e.branch7x7dbl_5": "mixed_7_tower_1_conv_4",
    "Mixed_6d.branch_pool": "mixed_6_tower_2_conv",
    "Mixed_7a.branch3x3_2": "mixed_8_tower_conv_1",
    "Mixed_7a.branch7x7x3_1": "mixed_8_tower_1_conv",
}


def test_layers_of_the_trunk_have_tensorflows_names():
    layout = layers.inception_layout()
    for layer, file in TENSORFLOW.items():
        (part,) = layout[f"weights_{file}.dat"]
        assert part.key == f"{layer}.conv.weight"


@pytest.mark.parametrize("name, network", zip(NAMES, NETWORKS, strict=True))
def test_every_number_lands_in_its_place_and_fills_the_network(name, network, monkeypatch):
    """Random files: each tensor, put back into the stored order, is the file again."""
    accept_any_layer(monkeypatch)
    raw = random_files(name)
    state = layers.convert(name, raw)
    again = as_published(name, unfolded(state) if name in (VGG, TRUNK) else state)
    for file in raw:
        expected, found = (np.frombuffer(files[file], "<f4") for files in (raw, again))
        # The trunk is kept in half precision, and its first layer was scaled by up to 58.
        atol = 1e-2 if name == TRUNK else 1e-4
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=atol, err_msg=file)
    net = backbones.from_state(network, {k: v.float() for k, v in state.items()})
    ends = {VGG: "pool3", TRUNK: "flatten"}
    assert net.covered[-1] == ends.get(name, net.layers[-1])
    assert "content sha256" in fetch.state_problem(fetch.load()[name], state)


def test_googlenets_first_layer_is_still_caffes():
    """What is converted is BGR, as in the mirror's file; the loader flips it once."""
    raw = random_files(GOOGLENET)
    stored = np.frombuffer(raw["conv1/7x7_s2_filter.bin"], "<f4").reshape(64, 7, 7, 3)
    state = layers.convert(GOOGLENET, raw)
    expected = torch.from_numpy(stored[..., 0].copy()).half()
    torch.testing.assert_close(state["conv1.weight"][:, 0], expected)
    torch.testing.assert_close(googlenet.from_caffe(state)["conv1.weight"][:, 2], expected)


def test_vgg16s_first_layer_gives_its_answers_for_torchvisions_input():
    """Inside the picture exactly; the padded border differs by the two means, half a grey level."""
    torch.manual_seed(0)
    weight, bias, rgb = torch.randn(4, 3, 3, 3), torch.randn(4), torch.rand(1, 3, 8, 8)
    bgr = 255 * rgb.flip(1) - torch.tensor(layers.VGG_MEAN_BGR).view(1, 3, 1, 1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    conv = partial(torch.nn.functional.conv2d, padding=1)
    expected = conv(bgr, weight, bias)
    folded = packed.fold_caffe_input(weight, bias, layers.VGG_MEAN_BGR)
    found = conv((rgb - mean) / std, *folded)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(found[inside], expected[inside], rtol=1e-4, atol=1e-2)
    assert (found - expected).abs().max() < 0.5 * weight.abs().sum((1, 2, 3)).max()


def test_absent_cut_and_senseless_files_are_named():
    raw = random_files(VGG)
    file = "group3-shard1of1"
    for content, message in {
        None: f"{file} is absent",
        raw[file][:-4]: rf"{file} has .* expected 295,424",
        raw[file][:-1]: rf"{file} has .* expected 295,424",
        np.full(73_856, np.nan, "<f4").tobytes(): f"{file} holds what is not a number",
    }.items():
        given = raw | {file: content} if content else {k: v for k, v in raw.items() if k != file}
        with pytest.raises(layers.ConversionError, match=message):
            layers.convert(VGG, given)


def test_the_digests_of_vgg16s_layers_are_those_of_its_first_blocks(needs):
    needs(VGG)
    known = torch.load(fetch.locate(VGG), map_location="cpu", weights_only=True)
    for place, (kernel, bias) in list(layers.VGG_SHA256.items())[:6]:
        for kind, digest in (("weight", kernel), ("bias", bias)):
            values = known[f"features.{place}.{kind}"].contiguous().numpy()
            assert sha256(values.tobytes()).hexdigest().startswith(digest)


def test_a_layer_of_the_trunk_that_is_not_the_published_one_is_named():
    with pytest.raises(
        layers.ConversionError, match=r"features\.2\.weight has sha256 .* expected 60"
    ):
        layers.convert(TRUNK, random_files(TRUNK))


def test_a_missing_piece_of_the_trunk_is_named():
    raw = random_files(TRUNK)
    del raw["group9-shard2of3"]
    with pytest.raises(layers.ConversionError, match="group9-shard2of3 is absent"):
        layers.convert(TRUNK, raw)


class Folder(SimpleHTTPRequestHandler):
    """Serves a folder; may stop after a number of files, as a machine that goes down."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if len(self.server.requests) > self.server.most:
            return self.send_error(404)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve layer files, by name, in the place of their repository; a bare data folder."""
    folder = tmp_path / "served"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, directory=str(folder)))
    server.requests, server.most, server.folder = [], 10**6, folder
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(name, raw):
        for file, content in raw.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        local = replace(layers.SOURCES[name], url=f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setitem(layers.SOURCES, name, local)
        monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "data"))
        monkeypatch.delenv("DATA_MIRROR", raising=False)
        monkeypatch.delenv("PRACTICALS_OFFLINE", raising=False)

    yield serve, server
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(served, monkeypatch, needs):
    """Write the mirror's weights as their authors store them, and serve them."""
    serve, server = served

    def publish(name):
        needs(name)
        kept = torch.load(fetch.locate(name), map_location="cpu", weights_only=True)
        raw = as_published(name, unfolded(kept) if name in (VGG, TRUNK) else kept)
        if name == TRUNK:  # the mirror has it in half precision: the digests are of more digits
            accept_any_layer(monkeypatch, kept)
        serve(name, raw)
        return kept

    return publish, server


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_way_gives_the_mirrors_weights(published, tmp_path, name, capsys):
    publish, _ = published
    kept = publish(name)
    assert command.main(["fetch", name]) == 0 and fetch.available(name)
    path = fetch.locate(name)
    found = torch.load(path, map_location="cpu", weights_only=True)
    for key, value in found.items():
        torch.testing.assert_close(value, kept[key], rtol=1e-5, atol=1e-4)
    left = [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
    assert left == [path], "no receipt and no layer file stays"
    assert command.main(["fetch", name]) == 0 and "already there" in capsys.readouterr().out
    # Somebody else's mirror is believed by the same tensors.
    found["features.0.bias" if name in (VGG, TRUNK) else next(iter(found))].view(-1)[0] += 0.01
    torch.save(found, path)
    assert not fetch.available(name)


def test_an_interrupted_fetch_goes_on_and_an_altered_part_starts_again(published, tmp_path, capsys):
    publish, server = published
    publish(VGG)
    server.most = 4
    assert command.main(["fetch", VGG]) == 1 and "answers 404" in capsys.readouterr().err
    server.most = 10**6
    altered = server.folder / "group7-shard1of1"
    good = altered.read_bytes()
    altered.write_bytes(good[:-4] + b"\x00\x00\x80?")
    assert command.main(["fetch", VGG]) == 1 and "content sha256" in capsys.readouterr().err
    assert len(server.requests) == len(set(server.requests)) + 1, "only the refused one twice"
    assert not [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
    altered.write_bytes(good)
    assert command.main(["fetch", VGG]) == 0 and fetch.available(VGG)


def test_a_missing_and_an_altered_piece_of_the_trunk_are_named(
    served, tmp_path, monkeypatch, capsys
):
    """The 24 pieces with random content, whose hashes are made the published ones."""
    serve, server = served
    raw = random_files(TRUNK)
    with monkeypatch.context() as patch:  # the layers before they are judged and halved
        bare = replace(layers.SOURCES[TRUNK], finish=lambda state: state)
        patch.setitem(layers.SOURCES, TRUNK, bare)
        exact = layers.convert(TRUNK, raw)
    accept_any_layer(monkeypatch, exact)
    expected = layers.convert(TRUNK, raw)
    monkeypatch.setattr(fetch, "state_problem", lambda asset, found: None)  # it is a stand-in
    serve(TRUNK, raw)
    kept = lambda: [p for p in (tmp_path / "data").rglob("*") if p.is_file()]  # noqa: E731

    absent = server.folder / "group9-shard2of3"
    absent.unlink()
    assert command.main(["fetch", TRUNK]) == 1
    assert f"{absent.name}: it answers 404" in capsys.readouterr().err
    assert not [p for p in kept() if p.suffix == ".pth"]
    absent.write_bytes(raw[absent.name])

    altered = server.folder / "group11-shard3of3"
    good = bytearray(raw[altered.name])
    good[-1] ^= 1  # the last bias of conv5_1
    altered.write_bytes(good)
    assert command.main(["fetch", TRUNK]) == 1
    assert "features.24.bias has sha256" in capsys.readouterr().err and not kept()
    altered.write_bytes(raw[altered.name])

    assert command.main(["fetch", TRUNK]) == 0
    (path,) = kept()
    found = torch.load(path, map_location="cpu", weights_only=True)
    assert found.keys() == expected.keys() and all(v.dtype == torch.half for v in found.values())
    for key, value in found.items():
        assert torch.equal(value, expected[key]), key


def test_a_part_of_another_size_is_refused(published, capsys):
    publish, server = published
    publish(VGG)
    part = server.folder / "group2-shard1of1"
    good = part.read_bytes()
    part.write_bytes(b"short")
    assert command.main(["fetch", VGG]) == 1
    assert "its size is 5 bytes, expected 147,712 bytes" in capsys.readouterr().err
    part.write_bytes(good)
    assert command.main(["fetch", VGG]) == 0, "the refused part is fetched again"


def test_offline_and_a_wrong_switch_are_named(published, monkeypatch, capsys):
    publish, server = published
    publish(VGG)
    monkeypatch.setenv("PRACTICALS_OFFLINE", "true")
    assert command.main(["fetch"]) == 1 and server.requests == []
    assert capsys.readouterr().err.count("PRACTICALS_OFFLINE is set") == len(command.NAMES)
    monkeypatch.setenv("PRACTICALS_OFFLINE", "maybe")
    with pytest.raises(SystemExit):
        command.main(["fetch", VGG])
    assert "PRACTICALS_OFFLINE is 'maybe'" in capsys.readouterr().err


def test_the_packed_file_is_decoded_into_data(needs, tmp_path, monkeypatch):
    needs(packed.PACKED)
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    assert command.main(["fetch", packed.DECODED]) == 0
    assert fetch.locate(packed.DECODED) == tmp_path / "weights" / packed.DECODED
