"""Sets of labelled pictures: 15-Scene, the ImageNet samples, any folder, the sample patches."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from . import assets, inventory, photos
from .images import CLASS_NAMES, SUFFIXES, Source


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


def from_folder(root: Path) -> ImageSet:
    """Read ``root/<class>/<picture>``; files that are no pictures are passed over with a warning.

    Raise ValueError for a folder without classes or a class without pictures.
    """
    root = Path(root)
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise ValueError(f"{root} has no class folders: expected <class>/<picture> in it")
    images: list[Path] = []
    y: list[int] = []
    for label, folder in enumerate(folders):
        found = _pictures(folder)
        if not found:
            raise ValueError(f"class folder {folder} holds no pictures: fill it or remove it")
        images += found
        y += [label] * len(found)
    return ImageSet(images, np.array(y), tuple(p.name for p in folders))


def _pictures(folder: Path) -> list[Path]:
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    found = [p for p in entries if p.is_file() and p.suffix.lower() in SUFFIXES]
    if len(found) < len(entries):
        others = len(entries) - len(found)
        warnings.warn(f"{folder}: passed over {others} entries that are no pictures", stacklevel=3)
    return found


def scene15() -> tuple[ImageSet, ImageSet]:
    """Return the official training (1,500) and test (2,985) split of 15-Scene (Lazebnik 2006)."""
    root = assets.locate("15-Scene")
    return from_folder(root / "train"), from_folder(root / "test")


def scenes(profile: str) -> tuple[ImageSet, ImageSet]:
    """Return chapter 1's training and test set: 15-Scene, or the sample profile's grey patches."""
    if profile == "full":
        return scene15()
    train, test = photos.patches(photos.GREY, seed=1)
    return _patch_set(*train), _patch_set(*test)


def _patch_set(x: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> ImageSet:
    return ImageSet(list(x), y, classes)


def imagenet_samples() -> ImageSet:
    """Return the ImageNet sample pictures, one per class present, with their class indices."""
    root = assets.locate("imagenet-samples")
    index = {wordnet: i for i, wordnet in enumerate(inventory.lines("wordnet_ids.txt"))}
    images = sorted(root.glob("*.JPEG"))
    y = np.array([index[path.name.split("_")[0]] for path in images])
    return ImageSet(images, y, CLASS_NAMES)


GALLERY = ("Egyptian_cat", "Shih-Tzu", "komondor", "swab", "wombat", "window_screen")
"""Six ImageNet samples: two that breeds confuse, a dog like a mop, a mop, and an odd one."""


def gallery(profile: str) -> ImageSet:
    """Return six pictures with the classes of the profile's networks."""
    if profile == "full":
        samples = imagenet_samples()
        names = [Path(str(image)).stem.split("_", 1)[1] for image in samples.images]
        return samples.subset(np.array([names.index(name) for name in GALLERY]))
    _, (x, y, classes) = photos.patches(photos.COLOUR, n_train=1, n_test=1, seed=2)
    return _patch_set(x[:6], y[:6], classes)


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
