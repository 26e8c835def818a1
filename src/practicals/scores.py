"""How sure a classification result is: standard errors and paired tests."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


def standard_error(accuracy: float, n: int) -> float:
    """Return the binomial standard error of an accuracy in [0, 1] measured on ``n`` samples."""
    return float(np.sqrt(accuracy * (1 - accuracy) / n))


@dataclass(frozen=True)
class Paired:
    """McNemar's exact test: how often only one of two classifiers is right."""

    only_first: int
    only_second: int
    p: float

    @property
    def difference(self) -> int:
        """Return how many samples more the first gets right."""
        return self.only_first - self.only_second


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> Paired:
    """Compare two classifiers on the same samples (McNemar, Psychometrika 1947; exact, two-sided).

    Both arguments are boolean of shape (n,). Samples on which both are right or both wrong say
    nothing about a difference and drop out.
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if first.shape != second.shape:
        raise ValueError(f"expected the same samples, got shapes {first.shape} and {second.shape}")
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    p = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    return Paired(b, c, float(p))


def mean_std(values: np.ndarray | list[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (n − 1) of repeated results."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
