"""The two domains: digits laid over photographs, and which photographs serve which split."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from practicals.adaptation import domains as digits
from practicals.data import fetch, pictures
from practicals.data.digits import ARCHIVE, SAMPLE_TEST


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    return tmp_path


def test_difference_is_the_absolute_difference_in_every_channel():
    rng = np.random.default_rng(0)
    ink = rng.integers(256, size=(5, 28, 28), dtype=np.uint8)
    backs = rng.integers(256, size=(5, 28, 28, 3), dtype=np.uint8)
    made = digits.lay_over(ink, backs, "difference")
    expected = np.abs(backs.astype(int) - ink[..., None].astype(int)).transpose(0, 3, 1, 2)
    assert made.dtype == np.uint8 and np.array_equal(made, expected)


@pytest.mark.parametrize("variant, above", [("inverted ink", 0), ("binarised", 127)])
def test_the_photograph_is_inverted_where_there_is_ink_and_left_alone_elsewhere(variant, above):
    rng = np.random.default_rng(0)
    ink = rng.integers(256, size=(5, 28, 28), dtype=np.uint8)
    ink[:, ::2] = rng.integers(3, size=(5, 14, 28))  # many at and just above the edge, 0
    backs = rng.integers(256, size=(5, 28, 28, 3), dtype=np.uint8)
    made = digits.lay_over(ink, backs, variant).transpose(0, 2, 3, 1)
    is_ink = ink > above
    assert np.array_equal(made[is_ink], 255 - backs[is_ink])
    assert np.array_equal(made[~is_ink], backs[~is_ink])


def test_the_first_variant_is_the_one_that_is_made_by_default():
    ink, backs = np.full((1, 28, 28), 1, np.uint8), np.full((1, 28, 28, 3), 10, np.uint8)
    assert set(digits.lay_over(ink, backs).ravel()) == {245}


def test_digits_move_a_little_and_keep_their_two_values():
    square = np.zeros((200, 28, 28), np.uint8)
    square[:, 9:19, 9:19] = 200
    found = digits.inked(square, "inverted ink", np.random.default_rng(0))
    assert set(found.ravel()) == {0, 255}
    area = (found > 0).sum((1, 2)) / 100
    assert area.min() < 0.9 and area.max() > 1.1
    smallest, largest = (1 - digits.SCALE) ** 2, (1 + digits.SCALE) ** 2
    assert area.min() > smallest - 0.12 and area.max() < largest + 0.12
    rows, columns = ((found.sum(axis) > 0).argmax(1) for axis in (2, 1))
    for first in (rows, columns):
        assert len(set(first)) >= 4 and abs(first.mean() - 9) < 0.5
        assert abs(first - 9).max() <= np.ceil(digits.SHIFT + 10 * digits.SCALE / 2)


def test_moving_does_not_thicken_the_ink():
    """A thin grey rim counts as ink first; between pixels half of it decides."""
    ring = np.zeros((100, 28, 28), np.uint8)
    ring[:, 10:18, 13:15] = 1
    found = digits.inked(ring, "inverted ink", np.random.default_rng(1))
    assert (found > 0).sum((1, 2)).mean() == pytest.approx(16, rel=0.1)


@pytest.mark.parametrize("moving", [False, True])
def test_only_training_digits_move(data, moving):
    plain, other = (digits.load(False, moving=flag) for flag in (False, moving))
    assert torch.equal(plain.target_test.x, other.target_test.x)
    assert torch.equal(plain.target.x, other.target.x) != moving


def test_a_digest_names_the_pictures_and_the_labels(data):
    one = digits.load(False)
    assert one.digest() == digits.load(False).digest() != digits.load(False, seed=1).digest()
    other = digits.Digits(one.target.x, one.target.y.flip(0))
    assert dataclasses.replace(one, target=other).digest() != one.digest()


def test_all_test_sets_lie_over_the_patches_of_the_first(data):
    tests, domains = digits.load_tests(False), digits.load(False)
    assert list(tests)[: len(digits.VARIANTS)] == list(digits.VARIANTS)
    assert torch.equal(tests[digits.VARIANTS[0]].x, domains.target_test.x)
    for variant in digits.VARIANTS:
        made = digits.load(False, variant)
        assert torch.equal(tests[variant].x, made.target_test.x)
    for name, part in tests.items():
        assert part.x.shape == domains.target_test.x.shape and part.x.dtype == torch.uint8
        assert torch.equal(part.y, domains.target_test.y), name


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
    one, two, other = (digits.make_target(False, "difference", seed, True) for seed in (0, 0, 1))
    assert np.array_equal(one["train"], two["train"]) and np.array_equal(one["test"], two["test"])
    assert not np.array_equal(one["train"], other["train"])


def test_sample_domains_need_no_download_and_share_labels(data):
    domains = digits.load(False)
    assert len(domains.source) == 1797 - SAMPLE_TEST and len(domains.target_test) == 500
    assert domains.target.x.shape[1:] == domains.source.x.shape[1:] == (3, 28, 28)
    assert domains.target.x.dtype == domains.source.x.dtype == torch.uint8
    assert torch.equal(domains.target.y, domains.source.y)
    again = digits.load(False)  # this one comes from the cache
    assert torch.equal(again.target.x, domains.target.x)
    assert torch.equal(again.target_test.x, domains.target_test.x)


def test_train_and_test_photographs_of_the_sample_are_two_parts_of_each():
    names = pictures.COLOUR
    parts = zip(digits.sample_photos("train"), digits.sample_photos("test"), names, strict=True)
    for train, test, name in parts:
        assert np.array_equal(np.concatenate([train, test], 1), pictures.photo(name))
        assert train.shape[1] >= 28 and test.shape[1] >= 28


def test_photographs_are_read_from_the_folder_of_their_split(tmp_path, monkeypatch):
    for split, grey in (("train", 10), ("test", 200)):
        folder = tmp_path / "images" / split
        folder.mkdir(parents=True)
        Image.new("RGB", (40, 30), (grey,) * 3).save(folder / "1.jpg")
    monkeypatch.setattr(digits.fetch, "locate", lambda name: tmp_path)
    assert np.ptp(digits.bsds_photos("train")[0]) == 0 == np.ptp(digits.bsds_photos("test")[0])
    assert [digits.bsds_photos(split)[0].max() for split in ("train", "test")] == [10, 200]


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("variant", digits.VARIANTS)
def test_each_split_of_the_target_lies_over_photographs_of_its_own(monkeypatch, real, variant):
    """Where there is no ink the photograph stands unchanged, and each split's has one grey."""
    greys = {"train": 10, "test": 200}
    ink = np.zeros((6, 28, 28), np.uint8)
    ink[:, 10:18, 10:18] = 255
    monkeypatch.setattr(digits, "mnist", lambda: (ink, None, ink[:4], None))
    monkeypatch.setattr(digits, "small_digits", lambda: (ink, None, ink[:4], None))
    for photos in ("bsds_photos", "sample_photos"):
        monkeypatch.setattr(
            digits, photos, lambda split: [np.full((30, 40, 3), greys[split], np.uint8)]
        )
    made = digits.make_target(real, variant, seed=0, moving=False)
    assert {split: len(x) for split, x in made.items()} == {"train": 6, "test": 4}
    for split, x in made.items():
        assert set(x[..., 0, :].ravel()) == {greys[split]}
        assert set(x[..., 14, 14].ravel()) == {255 - greys[split]}


def test_the_authors_archive_takes_the_place_of_the_target(data):
    made = digits.load(False)
    for split, part in (("train", made.target.first(12)), ("test", made.target_test.first(8))):
        write_pictures(data / ARCHIVE, split, part)
    found = digits.load(False, "archive")
    assert torch.equal(found.target.x, made.target.x[:12])
    assert torch.equal(found.target_test.x, made.target_test.x[:8])
    assert torch.equal(found.target.y, made.target.y[:12])


def write_pictures(root, split, digits):
    """Write digits as the authors did: not scaled, in a border of two pixels."""
    folder = root / f"mnist_m_{split}"
    folder.mkdir(parents=True)
    lines = []
    for i, picture in enumerate(digits.x):
        padded = np.pad(picture.permute(1, 2, 0).numpy(), ((2, 2), (2, 2), (0, 0)))
        Image.fromarray(padded).save(folder / f"{i:08d}.png")
        lines.append(f"{i:08d}.png {digits.y[i]}\n")
    (root / f"mnist_m_{split}_labels.txt").write_text("".join(lines))


@pytest.mark.skipif(not fetch.available("BSDS500"), reason="needs BSDS500")
def test_both_splits_have_200_photographs_and_share_none():
    train, test = digits.bsds_photos("train"), digits.bsds_photos("test")
    assert len(train) == len(test) == 200
    assert not {x.tobytes() for x in train} & {x.tobytes() for x in test}
