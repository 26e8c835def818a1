"""Linear classifiers on frozen features, with the work of a whole grid shared.

The classifier is regularised least squares on one-vs-rest targets ±1, the least-squares support
vector machine (Suykens & Vandewalle, 1999; Rifkin, Yeo & Poggio, 2003): minimise
½‖w‖² + C Σ (wᵀx + b − y)². One eigendecomposition of the Gram matrix gives every C and, in closed
form, the predictions of every cross-validation fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from sklearn.model_selection import StratifiedKFold

NORMS = ("raw", "l2", "sqrt")
JOINS = ("l2", "sqrt", "columns")


def normalise(X: np.ndarray, norm: str) -> np.ndarray:
    """Return features (n, d) with rows as they are (``raw``), of unit length (``l2``), or
    signed square roots of unit length (``sqrt``, the power normalisation of Perronnin 2010)."""
    if norm not in NORMS:
        raise ValueError(f"unknown normalisation {norm!r}: expected one of {NORMS}")
    if norm == "raw":
        return X
    X = np.sign(X) * np.sqrt(np.abs(X)) if norm == "sqrt" else X
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)


def gram(X: np.ndarray) -> np.ndarray:
    """Return the Gram matrix XXᵀ (n, n) in float64; a sum of two is that of the joined features."""
    X = X.astype(np.float64)
    return X @ X.T


def standardise(X: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return features with zero mean and unit deviation per column, by the training rows alone."""
    return (X - X[train].mean(0)) / (X[train].std(0) + 1e-6)


def join(blocks: Sequence[np.ndarray], norm: str, train: np.ndarray) -> np.ndarray:
    """Return the Gram matrix (n, n) of joined features, each block's rows of unit length.

    ``norm`` is ``l2``, ``sqrt``, or ``columns`` (standardised by the training rows before). Joining
    features adds their Gram matrices, so nothing is copied.
    """
    if norm not in JOINS:
        raise ValueError(f"unknown normalisation {norm!r}: expected one of {JOINS}")
    if norm == "columns":
        return sum(gram(normalise(standardise(X, train), "l2")) for X in blocks)
    return sum(gram(normalise(X, norm)) for X in blocks)


def rbf(K: np.ndarray, width: float, train: np.ndarray) -> np.ndarray:
    """Return the Gaussian kernel exp(−width · D / mean D) of the squared distances D that K holds.

    The mean is over pairs of training samples, so that one ``width`` serves any features.
    """
    squares = K.diagonal()
    D = squares[:, None] + squares - 2 * K
    return np.exp(-width * D / D[np.ix_(train, train)].mean())


def targets(y: np.ndarray, classes: int) -> np.ndarray:
    """Return one-vs-rest targets ±1, shape (n, classes)."""
    return 2.0 * (y[:, None] == np.arange(classes)) - 1


def folds_of(y: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """Return the indices of each stratified fold."""
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [held_out for _, held_out in split.split(y, y)]


@dataclass(frozen=True)
class LeastSquares:
    """Classifiers for every C from one decomposition of a training Gram matrix K (n, n).

    K is first divided by its mean diagonal, so that one grid of C serves raw and normalised
    features alike.
    """

    K: np.ndarray
    scale: float
    y: np.ndarray
    classes: int
    values: np.ndarray
    vectors: np.ndarray

    @classmethod
    def factorise(cls, K: np.ndarray, y: np.ndarray, rank: int | None = None) -> "LeastSquares":
        """Scale K, centre it (which fits the bias without penalty) and decompose it once.

        ``rank`` keeps the largest principal components only.
        """
        scale = float(K.diagonal().mean())
        K = K / scale
        row = K.mean(0)
        values, vectors = linalg.eigh(K - row - row[:, None] + row.mean(), overwrite_a=True)
        keep = values > values[-1] * 1e-10
        keep[: -rank if rank else 0] = False
        return cls(K, scale, y, int(y.max()) + 1, values[keep], vectors[:, keep])

    def _shrunk(self, C: float) -> np.ndarray:
        return self.values / (self.values + 1 / (2 * C))

    def cross_validate(self, C_grid: Sequence[float], folds: list[np.ndarray]) -> np.ndarray:
        """Return the scores of every sample from the fit that held its fold out, (len(C_grid), n,
        classes).

        For a linear smoother ŷ = Hy the residuals of a held-out fold f are
        (I − H_ff)⁻¹ (y − ŷ)_f, so no fold is fitted again.
        """
        Y, n = targets(self.y, self.classes), len(self.y)
        projected = self.vectors.T @ Y
        held_out = np.empty((len(C_grid), *Y.shape))
        for i, C in enumerate(C_grid):
            shrunk = self._shrunk(C)
            residual = Y - Y.mean(0) - self.vectors @ (shrunk[:, None] * projected)
            for fold in folds:
                U = self.vectors[fold]
                H = (U * shrunk) @ U.T + 1 / n
                held_out[i, fold] = Y[fold] - linalg.solve(
                    np.eye(len(fold)) - H, residual[fold], assume_a="pos"
                )
        return held_out

    def scores(self, C: float, K_test: np.ndarray) -> np.ndarray:
        """Return the scores (m, classes) of test samples, given K_test (m, n) against training."""
        Y = targets(self.y, self.classes)
        weight = self._shrunk(C) / self.values
        alpha = self.vectors @ (weight[:, None] * (self.vectors.T @ Y))
        K_test = K_test / self.scale
        centred = K_test - K_test.mean(1, keepdims=True) - self.K.mean(0) + self.K.mean()
        return centred @ alpha + Y.mean(0)


@dataclass(frozen=True)
class Result:
    """One evaluated setting; accuracies are fractions, ``scores`` has shape (m, classes)."""

    C: float
    cv_accuracy: float
    accuracy: float
    scores: np.ndarray
    cv_path: tuple[float, ...]

    @property
    def predicted(self) -> np.ndarray:
        """Return the predicted classes of the test samples, shape (m,)."""
        return self.scores.argmax(1)


@dataclass(frozen=True)
class Search:
    """How C is chosen: by cross-validation, averaged over ``repeats`` divisions into folds."""

    C_grid: tuple[float, ...]
    folds: int = 5
    repeats: int = 1
    seed: int = 0


def evaluate(
    K: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    search: Search,
    rank: int | None = None,
) -> Result:
    """Choose C by cross-validation on the training samples only, then predict the test samples.

    ``K`` (n, n) is the Gram matrix of all samples; ``train`` and ``test`` are index arrays.
    """
    fit = LeastSquares.factorise(K[np.ix_(train, train)], y[train], rank)
    seeds = range(search.seed, search.seed + search.repeats)
    parts = [folds_of(y[train], search.folds, seed) for seed in seeds]
    guesses = [fit.cross_validate(search.C_grid, part).argmax(2) for part in parts]
    cv = (np.stack(guesses) == y[train]).mean((0, 2))
    best = int(cv.argmax())
    found = fit.scores(search.C_grid[best], K[np.ix_(test, train)])
    right = (found.argmax(1) == y[test]).mean()
    return Result(search.C_grid[best], float(cv[best]), float(right), found, tuple(cv.tolist()))


def random_splits(
    y: np.ndarray, per_class: int, repeats: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (train, test) index pairs with ``per_class`` random training samples per class."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(repeats):
        chosen = [rng.permutation(np.flatnonzero(y == c))[:per_class] for c in np.unique(y)]
        train = np.sort(np.concatenate(chosen))
        pairs.append((train, np.setdiff1d(np.arange(len(y)), train)))
    return pairs
