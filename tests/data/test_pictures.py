"""Labelled sets: folders as users have them, the sample patches, the official split."""

import io

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


class Payload:
    """What must not run: unpickling it would write a file."""

    def __reduce__(self):
        return (open, (str(Payload.target), "w"))


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Write a stand-in of the course's file into a data folder of its own."""
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path))
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    rng = np.random.default_rng(0)
    whole = {
        "X": rng.integers(0, 256, (25, 224, 224, 3)).astype(np.uint8),
        "y": rng.integers(0, 1000, 25),
        "label_map": np.array({0: "tench"}, dtype=object),
    }

    def write(**changed):
        arrays = {k: v for k, v in (whole | changed).items() if v is not None}
        np.savez(tmp_path / pictures.COURSE, **arrays)
        return arrays

    return write


def test_the_courses_own_pictures_come_first_where_they_lie(course):
    assert pictures.course_pictures() is None
    other = pictures.ImageSet([np.zeros((9, 9, 3), np.uint8)], np.array([3]), pictures.CLASS_NAMES)
    assert pictures.with_course_pictures(other) is other
    arrays = course()
    found = pictures.with_course_pictures(other)
    assert len(found) == 26 and found.y.tolist() == [*arrays["y"].tolist(), 3]
    np.testing.assert_array_equal(found.images[7], arrays["X"][7])
    assert found.classes[3] == pictures.CLASS_NAMES[3]


def test_the_pickle_in_the_courses_file_never_runs(course, tmp_path):
    Payload.target = tmp_path / "ran"
    course(label_map=np.array(Payload(), dtype=object))
    assert len(pictures.course_pictures()) == 25 and not Payload.target.exists()
    course(y=np.array([Payload()] * 25, dtype=object))
    with pytest.raises(pictures.PicturesError, match="not readable"):
        pictures.course_pictures()
    assert not Payload.target.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"X": None},
        {"X": np.zeros((25, 224, 224, 3))},
        {"X": np.zeros((25, 3, 224, 224), np.uint8)},
        {"y": np.arange(24)},
        {"y": np.full(25, 1000)},
        {"y": np.full(25, 0.5)},
    ],
)
def test_a_course_file_of_another_form_is_refused(course, changed):
    course(**changed)
    with pytest.raises(pictures.PicturesError, match="expected X"):
        pictures.course_pictures()


def entry(at, value):
    """Change one byte of the first entry of a zip's list of contents."""
    return lambda b: (i := b.index(b"PK\x01\x02") + at) and b[:i] + bytes([value]) + b[i + 1 :]


def as_array(_):
    """Return a file of one array in the place of several."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:1000],
        lambda b: b"",
        lambda b: b[:400] + b[500:],
        entry(6, 237),  # wants a version that is still to come
        entry(8, 1),  # says that it is encrypted
        as_array,
    ],
)
def test_a_damaged_course_file_is_refused(course, tmp_path, damage):
    course()
    path = tmp_path / pictures.COURSE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(pictures.PicturesError, match="copy it again or remove it"):
        pictures.course_pictures()
