"""Two domains of digits: MNIST, and MNIST-M made from it with photographs behind.

MNIST-M (Ganin et al., JMLR 2016) lays a digit d over a patch p of a BSDS500 photograph as |p − d|
in each channel: where the digit is bright, the photograph is inverted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch

from .. import jobs
from ..data import fetch, images, pictures
from ..data.digits import SIDE, Digits, archive, as_rgb, mnist, small_digits

VARIANTS = ("difference", "inverted")
"""``difference`` is |p − d|; ``inverted`` first makes the digit black or white."""
BINARY_ABOVE = 127
CHUNK = 4096


@dataclass(frozen=True)
class Domains:
    """A labelled source and a target whose training labels no method may read."""

    source: Digits
    source_test: Digits
    target: Digits
    target_test: Digits
    variant: str


def bsds_photos(split: str) -> list[np.ndarray]:
    """Return the BSDS500 photographs of ``train`` or ``test``, each uint8 of shape (H, W, 3)."""
    files = sorted((fetch.locate("BSDS500") / "images" / split).glob("*.jpg"))
    return [np.asarray(images.read(file)) for file in files]


def sample_photos(split: str) -> list[np.ndarray]:
    """Return the left (train) or right (test) parts of the photographs inside scikit-image."""
    parts = []
    for name in pictures.COLOUR:
        pixels = pictures.photo(name)
        edge = int(pixels.shape[1] * pictures.TRAIN_PART)
        parts.append(pixels[:, :edge] if split == "train" else pixels[:, edge:])
    return parts


def patches(photos: Sequence[np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """Cut ``count`` random 28 × 28 patches out of ``photos``: uint8 (count, 28, 28, 3).

    All pictures lie in one flat array, so that a chunk of patches is a single look-up.
    """
    flat = np.concatenate([picture.reshape(-1, 3) for picture in photos])
    heights, widths = np.array([picture.shape[:2] for picture in photos]).T
    start = np.r_[0, np.cumsum(heights * widths)[:-1]]
    which = rng.integers(len(photos), size=count)
    top = rng.integers(heights[which] - SIDE + 1)
    left = rng.integers(widths[which] - SIDE + 1)
    corner = start[which] + top * widths[which] + left
    down, across = np.arange(SIDE)[:, None], np.arange(SIDE)
    found = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for i in range(0, count, CHUNK):
        part = slice(i, i + CHUNK)
        window = down * widths[which[part], None, None] + across
        found[part] = flat[corner[part, None, None] + window]
    return found


def lay_over(digits: np.ndarray, backs: np.ndarray, variant: str = "difference") -> np.ndarray:
    """Return |p − d| for digits (n, 28, 28) and patches (n, 28, 28, 3), as uint8 (n, 3, 28, 28).

    With ``inverted`` a digit's pixel is black or white: the photograph is inverted or left alone.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: expected one of {VARIANTS}")
    if variant == "inverted":
        digits = np.where(digits > BINARY_ABOVE, 255, 0).astype(np.uint8)
    ink = digits[..., None]
    # The larger minus the smaller stays within a byte, unlike p − d.
    difference = np.maximum(ink, backs) - np.minimum(ink, backs)
    return np.ascontiguousarray(difference.transpose(0, 3, 1, 2))


def make_target(real: bool, variant: str, seed: int) -> dict[str, np.ndarray]:
    """Return the pixels ``train`` and ``test`` of MNIST-M; photographs of one are not in the other.

    The same seed gives the same pixels; digits keep MNIST's order and labels.
    """
    x_train, _, x_test, _ = mnist() if real else small_digits()
    photos = bsds_photos if real else sample_photos
    rng = np.random.default_rng(seed)
    return {
        split: lay_over(x, patches(photos(split), len(x), rng), variant)
        for split, x in (("train", x_train), ("test", x_test))
    }


def load(real: bool, variant: str = "difference", seed: int = 0) -> Domains:
    """Return MNIST and MNIST-M, or, where not ``real``, the sample digits over photo patches.

    The target is made on first use, in seconds, and kept in the cache. The variant ``archive``
    reads the authors' own files instead (see ``data.digits``).
    """
    x_train, y_train, x_test, y_test = mnist() if real else small_digits()
    source, source_test = as_rgb(x_train, y_train), as_rgb(x_test, y_test)
    if variant == "archive":
        target, target_test = (Digits(*archive(split)) for split in ("train", "test"))
        return Domains(source, source_test, target, target_test, variant)
    made = jobs.once(make_target, real, variant, seed)
    target = Digits(torch.from_numpy(made["train"]), source.y)
    target_test = Digits(torch.from_numpy(made["test"]), source_test.y)
    return Domains(source, source_test, target, target_test, variant)


def checksum(domains: Domains) -> str:
    """Return the first 16 digits of the sha256 over the target's training and test pixels."""
    found = sha256()
    for digits in (domains.target, domains.target_test):
        found.update(digits.x.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
