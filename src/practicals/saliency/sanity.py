"""Sanity checks of maps: does a map depend on what the network has learnt, and on chance?"""

import copy
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from scipy import stats
from skimage.metrics import structural_similarity
from torch import nn

from ..networks.gradients import class_scores, input_gradient, outputs

Net = TypeVar("Net", bound=nn.Module)


def spearman(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """Return the rank correlation of maps (n, H, W), shape (n,); 0 where one map is constant."""
    pairs = zip(a.flatten(1).cpu().numpy(), b.flatten(1).cpu().numpy(), strict=True)
    found = [
        0.0 if np.ptp(p) == 0 or np.ptp(q) == 0 else stats.spearmanr(p, q).statistic
        for p, q in pairs
    ]
    return np.array(found, float)


def stretched(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (n, H, W) scaled to [0, 1] one by one; a constant map becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-30)


def ssim(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """Return the structural similarity (Wang et al., 2004) of maps, each stretched to [0, 1], (n,).

    Windows of 7 × 7 pixels; the sign of a map counts, so pass absolute values for its strength.
    """
    pairs = zip(stretched(a).cpu().numpy(), stretched(b).cpu().numpy(), strict=True)
    return np.array([structural_similarity(p, q, data_range=1.0) for p, q in pairs], float)


def weighted_layers(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the parts that hold weights, in order: a backbone's steps, else the leaf modules."""
    steps = getattr(net, "steps", None)
    if isinstance(steps, nn.Sequential):
        parts = list(steps.named_children())
    else:
        parts = [(k, m) for k, m in net.named_modules() if not list(m.children())]
    return [(name, part) for name, part in parts if list(part.parameters())]


def cascade(net: Net, seed: int = 0) -> Iterator[tuple[str, Net]]:
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


def stages_of(net: nn.Module, count: int) -> list[str]:
    """Return ``count`` layers with weights, evenly spread from the last to the first."""
    names = [name for name, _ in reversed(weighted_layers(net))]
    places = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[place] for place in places]


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
    """Return what happens as the pictures fade in from black, each (n, strengths).

    ``probability`` of the class; ``score`` and ``softmax``: the lengths of the gradients of the
    score before the softmax and of the probability, each relative to the picture's largest.
    """
    sure = nn.Sequential(net, nn.Softmax(1))
    faded = [strength * x for strength in strengths]
    found = {"probability": torch.stack([class_scores(outputs(sure, p), y) for p in faded], 1)}
    for name, function in (("score", net), ("softmax", sure)):
        slopes = [input_gradient(function, p, y).flatten(1).norm(dim=1).cpu() for p in faded]
        lengths = torch.stack(slopes, 1)
        # Where a picture gives no gradient at any strength, its curve is zero and not 0 / 0.
        found[name] = lengths / lengths.amax(1, keepdim=True).clamp(min=1e-30)
    return {name: values.numpy() for name, values in found.items()}
