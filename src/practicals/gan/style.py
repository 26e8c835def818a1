"""What z means: paths between two z, sums of z, and the slant and thickness of a digit."""

import numpy as np
import torch


def on_the_sphere(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return z between ``a`` and ``b``, both (z,), at fractions ``t`` (k,): (k, z).

    z from N(0, 1) in many dimensions has a length near √z. A straight path cuts through shorter z
    that G hardly ever saw; this one turns the direction evenly (slerp: White, Sampling generative
    networks, 2016) and changes the length evenly.
    """
    lengths = a.norm(), b.norm()
    if min(lengths) == 0:
        raise ValueError("expected two z that are not zero: zero has no direction")
    u, v = a / lengths[0], b / lengths[1]
    angle = torch.arccos((u @ v).clamp(-1, 1))
    if torch.sin(angle) < 1e-6:
        raise ValueError("expected two z that do not lie on one line: the arc is not defined")
    t = t[:, None]
    turned = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * v) / torch.sin(angle)
    return turned * ((1 - t) * lengths[0] + t * lengths[1])


def _ink(x: np.ndarray) -> np.ndarray:
    """Return pixels (n, H, W) in [0, 1] from uint8 of shape (n, H, W) or (n, 1, H, W)."""
    x = np.asarray(x, np.float64) / 255
    if x.ndim == 4:
        x = x[:, 0]
    if x.ndim != 3:
        raise ValueError(f"expected grey pictures (n, H, W), got shape {x.shape}")
    return x


def slant(x: np.ndarray) -> np.ndarray:
    """Return how far each digit leans to the right, in pixels of width a pixel of height, (n,).

    −μ₁₁/μ₀₂ of the central moments (rows grow downward): the shear that would set it upright. NaN
    for an empty picture.
    """
    x = _ink(x)
    down, across = np.arange(x.shape[1])[:, None], np.arange(x.shape[2])
    total = x.sum((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        row, column = ((x * axis).sum((1, 2)) / total for axis in (down, across))
        dy, dx = down - row[:, None, None], across - column[:, None, None]
        return -(x * dx * dy).sum((1, 2)) / (x * dy * dy).sum((1, 2))


def thickness(x: np.ndarray) -> np.ndarray:
    """Return the width of the stroke, in pixels, (n,): twice the ink over the length of its edge.

    A stroke of width t and length l has the ink l·t and, both sides together, an edge of 2l; the
    total variation of the pixels measures that edge without a threshold. NaN without any ink.
    """
    x = np.pad(_ink(x), ((0, 0), (1, 1), (1, 1)))
    dy, dx = np.diff(x, axis=1)[:, :, :-1], np.diff(x, axis=2)[:, :-1]
    edge = np.sqrt(dx * dx + dy * dy).sum((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * x.sum((1, 2)) / edge


MEASURES = {"slant": slant, "thickness": thickness}


def by_class(pictures: np.ndarray, measure: str) -> np.ndarray:
    """Return one number per z and class, (n, classes), of pictures (n, classes, 32, 32), uint8.

    Each class is standardised over z, since a 1 is slimmer than an 8 whatever its style.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure {measure!r}: expected one of {sorted(MEASURES)}")
    n, classes = pictures.shape[:2]
    found = MEASURES[measure](pictures.reshape(n * classes, *pictures.shape[2:]))
    found = np.nan_to_num(found).reshape(n, classes)
    return (found - found.mean(0)) / np.maximum(found.std(0), 1e-9)


def shared(values: np.ndarray) -> float:
    """Return the mean correlation of two classes over z, of standardised values (n, classes)."""
    matrix = np.corrcoef(values.T)
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())


def halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over even and over odd digits, (n,) each: z by z, from different classes."""
    return values[:, ::2].mean(1), values[:, 1::2].mean(1)


def direction(z: torch.Tensor, values: np.ndarray, part: float = 0.2) -> torch.Tensor:
    """Return the mean z (z,) of the highest ``part`` of ``values`` (n,), minus that of the lowest.

    Radford et al. (2016) do the same sum with three pictures a side; more make it steadier.
    """
    count = max(1, int(part * len(z)))
    order = torch.from_numpy(np.argsort(values).copy())
    return z[order[-count:]].mean(0) - z[order[:count]].mean(0)
