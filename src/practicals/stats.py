"""How sure a result is: spread, 95 % intervals, and the two-sided tests behind claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

Scores = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Test:
    """What a claim stands on: an effect with its 95 % interval, its sample size and p-value."""

    name: str
    effect: float
    low: float
    high: float
    n: int
    p: float
    direction: str = "higher"
    """What the claim says of the effect: ``higher``, ``lower``, or ``equal`` within ``margin``."""
    unit: str = "cases"
    """What ``n`` counts: pictures, networks, seeds."""
    margin: float | None = None

    def of(self, unit: str, direction: str = "higher") -> "Test":
        """Return the test of a claim that states, before the run, direction and unit."""
        return replace(self, unit=unit, direction=self.direction if self.margin else direction)


def _checked(*arrays: ArrayLike, least: int = 1) -> list[np.ndarray]:
    found = [np.asarray(values, float) for values in arrays]
    if len({a.shape for a in found}) != 1 or found[0].ndim != 1:
        raise ValueError(f"expected equally long lists, same samples: {[a.shape for a in found]}")
    if len(found[0]) < least:
        raise ValueError(f"expected at least {least} values or clusters, got {len(found[0])}")
    if not all(np.isfinite(a).all() for a in found):
        raise ValueError("expected finite numbers, got NaN or infinity: leave such cases out first")
    return found


def _options(n: int, seed: int) -> dict[str, object]:
    # 2¹⁴ covers every flip of up to 14 signs; small batches bound the memory.
    count, batch = 9999 if n > 14 else 2**14, max(1, 2_000_000 // n)
    rng = np.random.default_rng(seed)
    return {"vectorized": True, "n_resamples": count, "batch": batch, "rng": rng}


def _bootstrap(data: tuple, statistic: Callable, seed: int) -> tuple[float, float]:
    options = _options(len(data[0]), seed) | {"method": "percentile", "paired": len(data) > 1}
    low, high = scipy_stats.bootstrap(data, statistic, **options).confidence_interval
    return float(low), float(high)


def _permuted(data: tuple, statistic: Callable, kind: str, seed: int) -> float:
    options = _options(len(data[0]), seed) | {"permutation_type": kind}
    return float(scipy_stats.permutation_test(data, statistic, **options).pvalue)


def against(
    values: ArrayLike, reference: float = 0, test: str = "permutation", seed: int = 0
) -> Test:
    """Test whether the mean of ``values`` (n,), n ≥ 2, differs from ``reference``.

    ``test`` is ``permutation`` (sign flips: all 2ⁿ up to n = 14, else 9,999 at random and the
    observed one), ``wilcoxon`` (signed ranks, zeros split) or ``t``, which gives way to the first
    where all values are equal. The interval is Student's for ``t``, else the percentile bootstrap's
    of the mean, too narrow below some ten values (Hesterberg, The American Statistician 2015).
    """
    if test not in {"permutation", "t", "wilcoxon"}:
        raise ValueError(f"expected permutation, t or wilcoxon, got {test!r}")
    _checked([reference])
    d = _checked(values, least=2)[0] - reference
    effect, n = float(d.mean()), len(d)
    # A spread of rounding errors alone would make any t significant.
    if test == "t" and np.ptp(d) > 1e-12 * np.abs(d).max():
        found = scipy_stats.ttest_1samp(d, 0.0)
        low, high = map(float, found.confidence_interval())
        return Test("t", effect, low, high, n, float(found.pvalue))
    low, high = _bootstrap((d,), np.mean, seed)
    if test == "wilcoxon":
        name, p = "Wilcoxon", scipy_stats.wilcoxon(d, zero_method="zsplit").pvalue
    else:
        name, p = "sign-flip permutation", _permuted((d,), np.mean, "samples", seed)
    return Test(name, effect, low, high, n, float(p))


def paired(a: ArrayLike, b: ArrayLike, test: str = "permutation", seed: int = 0) -> Test:
    """Test whether two results (n,) on the same, independent cases differ: mean(a - b) against 0.

    ``test``, interval and errors are those of ``against``; for cases in groups use ``clustered``.
    """
    found = against(np.subtract(*_checked(a, b)), 0.0, test, seed)
    return replace(found, name="paired t") if found.name == "t" else found


def clustered(a: ArrayLike, b: ArrayLike, clusters: Sequence[object], seed: int = 0) -> Test:
    """Test paired differences of cases (m,) that come in clusters, such as four of one mosaic.

    ``clusters`` (m,) labels each case. The effect is the mean over cases, but ``n`` counts clusters
    (≥ 2): only they are independent. p flips the signs of whole clusters' sums; the interval is the
    percentile bootstrap's over clusters (Field and Welsh, J. Royal Statistical Society B 2007).
    """
    (a, b), labels = _checked(a, b), np.asarray(clusters)
    if labels.shape != a.shape or (labels != labels).any():
        raise ValueError(f"expected a cluster for each of {len(a)} cases, got {clusters}")
    _, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    (sums,), name = (
        _checked(np.bincount(index, a - b), least=2),
        "sign-flip permutation of clusters",
    )
    p = _permuted((sums,), np.mean, "samples", seed)
    low, high = _bootstrap((sums, sizes), lambda s, m, axis: s.sum(axis) / m.sum(axis), seed)
    return Test(name, float((a - b).mean()), low, high, len(sizes), p)


def equivalent(a: ArrayLike, b: ArrayLike, margin: float) -> Test:
    """Test whether two paired results (n,), n ≥ 2, differ by less than ``margin`` in the mean.

    Two one-sided t-tests (Schuirmann, 1987): p is the larger one's, small where the mean difference
    lies surely inside ±margin. If all differences are equal, t has no error to divide by: inside
    the margin the sign test's 1/2 to the power of n is p, outside it p is 1.
    """
    d = np.subtract(*_checked(a, b, least=2))
    if not 0 < margin < np.inf:
        raise ValueError(f"expected a positive, finite margin, got {margin}")
    found, kind = against(d, 0.0, "t"), "t-tests"
    if found.name != "t":
        kind, p = "sign tests", 0.5 ** len(d) if abs(found.effect) < margin else 1.0
    else:
        above = scipy_stats.ttest_1samp(d, -margin, alternative="greater").pvalue
        p = max(above, scipy_stats.ttest_1samp(d, margin, alternative="less").pvalue)
    name = f"two one-sided {kind}, margin {margin:g}"
    return replace(found, name=name, p=float(p), direction="equal", margin=margin)


def _spearman(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    a, b = (scipy_stats.rankdata(x, axis=axis) - (x.shape[axis] + 1) / 2 for x in (a, b))
    scale = np.sqrt((a * a).sum(axis) * (b * b).sum(axis))
    # A resample may repeat one value only: it has no order, and counts as no correlation.
    return (a * b).sum(axis) / np.where(scale > 0, scale, 1)


def correlation(a: ArrayLike, b: ArrayLike, seed: int = 0) -> Test:
    """Test Spearman's rank correlation, in [-1, 1], of two lists (n,), n ≥ 3, neither constant.

    p permutes the pairs (all n! up to n = 7, else at random), because the usual t gives p = 0 to a
    perfect order of three; the interval is the percentile bootstrap's. Slow beyond n = 1,000.
    """
    a, b = _checked(a, b, least=3)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise ValueError("expected values that vary: a constant list has no order")
    x, y = (scipy_stats.rankdata(values) - (len(a) + 1) / 2 for values in (a, b))
    p = _permuted((x,), lambda order, axis: order @ y, "pairings", seed)  # noqa: ARG005
    low, high = _bootstrap((a, b), _spearman, seed)
    return Test("Spearman", float(scipy_stats.spearmanr(a, b).statistic), low, high, len(a), p)


def wilson(k: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval, in [0, 1], of a rate of ``k`` in ``n`` (Wilson, 1927)."""
    if not (float(k).is_integer() and float(n).is_integer() and 0 <= k <= n and n > 0):
        raise ValueError(f"expected whole numbers 0 ≤ k ≤ n with n > 0, got k = {k}, n = {n}")
    low, high = scipy_stats.binomtest(int(k), int(n)).proportion_ci(method="wilson")
    return float(low), float(high)


def rate(k: int, n: int, reference: float | None = None) -> Test:
    """Test the rate of ``k`` in ``n`` against ``reference`` in [0, 1] (exact binomial test).

    Effect and Wilson's interval are k/n minus the reference; without one, k/n itself with p = 1.
    """
    low, high = wilson(k, n)
    if reference is None:
        return Test("Wilson interval", k / n, low, high, int(n), 1.0)
    if not 0 <= reference <= 1:
        raise ValueError(f"expected a reference in [0, 1], got {reference}")
    effect, p = k / n - reference, float(scipy_stats.binomtest(int(k), int(n), reference).pvalue)
    return Test("exact binomial", effect, low - reference, high - reference, int(n), p)


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> Test:
    """Test the difference of two accuracies on the same samples (McNemar, Psychometrika 1947).

    Both are boolean, or 0 and 1, of shape (n,). p is exact and two-sided: samples on which the two
    agree drop out of it. The interval is the adjusted Wald one (Bonett and Price, J. Educational
    and Behavioral Statistics 2012): p - q ± 1.96 √((p + q - (p - q)²)/(n + 2)), cut to [-1, 1],
    where p = (b + 1)/(n + 2), q = (c + 1)/(n + 2), and only the first is right b times, only the
    second c times.
    """
    first, second = _checked(first_right, second_right)
    if not np.isin([first, second], (0, 1)).all():
        raise ValueError("expected True or False, or 1 and 0, got other numbers")
    b, c, n = int((first > second).sum()), int((first < second).sum()), len(first)
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    width = scipy_stats.norm.ppf(0.975) * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    low, high = max(-1.0, float(p - q - width)), min(1.0, float(p - q + width))
    chance = scipy_stats.binomtest(b, b + c).pvalue if b + c else 1.0
    return Test("exact McNemar", (b - c) / n, low, high, n, float(chance))


def mean_std(values: ArrayLike) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (n - 1) of repeated results (n,)."""
    (values,) = _checked(values)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def holm(p: ArrayLike) -> np.ndarray:
    """Return p-values (k,), k ≥ 0, adjusted for their number (Holm, 1979), in the order given."""
    (p,) = _checked(p, least=0)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"expected p-values in [0, 1], got {p}")
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted[np.argsort(order)]


def beats_all(
    scores: Scores, references: Sequence[str], higher: bool, level: float = 0.05
) -> dict[str, bool]:
    """Return which methods are better than every reference, each difference significant (Holm)."""
    _checked(*scores.values())
    if not set(references) <= set(scores):
        raise ValueError(f"expected references among {list(scores)}, got {list(references)}")
    pairs = [(a, b) for a in scores if a not in references for b in references]
    adjusted = holm([paired(scores[a], scores[b], "wilcoxon").p for a, b in pairs])
    gains = [(scores[a] - scores[b]).mean() * (1 if higher else -1) for a, b in pairs]
    won = {pair: p < level and g > 0 for pair, p, g in zip(pairs, adjusted, gains, strict=True)}
    return {a: all(won[a, b] for b in references) for a, _ in pairs}


def level_with_best(scores: Scores, higher: bool, level: float = 0.05) -> list[str]:
    """Return the best method and those that do not differ from it significantly (Holm)."""
    _checked(*scores.values())
    best = (max if higher else min)(scores, key=lambda name: scores[name].mean())
    others = [name for name in scores if name != best]
    adjusted = holm([paired(scores[best], scores[name], "wilcoxon").p for name in others])
    return [best, *(name for name, p in zip(others, adjusted, strict=True) if p >= level)]
