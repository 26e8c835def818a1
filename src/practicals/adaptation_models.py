"""Trained networks as small files, and their accuracy on a folder of pictures."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from . import adaptation_scores as scores
from . import digit_files
from .adaptation import Outcome, rebuild
from .adaptation_networks import AdaptationNet, Design
from .atomic import atomic_path

DESCRIPTION = "Domain adaptation from MNIST to MNIST-M: test the networks that are kept."


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
    pixels, y = digit_files.read_labelled(folder, labels or _labels_of(folder))
    ways = ("resize",) if pixels.shape[1:3] == (28, 28) else ("resize", "crop")
    found = [scores.probabilities(net, digit_files.to_side(pixels, way)) for way in ways]
    p = max(found, key=scores.information)
    return int((p.argmax(1) == y).sum()), len(y)


def _labels_of(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: name one with pictures and a list")
    lists = sorted(folder.glob("*.txt"))
    if len(lists) != 1:
        raise ValueError(f"{folder} holds {len(lists)} .txt files: name the list with --labels")
    return lists[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m practicals.adaptation", description=DESCRIPTION
    )
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("evaluate", help="accuracy on a folder of 28 × 28 or 32 × 32 digits")
    test.add_argument("folder", type=Path)
    test.add_argument("--labels", type=Path, help="list of 'name label' lines (default: the .txt)")
    test.add_argument("--model", type=Path, action="append", help="a network (default: all kept)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        models = options.model or digit_files.kept_models()
        for file in models:
            right, n = evaluate(load_model(file), options.folder, options.labels)
            print(f"{file.stem:<36}accuracy {right / n:.4f}  ({right} of {n})")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
