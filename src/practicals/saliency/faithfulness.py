"""Does a map tell the truth about the network? Insertion, deletion and infidelity.

Maps are (n, H, W), pictures (n, 3, H, W). A score is one number per picture, for paired tests.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from ..networks.gradients import class_scores, outputs, probability

Maps = Mapping[str, torch.Tensor]


def blurred(x: torch.Tensor, part: float = 0.05) -> torch.Tensor:
    """Return the pictures blurred until little is left: deviation = ``part`` of the side."""
    sigma = part * x.shape[-1]
    reach = min(2 * math.ceil(2 * sigma) + 1, 2 * ((min(x.shape[-2:]) - 1) // 2) - 1)
    return gaussian_blur(x, reach, sigma)


Baseline = Callable[[torch.Tensor], torch.Tensor]
BASELINES: dict[str, Baseline] = {
    "blur": blurred,
    "zero": torch.zeros_like,
}
"""What stands where a pixel is taken away."""


def grid(points: int, each: int, first: int, count: int) -> np.ndarray:
    """Return the fractions at which ``count`` pictures are looked at, shape (count, each).

    The curve has ``points`` fractions, the middles of equal parts of [0, 1]. Picture ``i`` (counted
    from ``first``) sees ``each`` of them, equally far apart, and the next picture the next ones, so
    that all points are seen equally often and every picture's mean estimates its own area.
    """
    if points % each:
        raise ValueError(f"{points} points cannot be shared out: expected a multiple of {each}")
    apart = points // each
    offset = (first + np.arange(count)) % apart
    return (offset[:, None] + apart * np.arange(each) + 0.5) / points


def leading(maps: torch.Tensor, fractions: np.ndarray, seed: int = 0) -> torch.Tensor:
    """Return where the highest values lie, boolean (k, n, 1, H, W), for fractions (n, k).

    Ties, such as the zeros that Grad-CAM leaves, are ordered at random.
    """
    flat = maps.flatten(1)
    shuffle = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(seed))
    order = shuffle[flat[:, shuffle].argsort(1, descending=True)]
    place = torch.arange(flat.shape[1]).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place).view(maps.shape)
    counts = torch.from_numpy(np.asarray(fractions) * flat.shape[1]).round()
    return (rank < counts.T[:, :, None, None])[:, :, None]


def perturbed(
    x: torch.Tensor, baseline: torch.Tensor, mask: torch.Tensor, insert: bool
) -> torch.Tensor:
    """Return ``x`` inside the mask and ``baseline`` outside (insertion), or the reverse."""
    return torch.where(mask if insert else ~mask, x, baseline)


def curves(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    maps: Maps,
    baseline: torch.Tensor,
    fractions: np.ndarray,
    insert: bool,
) -> dict[str, np.ndarray]:
    """Return the probability of ``y`` after each fraction (n, k) of the pixels, highest first.

    Insertion puts the picture's pixels into the baseline, deletion the reverse (Petsiuk et al.,
    2018). The mean of a row is the area under that picture's curve, by the midpoint rule.
    """
    found, k = {}, np.shape(fractions)[1]
    for name, heat in maps.items():
        parts = [perturbed(x, baseline, mask, insert) for mask in leading(heat, fractions)]
        found[name] = probability(net, torch.cat(parts), y.repeat(k)).view(k, -1).T.numpy()
    return found


def squares(
    shape: tuple[int, ...], count: int, generator: torch.Generator, part: float = 0.3
) -> torch.Tensor:
    """Return random squares of up to ``part`` of the side, boolean (count, 1, H, W)."""
    height, width = shape[-2:]
    masks = torch.zeros(count, 1, height, width, dtype=torch.bool)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    for mask in masks:
        side = draw(max(2, height // 10), int(part * height))
        top, left = draw(0, height - side), draw(0, width - side)
        mask[:, top : top + side, left : left + side] = True
    return masks


def unexplained(predicted: torch.Tensor, changes: torch.Tensor) -> torch.Tensor:
    """Return the share of squared changes (n, k) left after the best multiple of ``predicted``.

    This is infidelity (Yeh et al., 2019) with its optimal scale, divided by the mean squared
    change: 0 is a perfect map, 1 one that predicts nothing.
    """
    scale = (predicted * changes).sum(1) / predicted.square().sum(1).clamp(min=1e-30)
    return (scale[:, None] * predicted - changes).square().sum(1) / changes.square().sum(1).clamp(
        min=1e-30
    )


def infidelity(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, maps: Maps, count: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return how badly a map's sum over a square predicts the score lost by blacking it out.

    The same ``count`` squares serve every picture and every map; one number per picture in [0, 1].
    """
    masks = squares(x.shape, count, torch.Generator().manual_seed(seed))
    whole = class_scores(outputs(net, x), y)
    cut = (x[:, None] * ~masks).flatten(0, 1)
    kept = class_scores(outputs(net, cut), y.repeat_interleave(count)).view(-1, count)
    lost, cover = whole[:, None] - kept, masks.flatten(1).float().T
    return {name: unexplained(heat.flatten(1) @ cover, lost).numpy() for name, heat in maps.items()}
