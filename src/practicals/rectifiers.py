"""Other derivatives for a network's rectifiers, without touching the network.

A torch function mode sees every call of ``relu`` and its kin while it is active, whether it comes
from a module, from a function, in place or not, or from one module used twice. So no hook is
registered on the caller's network and nothing has to be given back.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .gradients import input_gradient
from .saliency import Reduce, grad_cam, strongest

RECTIFIERS = frozenset(
    {F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu6, F.hardtanh}
)


class Replacing(TorchFunctionMode):
    """While active, calls of the functions in ``replaced`` go to ``instead``."""

    replaced: frozenset = RECTIFIERS

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Route one call."""
        kwargs = dict(kwargs or {})
        if func not in self.replaced:
            return func(*args, **kwargs)
        x = kwargs.pop("input") if "input" in kwargs else args[0]
        # A function in place then overwrites the copy and not the output of the layer before.
        return self.instead(lambda z: func(z.clone(), *args[1:], **kwargs), x, func)

    def instead(self, apply: Any, x: torch.Tensor, func: Any) -> torch.Tensor:
        """Return the output for ``x``; ``apply`` is ``func`` with its other arguments."""
        raise NotImplementedError


class Guided(Replacing):
    """Let only positive gradients through the rectifiers, besides their own derivative."""

    def instead(self, apply: Any, x: torch.Tensor, func: Any) -> torch.Tensor:
        """Return the rectifier's output; its gradient is cut at zero on the way back."""
        output = apply(x)
        if output.requires_grad:
            output.register_hook(lambda slopes: slopes.clamp(min=0))
        return output


def refuse_script(net: nn.Module) -> None:
    """Raise TypeError for a scripted network, whose calls no function mode can see."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in net.modules()):
        raise TypeError("the rectifiers of a TorchScript network cannot be replaced")


def guided_backprop(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, reduce: Reduce = strongest
) -> torch.Tensor:
    """Return the guided gradient (Springenberg et al., 2015): what excites at every rectifier."""
    refuse_script(net)
    with Guided():
        return reduce(input_gradient(net, x, y))


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
