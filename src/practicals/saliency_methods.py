"""The methods of chapter 2 and their controls in one table, and the loop that times them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from . import saliency
from .deeplift import deeplift
from .rectifiers import guided_backprop, guided_grad_cam
from .saliency_controls import centre_map, edge_map, random_map

Run = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]

GRAD_CAM_LAYERS = {
    "vgg16": "relu5_3",
    "squeezenet1_0": "fire9",
    "mobilenet_v2": "conv18",
    "smallvgg": "relu4_2",
}
"""The last layer that still has positions, network by network."""


@dataclass(frozen=True)
class Method:
    """A way to make maps: ``run(net, x, y)`` returns (n, H, W)."""

    title: str
    run: Run
    is_control: bool = False


def control(make: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    """Return a control as a method that looks neither at the network nor at the class."""
    return lambda net, x, y: make(x)


def table(
    layer: str | nn.Module, samples: int = 50, steps: int = 50, seed: int = 0
) -> dict[str, Method]:
    """Return every method and control by key; ``layer`` is Grad-CAM's.

    ``samples`` counts SmoothGrad's noisy copies, ``steps`` the gradients of the integral. The
    noise of SmoothGrad and of the random map is drawn from generators with ``seed``.
    """
    smooth_rng, random_rng = (torch.Generator().manual_seed(seed) for _ in range(2))
    smooth = partial(saliency.smoothgrad, samples=samples, generator=smooth_rng)
    return {
        "gradient": Method("gradient", saliency.gradient),
        "gradient_x_input": Method("gradient × input", saliency.gradient_x_input),
        "smoothgrad": Method("SmoothGrad", smooth),
        "integrated_gradients": Method(
            "integrated gradients", partial(saliency.integrated_gradients, steps=steps)
        ),
        "guided_backprop": Method("guided backprop", guided_backprop),
        "grad_cam": Method("Grad-CAM", partial(saliency.grad_cam, layer=layer)),
        "guided_grad_cam": Method("guided Grad-CAM", partial(guided_grad_cam, layer=layer)),
        "deeplift": Method("DeepLIFT", deeplift),
        "random": Method("random", control(partial(random_map, generator=random_rng)), True),
        "edges": Method("edges", control(edge_map), True),
        "center": Method("centre", control(centre_map), True),
    }


@dataclass(frozen=True)
class Timed:
    """Maps (n, H, W) of each method on the CPU, and the seconds that one map took."""

    maps: dict[str, torch.Tensor]
    seconds: dict[str, float]


def run_all(
    methods: Mapping[str, Method], net: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> Timed:
    """Run every method on one batch of pictures."""
    maps, seconds = {}, {}
    for key, method in methods.items():
        start = time.perf_counter()
        maps[key] = method.run(net, x, y).cpu()
        seconds[key] = (time.perf_counter() - start) / len(x)
    return Timed(maps, seconds)
