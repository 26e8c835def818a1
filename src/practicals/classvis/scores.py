"""How good a class picture is: other networks' judgement, smoothness, saturation, distance.

Pictures are (n, 3, H, W) in [0, 1]; every score has one value per picture.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..networks.gradients import class_scores, outputs

Found = dict[str, np.ndarray]
EDGE = 1 / 255
"""A pixel counts as clipped up to one of 255 steps from black or white."""


def _pictures(x: torch.Tensor) -> torch.Tensor:
    if x.ndim != 4 or not x.is_floating_point() or not x.isfinite().all():
        raise ValueError(f"expected finite float pictures (n, 3, H, W), got {tuple(x.shape)}")
    return x


def judged(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, side: int | None = None, first: int = 5
) -> Found:
    """Return ``probability`` of class ``y[i]`` and whether it is among the ``first`` (``hit``).

    ``side`` enlarges pictures, bilinearly, to what the network was trained on.
    """
    x = _pictures(x)
    if side is not None and x.shape[-1] != side:
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False)
    logits = outputs(net, x)
    own = class_scores(logits, y)[:, None]
    return {
        "probability": class_scores(logits.softmax(1), y).numpy(),
        # Ties count against the class.
        "hit": ((logits >= own).sum(1) <= first).numpy().astype(float),
    }


def total_variation(x: torch.Tensor) -> np.ndarray:
    """Return the mean absolute difference of neighbouring pixels, down plus across."""
    x = _pictures(x)
    down, right = (x.diff(dim=axis).abs().flatten(1).mean(1) for axis in (-2, -1))
    return (down + right).cpu().numpy()


def clipped_share(x: torch.Tensor, edge: float = EDGE) -> np.ndarray:
    """Return the share of values that are black or white, up to ``edge``."""
    x = _pictures(x)
    return ((x <= edge) | (x >= 1 - edge)).float().flatten(1).mean(1).cpu().numpy()


def distance(x: torch.Tensor, start: torch.Tensor) -> np.ndarray:
    """Return the root mean square difference of pixels, in [0, 1]; raise ValueError on shapes."""
    if x.shape != start.shape:
        raise ValueError(f"expected equal shapes, got {tuple(x.shape)} and {tuple(start.shape)}")
    return ((_pictures(x) - start) ** 2).flatten(1).mean(1).sqrt().cpu().numpy()


def high_frequencies(x: torch.Tensor, above: float = 0.25) -> np.ndarray:
    """Return the share of a picture's variance in waves of more than ``above`` cycles a pixel."""
    x = _pictures(x)
    power = torch.fft.fft2(x - x.mean((-2, -1), keepdim=True)).abs() ** 2
    down, right = (torch.fft.fftfreq(size, device=x.device) for size in x.shape[-2:])
    fast = (down[:, None] ** 2 + right[None] ** 2).sqrt() > above
    total = power.flatten(1).sum(1).clamp(min=1e-12)
    return ((power * fast).flatten(1).sum(1) / total).cpu().numpy()


def measured(x: torch.Tensor, start: torch.Tensor) -> Found:
    """Return all scores that need no network."""
    return {
        "variation": total_variation(x),
        "clipped": clipped_share(x),
        "distance": distance(x, start),
        "fast": high_frequencies(x),
    }
