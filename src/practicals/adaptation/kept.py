"""Trained networks as small files, and their accuracy on a folder of pictures."""

import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import paths, stats
from ..data import digits
from ..paths import atomic_path
from . import scores
from .networks import CLASSES, AdaptationNet, Design
from .study import Outcome, rebuild

Views = Mapping[str, torch.Tensor]
"""The same digits, uint8 (n, 3, 28, 28), by the way in which they came to this size."""


def save_model(file: Path, outcome: Outcome) -> None:
    """Write a network in half precision, without the domain classifier that no one evaluates."""
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in outcome.state.items()
        if not name.startswith("domain_head")
    }
    # To a stream: torch would write the temporary file's name into the archive.
    with atomic_path(file) as partial, partial.open("wb") as stream:
        torch.save({"design": asdict(outcome.design), "state": kept}, stream)


def load_model(file: Path) -> AdaptationNet:
    """Return a network that ``save_model`` wrote, in evaluation mode.

    Raise ValueError for a file that is damaged, comes from elsewhere or lacks weights, and
    FileNotFoundError where there is none.
    """
    try:
        found = _read(file)
        _refuse_no_numbers(found["state"])
        return rebuild(Design(**found["design"]), found["state"])
    except OSError:
        raise
    except Exception as error:  # whatever a foreign file provokes, the answer is the same
        reason = str(error).split("\n")[0] or type(error).__name__
        raise ValueError(
            f"{file} is damaged, or no network that chapter 5 kept ({reason}): "
            "name another file, or run notebook 5 again"
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


@dataclass(frozen=True)
class Evaluation:
    """How many pictures a network read rightly, of how many, and how they came to 28 × 28."""

    right: int
    n: int
    way: str
    by_digit: tuple[tuple[int, int], ...] = ()
    """For each digit: right, and how many there are."""

    def __str__(self) -> str:
        low, high = stats.wilson(self.right, self.n)
        share = f"accuracy {self.right / self.n:.4f}, 95 % interval {low:.4f} to {high:.4f}"
        return f"{share}  ({self.right} of {self.n}, {self.way})"

    def table(self) -> str:
        """Return a line for each digit: accuracy, Wilson's 95 % interval, how many there are."""
        lines = []
        for digit, (right, n) in enumerate(self.by_digit):
            if n == 0:
                lines.append(f"  {digit}  none")
                continue
            low, high = stats.wilson(right, n)
            lines.append(f"  {digit}  {right / n:.4f}  {low:.4f} to {high:.4f}  (n = {n})")
        return "\n".join(lines)


def read_folder(folder: Path, labels: Path | None = None) -> tuple[Views, torch.Tensor]:
    """Return the digits of ``folder`` by each way to 28 × 28, and their labels.

    ``labels`` is a file of lines ``name label``; by default the one .txt file in the folder.
    Pictures of 32 × 32 are both cropped and resized.
    """
    pixels, y = digits.read_labelled(folder, labels or _labels_of(folder))
    if pixels.shape[1] == digits.SIDE:
        return {"as they are": digits.to_side(pixels)}, y
    ways = {"resized": "resize", "centre crop": "crop"}
    return {title: digits.to_side(pixels, how) for title, how in ways.items()}, y


def evaluate(net: AdaptationNet, views: Views, y: torch.Tensor) -> Evaluation:
    """Test a network on the view with the higher information, which reads no label."""
    found = {way: scores.probabilities(net, x) for way, x in views.items()}
    way = max(found, key=lambda way: scores.information(found[way]))
    right = found[way].argmax(1) == y
    by_digit = [(int(right[y == digit].sum()), int((y == digit).sum())) for digit in range(CLASSES)]
    return Evaluation(int(right.sum()), len(y), way, tuple(by_digit))


def _labels_of(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: name one with pictures and a list")
    lists = sorted(folder.glob("*.txt"))
    if len(lists) != 1:
        raise ValueError(f"{folder} holds {len(lists)} .txt files: name the list with --labels")
    return lists[0]


def kept_models() -> list[Path]:
    """Return the networks of the full profile that come with the repository; raise ValueError."""
    found = sorted(models_dir(paths.output_dir("full")).glob("adaptation-*.pt"))
    if not found:
        raise ValueError("data/models holds no networks: run notebook 5 with PROFILE=full first")
    return found


def models_dir(base: Path) -> Path:
    """Return the folder of trained networks below a profile's outputs."""
    return base / "data" / "models"
