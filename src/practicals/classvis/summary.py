"""What the study's numbers come to: means, tests, rows for figures. Arrays in, arrays out.

It stands apart from ``study``, so that another way to show a result does not measure it again.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..stats import Test, against, clustered, correlation
from .study import Cases, Found

SCORES = {
    "probability": "held-out probability",
    "hit": "held-out top-5 rate",
    "variation": "total variation",
    "clipped": "clipped share",
    "distance": "distance to the start",
    "fast": "share of high frequencies",
}
"""Key of a score, and its title."""


def pixels_of(values: np.ndarray) -> np.ndarray:
    """Return pictures (…, 3, H, W) with their channels last, as figures want them."""
    return np.moveaxis(values, -3, -1)


def difference(a: Found, b: Found, score: str, cases: Cases) -> Test:
    """Test a score of the same pictures under two recipes; a class's seeds are one cluster."""
    return clustered(a[score], b[score], cases.y.tolist())


def by_class(values: np.ndarray, cases: Cases) -> np.ndarray:
    """Return the mean over seeds for each class, (classes,)."""
    return values.reshape(len(cases.seeds), -1).mean(0)


def excess(values: np.ndarray, cases: Cases, reference: float) -> Test:
    """Test whether the classes' means over seeds differ from ``reference``; NaN counts as it."""
    filled = np.where(np.isnan(values), reference, values)
    return against(by_class(filled, cases), reference)


def over_steps(
    judged: Mapping[int, Found], scores: Sequence[str] = ("probability", "variation")
) -> dict[str, tuple[list[int], np.ndarray, np.ndarray]]:
    """Return score → steps, means and standard errors."""
    steps = sorted(judged)
    shown = {}
    for score in scores:
        values = [judged[step][score] for step in steps]
        means = np.array([v.mean() for v in values])
        errors = np.array([v.std(ddof=1) / len(v) ** 0.5 for v in values])
        shown[score] = (steps, means, errors)
    return shown


def means_and_errors(found: Mapping[str, Found], score: str) -> dict[str, tuple[float, float]]:
    """Return setting → mean of a score and its standard error over pictures."""
    return {
        name: (float(one[score].mean()), float(one[score].std(ddof=1) / len(one[score]) ** 0.5))
        for name, one in found.items()
    }


def factor(judged: Mapping[str, Found], name: str) -> dict[str, Found]:
    """Return value → scores of one setting, from keys such as ``l2/0.01``."""
    ends = {key: key.partition("/") for key in judged}
    return {end[2]: judged[key] for key, end in ends.items() if end[0] == name}


def flat(settings: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Return ``setting/value`` → what stands there."""
    return {f"{name}/{key}": v for name, values in settings.items() for key, v in values.items()}


def rows_of(keys: Sequence[str]) -> dict[str, str]:
    """Return ``setting/value`` → the part of a ledger key that it stands for."""
    clean = {key: "".join(c if c.isalnum() else "_" for c in key.lower()) for key in keys}
    return {key: part.replace("__", "_") for key, part in clean.items()}


def extremes(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the ``count`` lowest and the ``count`` highest values."""
    order = values.argsort()
    return np.r_[order[:count], order[::-1][:count]]


def beaten(made: np.ndarray, real: np.ndarray) -> tuple[int, int]:
    """Return for how many channels the picture made beats all real ones, and how many there are.

    ``made`` is (k,), ``real`` (k, n).
    """
    return int((made > real.max(1)).sum()), len(made)


def agreement(judged: Found, names: Sequence[str]) -> Test | None:
    """Return the rank correlation of two judges' probabilities; None with fewer than two judges."""
    if len(names) < 2:
        return None
    first, second = (judged[f"{name}/probability"] for name in names[:2])
    return correlation(first, second)
