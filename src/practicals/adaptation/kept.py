"""Trained networks as small files, and their accuracy on a folder of pictures."""

from dataclasses import asdict
from pathlib import Path

import torch

from .. import paths
from ..data import digits
from ..paths import atomic_path
from . import scores
from .networks import AdaptationNet, Design
from .study import Outcome, rebuild


def save_model(file: Path, outcome: Outcome) -> None:
    """Write a network in half precision, without the domain classifier that no one evaluates."""
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in outcome.state.items()
        if not name.startswith("domain_head")
    }
    with atomic_path(file) as partial:
        torch.save({"design": asdict(outcome.design), "state": kept}, partial)


def load_model(file: Path) -> AdaptationNet:
    """Return a network that ``save_model`` wrote, in evaluation mode."""
    found = torch.load(file, map_location="cpu", weights_only=True)
    return rebuild(Design(**found["design"]), found["state"])


def evaluate(net: AdaptationNet, folder: Path, labels: Path | None = None) -> tuple[int, int]:
    """Return how many pictures of ``folder`` the network reads rightly, and how many there are.

    ``labels`` is a file of lines ``name label``; by default the one .txt file in the folder.
    Pictures larger than 28 × 28 are resized or cropped, whichever gives the higher information
    (which reads no label).
    """
    pixels, y = digits.read_labelled(folder, labels or _labels_of(folder))
    ways = ("resize",) if pixels.shape[1:3] == (28, 28) else ("resize", "crop")
    found = [scores.probabilities(net, digits.to_side(pixels, way)) for way in ways]
    p = max(found, key=scores.information)
    return int((p.argmax(1) == y).sum()), len(y)


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
