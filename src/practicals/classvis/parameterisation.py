"""What gradient ascent moves: the pixels themselves, or a picture's Fourier coefficients.

``params, image = fourier(...)``: ``params`` is a leaf tensor with one entry per picture, and
``image()`` the pictures (n, 3, H, W) that it stands for; ``pixels`` has the same signature. Every
picture draws its start from a generator of its own, so it does not depend on the others, nor on
the device where it is to lie.
"""

from collections.abc import Callable, Sequence

import torch

from ..data.images import IMAGENET_MEAN, IMAGENET_STD

Rngs = Sequence[torch.Generator]
Device = torch.device | str
Made = tuple[torch.Tensor, Callable[[], torch.Tensor]]

COLOURS = (
    (0.2467, 0.0936, -0.0280),
    (0.2514, 0.0059, 0.0516),
    (0.2536, -0.0969, -0.0239),
)
"""``colour_root`` of the 275 ImageNet sample pictures: brightness, red to blue, green to purple."""
MARGIN = 1e-3
"""How far from black and white a start picture is kept, for whose logit would be infinite."""


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Return one generator on the CPU per picture."""
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def _constant(values: tuple, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(values).view(shape)


def standardised(x: torch.Tensor) -> torch.Tensor:
    """Return pixels (n, 3, H, W) in [0, 1] with ImageNet's mean and deviation taken out."""
    shape = (1, 3, 1, 1)
    return (x - _constant(IMAGENET_MEAN, shape).to(x)) / _constant(IMAGENET_STD, shape).to(x)


def unstandardised(z: torch.Tensor) -> torch.Tensor:
    """Return what ``standardised`` turned into ``z``."""
    shape = (1, 3, 1, 1)
    return z * _constant(IMAGENET_STD, shape).to(z) + _constant(IMAGENET_MEAN, shape).to(z)


def _checked(side: int, rngs: Rngs, start: torch.Tensor | None) -> torch.Tensor | None:
    """Return the start as it is; raise ValueError for one that does not fit."""
    if side < 2 or not len(rngs):
        raise ValueError(f"expected at least one picture of at least 2 pixels, got {side}")
    if start is None:
        return None
    if start.shape != (len(rngs), 3, side, side):
        raise ValueError(f"expected a start {(len(rngs), 3, side, side)}, got {tuple(start.shape)}")
    if not (start.isfinite().all() and start.min() >= 0 and start.max() <= 1):
        raise ValueError("expected a start with pixels in [0, 1]")
    return start.detach().float()


def _leaf(params: torch.Tensor, device: Device) -> torch.Tensor:
    return params.to(device).requires_grad_()


def _noise(rngs: Rngs, *shape: int) -> torch.Tensor:
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])


def pixels(
    rngs: Rngs,
    side: int,
    start: torch.Tensor | None = None,
    spread: float = 1.0,
    device: Device = "cpu",
) -> Made:
    """Return standardised pixels (n, 3, side, side) as parameters, and the picture they are.

    They start as normal noise of deviation ``spread`` around ImageNet's mean colour, or as
    ``start`` in [0, 1]. Nothing keeps them in range: a rule of the ascent does.
    """
    start = _checked(side, rngs, start)
    z = standardised(start) if start is not None else spread * _noise(rngs, 3, side, side)
    params = _leaf(z, device)
    return params, lambda: unstandardised(params)


def frequencies(side: int) -> torch.Tensor:
    """Return the frequency of every coefficient of a real picture, in cycles per side.

    The shape is (side, side // 2 + 1), as ``torch.fft.rfft2`` orders them.
    """
    down, right = torch.fft.fftfreq(side, 1 / side)[:, None], torch.fft.rfftfreq(side, 1 / side)
    return (down**2 + right[None] ** 2).sqrt()


def amplitudes(side: int, decay: float = 1.0) -> torch.Tensor:
    """Return what a parameter of one is worth at every frequency f: 1 / 4f, as in photographs.

    ``decay`` is the power of f; the constant term counts as f = 1. The factor ¼ is that of the
    authors' library (Olah, Mordvintsev and Schubert, Distill 2017).
    """
    return frequencies(side).clamp(min=1.0) ** -decay / 4


def from_spectrum(params: torch.Tensor, decay: float = 1.0) -> torch.Tensor:
    """Return the planes (n, 3, H, W) whose scaled Fourier coefficients are ``params``.

    ``params`` (n, 3, H, H // 2 + 1, 2) holds real and imaginary parts. A plane is the sum of
    waves, each with its coefficient times ``amplitudes``; the other half of the spectrum is the
    conjugate of this one.
    """
    side = params.shape[-3]
    spectrum = torch.view_as_complex(params.contiguous()) * amplitudes(side, decay).to(params)
    return torch.fft.irfft2(spectrum, s=(side, side), norm="forward")


def to_spectrum(planes: torch.Tensor, decay: float = 1.0) -> torch.Tensor:
    """Return the parameters of ``from_spectrum`` that give ``planes`` (n, 3, H, H)."""
    spectrum = torch.fft.rfft2(planes, norm="forward")
    return torch.view_as_real(spectrum / amplitudes(planes.shape[-1], decay).to(planes))


def colour_root(x: torch.Tensor) -> torch.Tensor:
    """Return a root R (3, 3) of the colour covariance of pixels (n, 3, H, W): R Rᵀ = covariance.

    Its columns are the directions in which colours vary independently of each other, the strongest
    first, as long as their deviation; the first one's sum is positive.
    """
    values, vectors = torch.linalg.eigh(torch.cov(x.movedim(1, 0).flatten(1).double()))
    root = (vectors * values.clamp(min=0).sqrt()).flip(1)
    return (root * torch.where(root.sum(0) < 0, -1.0, 1.0)).float()


def mixing(decorrelated: bool = True) -> torch.Tensor:
    """Return the matrix (3, 3) from planes to colours, its longest column of length one."""
    if not decorrelated:
        return torch.eye(3)
    root = torch.tensor(COLOURS)
    return root / root.norm(dim=0).max()


def _mixed(matrix: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
    return torch.einsum("ck,nkhw->nchw", matrix.to(planes), planes)


def fourier(
    rngs: Rngs,
    side: int,
    start: torch.Tensor | None = None,
    spread: float = 0.01,
    decay: float = 1.0,
    decorrelated: bool = True,
    device: Device = "cpu",
) -> Made:
    """Return Fourier coefficients as parameters, and the picture they are (Olah et al., 2017).

    Waves are scaled as in photographs, so that one step moves a low frequency further than a high
    one; planes are mixed into colours that vary independently of each other, and a sigmoid keeps
    pixels in [0, 1]. ``params`` is (n, 3, side, side // 2 + 1, 2), drawn with deviation ``spread``
    or taken from ``start``. Without ``decorrelated`` the planes are red, green and blue.
    """
    start, matrix = _checked(side, rngs, start), mixing(decorrelated)
    if start is not None:
        planes = _mixed(matrix.inverse(), start.clamp(MARGIN, 1 - MARGIN).logit())
        params = to_spectrum(planes, decay)
    else:
        params = spread * _noise(rngs, 3, side, side // 2 + 1, 2)
    params = _leaf(params, device)
    return params, lambda: _mixed(matrix, from_spectrum(params, decay)).sigmoid()


def squashed(
    rngs: Rngs,
    side: int,
    start: torch.Tensor | None = None,
    spread: float = 0.01,
    device: Device = "cpu",
) -> Made:
    """Return pixels of decorrelated planes as parameters: ``fourier``'s control.

    The start, the mixing of colours and the sigmoid are ``fourier``'s, with the same picture from
    the same seed; only what a step moves differs. ``params`` is (n, 3, side, side).
    """
    start, matrix = _checked(side, rngs, start), mixing()
    if start is not None:
        params = _mixed(matrix.inverse(), start.clamp(MARGIN, 1 - MARGIN).logit())
    else:
        params = from_spectrum(spread * _noise(rngs, 3, side, side // 2 + 1, 2))
    params = _leaf(params, device)
    return params, lambda: _mixed(matrix, params).sigmoid()
