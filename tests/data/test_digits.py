"""MNIST's files, folders of pictures with a list of labels, the authors' archive."""

import gzip

import numpy as np
import pytest
from PIL import Image

from practicals.data import digits, fetch


def test_a_file_that_is_not_idx_or_is_cut_short_is_named(tmp_path):
    for content in (b"hello, world", b"\x00\x00\x08\x01\x00\x00\x00\x05abc"):
        file = tmp_path / "bad.gz"
        file.write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match=r"bad\.gz"):
            digits.read_idx(file)


@pytest.mark.parametrize("line", ["a.png", "a.png x", "a.png 11", "a.png ²", " 3"])
def test_a_bad_line_of_labels_is_named(tmp_path, line):
    Image.new("RGB", (28, 28)).save(tmp_path / "a.png")
    labels = tmp_path / "labels.txt"
    labels.write_text(f"a.png 3\n\n{line}\n")
    with pytest.raises(ValueError, match="line 3"):
        digits.read_labelled(tmp_path, labels)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_list_may_begin_with_a_byte_order_mark(tmp_path, encoding):
    Image.new("RGB", (28, 28)).save(tmp_path / "é.png")
    labels = tmp_path / "labels.txt"
    labels.write_text("é.png 3\n", encoding=encoding)
    assert digits.read_labelled(tmp_path, labels)[1].tolist() == [3]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_list_in_another_encoding_is_named(tmp_path, encoding):
    labels = tmp_path / "labels.txt"
    labels.write_text("é.png 3\n", encoding=encoding)
    with pytest.raises(ValueError, match=r"labels\.txt is no text in UTF-8"):
        digits.read_labelled(tmp_path, labels)


@pytest.mark.parametrize("size", [(300, 200), (28, 32), (20, 20), (64, 64)])
def test_pictures_of_other_sizes_are_refused_by_name(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    labels = tmp_path / "labels.txt"
    labels.write_text("a.png 3\n")
    with pytest.raises(ValueError, match=rf"line 1: a\.png has {size[0]} × {size[1]} pixels"):
        digits.read_labelled(tmp_path, labels)


def test_pictures_of_two_sizes_or_too_small_are_refused(tmp_path):
    Image.new("RGB", (28, 28)).save(tmp_path / "a.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "b.png")
    labels = tmp_path / "labels.txt"
    labels.write_text("a.png 3\nb.png 4\n")
    with pytest.raises(ValueError, match=r"line 2: b\.png"):
        digits.read_labelled(tmp_path, labels)
    with pytest.raises(ValueError, match="28"):
        digits.to_side(np.zeros((1, 20, 20, 3), np.uint8))


def test_cropping_keeps_the_centre():
    x = np.zeros((1, 32, 32, 3), np.uint8)
    x[:, 2:30, 2:30] = 200
    assert (digits.to_side(x, "crop") == 200).all()


def test_the_authors_digits_are_cropped_and_not_scaled(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    folder = tmp_path / digits.ARCHIVE / "mnist_m_test"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    (folder.parent / "mnist_m_test_labels.txt").write_text("a.png 7\n")
    x, y = digits.archive("test")
    assert np.array_equal(x[0].permute(1, 2, 0).numpy(), pixels[2:30, 2:30]) and y.tolist() == [7]
    with pytest.raises(FileNotFoundError, match="mnist_m_train_labels"):
        digits.archive("train")


@pytest.mark.skipif(not fetch.available("MNIST"), reason="needs MNIST")
def test_mnist_has_the_published_sizes():
    x_train, y_train, x_test, _ = digits.mnist()
    assert x_train.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert np.bincount(y_train)[:3].tolist() == [5923, 6742, 5958]
