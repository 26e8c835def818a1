"""Sets of labelled pictures: 15-Scene, the ImageNet samples, the sample patches.

The sample profile's patches are cut from photographs that come inside scikit-learn and
scikit-image. Training patches come from the left part of each photograph and test patches from the
right, so no pixel is in both.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image

from .. import paths
from . import fetch
from .images import CLASS_NAMES, Source

COLOUR = (
    "astronaut.png",
    "chelsea.png",
    "china.jpg",
    "coffee.png",
    "flower.jpg",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
GREY = (
    "brick.png",
    "camera.png",
    "cell.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "moon.png",
    "page.png",
)
TRAIN_PART = 0.6
"""Share of a photograph's width that training patches come from."""
WINDOWS = (48, 128)
"""Smallest and largest side, in pixels, of the window that becomes a patch."""
Patches = tuple[np.ndarray, np.ndarray, tuple[str, ...]]
"""Pixels (n, side, side, 3) uint8, labels (n,), class names."""


@cache
def photo(name: str) -> np.ndarray:
    """Return one photograph as uint8 of shape (H, W, 3); raise FileNotFoundError if not shipped."""
    folders = (
        Path(skimage.__file__).parent / "data",
        Path(sklearn.__file__).parent / "datasets" / "images",
    )
    for folder in folders:
        if (folder / name).is_file():
            with Image.open(folder / name) as image:
                return np.array(image.convert("RGB"))
    raise FileNotFoundError(
        f"{name} is not in the installed scikit-image or scikit-learn; reinstall requirements.txt"
    )


def _cut(pixels: np.ndarray, count: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Cut random square windows out of ``pixels`` and resize them to (count, side, side, 3)."""
    height, width = pixels.shape[:2]
    largest = min(WINDOWS[1], height, width)
    found = []
    for _ in range(count):
        window = int(rng.integers(min(WINDOWS[0], largest), largest + 1))
        top, left = (int(rng.integers(0, room - window + 1)) for room in (height, width))
        crop = Image.fromarray(pixels[top : top + window, left : left + window])
        found.append(np.array(crop.resize((side, side), Image.Resampling.BILINEAR)))
    return np.stack(found)


def patches(
    names: tuple[str, ...], n_train: int = 60, n_test: int = 60, side: int = 64, seed: int = 0
) -> tuple[Patches, Patches]:
    """Return training and test patches, ``n_train`` and ``n_test`` per photograph.

    A photograph is a class. No pixel of a training patch lies in a test patch.
    """
    rng = np.random.default_rng(seed)
    classes = tuple(name.split(".")[0].removesuffix("_left") for name in names)
    train, test = [], []
    for name in names:
        pixels = photo(name)
        edge = int(pixels.shape[1] * TRAIN_PART)
        train.append(_cut(pixels[:, :edge], n_train, side, rng))
        test.append(_cut(pixels[:, edge:], n_test, side, rng))
    y_train, y_test = (np.repeat(np.arange(len(names)), n) for n in (n_train, n_test))
    return (np.concatenate(train), y_train, classes), (np.concatenate(test), y_test, classes)


@dataclass(frozen=True)
class ImageSet:
    """Pictures with integer labels; ``images[i]`` is a path or an array, ``y`` has shape (n,)."""

    images: Sequence[Source]
    y: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, index: np.ndarray) -> "ImageSet":
        """Return the pictures at ``index`` (integers or a boolean mask of length n)."""
        index = np.arange(len(self))[index]
        return ImageSet([self.images[i] for i in index], self.y[index], self.classes)

    def digest(self) -> str:
        """Return one hash of all pictures and labels, for the keys of caches."""
        parts = "".join(map(digest, self.images)) + self.y.astype(int).tobytes().hex()
        return sha256(parts.encode()).hexdigest()[:16]

    def joined(self, other: "ImageSet") -> "ImageSet":
        """Return this set followed by another of the same classes."""
        if self.classes != other.classes:
            raise ValueError("cannot join sets of different classes")
        return ImageSet([*self.images, *other.images], np.r_[self.y, other.y], self.classes)


def scene15() -> tuple[ImageSet, ImageSet]:
    """Return the official training (1,500) and test (2,985) split of 15-Scene (Lazebnik 2006).

    Only the names of the split are read, whatever else lies in the folder.
    """
    root = fetch.locate("15-Scene")
    return _split(root, "train"), _split(root, "test")


def _split(root: Path, part: str) -> ImageSet:
    names = [name for name in fetch.scene15_files() if name.startswith(f"{part}/")]
    labels = [name.split("/")[1] for name in names]
    classes, y = np.unique(labels, return_inverse=True)
    return ImageSet([root / name for name in names], y, tuple(map(str, classes)))


def scenes(real: bool) -> tuple[ImageSet, ImageSet]:
    """Return chapter 1's training and test set: 15-Scene, or the sample profile's grey patches."""
    if real:
        return scene15()
    (x, y, classes), (x_test, y_test, _) = patches(GREY, seed=1)
    return ImageSet(list(x), y, classes), ImageSet(list(x_test), y_test, classes)


def sample_scenes() -> tuple[ImageSet, ImageSet]:
    """Return training and test patches of the colour photographs: the sample profile's scenes."""
    (x, y, classes), (x_test, y_test, _) = patches(COLOUR)
    return ImageSet(list(x), y, classes), ImageSet(list(x_test), y_test, classes)


def held_out_patches(each: int, seed: int) -> ImageSet:
    """Return ``each`` patches of every colour photograph, of the part no network was trained on."""
    _, (x, y, classes) = patches(COLOUR, n_train=1, n_test=each, seed=seed)
    return ImageSet(list(x), y, classes)


def imagenet_samples() -> ImageSet:
    """Return the ImageNet sample pictures, one per class present, with their class indices."""
    root = fetch.locate("imagenet-samples")
    index = {wordnet: i for i, wordnet in enumerate(fetch.lines("wordnet_ids.txt"))}
    members = fetch.load()["imagenet-samples"].members
    images = sorted(root / member.name for member in members)
    y = np.array([index[path.name.split("_")[0]] for path in images])
    return ImageSet(images, y, CLASS_NAMES)


COURSE = "imagenet_val_25.npz"
"""The course's own 25 pictures, for who has them: ``X`` uint8 (25, 224, 224, 3), ``y`` (25,)."""


DAMAGED = (
    *(OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile),
    *(RuntimeError, TypeError),  # a zip that claims to be encrypted or of the future; no zip
)
"""What reading an altered file of arrays raises."""


class PicturesError(ValueError):
    """Raised for a file of pictures that is damaged or of another form."""


def course_pictures() -> ImageSet | None:
    """Return the course's own ImageNet validation pictures, or None where they do not lie in data.

    The file's third array, a pickle, is never opened: unpickling can run anything, and the names
    of the classes are known here.
    """
    places = [folder for folder in (paths.data_dir(), paths.mirror_dir()) if folder]
    path = next((p for p in (place / COURSE for place in places) if p.is_file()), None)
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y = file["X"], file["y"]
    except DAMAGED as error:
        raise PicturesError(
            f"{path} is not readable ({error}): expected X, y as in the course's {COURSE}; copy it "
            "again or remove it"
        ) from None
    fits = x.ndim == 4 and x.shape[3] == 3 and y.shape == x.shape[:1] and y.dtype.kind in "iu"
    if x.dtype != np.uint8 or not fits or not (len(y) and y.min() >= 0 and y.max() < 1000):
        raise PicturesError(
            f"{path}: expected X uint8 (n, H, W, 3) and y classes 0 to 999 (n,), "
            f"got {x.dtype} {x.shape} and {y.dtype} {y.shape}"
        )
    return ImageSet(list(x), y.astype(int), CLASS_NAMES)


def with_course_pictures(found: ImageSet) -> ImageSet:
    """Return a set of ImageNet pictures behind the course's own, where these are at hand."""
    own = course_pictures()
    return found if own is None else own.joined(found)


GALLERY = ("Egyptian_cat", "Shih-Tzu", "komondor", "swab", "wombat", "window_screen")
"""Six ImageNet samples: two that breeds confuse, a dog like a mop, a mop, and an odd one."""


def gallery(real: bool) -> ImageSet:
    """Return six pictures with the classes of the profile's networks."""
    if real:
        samples = imagenet_samples()
        names = [Path(str(image)).stem.split("_", 1)[1] for image in samples.images]
        return samples.subset(np.array([names.index(name) for name in GALLERY]))
    return held_out_patches(1, seed=2).subset(np.arange(6))


def digest(source: Source) -> str:
    """Return the sha256 of a picture's bytes (of the file, or of the array's pixels)."""
    data = source.tobytes() if isinstance(source, np.ndarray) else Path(source).read_bytes()
    return sha256(data).hexdigest()


def duplicates(train: ImageSet, test: ImageSet) -> np.ndarray:
    """Return the pairs (i, j), shape (p, 2), of byte-identical ``train[i]`` and ``test[j]``."""
    seen: dict[str, list[int]] = {}
    for i, source in enumerate(train.images):
        seen.setdefault(digest(source), []).append(i)
    pairs = [(i, j) for j, source in enumerate(test.images) for i in seen.get(digest(source), ())]
    return np.array(pairs, int).reshape(-1, 2)
