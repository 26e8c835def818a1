"""The Deep Compression decoder, on a file we write ourselves and on the published one."""

import numpy as np
import pytest
import torch

from practicals.data import fetch, images, pictures
from practicals.networks import backbones, deep_compression


def encode(state: dict[str, torch.Tensor], rng: np.random.Generator) -> tuple[bytes, dict]:
    """Write a Deep Compression file the slow way; return it and the weights it stands for."""
    counts, body, truth = [], b"", {}
    for name, shape in deep_compression._layer_shapes().items():
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
        packed = bytes(a | b << 4 for a, b in zip(padded[::2], padded[1::2], strict=True))
        counts.append(len(gaps))
        body += codebook.tobytes() + bias.tobytes() + codes.tobytes() + packed
        truth[name] = (flat.reshape(shape), bias)
    return np.array(counts, "<u4").tobytes() + body, truth


@pytest.fixture(scope="module")
def made():
    return encode({}, np.random.default_rng(0))


def test_decodes_what_was_encoded(made):
    data, truth = made
    state = deep_compression.decode(data)
    for name, (weight, bias) in truth.items():
        if name != "features.0":  # the first layer is folded, see below
            np.testing.assert_array_equal(state[f"{name}.weight"], weight)
            np.testing.assert_array_equal(state[f"{name}.bias"], bias)


def test_fold_gives_caffe_answers_from_torchvision_input():
    torch.manual_seed(0)
    weight, bias, rgb = torch.randn(4, 3, 7, 7), torch.randn(4), torch.rand(1, 3, 20, 20)
    caffe = 255 * rgb.flip(1) - torch.tensor(deep_compression.CAFFE_MEAN_BGR).view(1, 3, 1, 1)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (images.IMAGENET_MEAN, images.IMAGENET_STD)
    )
    expected = torch.nn.functional.conv2d(caffe, weight, bias)
    folded = torch.nn.functional.conv2d(
        (rgb - mean) / std, *deep_compression.fold_caffe_input(weight, bias)
    )
    torch.testing.assert_close(folded, expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("keep", [0, 50, 200, 1000, -1])
def test_truncated_file_is_refused(made, keep):
    with pytest.raises(deep_compression.DecodeError, match="truncated"):
        deep_compression.decode(made[0][:keep])


def test_longer_file_is_refused(made):
    with pytest.raises(deep_compression.DecodeError, match="follow the last layer"):
        deep_compression.decode(made[0] + b"\0")


def test_altered_header_is_refused(made):
    with pytest.raises(deep_compression.DecodeError, match=r"features\.0.*altered"):
        deep_compression.decode(b"\xff\xff\xff\xff" + made[0][4:])


def test_altered_codebook_is_refused(made):
    data = bytearray(made[0])
    data[26 * 4 : 26 * 4 + 4 * 256] = np.full(256, np.nan, "<f4").tobytes()
    with pytest.raises(deep_compression.DecodeError, match="not a number"):
        deep_compression.decode(bytes(data))


@pytest.mark.skipif(
    not (fetch.available("compressed_SqueezeNet.net") and fetch.available("imagenet-samples")),
    reason="needs the published file and the ImageNet samples (make data, or DATA_MIRROR)",
)
def test_published_file_classifies_imagenet():
    """61.2 % on all 1,000 samples; a wrong fold, nibble order or layout falls far below 0.60."""
    net, samples = backbones.load("squeezenet1_0"), pictures.imagenet_samples()
    crop = lambda image: images.centre_crop(image, 224)  # noqa: E731
    with torch.inference_mode():
        batches = images.stream(samples.images, crop, 8)
        guesses = torch.cat([net(pixels.float() / 255).argmax(1) for pixels in batches])
    assert (guesses.numpy() == samples.y).mean() >= 0.60
