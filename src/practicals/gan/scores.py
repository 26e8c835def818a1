"""Scores of generated digits, on features of the judge: distances, coverage, classes, memory."""

import numpy as np
from scipy.linalg import eigh
from sklearn.neighbors import NearestNeighbors

from .networks import CLASSES

COVERED = 0.02
"""Share of all digits from which a class counts as covered: a fifth of an even share."""


def _checked(*sets: np.ndarray, least: int = 2) -> list[np.ndarray]:
    found = [np.asarray(s, np.float64) for s in sets]
    if any(s.ndim != 2 or len(s) < least for s in found):
        raise ValueError(
            f"expected at least {least} rows of features, got {[s.shape for s in found]}"
        )
    if len({s.shape[1] for s in found}) != 1:
        raise ValueError(f"expected features of one width, got {[s.shape for s in found]}")
    if not all(np.isfinite(s).all() for s in found):
        raise ValueError("expected finite features, got NaN or infinity")
    return found


def gaussian_distance(
    mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray
) -> float:
    """Return the squared Fréchet distance of two Gaussians (Dowson & Landau, 1982), ≥ 0.

    ‖m − n‖² + tr A + tr B − 2 tr (A½ B A½)½: unlike √(AB) the last root is of a symmetric matrix,
    so that it is real and stays accurate where a covariance is singular.
    """
    values, vectors = eigh(cov_a)
    half = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    roots = np.sqrt(eigh(half @ cov_b @ half, eigvals_only=True).clip(0))
    gap = mean_a - mean_b
    return max(0.0, float(gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * roots.sum()))


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Fréchet distance of features (n, d) and (m, d), each taken for a Gaussian.

    Heusel et al. (NIPS 2017), there with Inception's features. It falls with n, so that two values
    compare only at the same n.
    """
    a, b = _checked(a, b)
    covs = (np.atleast_2d(np.cov(s, rowvar=False)) for s in (a, b))
    cov_a, cov_b = covs
    return gaussian_distance(a.mean(0), cov_a, b.mean(0), cov_b)


def kernel_distance(
    a: np.ndarray, b: np.ndarray, size: int = 1000, subsets: int = 10, seed: int = 0
) -> float:
    """Return the kernel distance (KID): the unbiased squared MMD, mean over random subsets.

    The kernel is (x·y/d + 1)³ (Bińkowski et al., ICLR 2018). Unlike Fréchet's it has no bias in n,
    and so may be a little below 0.
    """
    a, b = _checked(a, b)
    size, rng, found = min(size, len(a), len(b)), np.random.default_rng(seed), []
    for _ in range(subsets):
        x, y = (s[rng.permutation(len(s))[:size]] for s in (a, b))
        kxx, kyy, kxy = ((p @ q.T / p.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
        within = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in (kxx, kyy))
        found.append(within - 2 * kxy.mean())
    return float(np.mean(found))


def _radii(s: np.ndarray, k: int) -> np.ndarray:
    """Return the distance of each row to its k-th nearest other row."""
    if len(s) <= k:
        raise ValueError(f"expected more than k = {k} rows, got {len(s)}")
    return NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(s).kneighbors(s)[0][:, k]


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    return np.sqrt(squared.clip(0))


def neighbourhoods(real: np.ndarray, fake: np.ndarray, k: int = 5) -> dict[str, float]:
    """Return precision, recall, density and coverage from balls up to the k-th neighbour.

    ``precision``: share of fake rows inside a ball around a real one; ``recall``: share of real
    rows inside a ball around a fake one (Kynkäänniemi et al., NeurIPS 2019). ``density``: how many
    real balls hold a fake row, over k; ``coverage``: share of real balls that hold any (Naeem et
    al., ICML 2020): one stray row cannot stretch them, as it can the first two.
    """
    real, fake = _checked(real, fake, least=k + 1)
    radii_real, radii_fake = _radii(real, k), _radii(fake, k)
    between = _distances(real, fake)
    in_real, in_fake = between <= radii_real[:, None], between <= radii_fake
    return {
        "precision": float(in_real.any(0).mean()),
        "recall": float(in_fake.any(1).mean()),
        "density": float(in_real.sum(0).mean() / k),
        "coverage": float((between.min(1) <= radii_real).mean()),
    }


def histogram(predicted: np.ndarray) -> np.ndarray:
    """Return the share of each digit among predicted classes (n,): (10,), its sum 1."""
    predicted = np.asarray(predicted)
    if len(predicted) == 0 or predicted.min() < 0 or predicted.max() >= CLASSES:
        raise ValueError(f"expected classes 0 to 9, at least one: got {predicted[:5]}")
    return np.bincount(predicted, minlength=CLASSES) / len(predicted)


def modes_covered(predicted: np.ndarray) -> int:
    """Return how many of the ten digits make up at least ``COVERED`` of all."""
    return int((histogram(predicted) >= COVERED).sum())


def imbalance(predicted: np.ndarray) -> float:
    """Return the total variation distance of the digits' shares from even ones, in [0, 0.9]."""
    return float(np.abs(histogram(predicted) - 1 / CLASSES).sum() / 2)


def class_accuracy(predicted: np.ndarray, asked: np.ndarray) -> float:
    """Return how often the judge reads the digit that was asked for, a fraction."""
    if len(predicted) != len(asked) or len(asked) == 0:
        raise ValueError(f"{len(predicted)} answers to {len(asked)} questions")
    return float((np.asarray(predicted) == np.asarray(asked)).mean())


def nearest(queries: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to, and the index of, the nearest of ``known`` for each query, (n,).

    Both are pixels of any shape behind the first axis; the distance is Euclid's, of pixels in
    [0, 1].
    """
    flat = [np.asarray(s, np.float32).reshape(len(s), -1) / 255 for s in (queries, known)]
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat[1])
    distance, index = search.kneighbors(flat[0])
    return distance[:, 0].astype(float), index[:, 0]


def assess(
    real: np.ndarray, fake: np.ndarray, predicted: np.ndarray, compared: int
) -> dict[str, float]:
    """Return all scores of fake features (n, d) with the judge's answers (n,).

    The first ``compared`` rows of either side enter the scores that look for neighbours.
    """
    near = neighbourhoods(real[:compared], fake[:compared])
    return near | {
        "frechet": frechet(real, fake),
        "kernel": kernel_distance(real, fake),
        "modes": float(modes_covered(predicted)),
        "imbalance": imbalance(predicted),
    }
