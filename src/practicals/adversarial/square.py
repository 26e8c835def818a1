"""Square attack in L∞ (Andriushchenko et al., ECCV 2020): answers alone, no gradient."""

import numpy as np
import torch
from torch import nn

from .attacks import check, rounded
from .minimum import clean_margin

HALVED = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)
"""Of 10,000 queries: when the share of pixels in a square halves."""


def share(query: int, queries: int, first: float) -> float:
    """Return the share of pixels that a square covers at a query, of all ``queries``."""
    at = query / queries * 10_000
    return first / 2 ** sum(at > border for border in HALVED)


def _stripes(x: torch.Tensor, eps: float, rng: torch.Generator) -> torch.Tensor:
    """Return vertical stripes of ± eps, one pixel wide and of one sign per channel."""
    signs = torch.randint(0, 2, (len(x), x.shape[1], 1, x.shape[3]), generator=rng) * 2.0 - 1
    return (x + eps * signs.to(x)).clamp(0, 1)


def run(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    eps: float,
    queries: int = 5000,
    first_share: float = 0.05,
    seed: int = 0,
) -> tuple[torch.Tensor, np.ndarray]:
    """Return pictures (n, c, H, W), rounded to 8 bits, and the queries that each needed (n,).

    A picture that resists all ``queries`` has −1. A new square of ± eps is kept where it lowers the
    margin of class y; every picture has its own squares and stops by itself.
    """
    check(net, x, y)
    rng = torch.Generator().manual_seed(seed)
    used, found = np.full(len(x), -1), rounded(_stripes(x, eps, rng))
    at, best = torch.arange(len(x)), clean_margin(net, found, y)
    for query in range(1, queries + 1):
        done = best < 0
        used[at[done].numpy()] = query
        at, best = at[~done], best[~done]
        if not len(at) or query == queries:
            break
        side = round((share(query, queries, first_share) * x.shape[2] * x.shape[3]) ** 0.5)
        tried = _with_squares(found[at], x[at], eps, max(1, min(side, min(x.shape[2:]) - 1)), rng)
        value = clean_margin(net, tried, y[at])
        better = value < best
        found[at[better]], best = tried[better], torch.where(better, value, best)
    return found, used


def _with_squares(
    found: torch.Tensor, x: torch.Tensor, eps: float, side: int, rng: torch.Generator
) -> torch.Tensor:
    """Return pictures with one new square each, of random place and of one sign per channel."""
    n, channels, height, width = x.shape
    tops = torch.randint(0, height - side + 1, (n,), generator=rng).tolist()
    lefts = torch.randint(0, width - side + 1, (n,), generator=rng).tolist()
    signs = torch.randint(0, 2, (n, channels, 1, 1), generator=rng) * 2.0 - 1
    tried = found.clone()
    for i, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        rows, columns = slice(top, top + side), slice(left, left + side)
        tried[i, :, rows, columns] = x[i, :, rows, columns] + eps * signs[i].to(x)
    return rounded(tried.clamp(0, 1))
