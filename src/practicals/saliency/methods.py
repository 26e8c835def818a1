"""The nine methods of chapter 2 and their controls under their titles; the loop that runs them."""

from collections.abc import Callable, Sequence
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

Maps = dict[str, torch.Tensor]
CONTROLS = ("blurred gradient", "edges", "centre", "random")
"""Maps that any method should beat; only the first looks at the network."""
METHODS = (
    "gradient", "gradient × input", "SmoothGrad", "Integrated Gradients", "guided backprop",
    "Grad-CAM", "guided Grad-CAM", "DeepLIFT", "RISE",
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """How much work the methods with a sum do, and the seed of those with chance."""

    samples: int = 50
    """Noisy copies of SmoothGrad."""
    steps: int = 50
    """Gradients of an integral."""
    masks: int = 4000
    """Masks of RISE."""
    seed: int = 0


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


def run_all(
    net: Backbone, x: torch.Tensor, y: torch.Tensor, config: Config, only: Sequence[str] = ()
) -> Maps:
    """Return the maps (n, H, W) of every method and control by title, or of ``only`` some.

    Noise is drawn from generators of their own, so that leaving a method out changes no other.
    """
    smooth, hidden, noise = (torch.Generator().manual_seed(config.seed) for _ in range(3))
    layer = NETWORKS[net.name].grad_cam
    of_network: dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]] = {
        "gradient": maps.gradient,
        "gradient × input": maps.gradient_x_input,
        "SmoothGrad": partial(maps.smoothgrad, samples=config.samples, generator=smooth),
        "Integrated Gradients": partial(maps.integrated_gradients, steps=config.steps),
        "guided backprop": maps.guided_backprop,
        "Grad-CAM": partial(maps.grad_cam, layer=layer),
        "guided Grad-CAM": partial(maps.guided_grad_cam, layer=layer),
        "DeepLIFT": deeplift,
        "RISE": partial(rise, masks=config.masks, generator=hidden),
        "blurred gradient": maps.pooled_gradient,
    }
    of_picture: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "edges": edge_map,
        "centre": centre_map,
        "random": partial(random_map, generator=noise),
    }
    if unknown := set(only) - {*of_network, *of_picture}:
        known = ", ".join([*of_network, *of_picture])
        raise ValueError(f"unknown methods {sorted(unknown)}: expected some of {known}")
    found: Maps = {}
    for title in only or (*METHODS, *CONTROLS):
        by_network = of_network.get(title)
        made = of_picture[title](x) if by_network is None else by_network(net, x, y)
        found[title] = made.cpu()
    return found
