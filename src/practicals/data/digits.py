"""Handwritten digits: MNIST, scikit-learn's in its form, folders of pictures with labels."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from .. import paths
from . import fetch, images

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
    root = fetch.locate("MNIST") / "raw"
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    x, y, x_test, y_test = (read_idx(root / f"{name}-ubyte.gz") for name in names)
    return x, y, x_test, y_test


def small_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return scikit-learn's 8 × 8 digits in MNIST's form: 20 × 20 in a 28 × 28 frame, shuffled."""
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    pixels = torch.from_numpy(bunch.images[order]).float()[:, None] * (255 / 16)
    large = torch.nn.functional.interpolate(pixels, size=(20, 20), mode="bicubic").clamp(0, 255)
    x = torch.nn.functional.pad(large, (4,) * 4)[:, 0].round().byte().numpy()
    y = bunch.target[order].astype(np.uint8)
    return x[SAMPLE_TEST:], y[SAMPLE_TEST:], x[:SAMPLE_TEST], y[:SAMPLE_TEST]


def as_rgb(x: np.ndarray, y: np.ndarray) -> Digits:
    """Show grey digits as RGB; the three channels share their memory."""
    pixels = torch.from_numpy(x.copy())[:, None].expand(-1, 3, -1, -1)
    return Digits(pixels, torch.from_numpy(y.astype(np.int64)))


SIDE = 28
"""Side of every digit, in pixels."""
SIDES = (SIDE, 32)
"""Sides of pictures that are read; in those of 32 pixels a digit has two more on every side."""
ARCHIVE = "mnist_m"
"""Folder of the authors' own archive below the data folder, where a user has it."""


def read_labelled(folder: Path, labels: Path) -> tuple[np.ndarray, torch.Tensor]:
    """Read the RGB pictures of ``folder`` that ``labels`` names, a ``name label`` on each line.

    Return uint8 pixels (n, side, side, 3), all of one side, 28 or 32, and int64 labels (n,). Raise
    ValueError, with the line, for a line of another form, a missing picture or one of another size.
    """
    pixels: list[np.ndarray] = []
    y: list[int] = []
    for number, line in enumerate(_lines(labels), 1):
        if not line.strip():
            continue
        where = f"{labels.name}, line {number}"
        name, _, label = line.strip().rpartition(" ")
        if not name or label not in tuple("0123456789"):
            raise ValueError(f"{where}: expected 'name label', got {line!r}")
        picture = np.asarray(images.read(folder / name.strip()))
        _refuse_size(picture, f"{where}: {name.strip()} has")
        if pixels and picture.shape != pixels[0].shape:
            raise ValueError(f"{where}: {name.strip()} has another size than those before it")
        pixels.append(picture)
        y.append(int(label))
    if not pixels:
        raise ValueError(f"{labels} names no pictures")
    return np.stack(pixels), torch.tensor(y)


def _lines(labels: Path) -> list[str]:
    """Return the lines of a text in UTF-8, with or without its mark; raise ValueError for others.

    UTF-16 without a mark is valid UTF-8 with a zero in every other byte.
    """
    content = labels.read_bytes()
    try:
        if 0 in content:
            raise ValueError("a byte is zero, as in UTF-16")
        return content.decode("utf-8-sig").splitlines()
    except ValueError as error:
        raise ValueError(f"{labels} is no text in UTF-8 ({error}): save it as UTF-8") from None


def _refuse_size(picture: np.ndarray, subject: str) -> None:
    height, width = picture.shape[:2]
    if height != width or height not in SIDES:
        raise ValueError(f"{subject} {width} × {height} pixels: expected 28 × 28 or 32 × 32")


def to_side(pixels: np.ndarray, how: str = "resize") -> torch.Tensor:
    """Return pictures (n, H, W, 3) as uint8 (n, 3, 28, 28), by ``resize`` or by centre ``crop``.

    In the authors' 32 × 32 pictures digits lie unscaled, so that the crop keeps their size.
    """
    _refuse_size(pixels[0], "the pictures have")
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    if how == "crop":
        edge = (x.shape[-1] - SIDE) // 2
        return x[..., edge : edge + SIDE, edge : edge + SIDE].contiguous()
    resized = torch.nn.functional.interpolate(
        x.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
    )
    return resized.round().clamp(0, 255).byte()


def archive(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ``train`` (59,001) or ``test`` (9,001) digits of the authors' own archive.

    Pixels are uint8 (n, 3, 28, 28), the centres of 32 × 32 pictures; labels are int64 (n,). Raise
    FileNotFoundError, saying what has to lie where, without the archive.
    """
    root = paths.data_dir() / ARCHIVE
    labels = root / f"mnist_m_{split}_labels.txt"
    if not labels.is_file():
        raise FileNotFoundError(
            f"{labels} is not there: unpack the authors' MNIST-M, so that {ARCHIVE}/ below the "
            f"data folder holds mnist_m_{split}/ and mnist_m_{split}_labels.txt"
        )
    pixels, y = read_labelled(root / f"mnist_m_{split}", labels)
    return to_side(pixels, "crop"), y
