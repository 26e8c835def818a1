"""The two domains: reading MNIST, laying digits over photographs, lists of labels."""

import gzip

import numpy as np
import pytest
import torch
from PIL import Image

from practicals import assets, digit_files, digits


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    return tmp_path


def test_difference_is_the_absolute_difference_in_every_channel():
    rng = np.random.default_rng(0)
    ink = rng.integers(256, size=(5, 28, 28), dtype=np.uint8)
    backs = rng.integers(256, size=(5, 28, 28, 3), dtype=np.uint8)
    made = digits.lay_over(ink, backs)
    expected = np.abs(backs.astype(int) - ink[..., None].astype(int)).transpose(0, 3, 1, 2)
    assert made.dtype == np.uint8 and np.array_equal(made, expected)


def test_inverted_variant_inverts_the_photograph_where_there_is_ink_and_leaves_the_rest():
    rng = np.random.default_rng(0)
    ink = rng.integers(256, size=(5, 28, 28), dtype=np.uint8)
    backs = rng.integers(256, size=(5, 28, 28, 3), dtype=np.uint8)
    made = digits.lay_over(ink, backs, "inverted").transpose(0, 2, 3, 1)
    is_ink = ink > digits.BINARY_ABOVE
    assert np.array_equal(made[is_ink], 255 - backs[is_ink])
    assert np.array_equal(made[~is_ink], backs[~is_ink])


def test_an_unknown_variant_is_refused_by_name():
    with pytest.raises(ValueError, match="fancy"):
        digits.lay_over(
            np.zeros((1, 28, 28), np.uint8), np.zeros((1, 28, 28, 3), np.uint8), "fancy"
        )


def test_patches_are_windows_of_their_own_picture(monkeypatch):
    monkeypatch.setattr(digits, "CHUNK", 7)
    shapes = [(30, 50), (50, 30), (28, 28)]
    pictures = []
    for number, (height, width) in enumerate(shapes):
        row, column = np.mgrid[:height, :width]
        pictures.append(np.stack([row, column, np.full_like(row, number)], -1).astype(np.uint8))
    found = digits.patches(pictures, 40, np.random.default_rng(0)).astype(int)
    assert set(found[..., 2].ravel()) == {0, 1, 2}
    assert (np.diff(found[..., 0], axis=1) == 1).all() and (
        np.diff(found[..., 1], axis=2) == 1
    ).all()
    assert (np.ptp(found[..., 2], axis=(1, 2)) == 0).all()
    for number, (height, width) in enumerate(shapes):
        own = found[found[:, 0, 0, 2] == number]
        assert own[..., 0].max() < height and own[..., 1].max() < width


def test_the_same_seed_gives_the_same_target_and_another_seed_another():
    one, two, other = (digits.make_target("sample", "difference", seed) for seed in (0, 0, 1))
    assert np.array_equal(one["train"], two["train"]) and np.array_equal(one["test"], two["test"])
    assert not np.array_equal(one["train"], other["train"])


def test_sample_domains_need_no_download_and_share_labels(data):
    domains = digits.load("sample")
    assert len(domains.source) == 1797 - digits.SAMPLE_TEST and len(domains.target_test) == 500
    assert domains.target.x.shape[1:] == domains.source.x.shape[1:] == (3, 28, 28)
    assert domains.target.x.dtype == domains.source.x.dtype == torch.uint8
    assert torch.equal(domains.target.y, domains.source.y)
    again = digits.load("sample")  # this one comes from the cache
    assert digits.checksum(again) == digits.checksum(domains)


def test_train_and_test_photographs_of_the_sample_do_not_overlap():
    for train, test in zip(
        digits.sample_photos("train"), digits.sample_photos("test"), strict=True
    ):
        assert train.shape[0] == test.shape[0] and not np.shares_memory(train, test)


def test_a_file_that_is_not_idx_or_is_cut_short_is_named(tmp_path):
    for content in (b"hello, world", b"\x00\x00\x08\x01\x00\x00\x00\x05abc"):
        file = tmp_path / "bad.gz"
        file.write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match=r"bad\.gz"):
            digits.read_idx(file)


def write_pictures(folder, x, y, side=28):
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(x):
        image = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((side, side))
        image.save(folder / f"{i:08d}.png")
    return "".join(f"{i:08d}.png {label}\n" for i, label in enumerate(y.tolist()))


def test_the_authors_archive_is_read_where_a_user_has_it(data):
    made = digits.load("sample")
    assert not digit_files.has_archive()
    for split, part in (("train", made.target.first(12)), ("test", made.target_test.first(8))):
        root = data / digit_files.ARCHIVE
        text = write_pictures(root / f"mnist_m_{split}", part.x, part.y, side=32)
        (root / f"mnist_m_{split}_labels.txt").write_text(text)
    assert digit_files.has_archive()
    domains = digits.load("sample", "archive")
    assert domains.target.x.shape == (12, 3, 28, 28) and len(domains.target_test) == 8
    assert torch.equal(domains.target.y, made.target.y[:12])
    error = (domains.target.x.float() - made.target.x[:12].float()).abs().mean()
    assert error < 16  # two resamplings blur, but do not move


@pytest.mark.parametrize("line", ["a.png", "a.png x", "a.png 11", " 3"])
def test_a_bad_line_of_labels_is_named(tmp_path, line):
    Image.new("RGB", (28, 28)).save(tmp_path / "a.png")
    labels = tmp_path / "labels.txt"
    labels.write_text(f"a.png 3\n\n{line}\n")
    with pytest.raises(ValueError, match="line 3"):
        digit_files.read_labelled(tmp_path, labels)


def test_pictures_of_two_sizes_or_too_small_are_refused(tmp_path):
    Image.new("RGB", (28, 28)).save(tmp_path / "a.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "b.png")
    labels = tmp_path / "labels.txt"
    labels.write_text("a.png 3\nb.png 4\n")
    with pytest.raises(ValueError, match=r"line 2: b\.png"):
        digit_files.read_labelled(tmp_path, labels)
    with pytest.raises(ValueError, match="28"):
        digit_files.to_side(np.zeros((1, 20, 20, 3), np.uint8))


def test_cropping_keeps_the_centre():
    x = np.zeros((1, 32, 32, 3), np.uint8)
    x[:, 2:30, 2:30] = 200
    assert (digit_files.to_side(x, "crop") == 200).all()


@pytest.mark.skipif(
    not (assets.available("MNIST") and assets.available("BSDS500")),
    reason="needs MNIST and BSDS500",
)
def test_full_target_has_the_published_sizes_and_both_splits_differ():
    x_train, y_train, x_test, _ = digits.mnist()
    assert x_train.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert np.bincount(y_train)[:3].tolist() == [5923, 6742, 5958]
    assert len(digits.bsds_photos("train")) == len(digits.bsds_photos("test")) == 200
