"""What the study's runs come to: rows, tests, points for figures. Runs in, arrays out.

It stands apart from ``study``, so that another way to show a result trains nothing again.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from .. import stats
from ..data.digits import Digits
from . import scores
from .networks import AdaptationNet
from .study import THRESHOLDS, Outcome, Runs, accuracy_on

ABLATION = {
    "source_only": "source only",
    "own_batch_norm": "own batch norm (λ = 0)",
    "no_reversal": "without reversal",
    "dann": "DANN",
    "dann_shifted": "DANN, shifted pictures",
    "teacher_source_only_pseudo": "source only, then pseudo-labels",
    "teacher_own_batch_norm_pseudo": "own batch norm, then pseudo-labels",
    "teacher_dann_pseudo": "DANN, then pseudo-labels",
}
"""Rows of the equal-budget table: the key of their runs, and their title."""
KEYS = {
    "teacher_source_only_pseudo": "source_only_pseudo",
    "teacher_own_batch_norm_pseudo": "own_batch_norm_pseudo",
    "teacher_dann_pseudo": "dann_pseudo",
}
"""Rows whose numbers have a shorter name in the ledger than their runs."""
COMPARED = (
    ("own_batch_norm", "source_only", "own batch norm − source only"),
    ("no_reversal", "own_batch_norm", "without reversal − own batch norm"),
    ("dann", "own_batch_norm", "DANN − own batch norm"),
    ("teacher_own_batch_norm_pseudo", "own_batch_norm", "pseudo-labels − own batch norm"),
    ("dann_shifted", "dann", "DANN: shifted − plain pictures"),
    ("teacher_dann_pseudo", "dann", "DANN with pseudo-labels − DANN"),
    ("teacher_dann_pseudo", "dann_shifted", "the same, both with shifted pictures"),
    (
        "teacher_dann_pseudo",
        "teacher_own_batch_norm_pseudo",
        "pseudo-labels: DANN − own batch norm",
    ),
)
"""Pairs of rows that differ in one thing, and what the difference is called."""
PLAIN = "plain_"
"""How the name of a row begins whose source was not inverted."""


def key_of(title: str) -> str:
    """Return a title as a ledger's key: small letters, digits and single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def of(runs: Sequence[Outcome], what: str = "target_accuracy") -> np.ndarray:
    """Return one fact of each run, (seeds,)."""
    return np.array([getattr(run, what) for run in runs])


def compare(runs: Runs, a: str, b: str, what: str = "target_accuracy") -> stats.Test:
    """Test rows ``a`` and ``b`` on the same seeds: paired t, with Student's interval."""
    return stats.paired(of(runs[a], what), of(runs[b], what), test="t")


def interval(test: stats.Test) -> str:
    """Return the 95 % interval of a difference of accuracies, in points, as a table shows it."""
    low, high = (f"{100 * value:.1f}".replace("-", "−") for value in (test.low, test.high))
    return f"[{low}, {high}]"


def by_digit(runs: Sequence[Outcome]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation over seeds of the accuracy on each digit, (10,) each."""
    each = np.array([run.per_class for run in runs])
    return each.mean(0), each.std(0, ddof=1)


def history(run: Outcome) -> dict[str, list[float]]:
    """Return what the looks at a run saw: column → one value for each look."""
    columns = ("step", "domain_accuracy", "source_accuracy", "oracle", "domain_loss", "label_loss")
    curve = {name: [getattr(check, name) for check in run.checks] for name in columns}
    return curve | {"information": [check.validators["information"] for check in run.checks]}


def validated(runs: Runs) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return each label-free score of every run, (runs,), and the accuracies beside them.

    A run gives one point, its end: looks at one training are not independent of each other.
    """
    flat = [run for row in runs.values() for run in row]
    found = {name: np.array([r.validators[name] for r in flat]) for name in scores.VALIDATORS}
    return found, of(flat)


def confidence(runs: Sequence[Outcome], number: int) -> np.ndarray:
    """Return thresholds, precisions and coverages, (3, thresholds), of a round: means over seeds.

    Where no prediction of any seed reaches a threshold, the precision is NaN.
    """
    done = [run.refined.rounds[number].curve for run in runs if run.refined]
    each = [[(c.precision, c.coverage) for c in curve] for curve in done]
    stack = np.array(each)
    known = np.isfinite(stack[..., 0])
    counted = np.maximum(known.sum(0), 1)
    precision = np.where(known, stack[..., 0], 0).sum(0) / counted
    precision = np.where(known.any(0), precision, np.nan)
    return np.array([THRESHOLDS, precision, stack[..., 1].mean(0)])


def elsewhere(net: AdaptationNet, tests: Mapping[str, Digits]) -> dict[str, float]:
    """Return a network's accuracy on each of several test sets."""
    return {name: accuracy_on(digits)(net) for name, digits in tests.items()}


def mistakes(
    net: AdaptationNet, digits: Digits, count: int, seed: int
) -> tuple[torch.Tensor, list[str]]:
    """Return ``count`` wrongly read digits, drawn at random, as indices, and ``true → answer``."""
    answers = scores.probabilities(net, digits.x).argmax(1)
    wrong = torch.nonzero(answers != digits.y).squeeze(1)
    order = torch.randperm(len(wrong), generator=torch.Generator().manual_seed(seed))
    chosen = wrong[order[:count]].sort().values
    return chosen, [f"{digits.y[i]} → {answers[i]}" for i in chosen]


def ranked(a: np.ndarray, b: np.ndarray) -> stats.Test:
    """Return Spearman's correlation of two lists (n,); 0 with p = 1 where one is constant.

    Small runs can tell the domains apart everywhere: a distance of 2 in all of them has no order.
    """
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return stats.Test("Spearman", 0.0, -1.0, 1.0, len(a), 1.0)
    return stats.correlation(a, b)
