"""Gradient ascent on a picture: a recipe says what is moved, how, and what holds it back.

The network is never changed: parameter gradients, training flags and hooks stay, also after an
exception. Pictures of a batch do not influence each other, so many classes or seeds climb at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from ..networks.gradients import differentiating
from .objectives import Objective, outputs_of
from .parameterisation import fourier, generators, pixels, standardised
from .transforms import Transform, blur, chain, crop, jitter, pad, scale_and_rotate

USUAL = 224
"""Side, in pixels, of the pictures that published settings were made for."""
Penalty = Callable[[torch.Tensor], torch.Tensor]  # pictures (n, 3, H, W) to values (n,)
Rule = Callable[[int, torch.Tensor], torch.Tensor]  # step and standardised pixels to new ones
Watch = Callable[[int, torch.Tensor], Any]  # step and pictures


@dataclass(frozen=True)
class Recipe:
    """All that gradient ascent depends on but objective, seeds and size.

    ``update`` is ``normalised`` or ``adam``; ``rules`` change standardised pixels after each step
    and go with ``pixels`` alone.
    """

    title: str
    start: Callable[..., Any] = pixels
    transforms: tuple[Transform, ...] = ()
    penalties: tuple[Penalty, ...] = ()
    rules: tuple[Rule, ...] = ()
    update: str = "normalised"
    lr: float = 5.0
    steps: int = 1000

    def but(self, **changes: Any) -> "Recipe":
        """Return the recipe with some of its parts changed."""
        return replace(self, **changes)


def l2(x: torch.Tensor, weight: float = 1e-3) -> torch.Tensor:
    """Return ``weight`` × the sum of squares of standardised pixels, for each picture (n,).

    The sum is that of a picture of 224 × 224 pixels: on a smaller one the score's gradient per
    pixel is larger, as its mean runs over fewer positions, and the penalty must keep up.
    """
    return weight * 3 * USUAL**2 * (standardised(x) ** 2).flatten(1).mean(1)


def in_range(_step: int, z: torch.Tensor) -> torch.Tensor:
    """Return standardised pixels cut to what black and white allow."""
    black, white = (standardised(torch.full((1, 3, 1, 1), end)).to(z) for end in (0.0, 1.0))
    return torch.minimum(torch.maximum(z, black), white)


def blur_every(step: int, z: torch.Tensor, every: int = 10, sigma: float = 0.5) -> torch.Tensor:
    """Return the pixels smoothed by ``sigma`` pixels at each ``every``-th step."""
    return blur(z, sigma) if step % every == 0 else z


def drop_small(_step: int, z: torch.Tensor, share: float = 0.5) -> torch.Tensor:
    """Return the pixels with the ``share`` of positions nearest to the mean colour set to it."""
    norms = z.norm(dim=1, keepdim=True)
    limit = norms.flatten(1).quantile(share, dim=1).view(-1, 1, 1, 1)
    return torch.where(norms < limit, 0.0, z)


PUBLISHED = Recipe(
    "published default",
    transforms=(partial(jitter, most=16),),
    penalties=(partial(l2, weight=1e-3),),
    rules=(in_range, partial(blur_every, every=10, sigma=0.5)),
)
"""The recipe of the published practical work: L2, blur, jitter, steps of fixed length."""
YOSINSKI = Recipe(
    "Yosinski et al.",
    rules=(
        partial(blur_every, every=4, sigma=0.5),
        partial(drop_small, share=0.5),
        in_range,
    ),
    steps=500,
)
"""The first of four settings of Yosinski et al. (2015): blur, and small pixels set to the mean.

Their step size is not published with it; it is that of ``PUBLISHED``.
"""
OLAH = Recipe(
    "Olah et al.",
    start=fourier,
    transforms=(
        partial(pad, width=12),
        partial(crop, most=8),
        scale_and_rotate,
        partial(crop, most=4),
    ),
    update="adam",
    lr=0.05,
    steps=512,
)
"""Fourier coefficients, decorrelated colours and random transforms (Olah et al., Distill 2017)."""
WIDER = OLAH.but(
    title="Olah, wider transforms",
    transforms=(
        partial(pad, width=32),
        partial(crop, most=32),
        partial(scale_and_rotate, low=0.6, high=1.4, most=40),
        partial(crop, most=16),
    ),
    lr=0.02,
)
"""Olah's recipe with wider transforms and shorter steps: the variant of this project."""
RECIPES = {"default": PUBLISHED, "yosinski": YOSINSKI, "olah": OLAH, "wider": WIDER}


@dataclass(frozen=True)
class Result:
    """Pictures in [0, 1] at the end and at the start (n, 3, H, W), and values (steps, n).

    A value is that of the objective as the step saw it: after transforms, without penalties.
    """

    pictures: torch.Tensor
    start: torch.Tensor
    values: torch.Tensor


@dataclass
class Frames:
    """A watcher that keeps the pictures at the steps ``at``, by step, in [0, 1] on the CPU."""

    at: Sequence[int]
    kept: dict[int, torch.Tensor] = field(default_factory=dict)

    def __call__(self, step: int, pictures: torch.Tensor) -> None:
        """Keep the pictures (n, 3, H, W) of one step."""
        if step in self.at:
            self.kept[step] = pictures.detach().cpu().float().clone()


def step_length(lr: float, side: int) -> float:
    """Return the length of a step for a picture of ``side`` pixels: the same change per pixel."""
    return lr * side / USUAL


def normalised_step(params: torch.Tensor, slopes: torch.Tensor, length: float) -> torch.Tensor:
    """Return the parameters after one step of ``length`` along each picture's own gradient.

    A picture whose gradient is zero stays where it is.
    """
    norms = slopes.flatten(1).norm(dim=1).clamp(min=1e-12)
    return params + length * slopes / norms.view(-1, *[1] * (params.ndim - 1))


def _refuse(recipe: Recipe, side: int, seeds: Sequence[int]) -> None:
    if recipe.update not in ("normalised", "adam"):
        raise ValueError(f"update {recipe.update!r}: expected 'normalised' or 'adam'")
    if recipe.steps < 0 or not recipe.lr > 0:
        raise ValueError(f"expected steps ≥ 0 and lr > 0, got {recipe.steps} and {recipe.lr}")
    if recipe.rules and not _moves_pixels(recipe):
        raise ValueError("rules change pixels: they go with the parameterisation pixels alone")
    if side < 2 or not len(seeds):
        raise ValueError(f"expected a seed per picture and a side ≥ 2, got {seeds} and {side}")


def _moves_pixels(recipe: Recipe) -> bool:
    start = recipe.start.func if isinstance(recipe.start, partial) else recipe.start
    return start is pixels


def _like(net: nn.Module, otherwise: torch.Tensor) -> torch.Tensor:
    """Return a parameter, whose precision and device the network's input must have."""
    return next((p for p in net.parameters() if p.is_floating_point()), otherwise)


def slopes_of(
    net: nn.Module, objective: Objective, recipe: Recipe, made: tuple, rngs: Sequence
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient of objective minus penalties by the parameters, and the values (n,)."""
    params, image = made
    x = image()
    like = _like(net, x)
    seen = chain(x, rngs, recipe.transforms)
    # A channels-last picture lets the convolutions run without copies; a clone, so that a network
    # may begin with an operation in place.
    seen = seen.to(like.device, like.dtype).clone(memory_format=torch.channels_last)
    values = objective(outputs_of(net, seen, objective.layers)).float().to(x.device)
    goal = values.sum() - sum(penalty(x).sum() for penalty in recipe.penalties)
    return torch.autograd.grad(goal, params)[0], values.detach()


def run(
    net: nn.Module,
    objective: Objective,
    recipe: Recipe,
    seeds: Sequence[int],
    side: int,
    start: torch.Tensor | None = None,
    watch: Watch | None = None,
) -> Result:
    """Climb the objective with one picture per seed; return where they come to.

    ``start`` (n, 3, side, side) in [0, 1] takes the place of the recipe's noise. ``watch`` is
    called before the first step and after each one. Seeds decide noise and transforms, picture by
    picture. Raises ValueError for settings or shapes that do not fit.
    """
    _refuse(recipe, side, seeds)
    values_of: list[torch.Tensor] = []
    rngs, device = generators(seeds), _like(net, torch.zeros(0)).device
    with differentiating(net):
        params, image = made = recipe.start(rngs, side, start=start, device=device)
        if _moves_pixels(recipe):
            params.data = in_range(0, params.data)
        adam = torch.optim.Adam([params], recipe.lr, maximize=True)
        first = image().detach().clone()
        for step in range(1, recipe.steps + 1):
            if watch and step == 1:
                watch(0, first)
            slopes, values = slopes_of(net, objective, recipe, made, rngs)
            values_of.append(values)
            with torch.no_grad():
                if recipe.update == "adam":
                    params.grad = slopes
                    adam.step()
                else:
                    length = step_length(recipe.lr, side)
                    params.copy_(normalised_step(params, slopes, length))
                for rule in recipe.rules:
                    params.copy_(rule(step, params))
                if watch:
                    watch(step, image())
        with torch.no_grad():
            last = image().clamp(0, 1)
    trace = torch.stack(values_of).cpu() if values_of else torch.zeros(0, len(seeds))
    return Result(last.detach().cpu(), first.clamp(0, 1).cpu(), trace)
