"""The long loops of chapter 3: every attack over many pictures, part by part.

Each function is a job (see ``cache``): it takes a network and a part of the pictures, and returns
plain arrays with one row per picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from provenance import cache

from ..networks.backbones import Backbone
from ..networks.gradients import outputs
from ..networks.parts import Found, run_by_parts
from . import apgd, attacks, defence, minimum, one_pixel, patch, square
from .attacks import Attack, Outcome
from .sets import Cases, grey_digits

SIZE = 20
"""Pictures in a part: what is kept at once, and lost at most by an interruption."""


def by_parts(
    job: Callable[..., Found], net: nn.Module, found: Cases, label: str, **others: Any
) -> Found:
    """Run a job of this module over all cases, a part at a time; each part is kept at once."""
    return run_by_parts(job, net, found.x, found.y, lambda _first: others, SIZE, label)


def other_classes(y: torch.Tensor, classes: int, seed: int) -> torch.Tensor:
    """Return a random target (n,) for every class, never the class itself."""
    rng = torch.Generator().manual_seed(seed)
    return (y + torch.randint(1, classes, y.shape, generator=rng)) % classes


def _measured(net: nn.Module, x: torch.Tensor, outcome: Outcome, goal: torch.Tensor) -> Found:
    """Return success, steps, sizes of the perturbation and the probability of ``goal``, by case."""
    chance = outputs(net, outcome.adversarial).softmax(1).gather(1, goal[:, None])[:, 0]
    sizes = attacks.distances(x, outcome.adversarial)
    found = {"fooled": outcome.fooled, "steps": outcome.steps, "probability": chance} | sizes
    return {key: np.asarray(value.cpu(), float) for key, value in found.items()}


def attacked(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, plan: Attack, targeted: bool, first: int
) -> Found:
    """Return what one attack did; with ``targeted`` every case has a random target of its own."""
    classes = outputs(net, x[:1]).shape[1]
    target = other_classes(y, classes, plan.seed + first) if targeted else None
    outcome = attacks.run(net, x, y, replace(plan, seed=plan.seed + first), target)
    return _measured(net, x, outcome, y if target is None else target)


def strongly_attacked(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, eps: float, steps: int, first: int
) -> Found:
    """Return what APGD-CE and, on what resists, APGD-DLR did in L∞: the worst of both."""
    outcome = apgd.run(net, x, y, "linf", eps, steps, "ce", first)
    left = ~outcome.fooled
    if left.any() and outputs(net, x[:1]).shape[1] > 2:
        second = apgd.run(net, x[left], y[left], "linf", eps, steps, "dlr", first)
        outcome.adversarial[left], outcome.fooled[left] = second.adversarial, second.fooled
        outcome.steps[left] = steps + second.steps
    return _measured(net, x, outcome, y)


def shaken(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, norm: str, eps: float, draws: int, first: int
) -> Found:
    """Return the share of random perturbations of the same size that fool, by case: the control."""
    return {"fooled": attacks.noise(net, x, y, norm, eps, draws, first).numpy()}


def curve(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilons: tuple[float, ...],
    method: str,
    steps: int,
    first: int,
) -> Found:
    """Return whether each case is fooled within each radius, ``fooled`` (n, radii), radii rising.

    ``method`` is ``fgsm``, ``pgd`` or ``apgd``. What is found within a radius lies within every
    larger one, so cases leave once they are fooled.
    """
    found, at = np.zeros((len(x), len(epsilons))), torch.arange(len(x))
    for place, eps in enumerate(epsilons):
        if not len(at):
            break
        if method == "apgd":
            fooled = strongly_attacked(net, x[at], y[at], eps, steps, first)["fooled"] > 0
        else:
            options: dict[str, Any] = {"rounded": eps >= 1 / attacks.LEVELS}
            plan = attacks.fgsm(eps, **options)
            if method == "pgd":
                plan = attacks.pgd(eps, steps, random_start=True, seed=first, **options)
            fooled = attacks.run(net, x[at], y[at], plan).fooled.numpy()
        found[at[fooled], place:] = 1
        at = at[~fooled]
    return {"fooled": found}


def nearest(net: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> Found:
    """Return the L2 distance to the nearest fooling picture, and the clean margin, by case."""
    _, distance = minimum.smallest(net, x, y, steps)
    return {"l2": distance.numpy(), "margin": minimum.clean_margin(net, x, y).numpy()}


def crafted(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, plan: Attack, first: int
) -> dict[str, np.ndarray]:
    """Return the 8-bit pictures that an attack makes, uint8 (n, 3, s, s): to be tried elsewhere."""
    made = attacks.run(net, x, y, replace(plan, seed=plan.seed + first)).adversarial
    return {"pixels": (made * 255).round().byte().numpy()}


def squares(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, eps: float, queries: int, first: int
) -> Found:
    """Return the queries to success of the Square attack, −1 for none, by case."""
    return {"queries": square.run(net, x, y, eps, queries, seed=first)[1].astype(float)}


def pixels(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    search: one_pixel.Search,
    targeted: bool,
    first: int,
) -> Found:
    """Return the queries to success of a few-pixel search, −1 for none, and the margin, by case."""
    classes = outputs(net, x[:1]).shape[1]
    target = other_classes(y, classes, search.seed + first) if targeted else None
    best, used = one_pixel.run(net, x, y, replace(search, seed=search.seed + first), target)
    margin = minimum.clean_margin(net, x, y).numpy()
    return {"queries": used.astype(float), "margin": margin, "best": best.numpy()}


def patch_for(
    net: Backbone,
    x: torch.Tensor,
    target: int,
    side: int,
    steps: int,
    sizes: tuple[float, float],
    seed: int,
) -> Found:
    """Return a patch (3, side, side) trained on pictures ``x``, and its history (steps,)."""
    made, history = patch.train(net, x, target, side, steps, sizes, seed)
    return {"patch": made.cpu().numpy(), "history": np.array(history)}


def patch_success(
    net: Backbone,
    x: torch.Tensor,
    sticker: torch.Tensor,
    target: int,
    sizes: tuple[float, ...],
    seed: int,
) -> Found:
    """Return which cases (n, sizes) are taken for the target with a patch of each size on them.

    Places and turns are those of ``seed``, the same for every patch that is compared.
    """
    rows = []
    for size in sizes:
        rng = torch.Generator().manual_seed(seed)
        places = patch.anywhere(len(x), (size, size), rng)
        rows.append(patch.success(net, x, sticker, target, places).numpy().astype(float))
    return {"hit": np.stack(rows, 1)}


def cleaned(  # noqa: PLR0913 (one budget per attacker)
    net: Backbone,
    x: torch.Tensor,
    y: torch.Tensor,
    eps: float,
    steps: int,
    queries: int,
    samples: int,
    first: int,
) -> Found:
    """Return which cases JPEG and blur leave right, and which of those each attacker breaks.

    Keys are ``defence/attacker`` (n,): ``clean``; ``unaware``, made against the bare network;
    ``gradient``, through the defence as it is; ``straight``, with the gradient passed through;
    ``averaged``, over draws of a random defence; and ``square``, without any gradient.
    """
    plan = attacks.pgd(eps, steps, seed=first)
    found, bare = {}, attacks.run(net, x, y, replace(plan, stop_early=False)).adversarial
    defences = {
        "jpeg": defence.Cleaned(net, defence.jpeg),
        "blur": defence.Cleaned(net, defence.blur),
    }
    for name, guarded in defences.items():
        found[f"{name}/clean"] = attacks.judged(guarded, x, y)
        found[f"{name}/unaware"] = attacks.judged(guarded, bare, y)
        found[f"{name}/gradient"] = attacks.run(guarded, x, y, plan).fooled
        found[f"{name}/square"] = torch.from_numpy(
            square.run(guarded, x, y, eps, queries, seed=first)[1] > 0
        )
    through = defence.Cleaned(net, defence.jpeg, straight_through=True)
    found["jpeg/straight"] = attacks.run(through, x, y, plan).fooled
    for name, draws in (("straight", 1), ("averaged", samples)):
        # A random answer can be lucky: judged by the mean of the answers to several draws.
        chance = replace(plan, stop_early=False, samples=draws)
        made = attacks.run(defence.RandomJpeg(net, first), x, y, chance).adversarial
        found[f"random/{name}"] = judged_on_average(defence.RandomJpeg(net, first + 1), made, y)
    found["random/clean"] = judged_on_average(defence.RandomJpeg(net, first + 1), x, y)
    return {key: value.numpy().astype(float) for key, value in found.items()}


def judged_on_average(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, draws: int = 5
) -> torch.Tensor:
    """Return which pictures (n,) a random network misreads in most of ``draws`` answers."""
    wrong = torch.stack([attacks.judged(net, x, y) for _ in range(draws)])
    return wrong.float().mean(0) > 0.5


@dataclass(frozen=True)
class DigitBudget:
    """What the training of a digit network costs."""

    digits: int
    epochs: int
    steps: int


def digit_state(real: bool, eps: float, budget: DigitBudget, seed: int) -> dict[str, torch.Tensor]:
    """Return the weights of a digit network, trained in a ball of ``eps`` or, with 0, plainly."""
    x, y, _, _ = grey_digits(real)
    x, y = x[: budget.digits], y[: budget.digits]
    name = f"digits, radius {eps:g}" if eps else "digits, plain"
    return defence.train_digits(
        x, y, eps, budget.epochs, budget.steps, seed, label=name
    ).state_dict()


def digit_network(real: bool, eps: float, budget: DigitBudget, seed: int) -> defence.DigitNetwork:
    """Return a digit network, trained once and kept."""
    net = defence.DigitNetwork()
    net.load_state_dict(cache.once(digit_state, real, eps, budget, seed))
    return net.eval().requires_grad_(False)


def robust(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    eps: float,
    steps: int,
    queries: int,
    first: int,
) -> Found:
    """Return which cases a network reads right: clean, under APGD, and under Square as well."""
    wrong = attacks.judged(net, x, y)
    strong = strongly_attacked(net, x, y, eps, steps, first)["fooled"] > 0
    left = torch.from_numpy(~strong & ~wrong.numpy())
    blind = np.zeros(len(x), bool)
    if left.any():
        _, used = square.run(net, x[left], y[left], eps, queries, first_share=0.3, seed=first)
        blind[left.numpy()] = used > 0
    right = {"clean": ~wrong.numpy(), "apgd": ~strong, "all": ~(strong | blind | wrong.numpy())}
    return {key: value.astype(float) for key, value in right.items()}
