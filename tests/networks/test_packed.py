"""The Deep Compression decoder, on a file we write ourselves and on the published one."""

import numpy as np
import pytest
import torch

from practicals.data import fetch, images
from practicals.networks import backbones, packed


def encode(rng: np.random.Generator) -> tuple[bytes, dict]:
    """Write a Deep Compression file the slow way; return it and the weights it stands for."""
    counts, body, truth = [], b"", {}
    for name, shape in packed._layer_shapes().items():
        size = int(np.prod(shape))
        codebook = np.r_[0.0, rng.normal(size=255)].astype("<f4")
        gaps, position = [], -1
        while True:
            gap = int(rng.integers(0, 16))
            if position + gap + 1 >= size:
                break
            gaps.append(gap)
            position += gap + 1
        codes = rng.integers(0, 256, len(gaps)).astype("u1")
        bias = rng.normal(size=shape[0]).astype("<f4")
        flat = np.zeros(size, np.float32)
        at = -1
        for gap, code in zip(gaps, codes, strict=True):
            at += gap + 1
            flat[at] = codebook[code]
        padded = [*gaps, 0] if len(gaps) % 2 else gaps
        nibbles = bytes(a | b << 4 for a, b in zip(padded[::2], padded[1::2], strict=True))
        counts.append(len(gaps))
        body += codebook.tobytes() + bias.tobytes() + codes.tobytes() + nibbles
        truth[name] = (flat.reshape(shape), bias)
    return np.array(counts, "<u4").tobytes() + body, truth


@pytest.fixture(scope="module")
def made():
    return encode(np.random.default_rng(0))


def test_decodes_what_was_encoded(made):
    data, truth = made
    state = packed.decode(data)
    for name, (weight, bias) in truth.items():
        if name != "features.0":  # the first layer is folded, see below
            np.testing.assert_array_equal(state[f"{name}.weight"], weight)
            np.testing.assert_array_equal(state[f"{name}.bias"], bias)


def test_fold_gives_caffe_answers_from_torchvision_input():
    torch.manual_seed(0)
    weight, bias, rgb = torch.randn(4, 3, 7, 7), torch.randn(4), torch.rand(1, 3, 20, 20)
    caffe = 255 * rgb.flip(1) - torch.tensor(packed.CAFFE_MEAN_BGR).view(1, 3, 1, 1)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (images.IMAGENET_MEAN, images.IMAGENET_STD)
    )
    expected = torch.nn.functional.conv2d(caffe, weight, bias)
    folded = torch.nn.functional.conv2d((rgb - mean) / std, *packed.fold_caffe_input(weight, bias))
    torch.testing.assert_close(folded, expected, rtol=1e-4, atol=1e-2)


NAN_CODEBOOK = np.full(packed.CODEBOOK, np.nan, "<f4").tobytes()
REFUSED = {
    "nothing": (lambda data: b"", "truncated"),
    "half a header": (lambda data: data[:50], "truncated"),
    "half a layer": (lambda data: data[:1000], "truncated"),
    "a byte less": (lambda data: data[:-1], "truncated"),
    "a byte more": (lambda data: data + b"\0", "follow the last layer"),
    "another header": (lambda data: b"\xff\xff\xff\xff" + data[4:], r"features\.0.*altered"),
    "no number": (lambda data: data[:104] + NAN_CODEBOOK + data[1128:], "not a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_whole_is_refused(made, name):
    change, message = REFUSED[name]
    with pytest.raises(packed.DecodeError, match=message):
        packed.decode(change(made[0]))


def test_a_well_formed_file_of_other_weights_is_refused_and_not_kept(made, tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "data"))
    (tmp_path / "made.net").write_bytes(made[0])
    with pytest.raises(packed.DecodeError, match="not the SqueezeNet that was measured"):
        packed.load(tmp_path / "made.net")
    assert not (tmp_path / "data").exists()


@pytest.fixture
def published(needs):
    needs(packed.PACKED)
    return fetch.locate(packed.PACKED)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_first_load_keeps_what_the_next_ones_read(published, tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    first = backbones.load("squeezenet1_0")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [packed.DECODED]
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    monkeypatch.setattr(packed, "decode", None)
    again = backbones.load("squeezenet1_0")
    assert first.source == again.source == packed.DECODED
    assert same(first.state_dict(), again.state_dict())


def test_an_altered_copy_is_named_and_decoded_again(published, tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    right = packed.load(published)
    copy = tmp_path / "weights" / packed.DECODED
    torch.save(right | {"classifier.1.bias": right["classifier.1.bias"] + 1}, copy)
    with pytest.warns(
        UserWarning, match=r"squeezenet1_0-packed\.pth in the data folder .* altered"
    ):
        net = backbones.load("squeezenet1_0")
    assert torch.equal(net.steps.conv10.bias, right["classifier.1.bias"])
    assert fetch.available(packed.DECODED)


def test_a_data_folder_that_cannot_be_written_does_not_hinder(published, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "file"))
    assert backbones.load("squeezenet1_0").source == packed.DECODED


def test_published_file_classifies_imagenet(published, recognised):
    """61.2 % on all 1,000 samples; a wrong fold, nibble order or layout names next to none."""
    assert recognised(backbones.load("squeezenet1_0")) >= 50
