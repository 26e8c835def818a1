"""Gradients of class scores, taken so that the network of the caller stays as it was.

Parameter gradients, training flags, hooks and ``requires_grad`` are given back, also after an
exception. ``x`` holds pixels (n, c, H, W) and ``y`` classes (n,).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .zoo import nearest


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


def checked(x: torch.Tensor, y: torch.Tensor) -> None:
    """Raise ValueError unless ``x`` holds pixels (n, c, H, W) in [0, 1] and ``y`` classes (n,).

    Pixels from 0 to 255 would give maps, too, and wrong ones.
    """
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"expected {name} as a tensor, got {type(value).__name__}")
    if x.ndim != 4 or not x.is_floating_point():
        wanted = "expected float pixels in [0, 1] of shape (n, c, H, W)"
        raise ValueError(f"{wanted}, got {x.dtype} {tuple(x.shape)}")
    low, high = (float(value) for value in x.detach().aminmax()) if x.numel() else (0.0, 0.0)
    # Resizing may overshoot by a rounding error.
    if not -1e-3 <= low <= high <= 1 + 1e-3:
        raise ValueError(f"expected pixels in [0, 1], got {low:g} to {high:g}: divide by 255?")
    if y.shape != x.shape[:1] or y.is_floating_point():
        raise ValueError(
            f"expected classes y, whole numbers ({len(x)},), got {y.dtype} {tuple(y.shape)}"
        )


def matched(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return a copy of ``x`` with the precision and device of the network's parameters."""
    like = next((p for p in net.parameters() if p.is_floating_point()), x)
    return x.detach().to(like.device, like.dtype).clone()


def class_scores(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the score of class ``y[i]`` for picture i; raise ValueError where there is none."""
    # A copy: labels made in inference mode cannot be differentiated with.
    y = y.to(logits.device, copy=True)
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

    def keep(_module: nn.Module, _args: tuple, output: torch.Tensor) -> torch.Tensor:
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


def outputs(net: nn.Module, x: torch.Tensor, batch_size: int = 32) -> torch.Tensor:
    """Return the logits in evaluation mode without gradients, float32 (n, classes)."""
    with differentiating(net), torch.no_grad():
        return torch.cat([net(matched(net, part)).float().cpu() for part in x.split(batch_size)])


def probability(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the probability of class ``y[i]`` for picture i, shape (n,)."""
    return class_scores(outputs(net, x).softmax(1), y)


RECTIFIERS = frozenset(
    {F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu6, F.hardtanh}
)


class Replacing(TorchFunctionMode):
    """While active, calls of the functions in ``replaced`` go to ``instead``."""

    replaced: frozenset = RECTIFIERS

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Route one call."""
        kwargs = dict(kwargs or {})
        if func not in self.replaced:
            return func(*args, **kwargs)
        self.calls += 1
        x = kwargs.pop("input") if "input" in kwargs else args[0]
        # A function in place then overwrites the copy and not the output of the layer before.
        return self.instead(lambda z: func(z.clone(), *args[1:], **kwargs), x, func)

    def instead(self, apply: Any, x: torch.Tensor, func: Any) -> torch.Tensor:
        """Return the output for ``x``; ``apply`` is ``func`` with its other arguments."""
        raise NotImplementedError


def refuse_script(net: nn.Module) -> None:
    """Raise TypeError for a scripted network, whose calls no function mode can see."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in net.modules()):
        raise TypeError("the rectifiers of a TorchScript network cannot be replaced")
