"""The nine methods of chapter 2 and their three controls in one table; the loop that runs it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from ..networks.backbones import Backbone
from ..networks.zoo import NETWORKS
from . import maps
from .deeplift import deeplift
from .rise import rise

Run = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
RANDOM = ("smoothgrad", "rise", "random")
"""Methods whose maps depend on chance."""
SIGNED = ("gradient_x_input", "integrated_gradients", "deeplift")
"""Methods whose values speak for the class or against it."""


def random_map(x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Return uniform noise (n, H, W): a control that looks at nothing."""
    return torch.rand((len(x), *x.shape[-2:]), generator=generator).to(x.device)


def edge_map(x: torch.Tensor) -> torch.Tensor:
    """Return the size of Sobel's gradient of the grey picture: a control that knows no network."""
    grey = x.float().mean(1, keepdim=True)
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=x.device)
    kernels = torch.stack([sobel, sobel.T])[:, None]
    return F.conv2d(F.pad(grey, (1,) * 4, mode="replicate"), kernels).norm(dim=1)


def centre_map(x: torch.Tensor, width: float = 0.25) -> torch.Tensor:
    """Return a Gaussian in the middle of the frame: a control that knows only photographers."""
    rows, columns = (torch.linspace(-0.5, 0.5, side, device=x.device) for side in x.shape[-2:])
    squared = rows[:, None] ** 2 + columns**2
    return torch.exp(-squared / (2 * width**2)).expand(len(x), -1, -1)


@dataclass(frozen=True)
class Effort:
    """How much work the methods with a sum do, and the seed of those with chance."""

    samples: int
    """Noisy copies of SmoothGrad."""
    steps: int
    """Gradients of an integral."""
    masks: int
    """Masks of RISE."""
    seed: int = 0


@dataclass(frozen=True)
class Method:
    """A way to make maps: ``run(net, x, y)`` returns (n, H, W)."""

    title: str
    run: Run
    is_control: bool = False


def control(make: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    """Return a control as a method that looks neither at the network nor at the class."""
    return lambda _net, x, _y: make(x)


def table(net: Backbone, effort: Effort, only: Sequence[str] = ()) -> dict[str, Method]:
    """Return every method and control by key, or ``only`` some; Grad-CAM reads ``net``'s layer.

    Noise is drawn from generators of their own, so that leaving a method out changes no other.
    """
    smooth, hidden, noise = (torch.Generator().manual_seed(effort.seed) for _ in range(3))
    layer = NETWORKS[net.name].grad_cam
    methods = {
        "gradient": Method("gradient", maps.gradient),
        "gradient_x_input": Method("gradient × input", maps.gradient_x_input),
        "smoothgrad": Method(
            "SmoothGrad", partial(maps.smoothgrad, samples=effort.samples, generator=smooth)
        ),
        "integrated_gradients": Method(
            "integrated gradients", partial(maps.integrated_gradients, steps=effort.steps)
        ),
        "guided_backprop": Method("guided backprop", maps.guided_backprop),
        "grad_cam": Method("Grad-CAM", partial(maps.grad_cam, layer=layer)),
        "guided_grad_cam": Method("guided Grad-CAM", partial(maps.guided_grad_cam, layer=layer)),
        "deeplift": Method("DeepLIFT", deeplift),
        "rise": Method("RISE", partial(rise, masks=effort.masks, generator=hidden)),
        "random": Method("random", control(partial(random_map, generator=noise)), True),
        "edges": Method("edges", control(edge_map), True),
        "center": Method("centre", control(centre_map), True),
    }
    return {key: methods[key] for key in only} if only else methods


@dataclass(frozen=True)
class Timed:
    """Maps (n, H, W) of each method on the CPU, and the seconds that one map took."""

    maps: dict[str, torch.Tensor]
    seconds: dict[str, float]


def run_all(
    methods: Mapping[str, Method], net: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> Timed:
    """Run every method on one batch of pictures."""
    found, seconds = {}, {}
    for key, method in methods.items():
        start = time.perf_counter()
        found[key] = method.run(net, x, y).cpu()
        seconds[key] = (time.perf_counter() - start) / len(x)
    return Timed(found, seconds)
