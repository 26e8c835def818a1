"""Settings chosen without target labels: reverse validation.

Zhong, Fan, Yang, Verscheure & Ren: Cross validation framework to choose amongst models and datasets
for transfer learning, ECML PKDD 2010. Ganin et al. (JMLR 2016) choose settings by it as well.
"""

from dataclasses import dataclass, replace

from . import adaptation_scores as scores
from . import runtime
from .adaptation import Outcome, train
from .adaptation_recipes import Recipe
from .adaptation_training import HELD_OUT, Trainer
from .digits import Domains


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
    held_out = min(HELD_OUT, len(domains.source) // 5)
    pixels, y = domains.source.x[-held_out:].to(device), domains.source.y[-held_out:]
    found = scores.probabilities(trainer.net.eval(), pixels).argmax(1).cpu()
    return (found == y).float().mean().item()


def tried(domains: Domains, recipe: Recipe, seed: int, back_steps: int) -> Tried:
    """Train by a recipe and go back: one candidate, as a job of a sweep."""
    outcome = train(domains, recipe, seed)
    return Tried(recipe, outcome, reverse_accuracy(domains, recipe, outcome, back_steps))


def best(candidates: list[Tried]) -> Tried:
    """Return the candidate with the best way back; the first of those that are level."""
    return max(candidates, key=lambda candidate: candidate.reverse_accuracy)
