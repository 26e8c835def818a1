"""Domain adaptation from MNIST to MNIST-M: whole runs, with the accuracies that a report needs.

Every function that trains is a job (see ``provenance.cache``): a run is a recipe and a seed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import torch

from provenance import cache

from .. import runtime
from ..data.digits import Digits
from . import scores
from .domains import Domains
from .networks import AdaptationNet, Design
from .pseudo_labels import PseudoRecipe, Refined, Student, refine
from .recipes import Recipe
from .training import Check, State, Trainer, fit, held_out

WATCHED = 1000
"""Target test pictures on which the oracle is drawn while a network trains."""
PROBED = 1000
"""Test pictures of each domain whose features give the proxy A-distance."""
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
PSEUDO = "_pseudo"
"""How the name of a row ends whose network was taught by its own pseudo-labels."""


@dataclass(frozen=True)
class Outcome:
    """One network after its last step, and how good it is; fractions."""

    seed: int
    design: Design
    state: State
    source_accuracy: float
    target_accuracy: float
    """On the whole target test set."""
    per_class: np.ndarray
    confusion: np.ndarray
    """Counts (10, 10): rows are true digits, columns predictions."""
    validators: dict[str, float]
    """The label-free scores on held-out target pictures."""
    a_distance: float
    checks: tuple[Check, ...] = ()
    refined: Refined | None = None

    def net(self) -> AdaptationNet:
        """Return the network in evaluation mode."""
        return rebuild(self.design, self.state)

    def digest(self) -> str:
        """Return a hash of the weights, which stands for this network in the key of a cache."""
        found = sha256()
        for name, value in self.state.items():
            found.update(name.encode() + value.cpu().numpy().tobytes())
        return found.hexdigest()[:16]


Runs = dict[str, list[Outcome]]
"""By row of a table, a run for each seed."""


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


def assess(net: AdaptationNet, domains: Domains) -> dict[str, Any]:
    """Return what ``Outcome`` says of a network's quality, as keyword arguments."""
    net = net.cpu()
    test = domains.target_test
    predicted = scores.probabilities(net, test.x).argmax(1)
    counts = torch.bincount(10 * test.y + predicted, minlength=100).view(10, 10)
    with net.reading("source"):
        source_accuracy = accuracy_on(domains.source_test)(net)
        source_features = scores.features(net, domains.source_test.x[:PROBED])
    target_features = scores.features(net, test.x[:PROBED])
    p = scores.probabilities(net, domains.target.x[-held_out(len(domains.target)) :])
    return {
        "source_accuracy": source_accuracy,
        "target_accuracy": (predicted == test.y).float().mean().item(),
        "per_class": scores.per_class(predicted, test.y),
        "confusion": counts.numpy(),
        "validators": {name: score(p) for name, score in scores.VALIDATORS.items()},
        "a_distance": scores.proxy_a_distance(source_features, target_features),
    }


def train(domains: Domains, recipe: Recipe, seed: int, bar: bool = False) -> Outcome:
    """Train by one recipe from one seed and assess the network after the last step.

    Training receives the target's pixels only, except for ``target_only``, the upper bound.
    """
    labelled = domains.target if recipe.method == "target_only" else domains.source
    source = (labelled.x, labelled.y)
    trainer = Trainer(recipe, source, domains.target.x, seed, runtime.device())
    done = fit(trainer, accuracy_on(domains.target_test.first(WATCHED)), bar)
    facts = assess(rebuild(recipe.design, done.state), domains)
    return Outcome(seed, recipe.design, done.state, checks=done.checks, **facts)


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
    domains: Domains, teachers: Mapping[str, Outcome], name: str, recipe: PseudoRecipe
) -> Outcome:
    """Refine the teacher of that name: ``teach_itself`` as a job of a sweep."""
    return teach_itself(domains, recipe, teachers[name])


def run_all(
    domains: Domains, recipes: Mapping[str, Recipe], seeds: Sequence[int], label: str = ""
) -> Runs:
    """Train every recipe with every seed, side by side; longest first, so that no core waits."""
    order = sorted(recipes, key=lambda name: -recipes[name].steps)
    settings = [{"recipe": recipes[name], "seed": s} for name in order for s in seeds]
    found = iter(cache.run(train, settings, (domains,), label))
    made = {name: [next(found) for _ in seeds] for name in order}
    return {name: made[name] for name in recipes}


def teach_all(
    domains: Domains,
    teachers: Mapping[str, Sequence[Outcome]],
    recipes: Mapping[str, PseudoRecipe],
    label: str = "",
) -> Runs:
    """Refine every teacher by its recipe; rows get their teachers' names with ``PSEUDO`` behind."""
    named = {f"{name} {run.seed}": run for name, runs in teachers.items() for run in runs}
    settings = [
        {"name": f"{name} {run.seed}", "recipe": recipes[name]}
        for name, runs in teachers.items()
        for run in runs
    ]
    found = iter(cache.run(teach, settings, (domains, named), label))
    return {name + PSEUDO: [next(found) for _ in runs] for name, runs in teachers.items()}


def rows(base: Recipe) -> dict[str, Recipe]:
    """Return the trainings of the equal-budget table that take all steps of ``base``."""
    return {
        "source_only": replace(base, method="source_only"),
        "own_batch_norm": replace(base, lam=0.0),
        "no_reversal": replace(base, method="no_reversal"),
        "dann": replace(base, method="dann"),
    }


TAUGHT = 3
"""A teacher has this part of the steps of its row, one in three; its pupil has the others."""


def teachers(base: Recipe) -> dict[str, Recipe]:
    """Return the trainings whose networks teach themselves for the rest of the steps."""
    first = replace(base, steps=base.steps // TAUGHT)
    return {name: recipe for name, recipe in rows(first).items() if name != "no_reversal"}


def ablation(base: Recipe) -> dict[str, Recipe]:
    """Return all trainings of one column of the equal-budget table, teachers as ``teacher_…``."""
    return rows(base) | {f"teacher_{name}": recipe for name, recipe in teachers(base).items()}


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


def try_all(
    domains: Domains, candidates: Iterable[Recipe], seed: int, back_steps: int
) -> list[Tried]:
    """Try every candidate with one seed, which no reported run has."""
    settings = [{"recipe": r, "seed": seed, "back_steps": back_steps} for r in candidates]
    return cache.run(tried, settings, (domains,), "candidates")


def best(candidates: Sequence[Tried]) -> Tried:
    """Return the candidate with the best way back; the first of those that are level."""
    return max(candidates, key=lambda candidate: candidate.reverse_accuracy)
