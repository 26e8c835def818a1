"""What the study's numbers come to: means, tests, rows for figures. Arrays in, arrays out.

It stands apart from ``study``, so that another way to show a result does not measure it again.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..stats import Test, against, clustered, correlation, holm
from .study import Cases, Found

SCORES = {
    "probability": "probability of the judges",
    "hit": "top-5 of the judges",
    "variation": "total variation",
    "clipped": "clipped",
    "distance": "distance",
    "fast": "high frequencies",
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


def mean_and_error(values: np.ndarray, cases: Cases) -> tuple[float, float]:
    """Return the mean over pictures and its standard error over classes, which are independent."""
    each = by_class(values, cases)
    return float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5)


def over_steps(
    judged: Mapping[int, Found],
    cases: Cases,
    scores: Sequence[str] = ("probability", "variation"),
) -> dict[str, tuple[list[int], np.ndarray, np.ndarray]]:
    """Return score → steps, means and standard errors over classes."""
    steps = sorted(judged)
    shown = {}
    for score in scores:
        means, errors = zip(*(mean_and_error(judged[s][score], cases) for s in steps), strict=True)
        shown[score] = (steps, np.array(means), np.array(errors))
    return shown


def means_and_errors(
    found: Mapping[str, Found], score: str, cases: Cases
) -> dict[str, tuple[float, float]]:
    """Return setting → mean of a score and its standard error over classes."""
    return {name: mean_and_error(one[score], cases) for name, one in found.items()}


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


def extremes(values: np.ndarray, labels: Sequence[int], count: int) -> list[int]:
    """Return the places of ``count`` low and of ``count`` high values, all of different classes."""
    order, used = values.argsort(kind="stable"), set()
    chosen: list[int] = []
    for ordered in (order, order[::-1]):
        wanted = len(chosen) + count
        for place in ordered:
            if len(chosen) < wanted and labels[place] not in used:
                chosen.append(int(place))
                used.add(labels[place])
    return chosen


def split(judged: Found, names: Sequence[str], sure: float = 0.5, doubt: float = 0.1) -> np.ndarray:
    """Return for each picture whether one judge is ``sure`` of the class and another is not."""
    said = np.stack([judged[f"{name}/probability"] for name in names])
    return (said.max(0) > sure) & (said.min(0) < doubt)


def idle(values: np.ndarray) -> np.ndarray:
    """Return for each picture whether its objective never rose, (n,) of True and False.

    ``values`` (steps, n) holds the objective at every step. It rose if its mean over the last tenth
    of the steps is above its value at the first one.
    """
    return values[-max(1, len(values) // 10) :].mean(0) <= values[0]


def adjusted(tests: Mapping[str, Test]) -> dict[str, float]:
    """Return name → p-value after Holm's correction over ``tests``."""
    return dict(zip(tests, map(float, holm([one.p for one in tests.values()])), strict=True))


def told(tests: Mapping[str, Test], level: float = 0.05) -> str:
    """Return in words which differences of probabilities are significant, and which are not."""
    p = adjusted(tests)
    parts: dict[bool, list[str]] = {True: [], False: []}
    for name, one in tests.items():
        effect = f"{100 * one.effect:+.1f}".replace("-", "−")
        parts[p[name] < level].append(f"{name} ({effect} points, p = {p[name]:.3f})")
    yes, no = (", ".join(parts[found]) or "none" for found in (True, False))
    return f"Significant after Holm over {len(tests)} tests: {yes}. Not significant: {no}."


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
