"""One-pixel attack by differential evolution (Su, Vargas and Sakurai, IEEE TEVC 2019).

A candidate holds k pixels of five numbers each: row, column, red, green, blue; colours in 0–255.
The populations of many pictures live in one tensor (n, population, k, 5), asked in batches.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..networks.gradients import class_scores, outputs
from .attacks import LEVELS, batch_size, check

STEP = 0.5
"""How far a child goes along the difference of two parents, as in the paper."""


@dataclass(frozen=True)
class Search:
    """Settings of a search; ``population × generations`` queries per picture at most."""

    pixels: int = 1
    population: int = 400
    generations: int = 100
    evolve: bool = True
    """Whether children come from parents; else every generation is drawn anew: the control."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pixels < 1 or self.generations < 1 or self.population < 4:
            raise ValueError(f"expected pixels and generations ≥ 1, population ≥ 4, got {self}")


def draw(shape: tuple[int, int], n: int, search: Search, rng: torch.Generator) -> torch.Tensor:
    """Return first candidates (n, population, k, 5): any place, colours around the middle grey."""
    size = (n, search.population, search.pixels)
    places = [torch.rand(size, generator=rng) * side for side in shape]
    colours = [128 + 127 * torch.randn(size, generator=rng) for _ in range(3)]
    return within(torch.stack([*places, *colours], -1), shape)


def within(candidates: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return candidates cut to the picture's sides and to colours in 0–255."""
    top = torch.tensor([shape[0] - 1e-3, shape[1] - 1e-3, LEVELS, LEVELS, LEVELS])
    return candidates.clamp_min(0).minimum(top)


def children(parents: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return a child per place: a + ½ (b − c) of three parents of the same population.

    ``parents`` is (n, population, k, 5); the three are different, and none is the place's own.
    """
    n, size = parents.shape[:2]
    taken = torch.arange(size).expand(n, size)[..., None]
    for _ in range(3):
        one = torch.randint(0, size - taken.shape[-1], (n, size), generator=rng)
        for other in taken.sort(-1).values.unbind(-1):  # step over those that are taken
            one = one + (one >= other)
        taken = torch.cat([taken, one[..., None]], -1)
    a, b, c = (parents[torch.arange(n)[:, None], place] for place in taken.unbind(-1)[1:])
    return a + STEP * (b - c)


def paste(x: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """Return picture ``x`` (3, H, W) with each candidate's (m, k, 5) pixels: (m, 3, H, W)."""
    m, k = candidates.shape[:2]
    pictures = x[None].repeat(m, 1, 1, 1)
    row, column = candidates[..., 0].long(), candidates[..., 1].long()
    which = torch.arange(m)[:, None].expand(m, k)
    colours = candidates[..., 2:].round() / LEVELS
    pictures[which, :, row, column] = colours.to(pictures)[..., : x.shape[0]]
    return pictures


def _ask(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    target: torch.Tensor | None,
    found: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each candidate's worth, lower is better, and whether it fools: (n, population)."""
    worth, fools = [], []
    for i, candidates in enumerate(found):
        chances = outputs(net, paste(x[i], candidates), batch_size(x)).softmax(1)
        goal = y[i] if target is None else target[i]
        value = class_scores(chances, goal.expand(len(chances)))
        worth.append(value if target is None else -value)
        first = chances.argmax(1)
        fools.append(first != goal if target is None else first == goal)
    return torch.stack(worth), torch.stack(fools)


def run(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    search: Search,
    target: torch.Tensor | None = None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Return each picture's best candidate (n, k, 5) and the queries it took (n,), −1 for none.

    A query is one picture asked; they are counted in the order of the population up to the first
    candidate that fools. Candidates are 8-bit pixels, so the picture judged is the picture found.
    """
    check(net, x, y, target)
    rng, shape = torch.Generator().manual_seed(search.seed), (x.shape[2], x.shape[3])
    parents, used = draw(shape, len(x), search, rng), np.full(len(x), -1)
    best, at = parents[:, 0].clone(), torch.arange(len(x))
    worth = torch.full(parents.shape[:2], float("inf"))
    for generation in range(search.generations):
        tried = parents
        if generation:
            fresh = children(parents, rng) if search.evolve else draw(shape, len(at), search, rng)
            tried = within(fresh, shape)
        value, fools = _ask(net, x[at], y[at], None if target is None else target[at], tried)
        better = value < worth
        parents = torch.where(better[..., None, None], tried, parents)
        worth = torch.where(better, value, worth)
        best[at] = parents[torch.arange(len(at)), worth.argmin(1)]
        hit = fools.any(1)
        first = fools.int().argmax(1)
        best[at[hit]] = tried[hit, first[hit]]
        used[at[hit].numpy()] = generation * search.population + first[hit].numpy() + 1
        at, parents, worth = at[~hit], parents[~hit], worth[~hit]
        if not len(at):
            break
    return best, used
