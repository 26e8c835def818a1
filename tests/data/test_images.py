"""Reading pictures of every kind, and streaming them in order."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from practicals.data import images

GRADIENT = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))


def saved(tmp_path, image, name):
    image.save(tmp_path / name)
    return tmp_path / name


def test_preprocess_equals_torchvisions(tmp_path):
    rng = np.random.default_rng(0)
    for height, width in ((300, 221), (240, 341), (256, 256)):
        array = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        reference = transforms.Compose(
            [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
        )
        torch.testing.assert_close(images.preprocess(array), reference(Image.fromarray(array)))


def test_grey_is_replicated(tmp_path):
    x = images.preprocess(saved(tmp_path, Image.fromarray(GRADIENT), "grey.png"), 32)
    assert torch.equal(x[0], x[1]) and torch.equal(x[1], x[2]) and x.max() > 0.7


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    deep = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    read = np.asarray(images.read(saved(tmp_path, deep, "deep.png")))
    np.testing.assert_array_equal(read[..., 0], GRADIENT)


def test_a_dark_sixteen_bit_picture_stays_dark(tmp_path):
    deep = Image.fromarray(np.full((8, 8), 200, np.uint16))
    assert np.asarray(images.read(saved(tmp_path, deep, "dark.png"))).max() == 1
    assert np.asarray(images.read(saved(tmp_path, deep, "dark.tif"))).max() == 1


def test_float_pixels_from_zero_to_one_are_read(tmp_path):
    deep = Image.fromarray((GRADIENT / 255).astype(np.float32))
    read = np.asarray(images.read(saved(tmp_path, deep, "float.tif")))
    np.testing.assert_array_equal(read[..., 0], GRADIENT)


@pytest.mark.parametrize("pixel", [-0.5, 1.5, float("nan")])
def test_float_pixels_of_another_range_are_refused_by_name(tmp_path, pixel):
    grey = np.full((8, 8), 0.5, np.float32)
    grey[2, 3] = pixel
    with pytest.raises(images.ImageError, match=r"float\.tif: expected pixels from 0 to 1, got"):
        images.read(saved(tmp_path, Image.fromarray(grey), "float.tif"))


@pytest.mark.parametrize("name", ["figure.png", "figure.jpg", "figure.tif"])
def test_postscript_is_refused_and_starts_no_program(tmp_path, monkeypatch, name):
    from PIL import EpsImagePlugin

    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: started.append(a))
    Image.new("RGB", (8, 8)).save(tmp_path / "figure.eps")
    (tmp_path / name).write_bytes((tmp_path / "figure.eps").read_bytes())
    with pytest.raises(images.ImageError, match="not a picture"):
        images.read(tmp_path / name)
    assert not started


def test_every_usual_format_can_be_read(tmp_path):
    for suffix in ".jpg .jpeg .png .bmp .gif .webp .tif .tiff .ppm".split():
        path = saved(tmp_path, Image.new("RGB", (8, 8), "red"), f"red{suffix}")
        assert np.asarray(images.read(path))[4, 4, 0] > 250, suffix


def test_a_decompression_bomb_is_named(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("L", (100, 100)), "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(images.ImageError, match=r"bomb\.png.*decompression bomb"):
        images.read(path)


def test_cmyk_becomes_the_same_colours(tmp_path):
    red = Image.new("RGB", (40, 40), (220, 30, 30))
    path = saved(tmp_path, red.convert("CMYK"), "red.jpg")
    np.testing.assert_allclose(np.asarray(images.read(path)).mean((0, 1)), (220, 30, 30), atol=6)


def test_transparency_is_laid_on_white(tmp_path):
    path = saved(tmp_path, Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "clear.png")
    assert np.asarray(images.read(path)).min() == 255


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    Image.fromarray(GRADIENT).save(tmp_path / "turned.jpg", exif=exif)
    assert images.read(tmp_path / "turned.jpg").size == (48, 64)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_corrupt_files_are_named(tmp_path, content):
    path = tmp_path / "broken.jpg"
    Image.fromarray(GRADIENT).save(path)
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(images.ImageError, match=r"broken\.jpg.*corrupt"):
        images.read(path)


def test_missing_file_and_wrong_array_are_explained(tmp_path):
    with pytest.raises(images.ImageError, match="no such picture"):
        images.read(tmp_path / "absent.png")
    with pytest.raises(images.ImageError, match="uint8"):
        images.read(np.zeros((3, 3)))


def test_deprocess_inverts():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    x = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    np.testing.assert_array_equal(images.deprocess(x), pixels)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_stream_keeps_order_and_loses_none(batch_size):
    sources = [np.full((4, 4), i, np.uint8) for i in range(20)]
    batches = list(images.stream(sources, lambda image: image, batch_size, workers=3))
    assert [int(x[0, 0, 0]) for x in torch.cat(batches)] == list(range(20))
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_stream_raises_in_the_callers_thread_and_can_be_left_early():
    bad = [np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32)]
    with pytest.raises(images.ImageError):
        list(images.stream(bad, lambda image: image, 1))
    stream = images.stream([np.zeros((4, 4), np.uint8)] * 50, lambda image: image, 1)
    next(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.close()


def test_thousand_class_names():
    assert len(images.CLASS_NAMES) == 1000
    assert images.CLASS_NAMES[105] == "koala" and images.CLASS_NAMES[106] == "wombat"
