"""Which pixels speak for a class? Maps from gradients, for any network of the caller.

Every method takes a network, pixels ``x`` (n, c, H, W) and classes ``y`` (n,), and returns maps,
float32 (n, H, W), of the class score before the softmax. The network is never changed: parameter
gradients, training flags, hooks and ``requires_grad`` stay, also after an exception.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .backbones import nearest

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


@contextmanager
def differentiating(net: nn.Module) -> Iterator[None]:
    """Record gradients with ``net`` in evaluation mode; give back every module's own flag."""
    flags = [(module, module.training) for module in net.modules()]
    try:
        for module, _ in flags:
            module.training = False
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, was_training in flags:
            module.training = was_training


def matched(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return a copy of ``x`` with the precision and device of the network's parameters."""
    like = next((p for p in net.parameters() if p.is_floating_point()), x)
    return x.detach().to(like.device, like.dtype).clone()


def class_scores(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the score of class ``y[i]`` for picture i; raise ValueError where there is none."""
    y = y.to(logits.device)
    if logits.ndim != 2 or y.shape != logits.shape[:1]:
        raise ValueError(
            f"expected outputs (n, classes) and y (n,), got {tuple(logits.shape)}, {tuple(y.shape)}"
        )
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < logits.shape[1]:
        raise ValueError(f"y must hold classes 0 to {logits.shape[1] - 1}, got {y.tolist()}")
    return logits.gather(1, y[:, None])[:, 0]


def input_gradient(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the derivative of the class scores by the input, float32, of the shape of ``x``."""
    with differentiating(net):
        leaf = matched(net, x).requires_grad_()
        # The clone lets a network begin with an operation in place.
        scores = class_scores(net(leaf.clone()), y)
        return torch.autograd.grad(scores.sum(), leaf)[0].to(x.device, torch.float32)


def gradient(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, reduce: Reduce = strongest
) -> torch.Tensor:
    """Return the size of the gradient, largest over the channels (Simonyan et al., 2014)."""
    return reduce(input_gradient(net, x, y))


def gradient_x_input(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, reduce: Reduce = total
) -> torch.Tensor:
    """Return gradient times input: each pixel's part in a linear model (Shrikumar et al., 2017)."""
    return reduce(input_gradient(net, x, y) * x)


def weighted_gradients(
    net: nn.Module,
    points: Iterable[tuple[float, torch.Tensor]],
    y: torch.Tensor,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return Σ w · gradient at p over pairs (w, p), several points of shape (n, c, H, W) a pass."""
    points, found = iter(points), torch.zeros(())
    while group := list(islice(points, max(1, batch_size // max(len(y), 1)))):
        stacked = torch.cat([point for _, point in group])
        gradients = input_gradient(net, stacked, y.repeat(len(group))).chunk(len(group))
        for (weight, _), part in zip(group, gradients, strict=True):
            found = found.to(part.device) + weight * part
    return found


def noisy(x: torch.Tensor, noise: float, generator: torch.Generator | None = None) -> torch.Tensor:
    """Add normal noise whose deviation is ``noise`` times each picture's range of values."""
    spread = x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True)
    return x + noise * spread * torch.randn(x.shape, generator=generator).to(x)


def smoothgrad(
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
    baseline = torch.zeros_like(x) if baseline is None else baseline
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    points = (
        (float(w) / 2, baseline + (1 + float(t)) / 2 * (x - baseline))
        for t, w in zip(nodes, weights, strict=True)
    )
    return reduce((x - baseline) * weighted_gradients(net, points, y, batch_size))


def find_layer(net: nn.Module, layer: str | nn.Module) -> nn.Module:
    """Return a layer by the backbone's name (``fire9``) or by torch's (``features.12``)."""
    if isinstance(layer, nn.Module):
        return layer
    named = dict(net.named_modules())
    named |= {name.removeprefix("steps."): module for name, module in named.items()}
    if layer not in named:
        raise nearest("layer", layer, filter(None, named))
    return named[layer]


@contextmanager
def watching(net: nn.Module, layer: str | nn.Module) -> Iterator[list[torch.Tensor]]:
    """Borrow a layer: the list that is yielded receives its output, from which gradients start.

    What goes on through the network is a copy, so a rectifier in place does not overwrite it.
    """
    outputs: list[torch.Tensor] = []

    def keep(module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()

    hook = find_layer(net, layer).register_forward_hook(keep)
    try:
        yield outputs
    finally:
        hook.remove()


def grad_cam(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, layer: str | nn.Module
) -> torch.Tensor:
    """Return a layer's maps weighted by their mean gradient, positive part (Selvaraju 2017).

    Nothing below the layer is differentiated. The map is enlarged to the picture bilinearly.
    """
    with differentiating(net), watching(net, layer) as outputs:
        scores = class_scores(net(matched(net, x)), y)
        if not outputs or outputs[-1].ndim != 4:
            raise ValueError(f"layer {layer!r} gives no maps (n, channels, h, w) in a forward pass")
        maps = outputs[-1]
        slopes = torch.autograd.grad(scores.sum(), maps)[0].float()
    weights = slopes.mean((2, 3), keepdim=True)
    cam = F.relu((weights * maps.detach().float()).sum(1, keepdim=True)).to(x.device)
    return F.interpolate(cam, x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
