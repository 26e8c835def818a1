"""The conditional networks of the full profile as a small file."""

import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import paths
from ..paths import atomic_path
from .networks import CLASSES, Design, Discriminator, Generator, build
from .study import Run
from .training import sample

NAME = "gan-conditional"
GAP = 2
"""White pixels between two digits of a sheet."""


def models_dir(base: Path) -> Path:
    """Return the folder of trained networks below a profile's outputs."""
    return base / "data" / "models"


def save_pair(file: Path, found: Run) -> None:
    """Write generator and discriminator of a run in half precision."""
    states = {"G": found.state_g, "D": found.state_d}
    kept = {name: {k: _half(v) for k, v in state.items()} for name, state in states.items()}
    # To a stream: torch would write the temporary file's name into the archive.
    with atomic_path(file) as partial, partial.open("wb") as stream:
        torch.save({"design": asdict(found.recipe.design), **kept}, stream)


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value


def load_pair(file: Path) -> tuple[Generator, Discriminator]:
    """Return the networks that ``save_pair`` wrote, in evaluation mode.

    Raise ValueError for a file that is damaged, comes from elsewhere or lacks weights, and
    FileNotFoundError where there is none.
    """
    try:
        found = _read(file)
        drawer, judge = build(Design(**found["design"]), 0)
        for net, name in ((drawer, "G"), (judge, "D")):
            _refuse_no_numbers(found[name])
            net.load_state_dict({k: v.float() for k, v in found[name].items()})
        return drawer.eval(), judge.eval()
    except OSError:
        raise
    except Exception as error:  # whatever a foreign file provokes, the answer is the same
        reason = str(error).split("\n")[0] or type(error).__name__
        raise ValueError(
            f"{file} is damaged, or no pair of networks that chapter 6 kept ({reason}): "
            "name another file, or run notebook 6 again"
        ) from error


def _read(file: Path) -> dict[str, Any]:
    """Return what ``torch.save`` wrote; raise where a checksum of the file does not fit."""
    with zipfile.ZipFile(file) as parts:
        if altered := parts.testzip():
            raise ValueError(f"the checksum of its part {altered} does not fit")
    return torch.load(file, map_location="cpu", weights_only=True)


def _refuse_no_numbers(state: Mapping[str, torch.Tensor]) -> None:
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"{name} holds values that are no numbers")


def kept_pair() -> Path:
    """Return the file of the full profile that comes with the repository; raise ValueError."""
    found = models_dir(paths.output_dir("full")) / f"{NAME}.pt"
    if not found.is_file():
        raise ValueError(f"{found} is not there: run notebook 6 with PROFILE=full first")
    return found


def make(net: Generator, digit: int | None, n: int, seed: int) -> np.ndarray:
    """Return ``n`` digits as uint8 (n, 32, 32); ``digit`` is 0 to 9, or None for all in turn.

    Raise ValueError for other digits and for none at all.
    """
    if n < 1:
        raise ValueError(f"expected at least one digit to draw, got {n}")
    if digit is not None and not 0 <= digit < CLASSES:
        raise ValueError(f"expected a digit from 0 to 9, got {digit}")
    z = torch.randn(n, net.design.z, generator=torch.Generator().manual_seed(seed))
    y = torch.arange(n) % CLASSES if digit is None else torch.full((n,), digit)
    return sample(net, z, y)[:, 0].numpy()


def sheet(digits: np.ndarray) -> np.ndarray:
    """Return digits (n, 32, 32) on one white sheet, as square as n allows, uint8 (H, W)."""
    n, side = len(digits), digits.shape[1]
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    step = side + GAP
    whole = np.full((rows * step - GAP, columns * step - GAP), 255, np.uint8)
    for i, picture in enumerate(digits):
        top, left = step * (i // columns), step * (i % columns)
        whole[top : top + side, left : left + side] = picture
    return whole


def write_sheet(digits: np.ndarray, file: Path) -> None:
    """Write digits as one picture; the name's ending decides the format. Raise ValueError for an
    ending that stands for none.
    """
    if file.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"{file.name}: expected a name that ends in .png, .jpg or .gif")
    with atomic_path(file) as partial:
        Image.fromarray(sheet(digits)).save(partial)
