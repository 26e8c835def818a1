"""Digits as picture files with a list of labels: a user's folder, or the authors' own MNIST-M."""

from pathlib import Path

import numpy as np
import torch

from . import images, paths

SIDE = 28
"""Side of every digit, in pixels."""
ARCHIVE = "mnist_m"
"""Folder of the authors' own archive below the data folder, where a user has it."""


def read_labelled(folder: Path, labels: Path) -> tuple[np.ndarray, torch.Tensor]:
    """Read the RGB pictures of ``folder`` that ``labels`` names, a ``name label`` on each line.

    Return uint8 pixels (n, H, W, 3), all of one size, and int64 labels (n,). Raise ValueError,
    with the line, for a line of another form, a missing picture or one of another size.
    """
    pixels, y = [], []
    for number, line in enumerate(labels.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdigit() or int(label) > 9:
            raise ValueError(f"{labels.name}, line {number}: expected 'name label', got {line!r}")
        pixels.append(np.asarray(images.read(folder / name.strip())))
        y.append(int(label))
        if pixels[-1].shape != pixels[0].shape:
            raise ValueError(f"{labels.name}, line {number}: {name} has another size")
    if not pixels:
        raise ValueError(f"{labels} names no pictures")
    return np.stack(pixels), torch.tensor(y)


def to_side(pixels: np.ndarray, how: str = "resize") -> torch.Tensor:
    """Return pictures (n, H, W, 3) as uint8 (n, 3, 28, 28), by ``resize`` or by centre ``crop``."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    height, width = x.shape[-2:]
    if height < SIDE or width < SIDE:
        raise ValueError(f"pictures of {width} × {height} pixels: expected 28 × 28 or 32 × 32")
    if how == "crop":
        top, left = (height - SIDE) // 2, (width - SIDE) // 2
        return x[..., top : top + SIDE, left : left + SIDE].contiguous()
    resized = torch.nn.functional.interpolate(
        x.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
    )
    return resized.round().clamp(0, 255).byte()


def has_archive() -> bool:
    """Return whether the authors' own MNIST-M archive lies unpacked in the data folder."""
    return (paths.data_dir() / ARCHIVE / "mnist_m_train_labels.txt").is_file()


def archive(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ``train`` (59,001) or ``test`` (9,001) digits of the authors' own archive.

    Pixels are uint8 (n, 3, 28, 28), resized from 32 × 32; labels are int64 (n,).
    """
    root = paths.data_dir() / ARCHIVE
    labels = root / f"mnist_m_{split}_labels.txt"
    pixels, y = read_labelled(root / f"mnist_m_{split}", labels)
    return to_side(pixels), y


def models_dir(profile: str) -> Path:
    """Return the folder in which a profile's trained networks are kept."""
    return paths.output_dir(profile) / "data" / "models"


def kept_models() -> list[Path]:
    """Return the networks of the full profile that come with the repository; raise ValueError."""
    found = sorted(models_dir("full").glob("adaptation-*.pt"))
    if not found:
        raise ValueError("data/models holds no networks: run notebook 5 with PROFILE=full first")
    return found
