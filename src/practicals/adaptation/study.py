"""Domain adaptation from MNIST to MNIST-M: whole runs, with the accuracies that a report needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch

from .. import runtime
from ..data.digits import Digits
from . import scores
from .domains import Domains
from .networks import AdaptationNet, Design
from .pseudo_labels import PseudoRecipe, Refined, Student, refine
from .recipes import Recipe
from .training import Check, State, Trainer, fit, held_out

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

    @property
    def last_accuracy(self) -> float:
        """Accuracy on the watched target pictures after the last step, without any choice."""
        return self.checks[-1].oracle

    @property
    def oracle_accuracy(self) -> float:
        """The best accuracy that a choice by target labels would report; never a result."""
        return max(check.oracle for check in self.checks)

    def digest(self) -> str:
        """Return a hash of the weights, which stands for this network in the key of a cache."""
        found = sha256()
        for name, value in self.state.items():
            found.update(name.encode() + value.cpu().numpy().tobytes())
        return found.hexdigest()[:16]


def rebuild(design: Design, state: State) -> AdaptationNet:
    """Return a network of that design with those weights, in evaluation mode.

    The domain classifier alone may be absent. Raise ValueError for other names that are.
    """
    net = AdaptationNet(design)
    weights = {name: value.float() for name, value in state.items()}
    absent, foreign = net.load_state_dict(weights, strict=False)
    absent = [name for name in absent if not name.startswith("domain_head")]
    if absent or foreign:
        raise ValueError(f"weights that are absent: {absent}, and that are unknown: {foreign}")
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
    with net.reading("source"):
        source_accuracy = accuracy_on(domains.source_test)(net)
        source_features = scores.features(net, domains.source_test.x[:PROBED])
    target_features = scores.features(net, test.x[:PROBED])
    return {
        "source_accuracy": source_accuracy,
        "target_accuracy": (predicted == test.y).float().mean().item(),
        "per_class": scores.per_class(predicted, test.y),
        "confusion": counts.numpy(),
        "information": scores.information(scores.probabilities(net, domains.target.x[-PROBED:])),
        "a_distance": scores.proxy_a_distance(source_features, target_features),
    }


def train(
    domains: Domains,
    recipe: Recipe,
    seed: int,
    bar: bool = False,
) -> Outcome:
    """Train by one recipe from one seed and assess the network that the validator chose.

    Training receives the target's pixels only, except for ``target_only``, the upper bound.
    """
    labelled = domains.target if recipe.method == "target_only" else domains.source
    source = (labelled.x, labelled.y)
    trainer = Trainer(recipe, source, domains.target.x, seed, runtime.device())
    done = fit(trainer, accuracy_on(domains.target_test.first(WATCHED)), bar)
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
        Student(net, recipe, source, domains.target.x.to(device), teacher.seed),
        accuracy_on(domains.target_test.first(WATCHED)),
        lambda index, p: scores.confidence_curve(p.cpu(), y[index.cpu()], THRESHOLDS),
        bar,
    )
    facts = assess(rebuild(teacher.design, refined.state), domains)
    return Outcome(teacher.seed, teacher.design, refined.state, refined=refined, **facts)


def teach(
    domains: Domains,
    teachers: Mapping[tuple[str, int], Outcome],
    name: str,
    seed: int,
    recipe: PseudoRecipe,
) -> Outcome:
    """Refine the teacher of that name and seed: ``teach_itself`` as a job of a sweep."""
    return teach_itself(domains, recipe, teachers[name, seed])


@dataclass(frozen=True)
class Tried:
    """A network trained by one setting, and how well the way back from its answers works."""

    recipe: Recipe
    outcome: Outcome
    reverse_accuracy: float


def reverse_accuracy(domains: Domains, recipe: Recipe, outcome: Outcome, steps: int) -> float:
    """Return the accuracy on held-out source pictures of a network that learnt from the target.

    The trained network labels the target. From its weights, the same recipe then adapts in the
    opposite direction, from these labels to the unlabelled source, for ``steps`` steps; where the
    labels are poor, the way back is. Source labels alone are read, on pictures no step has seen.
    """
    device = runtime.device()
    x = domains.target.x.to(device)
    answers = scores.probabilities(outcome.net().to(device), x).argmax(1)
    back = replace(recipe, steps=steps)
    trainer = Trainer(back, (x, answers), domains.source.x, outcome.seed, device)
    trainer.net.load_state_dict(outcome.state)
    trainer.net.train()
    for step in range(steps):
        trainer.step(step / steps)
    n = held_out(len(domains.source))
    unseen = Digits(domains.source.x[-n:], domains.source.y[-n:])
    return accuracy_on(unseen)(trainer.net.eval())


def tried(domains: Domains, recipe: Recipe, seed: int, back_steps: int) -> Tried:
    """Train by a recipe and go back: one candidate, as a job of a sweep."""
    outcome = train(domains, recipe, seed)
    return Tried(recipe, outcome, reverse_accuracy(domains, recipe, outcome, back_steps))


def best(candidates: list[Tried]) -> Tried:
    """Return the candidate with the best way back; the first of those that are level."""
    return max(candidates, key=lambda candidate: candidate.reverse_accuracy)
