"""Two domains of digits: MNIST, and MNIST-M made from it with photographs behind.

MNIST-M (Ganin et al., JMLR 2016) lays a digit d over a patch p of a BSDS500 photograph as |p − d|
in each channel. In the authors' own pictures ink has hard edges and covers every pixel where the
digit is above 0, so that the photograph is inverted there (255 − p) and left alone elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import torch
from torch.nn import functional as F

from provenance import cache

from ..data import fetch, images, pictures
from ..data.digits import SIDE, Digits, archive, as_rgb, mnist, small_digits, to_side

INK = {
    "inverted ink": lambda d: np.where(d > 0, 255, 0),
    "binarised": lambda d: np.where(d > BINARY_ABOVE, 255, 0),
    "difference": lambda d: d,
}
"""How much ink each variant of the target makes of a digit's grey, both in 0 to 255."""
VARIANTS = tuple(INK)
BINARY_ABOVE = 127
SHIFT, SCALE = 1.5, 0.1
"""Largest move of a training digit, in pixels, and largest change of its size, as a fraction."""
CHUNK = 4096


@dataclass(frozen=True)
class Domains:
    """A labelled source and a target whose training labels no method may read."""

    source: Digits
    source_test: Digits
    target: Digits
    target_test: Digits
    variant: str

    @cached_property
    def _digest(self) -> str:
        found = sha256(self.variant.encode())
        for part in (self.source, self.source_test, self.target, self.target_test):
            found.update(part.x.contiguous().numpy().tobytes() + part.y.numpy().tobytes())
        return found.hexdigest()

    def digest(self) -> str:
        """Return a hash of all pixels and labels, which stands for them in the key of a cache."""
        return self._digest


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


def ink_of(digits: np.ndarray, variant: str) -> np.ndarray:
    """Return the ink, uint8 (n, 28, 28), of digits (n, 28, 28); raise ValueError for a variant."""
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: expected one of {VARIANTS}")
    return INK[variant](digits).astype(np.uint8)


def lay_over(digits: np.ndarray, backs: np.ndarray, variant: str = VARIANTS[0]) -> np.ndarray:
    """Return |p − ink| for digits (n, 28, 28) and patches (n, 28, 28, 3): uint8 (n, 3, 28, 28).

    Full ink, 255, inverts the photograph; no ink, 0, leaves it alone.
    """
    ink = ink_of(digits, variant)[..., None]
    # The larger minus the smaller stays within a byte, unlike p − d.
    difference = np.maximum(ink, backs) - np.minimum(ink, backs)
    return np.ascontiguousarray(difference.transpose(0, 3, 1, 2))


def moved(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move and scale each digit (n, 28, 28) at random, by up to ``SHIFT`` pixels and ``SCALE``.

    Values between pixels are bilinear. A picture of two values keeps these two.
    """
    n = len(digits)
    scale = rng.uniform(1 - SCALE, 1 + SCALE, n)
    shift = rng.uniform(-SHIFT, SHIFT, (n, 2))
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = -shift / (SIDE / 2) / scale[:, None]
    found = np.empty_like(digits)
    for i in range(0, n, CHUNK):
        part = torch.from_numpy(digits[i : i + CHUNK]).float()[:, None]
        grid = F.affine_grid(torch.from_numpy(theta[i : i + CHUNK]), list(part.shape), False)
        between = F.grid_sample(part, grid, align_corners=False)[:, 0]
        found[i : i + CHUNK] = between.round().numpy()
    return found


def inked(digits: np.ndarray, variant: str, rng: np.random.Generator) -> np.ndarray:
    """Return the moved ink of ``digits``: ink first, so that scaling thickens no stroke."""
    ink = moved(ink_of(digits, variant), rng)
    return ink if variant == "difference" else ink_of(ink, "binarised")


def make_target(real: bool, variant: str, seed: int, moving: bool) -> dict[str, np.ndarray]:
    """Return the pixels ``train`` and ``test`` of MNIST-M; photographs of one are not in the other.

    The same seed gives the same pixels, and the same patches in every variant; digits keep MNIST's
    order and labels. Where ``moving``, training digits are moved; test digits never are.
    """
    x_train, _, x_test, _ = mnist() if real else small_digits()
    photos = bsds_photos if real else sample_photos
    rng = np.random.default_rng(seed)
    backs = [patches(photos(split), n, rng) for split, n in splits(x_train, x_test)]
    test = lay_over(x_test, backs[1], variant)
    if not moving:
        return {"train": lay_over(x_train, backs[0], variant), "test": test}
    # Ink is made already: its grey is the darkness of the stroke, as |p − d| takes it.
    return {"train": lay_over(inked(x_train, variant, rng), backs[0], "difference"), "test": test}


def splits(train: np.ndarray, test: np.ndarray) -> tuple[tuple[str, int], ...]:
    """Return the name and the size of both splits, in the order in which they are made."""
    return ("train", len(train)), ("test", len(test))


def load(real: bool, variant: str = VARIANTS[0], seed: int = 0, moving: bool = False) -> Domains:
    """Return MNIST and MNIST-M, or, where not ``real``, the sample digits over photo patches.

    The target is made on first use, in seconds, and kept in the cache. The variant ``archive``
    reads the authors' own files instead (see ``data.digits``).
    """
    x_train, y_train, x_test, y_test = mnist() if real else small_digits()
    source, source_test = as_rgb(x_train, y_train), as_rgb(x_test, y_test)
    if variant == "archive":
        target, target_test = (Digits(*archive(split)) for split in ("train", "test"))
        return Domains(source, source_test, target, target_test, variant)
    made = cache.once(make_target, real, variant, seed, moving)
    target = Digits(torch.from_numpy(made["train"]), source.y)
    target_test = Digits(torch.from_numpy(made["test"]), source_test.y)
    return Domains(source, source_test, target, target_test, variant)


def make_tests(real: bool, seed: int) -> dict[str, np.ndarray]:
    """Return the test digits over the same patches in every variant, moved, and from 32 × 32.

    ``moved`` and ``resized`` have inverted ink; for the latter a digit in a frame of 32 × 32 is
    made smaller to 28 × 28, photograph and all, as happens where the authors' files are resized.
    """
    x_train, _, x, _ = mnist() if real else small_digits()
    photos = bsds_photos if real else sample_photos
    rng = np.random.default_rng(seed)
    backs = [patches(photos(split), n, rng) for split, n in splits(x_train, x)][1]
    found = {variant: lay_over(x, backs, variant) for variant in VARIANTS}
    found["moved"] = lay_over(inked(x, VARIANTS[0], rng), backs, "difference")
    wide = np.pad(found[VARIANTS[0]], ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    return found | {"resized": to_side(wide.transpose(0, 2, 3, 1)).numpy()}


def load_tests(real: bool, seed: int = 0) -> dict[str, Digits]:
    """Return the target's test digits by variant; the first is that of ``load``."""
    _, _, _, y = mnist() if real else small_digits()
    labels = torch.from_numpy(y.astype(np.int64))
    made = cache.once(make_tests, real, seed)
    return {name: Digits(torch.from_numpy(x), labels) for name, x in made.items()}
