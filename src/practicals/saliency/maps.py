"""Which pixels speak for a class? Maps from gradients, for any network of the caller.

Every method takes a network, pixels ``x`` (n, c, H, W) and classes ``y`` (n,), and returns maps,
float32 (n, H, W), of the class score before the softmax. The network is never changed: parameter
gradients, training flags, hooks and ``requires_grad`` stay, also after an exception.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from ..networks.backbones import Backbone
from ..networks.gradients import (
    Replacing,
    checked,
    differentiating,
    input_gradient,
    layer_gradient,
    matched,
    refuse_script,
)
from ..networks.zoo import NETWORKS, nearest

Reduce = Callable[[torch.Tensor], torch.Tensor]  # attributions (n, c, H, W) to maps (n, H, W)


def strongest(attributions: torch.Tensor) -> torch.Tensor:
    """Return the largest absolute value over the channels: how much, whatever the sign."""
    return attributions.abs().amax(1)


def total(attributions: torch.Tensor) -> torch.Tensor:
    """Return the sum over the channels, which keeps the sign and the total of the scores."""
    return attributions.sum(1)


def every_channel(attributions: torch.Tensor) -> torch.Tensor:
    """Return the attributions channel by channel."""
    return attributions


def gradient(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, reduce: Reduce = strongest
) -> torch.Tensor:
    """Return the size of the gradient, largest over the channels (Simonyan et al., 2014)."""
    checked(x, y)
    return reduce(input_gradient(net, x, y))


def pooled_gradient(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, width: float = 0.05
) -> torch.Tensor:
    """Return the gradient map blurred by ``width`` of the shorter side: a control for Grad-CAM.

    It is as coarse as a layer's maps are, and costs one gradient.
    """
    sigma = width * min(x.shape[-2:])
    reach = 2 * int(min(2 * sigma, (min(x.shape[-2:]) - 1) // 2)) + 1
    return gaussian_blur(gradient(net, x, y)[:, None], [reach, reach], [sigma, sigma])[:, 0]


def gradient_x_input(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, reduce: Reduce = total
) -> torch.Tensor:
    """Return gradient times input: each pixel's part in a linear model (Shrikumar et al., 2017)."""
    checked(x, y)
    return reduce(input_gradient(net, x, y) * x)


def noisy(x: torch.Tensor, noise: float, generator: torch.Generator | None = None) -> torch.Tensor:
    """Add normal noise whose deviation is ``noise`` times each picture's range of values."""
    spread = x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True)
    return x + noise * spread * torch.randn(x.shape, generator=generator).to(x)


def smoothgrad(  # noqa: PLR0913 (the knobs of the paper, all with defaults)
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    samples: int = 50,
    noise: float = 0.15,
    generator: torch.Generator | None = None,
    reduce: Reduce = strongest,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return the mean gradient over noisy copies of the picture (Smilkov et al., 2017).

    The noise is drawn copy by copy on the CPU, so the result does not depend on ``batch_size``.
    """
    checked(x, y)
    points = ((1 / samples, noisy(x, noise, generator)) for _ in range(samples))
    return reduce(weighted_gradients(net, points, y, batch_size))


def integrated_gradients(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    steps: int = 50,
    baseline: torch.Tensor | None = None,
    reduce: Reduce = total,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return (x − baseline) × the mean gradient on the line between (Sundararajan et al., 2017).

    ``baseline`` is black by default. The integral is a Gauss–Legendre sum of ``steps`` gradients; a
    map adds up to score(x) − score(baseline) but for that sum's error.
    """
    checked(x, y)
    baseline = torch.zeros_like(x) if baseline is None else baseline
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    points = (
        (float(w) / 2, baseline + (1 + float(t)) / 2 * (x - baseline))
        for t, w in zip(nodes, weights, strict=True)
    )
    return reduce((x - baseline) * weighted_gradients(net, points, y, batch_size))


def grad_cam(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, layer: str | nn.Module
) -> torch.Tensor:
    """Return a layer's maps weighted by their mean gradient, positive part (Selvaraju 2017).

    Nothing below the layer is differentiated. The map is enlarged to the picture bilinearly.
    """
    checked(x, y)
    maps, slopes = (part.float() for part in layer_gradient(net, x, y, layer))
    weights = slopes.mean((2, 3), keepdim=True)
    cam = F.relu((weights * maps).sum(1, keepdim=True)).to(x.device)
    return F.interpolate(cam, x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def halves(net: Backbone, layer: str = "") -> tuple[nn.Sequential, nn.Sequential]:
    """Return a network cut in two: pixels to a layer's maps, and these maps to scores.

    ``layer`` is by default the last one with positions. The halves share the network's parameters.
    """
    layer = layer or NETWORKS[net.name].grad_cam
    if layer not in net.layers:
        raise nearest(f"layer of {net.name}", layer, net.layers)
    steps = [net.normalise, *net.steps]
    at = net.layers.index(layer) + 2
    return nn.Sequential(*steps[:at]), nn.Sequential(*steps[at:])


def affine_start(net: nn.Module) -> nn.Sequential | None:
    """Return a backbone's normalisation and first convolution, None for other networks.

    Both are affine, so their derivative is the same at every input.
    """
    if not isinstance(net, Backbone):
        return None
    first = next(iter(net.steps), nn.Identity())
    first = first[0] if isinstance(first, nn.Sequential) else first
    return nn.Sequential(net.normalise, first) if isinstance(first, nn.Conv2d) else None


def weighted_gradients(
    net: nn.Module,
    points: Iterable[tuple[float, torch.Tensor]],
    y: torch.Tensor,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return Σ w · gradient at p over pairs (w, p), several points of shape (n, c, H, W) a pass.

    Where the network starts with an affine part, the gradients are added up behind it, and the sum
    goes through that part once: the first convolution is the most expensive one to differentiate.
    """
    start, points, found = affine_start(net), iter(points), torch.zeros(())
    at_once = max(1, batch_size // max(len(y), 1))
    while group := list(islice(points, at_once)):
        like, labels = group[0][1], y.repeat(len(group))
        stacked = torch.cat([point for _, point in group])
        if start is None:
            slopes = input_gradient(net, stacked, labels)
        else:
            slopes = layer_gradient(net, stacked, labels, start[-1])[1].float()
        for (weight, _), part in zip(group, slopes.chunk(len(group)), strict=True):
            found = found.to(part.device) + weight * part
    return found if start is None else pulled_back(start, like, found)


def pulled_back(start: nn.Module, x: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Return the gradient at ``x`` of what has the gradient ``slopes`` at ``start(x)``."""
    with differentiating(start):
        leaf = matched(start, x).requires_grad_()
        output = start(leaf)
        return torch.autograd.grad(output, leaf, slopes.to(output))[0].to(x.device, torch.float32)


class Guided(Replacing):
    """Let only positive gradients through the rectifiers, besides their own derivative."""

    def instead(self, apply: Any, x: torch.Tensor, _func: Any) -> torch.Tensor:
        """Return the rectifier's output; its gradient is cut at zero on the way back."""
        output = apply(x)
        if output.requires_grad:
            output.register_hook(lambda slopes: slopes.clamp(min=0))
        return output


def guided_backprop(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, reduce: Reduce = strongest
) -> torch.Tensor:
    """Return the guided gradient (Springenberg et al., 2015): what excites at every rectifier.

    Raises ValueError for a network without a rectifier that is known: its map would be the plain
    gradient under another name.
    """
    refuse_script(net)
    checked(x, y)
    with Guided() as guided:
        slopes = input_gradient(net, x, y)
    if not guided.calls:
        raise ValueError("guided backpropagation found no ReLU, ReLU6 or Hardtanh in this network")
    return reduce(slopes)


def guided_grad_cam(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    layer: str | nn.Module,
    reduce: Reduce = strongest,
) -> torch.Tensor:
    """Return guided backpropagation × Grad-CAM (Selvaraju 2017): fine and class-specific."""
    fine = guided_backprop(net, x, y, reduce=lambda attributions: attributions)
    return reduce(fine * grad_cam(net, x, y, layer)[:, None])
