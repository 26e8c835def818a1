"""Does a map tell the truth about the network? Curves of insertion and deletion, and their fills.

Maps are (n, H, W), pictures (n, 3, H, W) in [0, 1]. A score is one number per picture.
"""

import copy
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from scipy import ndimage, stats
from torch import nn
from torch.nn import functional as F

from ..networks.backbones import Backbone
from ..networks.gradients import probability

Net = TypeVar("Net", bound=nn.Module)


def grey(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return pictures like ``x`` of the network's mean colour: zero *after* normalisation.

    This is what deletion and RISE put where nothing shall be seen (Petsiuk et al., 2018). A network
    that does not normalise gets black.
    """
    if not isinstance(net, Backbone):
        return torch.zeros_like(x)
    return net.normalise.mean.to(x).expand_as(x)


def blurred(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the pictures through the blur that insertion starts from (Petsiuk et al., 2018).

    The authors' kernel: 11 × 11, a point spread by a Gaussian of 5 pixels; beyond the border lies
    the mean colour.
    """
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = torch.from_numpy(ndimage.gaussian_filter(point, 5)).to(x)
    kernel = kernel.expand(x.shape[1], 1, -1, -1)
    fill = grey(net, x)
    return (fill + F.conv2d(x - fill, kernel, padding=5, groups=x.shape[1])).clamp(0, 1)


def leading(maps: torch.Tensor, fractions: np.ndarray, seed: int = 0) -> torch.Tensor:
    """Return where the highest values lie, boolean (k, n, 1, H, W), for fractions (k,) in [0, 1].

    Ties, such as the zeros that Grad-CAM leaves, are ordered at random.
    """
    flat = maps.flatten(1)
    shuffle = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(seed))
    order = shuffle[flat[:, shuffle].argsort(dim=1, descending=True)]
    place = torch.arange(flat.shape[1]).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place).view(maps.shape)
    counts = (torch.as_tensor(fractions) * flat.shape[1]).round()
    return (rank < counts[:, None, None, None])[:, :, None]


def curves(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    maps: Mapping[str, torch.Tensor],
    baseline: torch.Tensor,
    points: int,
    insert: bool,
) -> dict[str, np.ndarray]:
    """Return the probability of ``y`` at the middles of ``points`` equal parts, (n, points).

    Insertion puts the picture's pixels into the baseline, highest values of the map first, deletion
    the reverse (Petsiuk et al., 2018). The mean of a row is the area under that picture's curve.
    """
    found, fractions = {}, (np.arange(points) + 0.5) / points
    for name, heat in maps.items():
        masks = leading(heat.cpu(), fractions).to(x.device)
        parts = [torch.where(mask if insert else ~mask, x, baseline) for mask in masks]
        found[name] = (
            probability(net, torch.cat(parts), y.repeat(points)).view(points, -1).T.numpy()
        )
    return found


def rank_correlation(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """Return Spearman's rank correlation of maps (n, H, W), shape (n,); 0 where one is constant."""
    pairs = zip(a.flatten(1).cpu().numpy(), b.flatten(1).cpu().numpy(), strict=True)
    found = [
        0.0 if np.ptp(p) == 0 or np.ptp(q) == 0 else stats.spearmanr(p, q).statistic
        for p, q in pairs
    ]
    return np.array(found, float)


def shuffled(net: Net, seed: int) -> Net:
    """Return a copy of a network whose last layer with weights has them in random order.

    The first step of the cascade of Adebayo et al. (2018): mean and spread of the weights stay, so
    that scores keep their size and only what was learnt is lost.
    """
    other, generator = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    last = [part for part in other.modules() if isinstance(part, nn.Conv2d | nn.Linear)][-1]
    for parameter in last.parameters():
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.data = parameter.data.flatten()[order].view(parameter.shape).clone()
    return other
