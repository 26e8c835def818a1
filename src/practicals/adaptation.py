"""Domain adaptation from MNIST to MNIST-M: whole runs, with the accuracies that a report needs.

``python -m practicals.adaptation evaluate FOLDER`` tests the published networks on a folder of
pictures.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from . import adaptation_scores as scores
from . import digit_files, runtime
from .adaptation_networks import AdaptationNet, Design
from .adaptation_recipes import Recipe
from .adaptation_training import Check, State, Trainer, fit
from .atomic import atomic_path
from .digits import Digits, Domains
from .pseudo_labels import PseudoRecipe, Refined, refine

WATCHED = 2000
"""Target test pictures on which the oracle is drawn while a network trains."""
PROBED = 2000
"""Test pictures of each domain whose features give the proxy A-distance."""
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Outcome:
    """One trained network, chosen without target labels, and how good it is; fractions."""

    seed: int
    design: Design
    state: State
    source_accuracy: float
    target_accuracy: float
    """On the whole target test set, of the network that the label-free validator chose."""
    per_class: np.ndarray
    confusion: np.ndarray
    """Counts (10, 10): rows are true digits, columns predictions."""
    information: float
    """The label-free validator on held-out target pictures, in nats."""
    a_distance: float
    checks: tuple[Check, ...] = ()
    chosen: int = -1
    refined: Refined | None = None

    def net(self) -> AdaptationNet:
        """Return the chosen network in evaluation mode."""
        return rebuild(self.design, self.state)


def rebuild(design: Design, state: State) -> AdaptationNet:
    """Return a network of that design with those weights, in evaluation mode."""
    net = AdaptationNet(design)
    net.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return net.to(memory_format=torch.channels_last).eval()


def accuracy_on(digits: Digits) -> Callable[[AdaptationNet], float]:
    """Return a function that gives a network's accuracy on ``digits``; for reports only."""

    def accuracy(net: AdaptationNet) -> float:
        x, y = digits.x.to(next(net.parameters()).device), digits.y
        return (scores.probabilities(net, x).argmax(1).cpu() == y).float().mean().item()

    return accuracy


def assess(net: AdaptationNet, domains: Domains) -> dict[str, object]:
    """Return what ``Outcome`` says of a network's quality, as keyword arguments."""
    net = net.cpu()
    test = domains.target_test
    p = scores.probabilities(net, test.x)
    predicted = p.argmax(1)
    counts = torch.bincount(10 * test.y + predicted, minlength=100).view(10, 10)
    probes = [part.x[:PROBED] for part in (domains.source_test, test)]
    return {
        "source_accuracy": accuracy_on(domains.source_test)(net),
        "target_accuracy": (predicted == test.y).float().mean().item(),
        "per_class": scores.per_class(predicted, test.y),
        "confusion": counts.numpy(),
        "information": scores.information(scores.probabilities(net, domains.target.x[-PROBED:])),
        "a_distance": scores.proxy_a_distance(*(scores.features(net, x) for x in probes)),
    }


def train(
    domains: Domains,
    recipe: Recipe,
    seed: int,
    checkpoint: Path | None = None,
    bar: bool = False,
) -> Outcome:
    """Train by one recipe from one seed and assess the network that the validator chose.

    Training receives the target's pixels only, except for ``target_only``, the upper bound.
    """
    labelled = domains.target if recipe.method == "target_only" else domains.source
    source = (labelled.x, labelled.y)
    trainer = Trainer(recipe, source, domains.target.x, seed, runtime.device())
    done = fit(trainer, accuracy_on(domains.target_test.first(WATCHED)), checkpoint, bar)
    facts = assess(rebuild(recipe.design, done.state), domains)
    return Outcome(seed, recipe.design, done.state, checks=done.checks, chosen=done.chosen, **facts)


def teach_itself(
    domains: Domains, recipe: PseudoRecipe, teacher: Outcome, bar: bool = False
) -> Outcome:
    """Refine a trained network by pseudo-labels and assess the result.

    True target labels enter the reports of precision and coverage alone.
    """
    device = runtime.device()
    net = teacher.net().to(device)
    source = (domains.source.x.to(device), domains.source.y.to(device))
    y = domains.target.y
    refined = refine(
        net,
        recipe,
        source,
        domains.target.x.to(device),
        teacher.seed,
        accuracy_on(domains.target_test.first(WATCHED)),
        lambda index, p: scores.confidence_curve(p.cpu(), y[index.cpu()], THRESHOLDS),
        bar,
    )
    facts = assess(rebuild(teacher.design, refined.state), domains)
    return Outcome(teacher.seed, teacher.design, refined.state, refined=refined, **facts)


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
    lists = sorted(folder.glob("*.txt"))
    if len(lists) != 1:
        raise ValueError(f"{folder} holds {len(lists)} .txt files: name the list with --labels")
    return lists[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m practicals.adaptation", description=__doc__)
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


if __name__ == "__main__":
    sys.exit(main())
