"""DeepLIFT's rescale rule (Shrikumar et al., 2017): differences in place of derivatives.

The reference goes through the network first and leaves the input of every non-linear step. The
picture follows; there each step is replaced by one of equal value whose slope is Δoutput / Δinput.
Convolutions, linear layers, average pools, concatenation, dropout at rest and folded batch norms
are linear, so their own gradient already is the rule.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import (
    RECTIFIERS,
    Replacing,
    class_scores,
    differentiating,
    matched,
    refuse_script,
)
from .maps import Reduce, total

Step = Callable[[torch.Tensor], torch.Tensor]
ELEMENTWISE = RECTIFIERS | {F.leaky_relu, F.elu, F.silu, F.gelu, torch.sigmoid, torch.tanh}
MAX_POOLS = frozenset({F.max_pool2d, torch.max_pool2d})


def straight(value: torch.Tensor, slope: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return ``value``, with ``slope`` as its derivative by ``x``."""
    return value.detach() + slope.detach() * (x - x.detach())


def rescale(step: Step, x: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
    """Return ``step(x)`` with the slope Δoutput / Δinput, for an elementwise step.

    Where the inputs do not differ the ordinary derivative stands; what it multiplies is zero.
    """
    z = x.detach().clone().requires_grad_()
    value = step(z)
    (ordinary,) = torch.autograd.grad(value.sum(), z)
    difference = x.detach() - x0
    same = difference == 0
    slope = (value - step(x0)) / difference.masked_fill(same, 1)
    return straight(value, torch.where(same, ordinary, slope), x)


def rescale_max_pool(pool: Step, x: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
    """Return the pooled ``x`` with the rule's slopes; ``pool`` gives values and indices.

    The whole difference of a window goes to the place of the larger of the two maxima. There the
    inputs differ by at least as much as the outputs, so that no slope exceeds one. Windows may
    overlap.
    """
    (value, place), (value0, place0) = pool(x.detach()), pool(x0)
    winner = torch.where(value >= value0, place, place0).flatten(2)
    picked = x.flatten(2).gather(2, winner).view_as(value)
    picked0 = x0.flatten(2).gather(2, winner).view_as(value)
    difference = picked.detach() - picked0
    same = difference == 0
    slope = (value - value0) / difference.masked_fill(same, 1)
    return straight(value, slope.masked_fill(same, 1), picked)


class Recording(Replacing):
    """Keep the input of every non-linear step, in the order of the calls."""

    replaced = ELEMENTWISE | MAX_POOLS

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[torch.Tensor] = []

    def instead(self, apply: Step, x: torch.Tensor, _func: Callable) -> torch.Tensor:
        """Keep ``x`` and go on."""
        self.inputs.append(x.detach().clone())
        return apply(x)


class Rescaling(Replacing):
    """Give every non-linear step the slope between its input and the recorded one."""

    replaced = ELEMENTWISE | MAX_POOLS

    def __init__(self, inputs: list[torch.Tensor]) -> None:
        super().__init__()
        self.inputs: Iterator[torch.Tensor] = iter(inputs)

    def instead(self, apply: Step, x: torch.Tensor, func: Callable) -> torch.Tensor:
        """Return the output of the step by its rule."""
        x0 = next(self.inputs, None)
        if x0 is None or x0.shape[1:] != x.shape[1:]:
            raise ValueError("the network takes another path for the reference")
        x0 = x0.expand_as(x)
        return rescale(apply, x, x0) if func in ELEMENTWISE else rescale_max_pool(apply, x, x0)

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> torch.Tensor:
        """Ask a max-pool for its indices, which the rule needs; route the call."""
        if func in MAX_POOLS:
            kwargs = {**(kwargs or {}), "return_indices": True}
            func = F.max_pool2d
        return super().__torch_function__(func, types, args, kwargs)


def deeplift(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    baseline: torch.Tensor | None = None,
    reduce: Reduce = total,
) -> torch.Tensor:
    """Return (x − baseline) × the multipliers of the rescale rule.

    ``baseline`` is one reference (1, c, H, W) or one per picture; black by default. A map adds up
    to score(x) − score(baseline) if the network's non-linear steps are elementwise or max-pools.
    """
    refuse_script(net)
    baseline = torch.zeros_like(x[:1]) if baseline is None else baseline
    recording = Recording()
    with differentiating(net):
        with torch.no_grad(), recording:
            net(matched(net, baseline))
        leaf = matched(net, x).requires_grad_()
        with Rescaling(recording.inputs):
            scores = class_scores(net(leaf.clone()), y)
        multipliers = torch.autograd.grad(scores.sum(), leaf)[0].to(x.device, torch.float32)
    return reduce((x - baseline) * multipliers)
