"""Does a map tell the truth about the network? Scores and paired tests.

Maps are (n, H, W), pictures (n, 3, H, W). A score is one number per picture, for paired tests.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from .gradients import class_scores, differentiating, matched

Maps = Mapping[str, torch.Tensor]


def blurred(x: torch.Tensor, part: float = 0.05) -> torch.Tensor:
    """Return the pictures blurred until little is left: deviation = ``part`` of the side."""
    sigma = part * x.shape[-1]
    reach = min(2 * math.ceil(2 * sigma) + 1, 2 * ((min(x.shape[-2:]) - 1) // 2) - 1)
    return gaussian_blur(x, reach, sigma)


BASELINES = {"blur": blurred, "zero": torch.zeros_like}
"""What stands where a pixel is taken away."""


def outputs(net: nn.Module, x: torch.Tensor, batch_size: int = 32) -> torch.Tensor:
    """Return the logits in evaluation mode without gradients, float32 (n, classes)."""
    with differentiating(net), torch.no_grad():
        return torch.cat([net(matched(net, part)).float().cpu() for part in x.split(batch_size)])


def probability(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the probability of class ``y[i]`` for picture i, shape (n,)."""
    return class_scores(outputs(net, x).softmax(1), y)


def leading(maps: torch.Tensor, fractions: Sequence[float], seed: int = 0) -> torch.Tensor:
    """Return where the highest values lie, boolean (len(fractions), n, 1, H, W).

    Ties, such as the zeros that Grad-CAM leaves, are ordered at random.
    """
    flat = maps.flatten(1)
    shuffle = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(seed))
    order = shuffle[flat[:, shuffle].argsort(1, descending=True)]
    place = torch.arange(flat.shape[1]).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place).view(maps.shape)[:, None]
    return torch.stack([rank < round(fraction * flat.shape[1]) for fraction in fractions])


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
    fractions: Sequence[float],
    insert: bool,
) -> dict[str, np.ndarray]:
    """Return the probability of ``y`` after each fraction of the pixels, highest first (n, F).

    Insertion puts the picture's pixels into the baseline, deletion the reverse (Petsiuk et al.,
    2018). ``fractions`` rise from 0 to 1; these two ends are the same for every map and are
    computed once.
    """
    inner = fractions[1:-1]
    ends = [probability(net, pixels, y) for pixels in (baseline, x)]
    first, last = ends if insert else ends[::-1]
    found = {}
    for name, heat in maps.items():
        parts = [perturbed(x, baseline, mask, insert) for mask in leading(heat, inner)]
        middle = probability(net, torch.cat(parts), y.repeat(len(inner))).view(len(inner), -1)
        found[name] = torch.stack([first, *middle, last], 1).numpy()
    return found


def area(curve: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Return the area under curves (n, F) by trapezia, shape (n,)."""
    widths = np.diff(np.asarray(fractions))
    return ((curve[:, 1:] + curve[:, :-1]) / 2 * widths).sum(1)


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


def mosaics(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Join every four pictures to one of 2 × 2 cells (Böhle et al., 2021), with known places.

    Returns the mosaics repeated for each of their classes (n, 3, H, W), the classes (n,) and the
    cell of each class, boolean (n, H, W). n is a multiple of four; the rest of ``x`` is dropped.
    """
    n, side = len(x) // 4 * 4, x.shape[-1] // 2
    small = F.interpolate(x[:n], (side, side), mode="area").view(-1, 4, 3, side, side)
    rows = [torch.cat([small[:, i], small[:, i + 1]], -1) for i in (0, 2)]
    whole = torch.cat(rows, -2).repeat_interleave(4, 0)
    cells = torch.zeros(4, 2 * side, 2 * side, dtype=torch.bool)
    for i in range(4):
        top, left = (i // 2) * side, (i % 2) * side
        cells[i, top : top + side, left : left + side] = True
    return whole, y[:n], cells.repeat(n // 4, 1, 1)


def pointing(maps: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Return whether the highest value lies in the mask (Zhang et al., 2016), 0 or 1 (n,)."""
    best = maps.flatten(1).argmax(1, keepdim=True)
    return masks.flatten(1).gather(1, best)[:, 0].double().numpy()


def inside(maps: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Return the share of a map's positive values that lies in the mask, in [0, 1], shape (n,)."""
    positive = maps.clamp(min=0).double()
    share = (positive * masks).sum((1, 2)) / positive.sum((1, 2)).clamp(min=1e-30)
    return share.numpy()


def paired_p(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test on two scores of the same pictures."""
    return 1.0 if np.allclose(a, b) else float(stats.wilcoxon(a, b, zero_method="zsplit").pvalue)


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for their number (Holm, 1979), in the order given."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted[np.argsort(order)]


def beats_all(
    scores: Mapping[str, np.ndarray], references: Sequence[str], higher: bool, level: float = 0.05
) -> dict[str, bool]:
    """Return which methods are better than every reference, each difference significant (Holm)."""
    pairs = [(a, b) for a in scores if a not in references for b in references]
    adjusted = holm([paired_p(scores[a], scores[b]) for a, b in pairs])
    gains = [(scores[a] - scores[b]).mean() * (1 if higher else -1) for a, b in pairs]
    won = {pair: p < level and g > 0 for pair, p, g in zip(pairs, adjusted, gains, strict=True)}
    return {a: all(won[a, b] for b in references) for a, _ in pairs}


def level_with_best(
    scores: Mapping[str, np.ndarray], higher: bool, level: float = 0.05
) -> list[str]:
    """Return the best method and those that do not differ from it significantly (Holm)."""
    best = (max if higher else min)(scores, key=lambda name: scores[name].mean())
    others = [name for name in scores if name != best]
    adjusted = holm([paired_p(scores[best], scores[name]) for name in others])
    return [best, *(name for name, p in zip(others, adjusted, strict=True) if p >= level)]
