"""Handwritten digits in two domains: MNIST, and MNIST-M made from it with photographs behind.

MNIST-M (Ganin et al., JMLR 2016) lays a digit d over a patch p of a BSDS500 photograph as |p − d|
in each channel: where the digit is bright, the photograph is inverted.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from . import assets, caching, digit_files, images, photos
from .digit_files import SIDE

VARIANTS = ("difference", "inverted")
"""``difference`` is |p − d|; ``inverted`` first makes the digit black or white."""
BINARY_ABOVE = 127
CHUNK = 4096
SAMPLE_TEST = 500
"""Digits kept for testing when scikit-learn's 1,797 stand in for MNIST."""


@dataclass(frozen=True)
class Digits:
    """Pixels ``x``, uint8 of shape (n, 3, 28, 28), and labels ``y``, int64 of shape (n,)."""

    x: torch.Tensor
    y: torch.Tensor

    def __len__(self) -> int:
        return len(self.x)

    def first(self, n: int) -> "Digits":
        """Return the first ``n`` digits, or all where there are fewer."""
        return Digits(self.x[:n], self.y[:n])


@dataclass(frozen=True)
class Domains:
    """A labelled source and a target whose training labels no method may read."""

    source: Digits
    source_test: Digits
    target: Digits
    target_test: Digits
    variant: str


def read_idx(path: Path) -> np.ndarray:
    """Return the array in a gzipped IDX file of bytes (LeCun's format); raise ValueError else."""
    with gzip.open(path) as stream:
        content = stream.read()
    if content[:3] != b"\x00\x00\x08" or len(content) < 4:
        raise ValueError(f"{path} is not an IDX file of bytes: fetch MNIST again")
    ndim = content[3]
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", ndim, offset=4))
    pixels = np.frombuffer(content, np.uint8, offset=4 + 4 * ndim)
    if pixels.size != np.prod(shape):
        raise ValueError(f"{path} holds {pixels.size} bytes where its header says {shape}")
    return pixels.reshape(shape)


def mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return MNIST's training digits (60,000, 28, 28), labels, test digits (10,000, …), labels."""
    root = assets.locate("MNIST") / "raw"
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(read_idx(root / f"{name}-ubyte.gz") for name in names)


def small_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return scikit-learn's 8 × 8 digits in MNIST's form: 20 × 20 in a 28 × 28 frame, shuffled."""
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    pixels = torch.from_numpy(bunch.images[order]).float()[:, None] * (255 / 16)
    x = torch.nn.functional.interpolate(pixels, size=(20, 20), mode="bicubic").clamp(0, 255)
    x = torch.nn.functional.pad(x, (4,) * 4)[:, 0].round().byte().numpy()
    y = bunch.target[order].astype(np.uint8)
    return x[SAMPLE_TEST:], y[SAMPLE_TEST:], x[:SAMPLE_TEST], y[:SAMPLE_TEST]


def bsds_photos(split: str) -> list[np.ndarray]:
    """Return the BSDS500 photographs of ``train`` or ``test``, each uint8 of shape (H, W, 3)."""
    files = sorted((assets.locate("BSDS500") / "images" / split).glob("*.jpg"))
    return [np.asarray(images.read(file)) for file in files]


def sample_photos(split: str) -> list[np.ndarray]:
    """Return the left (train) or right (test) parts of the photographs inside scikit-image."""
    parts = []
    for name in photos.COLOUR:
        pixels = photos.photo(name)
        edge = int(pixels.shape[1] * photos.TRAIN_PART)
        parts.append(pixels[:, :edge] if split == "train" else pixels[:, edge:])
    return parts


def patches(pictures: Sequence[np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """Cut ``count`` random 28 × 28 patches out of ``pictures``: uint8 (count, 28, 28, 3).

    All pictures lie in one flat array, so that a chunk of patches is a single look-up.
    """
    flat = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    heights, widths = np.array([picture.shape[:2] for picture in pictures]).T
    start = np.r_[0, np.cumsum(heights * widths)[:-1]]
    which = rng.integers(len(pictures), size=count)
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


def make_target(profile: str, variant: str, seed: int) -> dict[str, np.ndarray]:
    """Return the pixels ``train`` and ``test`` of MNIST-M; photographs of one are not in the other.

    The same seed gives the same pixels; digits keep MNIST's order and labels.
    """
    full = profile == "full"
    x_train, _, x_test, _ = mnist() if full else small_digits()
    pictures = bsds_photos if full else sample_photos
    rng = np.random.default_rng(seed)
    return {
        split: lay_over(x, patches(pictures(split), len(x), rng), variant)
        for split, x in (("train", x_train), ("test", x_test))
    }


def load(profile: str, variant: str = "difference", seed: int = 0) -> Domains:
    """Return MNIST and MNIST-M (profile ``full``), or the sample digits over photo patches.

    The target is made on first use, in seconds, and kept in the cache. The variant ``archive``
    reads the authors' own files instead (see ``digit_files``).
    """
    x_train, y_train, x_test, y_test = mnist() if profile == "full" else small_digits()
    source, source_test = _grey(x_train, y_train), _grey(x_test, y_test)
    if variant == "archive":
        target, target_test = (Digits(*digit_files.archive(split)) for split in ("train", "test"))
        return Domains(source, source_test, target, target_test, variant)
    key = {"profile": profile, "variant": variant, "seed": seed}
    made = caching.load_or_compute("mnist-m", key, lambda: make_target(profile, variant, seed))
    target = Digits(torch.from_numpy(made["train"]), source.y)
    target_test = Digits(torch.from_numpy(made["test"]), source_test.y)
    return Domains(source, source_test, target, target_test, variant)


def _grey(x: np.ndarray, y: np.ndarray) -> Digits:
    """Show grey digits as RGB; the three channels share their memory."""
    pixels = torch.from_numpy(x.copy())[:, None].expand(-1, 3, -1, -1)
    return Digits(pixels, torch.from_numpy(y.astype(np.int64)))


def checksum(domains: Domains) -> str:
    """Return the first 16 digits of the sha256 over the target's training and test pixels."""
    found = sha256()
    for digits in (domains.target, domains.target_test):
        found.update(digits.x.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
