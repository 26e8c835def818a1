"""Linear classifiers on frozen features, with the work of a whole grid shared.

The classifier is regularised least squares on one-vs-rest targets ±1, the least-squares support
vector machine (Suykens & Vandewalle, 1999; Rifkin, Yeo & Poggio, 2003): minimise
½‖w‖² + C Σ (wᵀx + b − y)². One eigendecomposition of the Gram matrix gives every C and, in closed
form, the predictions of every cross-validation fold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from sklearn.model_selection import StratifiedKFold

NORMS = ("raw", "l2", "power")


def normalise(X: np.ndarray, norm: str) -> np.ndarray:
    """Return features (n, d) with rows as they are (``raw``), of unit length (``l2``), or
    signed square roots of unit length (``power``, Perronnin, Sánchez and Mensink 2010)."""
    if norm not in NORMS:
        raise ValueError(f"unknown normalisation {norm!r}: expected one of {NORMS}")
    if norm == "raw":
        return X
    X = np.sign(X) * np.sqrt(np.abs(X)) if norm == "power" else X
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Kernel:
    """Products (n, k) of all samples with those numbered ``columns`` (k,), and squares (n,).

    The sum of two is the kernel of the joined features, so that nothing is copied to join them.
    """

    products: np.ndarray
    squares: np.ndarray
    columns: np.ndarray

    def __add__(self, other: "Kernel") -> "Kernel":
        if not np.array_equal(self.columns, other.columns):
            raise ValueError("kernels of different columns cannot be joined")
        return Kernel(self.products + other.products, self.squares + other.squares, self.columns)

    def unit(self) -> "Kernel":
        """Return the kernel scaled to a mean square of 1, so that it counts once in a sum."""
        scale = self.squares.mean()
        return Kernel(self.products / scale, self.squares / scale, self.columns)

    def between(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the products of samples ``rows`` with ``columns``, in float64."""
        places = np.searchsorted(self.columns, columns)
        return self.products[np.ix_(rows, places)].astype(np.float64)

    def gaussian(self, width: float, train: np.ndarray) -> "Kernel":
        """Return exp(−width · D / mean D) of the squared distances D.

        The mean is over pairs of training samples, so that one ``width`` serves any features.
        """
        D = self.squares[:, None] + self.squares[self.columns] - 2 * self.products
        scale = D[np.ix_(train, np.searchsorted(self.columns, train))].mean(dtype=np.float64)
        return Kernel(np.exp(-width * D / scale), np.ones(len(D), np.float32), self.columns)


def kernel(X: np.ndarray, norm: str = "raw", columns: np.ndarray | None = None) -> Kernel:
    """Return the kernel of features (n, d), against all samples or those numbered ``columns``."""
    X = normalise(X.astype(np.float32, copy=False), norm)
    columns = np.arange(len(X)) if columns is None else np.sort(columns)
    return Kernel(X @ X[columns].T, np.square(X).sum(1), columns)


def joined(blocks: Iterable[np.ndarray], norm: str, columns: np.ndarray | None = None) -> Kernel:
    """Return the kernel of joined features, each block (n, d) normalised on its own first."""
    total: Kernel | None = None
    for X in blocks:
        one = kernel(X, norm, columns)
        total = one if total is None else total + one
    if total is None:
        raise ValueError("expected at least one block of features")
    return total


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
        keep = values > values[-1] * 1e-7  # below that, products in float32 hold rounding errors
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


@dataclass(frozen=True)
class Task:
    """Labels (n,) of all samples, and which of them are for training and for the test."""

    y: np.ndarray
    train: np.ndarray
    test: np.ndarray


def evaluate(K: Kernel, task: Task, search: Search, rank: int | None = None) -> Result:
    """Choose C by cross-validation on the training samples only, then predict the test samples.

    ``rank`` keeps the largest principal components only.
    """
    y, train, test = task.y, task.train, task.test
    fit = LeastSquares.factorise(K.between(train, train), y[train], rank)
    seeds = range(search.seed, search.seed + search.repeats)
    parts = [folds_of(y[train], search.folds, seed) for seed in seeds]
    guesses = [fit.cross_validate(search.C_grid, part).argmax(2) for part in parts]
    cv = (np.stack(guesses) == y[train]).mean((0, 2))
    best = int(cv.argmax())
    found = fit.scores(search.C_grid[best], K.between(test, train))
    right = (found.argmax(1) == y[test]).mean()
    return Result(search.C_grid[best], float(cv[best]), float(right), found, tuple(cv.tolist()))


def squared_hinge(K: np.ndarray, y: np.ndarray, C: float, rounds: int = 30) -> np.ndarray:
    """Return weights of the training samples and the bias, (n + 1, classes), of the linear SVM.

    It minimises ½‖w‖² + C Σ max(0, 1 − y(wᵀx + b))² for each class against the rest, by Newton's
    method on the kernel K (n, n) (Chapelle, Neural Computation 2007): least squares on the samples
    inside the margin, again and again until they stay the same.
    """
    Y = targets(y, int(y.max()) + 1)
    found = np.zeros((len(y) + 1, Y.shape[1]))
    for label, t in enumerate(Y.T):
        inside = np.ones(len(y), bool)
        for _ in range(rounds):
            places = np.flatnonzero(inside)
            A = K[np.ix_(places, places)] + np.eye(len(places)) / (2 * C)
            both = linalg.solve(A, np.stack([t[places], np.ones(len(places))], 1), assume_a="pos")
            bias = both[:, 0].sum() / both[:, 1].sum()
            weights = both[:, 0] - bias * both[:, 1]
            before, inside = inside, t * (K[:, places] @ weights + bias) < 1
            if np.array_equal(before, inside):
                break
        found[places, label], found[-1, label] = weights, bias
    return found


def evaluate_hinge(K: Kernel, task: Task, search: Search, around: float) -> Result:
    """Return the linear SVM's result; C by cross-validation from ``around`` / 4 to 40 × it.

    One division into folds; the kernel is scaled as in ``LeastSquares``, so that ``around`` may be
    what least squares chose.
    """
    y, train = task.y[task.train], task.train
    inner, outer = K.between(train, train), K.between(task.test, train)
    scale = inner.diagonal().mean()
    inner, outer = inner / scale, outer / scale
    grid = tuple(C for C in search.C_grid if around / 4 < C < 40 * around)
    right = np.zeros(len(grid))
    for fold in folds_of(y, search.folds, search.seed):
        rest = np.setdiff1d(np.arange(len(y)), fold)
        for i, C in enumerate(grid):
            fit = squared_hinge(inner[np.ix_(rest, rest)], y[rest], C)
            guesses = (inner[np.ix_(fold, rest)] @ fit[:-1] + fit[-1]).argmax(1)
            right[i] += (guesses == y[fold]).sum()
    best = int(right.argmax())
    fit = squared_hinge(inner, y, grid[best])
    scores = outer @ fit[:-1] + fit[-1]
    cv = tuple((right / len(y)).tolist())
    accuracy = float((scores.argmax(1) == task.y[task.test]).mean())
    return Result(grid[best], cv[best], accuracy, scores, cv)


def random_splits(y: np.ndarray, per_class: int, repeats: int, seed: int) -> list[Task]:
    """Return tasks with ``per_class`` random training samples per class, the rest for the test."""
    rng = np.random.default_rng(seed)
    tasks = []
    for _ in range(repeats):
        chosen = [rng.permutation(np.flatnonzero(y == c))[:per_class] for c in np.unique(y)]
        train = np.sort(np.concatenate(chosen))
        tasks.append(Task(y, train, np.setdiff1d(np.arange(len(y)), train)))
    return tasks


def draw(y: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Return ``per_class`` random samples of each class, sorted; smaller draws lie in larger ones.

    A class with fewer gives all it has.
    """
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(y == c))[:per_class] for c in np.unique(y)]
    return np.sort(np.concatenate(chosen))
