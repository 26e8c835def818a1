"""Sanity checks of maps: does a map depend on what the network has learnt, and on chance?"""

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .gradients import class_scores, input_gradient
from .saliency_scores import outputs


def ranks(maps: torch.Tensor) -> torch.Tensor:
    """Return the ranks of a map's pixels, ties averaged, float64 (n, H·W)."""
    flat = maps.flatten(1).double()
    ordered, _ = flat.sort(1)
    low = torch.searchsorted(ordered, flat)
    high = torch.searchsorted(ordered, flat, right=True)
    return (low + high - 1).double() / 2


def spearman(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """Return the rank correlation of maps (n, H, W), shape (n,); 0 where one is constant."""
    a, b = (rank - rank.mean(1, keepdim=True) for rank in (ranks(a), ranks(b)))
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return ((a * b).sum(1) / scale.clamp(min=1e-30)).cpu().numpy()


def stretched(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (n, H, W) scaled to [0, 1] one by one; a constant map becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-30)


def ssim(a: torch.Tensor, b: torch.Tensor, window: int = 7) -> np.ndarray:
    """Return the structural similarity (Wang et al., 2004) of maps with values in [0, 1], (n,).

    Uniform windows, sample covariances, constants 0.01 and 0.03; windows that leave the map do
    not count.
    """
    a, b = a.double()[:, None], b.double()[:, None]

    def mean(z: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(z, window, 1)

    mean_a, mean_b = mean(a), mean(b)
    unbiased = window**2 / (window**2 - 1)
    var_a, var_b = (unbiased * (mean(z * z) - mean(z) ** 2) for z in (a, b))
    covariance = unbiased * (mean(a * b) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    size = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return (likeness / size).mean((1, 2, 3)).cpu().numpy()


def weighted_layers(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the parts that hold weights, in order: a backbone's steps, else the leaf modules."""
    if isinstance(getattr(net, "steps", None), nn.Sequential):
        parts = net.steps.named_children()
    else:
        parts = ((k, m) for k, m in net.named_modules() if not list(m.children()))
    return [(name, part) for name, part in parts if list(part.parameters())]


def cascade(net: nn.Module, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Yield (layer, network) with the weights from the output down to that layer made random.

    The cascading randomisation of Adebayo et al. (2018), on a copy. A tensor of weights is
    shuffled: its mean and spread stay, so activations keep their size and only what was learnt
    is lost. The same copy is yielded each time, one layer further.
    """
    copied = copy.deepcopy(net)
    generator = torch.Generator().manual_seed(seed)
    for name, part in reversed(weighted_layers(copied)):
        for parameter in part.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.data = parameter.data.flatten()[order].view(parameter.shape).clone()
        yield name, copied


def spread_by_seed(
    method: Callable[[torch.Generator], torch.Tensor], seeds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Run a random method with several seeds; return two numbers per picture, (n,) each.

    The first is the mean rank correlation of two seeds' maps, the second the mean deviation of a
    pixel over the seeds divided by the mean absolute value of the map.
    """
    maps = [method(torch.Generator().manual_seed(seed)) for seed in range(seeds)]
    pairs = [spearman(a, b) for i, a in enumerate(maps) for b in maps[:i]]
    stacked = torch.stack(maps)
    spread = stacked.std(0).mean((1, 2)) / stacked.abs().mean((0, 2, 3)).clamp(min=1e-30)
    return np.mean(pairs, 0), spread.cpu().numpy()


def completeness_gap(
    net: nn.Module, maps: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> np.ndarray:
    """Return |Σ map − (score(x) − score(black))| relative to that change, shape (n,)."""
    picture, black = (class_scores(outputs(net, p), y) for p in (x, torch.zeros_like(x)))
    change = picture - black
    return ((maps.sum((1, 2)).cpu() - change) / change).abs().numpy()


def fading(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, strengths: Sequence[float]
) -> dict[str, np.ndarray]:
    """Return what happens as the pictures fade in from black: three means per strength.

    The probability of the class, and the lengths of the gradients of its score and of its
    probability, each relative to the picture's largest.
    """
    sure = nn.Sequential(net, nn.Softmax(1))
    faded = [strength * x for strength in strengths]
    found = {"probability": torch.stack([class_scores(outputs(sure, p), y) for p in faded])}
    for name, function in (("score", net), ("probability", sure)):
        slopes = [input_gradient(function, p, y).flatten(1).norm(dim=1) for p in faded]
        lengths = torch.stack(slopes).cpu()
        found[f"gradient of the {name}"] = lengths / lengths.amax(0)
    return {name: values.mean(1).numpy() for name, values in found.items()}
