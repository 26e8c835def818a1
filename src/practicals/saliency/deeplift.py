"""DeepLIFT's rescale rule (Shrikumar et al., 2017): differences in place of derivatives.

The reference goes through the network first and leaves the input of every non-linear step. The
picture follows; there each step is replaced by one of equal value whose slope is Δoutput / Δinput.
Convolutions, linear layers, average pools, concatenation, dropout at rest and folded batch norms
are linear, so their own gradient already is the rule. Whatever else a network does breaks the sum
that the method promises, which is why the sum is checked.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import (
    RECTIFIERS,
    Replacing,
    checked,
    class_scores,
    differentiating,
    matched,
    refuse_script,
)
from .maps import Reduce, total

Step = Callable[[torch.Tensor], torch.Tensor]
# Of local response normalisation each channel counts as a step of its own: Δoutput / Δinput keeps
# the sum, though a channel's neighbours had their part in it.
ELEMENTWISE = RECTIFIERS | {
    F.leaky_relu,
    F.elu,
    F.silu,
    F.gelu,
    F.softplus,
    torch.sigmoid,
    torch.Tensor.sigmoid,
    torch.tanh,
    torch.Tensor.tanh,
    F.local_response_norm,
}
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-2, torch.bfloat16: 0.3, torch.float16: 0.1}
"""Largest gap in the sum, relative to the scores' and their difference's size, by precision."""
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
    to score(x) − score(baseline); raises ValueError for a network with a step that breaks the sum.
    """
    refuse_script(net)
    checked(x, y)
    baseline = torch.zeros_like(x[:1]) if baseline is None else baseline
    recording = Recording()
    with differentiating(net):
        with torch.no_grad(), recording:
            start = class_scores(net(matched(net, baseline)).expand(len(x), -1), y)
        leaf = matched(net, x).requires_grad_()
        with Rescaling(recording.inputs):
            scores = class_scores(net(leaf.clone()), y)
        multipliers = torch.autograd.grad(scores.sum(), leaf)[0].to(x.device, torch.float32)
    parts = (x - baseline) * multipliers
    _check_sum(parts, scores.detach() - start, scores.detach(), leaf.dtype)
    return reduce(parts)


def _check_sum(
    parts: torch.Tensor, change: torch.Tensor, scores: torch.Tensor, dtype: torch.dtype
) -> None:
    """Raise ValueError where contributions do not add up to the change of the scores."""
    change = change.double().cpu()
    gap = (parts.flatten(1).double().sum(1).cpu() - change).abs()
    size = change.abs() + 0.1 * scores.double().abs().cpu() + 1e-6
    if not (gap <= TOLERANCE[dtype] * size).all():
        worst = float((gap / size).max())
        raise ValueError(
            f"DeepLIFT's contributions miss the change of the score by {worst:.0%}: the net "
            "has a step without a rule (known: ReLU-like functions, sigmoid, tanh, max-pools, "
            "local response normalisation, and what is linear)"
        )
