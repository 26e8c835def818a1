"""How sure a result is: spread, standard errors, intervals, and the tests behind claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

LEVEL = 0.95
RESAMPLES = 9999


@dataclass(frozen=True)
class Test:
    """What a claim stands on: an effect with its 95 % interval, its sample size and p-value."""

    name: str
    effect: float
    low: float
    high: float
    n: int
    p: float


def _checked(*arrays: Sequence[float]) -> list[np.ndarray]:
    found = [np.asarray(values, float) for values in arrays]
    if len({a.shape for a in found}) > 1 or found[0].ndim != 1 or len(found[0]) == 0:
        raise ValueError(f"expected equally long lists, got shapes {[a.shape for a in found]}")
    if not all(np.isfinite(a).all() for a in found):
        raise ValueError("expected finite numbers, got NaN or infinity: leave such cases out first")
    return found


def _interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean."""
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = scipy_stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=1000,
    ).confidence_interval
    return float(found.low), float(found.high)


def against(values: Sequence[float], reference: float = 0.0, seed: int = 0) -> Test:
    """Test whether the mean of ``values`` differs from ``reference``, by flipping signs."""
    (values,) = _checked(values)
    d = values - reference
    found = scipy_stats.permutation_test(
        (d, np.zeros_like(d)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        vectorized=True,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
        batch=1000,
    )
    low, high = _interval(d, seed)
    return Test("sign-flip permutation", float(d.mean()), low, high, len(d), float(found.pvalue))


def paired(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Test:
    """Test whether two results on the same cases differ in the mean, by flipping signs."""
    a, b = _checked(a, b)
    return against(a - b, 0.0, seed)


def clustered(
    a: Sequence[float], b: Sequence[float], clusters: Sequence[int], seed: int = 0
) -> Test:
    """Test paired differences of cases that come in clusters; ``n`` counts the clusters."""
    a, b, groups = _checked(a, b, clusters)
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.bincount(index, a - b)
    test = against(sums / sizes.mean(), 0.0, seed)
    return Test(
        "sign-flip permutation of clusters", test.effect, test.low, test.high, test.n, test.p
    )


def equivalent(a: Sequence[float], b: Sequence[float], margin: float) -> Test:
    """Test whether two paired results differ by less than ``margin`` (two one-sided t-tests)."""
    a, b = _checked(a, b)
    d = a - b
    error = d.std(ddof=1) / np.sqrt(len(d))
    low, high = d.mean() + np.array([-1, 1]) * scipy_stats.t.ppf(0.975, len(d) - 1) * error
    t = np.array([margin + d.mean(), margin - d.mean()]) / max(error, 1e-300)
    p = float(scipy_stats.t.sf(t, len(d) - 1).max())
    return Test(f"two one-sided t-tests, margin {margin:g}", float(d.mean()), low, high, len(d), p)


def correlation(a: Sequence[float], b: Sequence[float]) -> Test:
    """Test Spearman's rank correlation of two lists; the interval is Fisher's."""
    a, b = _checked(a, b)
    found = scipy_stats.spearmanr(a, b)
    z, width = np.arctanh(np.clip(found.statistic, -0.999999, 0.999999)), 1.06 / np.sqrt(len(a) - 3)
    low, high = np.tanh(z + np.array([-1, 1]) * 1.96 * width)
    return Test(
        "Spearman", float(found.statistic), float(low), float(high), len(a), float(found.pvalue)
    )


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
    p = scipy_stats.binomtest(b, b + c).pvalue if b + c else 1.0
    return Paired(b, c, float(p))


def mean_std(values: np.ndarray | list[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (n − 1) of repeated results."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def paired_p(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test on two scores of the same pictures."""
    return (
        1.0 if np.allclose(a, b) else float(scipy_stats.wilcoxon(a, b, zero_method="zsplit").pvalue)
    )


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for their number (Holm, 1979), in the order given."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted[np.argsort(order)]


def beats_all(
    scores: Mapping[str, np.ndarray], references: Sequence[str], higher: bool, level: float = 0.05
) -> dict[str, bool]:
    """Return which methods are better than every reference, each difference significant (Holm)."""
    pairs = [(a, b) for a in scores if a not in references for b in references]
    adjusted = holm([paired_p(scores[a], scores[b]) for a, b in pairs])
    gains = [(scores[a] - scores[b]).mean() * (1 if higher else -1) for a, b in pairs]
    won = {pair: p < level and g > 0 for pair, p, g in zip(pairs, adjusted, gains, strict=True)}
    return {a: all(won[a, b] for b in references) for a, _ in pairs}


def level_with_best(
    scores: Mapping[str, np.ndarray], higher: bool, level: float = 0.05
) -> list[str]:
    """Return the best method and those that do not differ from it significantly (Holm)."""
    _checked(*scores.values())
    best = (max if higher else min)(scores, key=lambda name: scores[name].mean())
    others = [name for name in scores if name != best]
    adjusted = holm([paired_p(scores[best], scores[name]) for name in others])
    return [best, *(name for name, p in zip(others, adjusted, strict=True) if p >= level)]
