"""Gradients of class scores, taken so that the network of the caller stays as it was.

Parameter gradients, training flags, hooks and ``requires_grad`` are given back, also after an
exception. ``x`` holds pixels (n, c, H, W) and ``y`` classes (n,).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import torch
from torch import nn

from .backbones import Backbone, nearest


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


def layer_gradient(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, layer: str | nn.Module
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a layer's maps (n, channels, h, w) and the derivative of the class scores by them.

    Nothing below the layer is differentiated. Raises ValueError where the layer gives no maps.
    """
    with differentiating(net), watching(net, layer) as outputs:
        scores = class_scores(net(matched(net, x)), y)
        if not outputs or outputs[-1].ndim != 4:
            raise ValueError(f"layer {layer!r} gives no maps (n, channels, h, w) in a forward pass")
        return outputs[-1].detach(), torch.autograd.grad(scores.sum(), outputs[-1])[0]


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
