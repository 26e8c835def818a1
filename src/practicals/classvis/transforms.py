"""What a picture goes through before the network looks at it, and the blur between steps.

A transform takes pictures (n, 3, H, W) and one generator per picture, and returns pictures; it can
be differentiated. Each picture draws for itself. ``chain`` joins several.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from .parameterisation import Rngs

Transform = Callable[[torch.Tensor, Rngs], torch.Tensor]
GREY = 0.5
"""What stands around a picture, in [0, 1]."""


def _drawn(rng: torch.Generator, count: int) -> int:
    """Return a whole number from 0 to ``count`` - 1."""
    return int(torch.randint(0, count, (), generator=rng))


def chain(x: torch.Tensor, rngs: Rngs, transforms: Sequence[Transform]) -> torch.Tensor:
    """Apply the transforms one after another."""
    for transform in transforms:
        x = transform(x, rngs)
    return x


def jitter(x: torch.Tensor, rngs: Rngs, most: int = 16) -> torch.Tensor:
    """Roll each picture down and right by 0 to ``most`` pixels; what leaves comes in opposite."""
    if most < 0:
        raise ValueError(f"expected a shift of 0 pixels or more, got {most}")
    shifts = [(_drawn(rng, most + 1), _drawn(rng, most + 1)) for rng in rngs]
    rolled = [one.roll(shift, (-2, -1)) for one, shift in zip(x, shifts, strict=True)]
    return torch.stack(rolled)


def crop(x: torch.Tensor, rngs: Rngs, most: int = 8) -> torch.Tensor:
    """Cut a window that is ``most`` pixels smaller out of each picture, at a random place."""
    height, width = (size - most for size in x.shape[-2:])
    if most < 0 or min(height, width) < 1:
        raise ValueError(f"cannot cut {most} pixels off pictures {tuple(x.shape[-2:])}")
    places = [(_drawn(rng, most + 1), _drawn(rng, most + 1)) for rng in rngs]
    windows = [
        one[:, top : top + height, left : left + width]
        for one, (top, left) in zip(x, places, strict=True)
    ]
    return torch.stack(windows)


def pad(x: torch.Tensor, _rngs: Rngs, width: int = 12) -> torch.Tensor:
    """Put a grey frame of ``width`` pixels around each picture."""
    return F.pad(x, (width,) * 4, value=GREY)


def turned(x: torch.Tensor, scales: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Return each picture enlarged about its centre by its scale, then turned anticlockwise.

    ``scales`` and ``degrees`` have shape (n,). The size stays; outside a picture it is grey.
    """
    if not (scales > 0).all():
        raise ValueError(f"expected positive scales, got {scales.tolist()}")
    angle, zero = degrees.to(x) * math.pi / 180, torch.zeros(len(x)).to(x)
    # The grid says where each new pixel comes from: turned back, and nearer to the centre.
    cos, sin = angle.cos() / scales.to(x), angle.sin() / scales.to(x)
    height, width = x.shape[-2:]
    rows = [
        torch.stack([cos, -sin * height / width, zero], 1),
        torch.stack([sin * width / height, cos, zero], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    found = F.grid_sample(x - GREY, grid, "bilinear", "zeros", align_corners=False)
    return found + GREY


def scale(
    x: torch.Tensor, rngs: Rngs, low: float = 0.9, high: float = 1.1, steps: int = 11
) -> torch.Tensor:
    """Enlarge each picture about its centre by one of ``steps`` factors from low to high."""
    factors = torch.linspace(low, high, steps)
    drawn = torch.stack([factors[_drawn(rng, steps)] for rng in rngs])
    return turned(x, drawn, torch.zeros(len(x)))


def scale_and_rotate(
    x: torch.Tensor, rngs: Rngs, low: float = 0.9, high: float = 1.1, most: int = 10
) -> torch.Tensor:
    """Enlarge and turn each picture in one interpolation, with ``scale``'s eleven factors."""
    factors = torch.linspace(low, high, 11)
    scales = torch.stack([factors[_drawn(rng, 11)] for rng in rngs])
    degrees = torch.tensor([float(_drawn(rng, 2 * most + 1) - most) for rng in rngs])
    return turned(x, scales, degrees)


def kernel(sigma: float) -> torch.Tensor:
    """Return the weights of a Gaussian of deviation ``sigma`` pixels, cut at 4σ, sum one."""
    radius = int(4 * sigma + 0.5)
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    return (weights / weights.sum()).float()


def blur(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return pictures smoothed by a Gaussian; the border repeats what lies inside, mirrored.

    Raises ValueError for a negative deviation; 0 leaves the picture as it is.
    """
    if not 0 <= sigma < math.inf:
        raise ValueError(f"expected a deviation of 0 pixels or more, got {sigma}")
    if sigma == 0 or (radius := int(4 * sigma + 0.5)) == 0:
        return x
    weights, channels = kernel(sigma).to(x), x.shape[1]
    for axis in (-2, -1):
        # The pixel at the border is repeated too, as SciPy's filter does by default.
        index = torch.arange(-radius, x.shape[axis] + radius)
        period = 2 * x.shape[axis]
        index = index % period
        index = torch.where(index < x.shape[axis], index, period - 1 - index)
        shape = [1, 1, 1, 1]
        shape[axis] = len(weights)
        window = weights.view(shape).expand(channels, *[-1] * 3)
        x = F.conv2d(x.index_select(axis, index.to(x.device)), window, groups=channels)
    return x
