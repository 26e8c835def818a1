"""Labelled sets: folders as users have them, the sample patches, the official split."""

import numpy as np
import pytest
from PIL import Image

from practicals.data import fetch, pictures

needs = lambda name: pytest.mark.skipif(  # noqa: E731
    not fetch.available(name), reason=f"needs {name} (make data, or DATA_MIRROR)"
)


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)


def test_duplicates_are_found_by_content():
    a, b, c = (np.full((2, 2), v, np.uint8) for v in (1, 2, 3))
    make = lambda *x: pictures.ImageSet(list(x), np.zeros(len(x), int), ("one",))  # noqa: E731
    assert pictures.duplicates(make(a, b), make(c, b, a)).tolist() == [[1, 1], [0, 2]]
    assert pictures.duplicates(make(a), make(c)).shape == (0, 2)


def test_digest_depends_on_pictures_and_labels():
    a, b = (np.full((2, 2), v, np.uint8) for v in (1, 2))
    make = lambda x, y: pictures.ImageSet(x, np.array(y), ("p", "q")).digest()  # noqa: E731
    assert make([a, b], [0, 1]) == make([a.copy(), b.copy()], [0, 1])
    assert len({make([a, b], [0, 1]), make([b, a], [0, 1]), make([a, b], [1, 1])}) == 3


def test_sample_patches_share_no_region(monkeypatch):
    """Colour every pixel by its column: train columns must all lie left of test columns."""
    ramp = np.tile(np.arange(250, dtype=np.uint8)[None, :, None], (200, 1, 3))
    monkeypatch.setattr(pictures, "photo", lambda name: ramp)
    (train, y, _), (test, _, _) = pictures.patches(("ramp.png", "again.png"), 30, 30, side=32)
    assert train.max() < test.min()
    assert np.bincount(y).tolist() == [30, 30]


def test_sample_scenes_are_balanced_and_reproducible():
    (train, test), (again, _) = pictures.scenes(real=False), pictures.scenes(real=False)
    assert len(set(np.bincount(train.y))) == 1 and train.classes == test.classes
    assert train.digest() == again.digest() != test.digest()
    assert len(pictures.duplicates(train, test)) == 0


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder whose copies are all taken for right, with files that no list names."""
    monkeypatch.setattr(fetch, "locate", lambda name: tmp_path / name)
    for extra in (
        "15-Scene/train/suburb/extra.png",
        "15-Scene/train/suburb/image_9999.jpg",
        "15-Scene/test/zoo/image_0001.jpg",
        "imagenet-samples/n01440764_another.JPEG",
        "imagenet-samples/n99999999_unknown.JPEG",
    ):
        picture(tmp_path / extra)
    return tmp_path


def test_only_the_scenes_of_the_split_are_read(data):
    names = fetch.scene15_files()
    train, test = pictures.scene15()
    found = [p.relative_to(data / "15-Scene").as_posix() for p in [*train.images, *test.images]]
    assert sorted(found) == sorted(names) and len(found) == 4485
    assert train.classes == test.classes and len(train.classes) == 15
    assert list(train.images) == sorted(train.images) and list(test.images) == sorted(test.images)
    for some in (train, test):
        assert [path.parent.name for path in some.images] == [some.classes[i] for i in some.y]


def test_only_the_samples_of_the_registry_are_read(data):
    listed = {m.name for m in fetch.load()["imagenet-samples"].members}
    samples = pictures.imagenet_samples()
    assert {path.name for path in samples.images} == listed
    assert list(samples.images) == sorted(samples.images) and len(set(samples.y)) == len(samples)


@needs("15-Scene")
def test_official_split():
    train, test = pictures.scene15()
    assert (len(train), len(test), len(train.classes)) == (1500, 2985, 15)
    assert set(np.bincount(train.y)) == {100}
    pairs = pictures.duplicates(train, test)
    assert len(pairs) == 11
    assert (train.y[pairs[:, 0]] != test.y[pairs[:, 1]]).sum() == 1


@needs("imagenet-samples")
def test_imagenet_samples_carry_their_class():
    samples = pictures.imagenet_samples()
    for image, label in list(zip(samples.images, samples.y, strict=True))[::40]:
        word = image.stem.split("_", 1)[1].replace("_", " ").lower()
        assert word in samples.classes[label].lower()
    gallery = pictures.gallery(real=True)
    assert [gallery.classes[i] for i in gallery.y][4] == "wombat"
