"""Photographs that come inside scikit-learn and scikit-image, cut into labelled patches.

They stand in for the real data in the sample profile. Training patches come from the left part of
each photograph and test patches from the right, so no pixel is in both.
"""

from functools import cache
from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image

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
