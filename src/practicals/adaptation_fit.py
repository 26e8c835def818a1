"""A whole training: checks by a label-free validator, early stop, and going on after a stop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from .adaptation_networks import AdaptationNet
from .adaptation_recipes import Recipe
from .adaptation_training import Check, State, Trained, Trainer
from .atomic import atomic_path


@dataclass
class _Progress:
    """Everything that a stopped training needs in order to go on."""

    step: int = 0
    checks: list[Check] = field(default_factory=list)
    best: State = field(default_factory=dict)
    chosen: int = -1


def fit(
    trainer: Trainer,
    watch: Callable[[AdaptationNet], float] | None = None,
    checkpoint: Path | None = None,
    bar: bool = False,
) -> Trained:
    """Train to the end of the recipe, or until the validator has not risen for ``patience`` checks.

    Return the network of the best check. ``checkpoint``, if given, is written at every check; a
    training that finds one there goes on from it, to the same result as without the stop.
    """
    recipe, progress = trainer.recipe, _Progress()
    if checkpoint is not None and checkpoint.is_file():
        progress = _resume(trainer, checkpoint)
    marks = {round(recipe.steps * (i + 1) / recipe.checks) for i in range(recipe.checks)}
    trainer.net.train()
    steps = range(progress.step, recipe.steps)
    for step in tqdm(steps, desc=recipe.method, leave=False, disable=not bar):
        if _exhausted(progress, recipe):
            break
        trainer.step(step / recipe.steps)
        if step + 1 in marks:
            _look(trainer, progress, step + 1, watch)
            if checkpoint is not None:
                _save(trainer, progress, checkpoint)
    return Trained(recipe, trainer.seed, progress.best, tuple(progress.checks), progress.chosen)


def _look(
    trainer: Trainer,
    progress: _Progress,
    step: int,
    watch: Callable[[AdaptationNet], float] | None,
) -> None:
    """Add a check, and keep the network if the validator has never been higher."""
    progress.step = step
    progress.checks.append(trainer.check(step, watch))
    found = [check.validators[trainer.recipe.validator] for check in progress.checks]
    if found[-1] == max(found):
        progress.chosen = len(found) - 1
        state = trainer.net.state_dict()
        progress.best = {name: value.detach().cpu().clone() for name, value in state.items()}


def _exhausted(progress: _Progress, recipe: Recipe) -> bool:
    return len(progress.checks) - 1 - progress.chosen > recipe.patience


def _name(trainer: Trainer) -> str:
    return f"{trainer.recipe!r}, seed {trainer.seed}"


def _save(trainer: Trainer, progress: _Progress, file: Path) -> None:
    """Write all of the training's state, completely or not at all."""
    content: dict[str, Any] = {
        "recipe": _name(trainer),
        "net": trainer.net.state_dict(),
        "sgd": trainer.sgd.state_dict(),
        "rng": trainer.rng.get_state(),
        "step": progress.step,
        "best": progress.best,
        "chosen": progress.chosen,
        "checks": [vars(check) for check in progress.checks],
    }
    with atomic_path(file) as partial:
        torch.save(content, partial)


def _resume(trainer: Trainer, file: Path) -> _Progress:
    """Put a trainer where ``file`` left it; raise ValueError for another recipe's file."""
    found = torch.load(file, map_location="cpu", weights_only=True)
    if found["recipe"] != _name(trainer):
        raise ValueError(f"{file.name} belongs to another recipe or seed: name another file")
    trainer.net.load_state_dict(found["net"])
    trainer.sgd.load_state_dict(found["sgd"])
    trainer.rng.set_state(found["rng"])
    checks = [Check(**values) for values in found["checks"]]
    return _Progress(found["step"], checks, found["best"], found["chosen"])
