"""What the runs of chapter 6 come to: values per seed, rows, drawings' arrays. Arrays in and out.

It stands apart from ``study``, so that another way to show a result does not measure it again.
"""

from collections.abc import Sequence

import numpy as np
from skimage.util import montage

from ..stats import Test, against, paired
from . import scores
from .study import Found, Run
from .training import RECORDS


def of(runs: Sequence[Run], score: str) -> np.ndarray:
    """Return one score of each run, (seeds,)."""
    return np.array([run.scores[score] for run in runs])


def recorded(run: Run, name: str, window: int = 1) -> np.ndarray:
    """Return what was recorded of every step under one of ``RECORDS``, as a moving mean."""
    values = run.records[:, RECORDS.index(name)]
    window = max(1, min(window, len(values)))
    return np.convolve(values, np.ones(window) / window, "valid")


def early(runs: Sequence[Run], name: str, steps: int) -> np.ndarray:
    """Return the mean of a record over the first ``steps`` steps of each run, (seeds,)."""
    return np.array([recorded(run, name)[:steps].mean() for run in runs])


def late(runs: Sequence[Run], name: str, part: float = 0.25) -> np.ndarray:
    """Return the mean of a record over the last ``part`` of each run, (seeds,)."""
    return np.array([recorded(r, name)[-max(1, int(part * len(r.records))) :].mean() for r in runs])


def unrest(runs: Sequence[Run], part: float = 0.5) -> np.ndarray:
    """Return the deviation of G's loss over the last ``part`` of each run, (seeds,).

    Its mean says little of a game; a loss that keeps jumping says that neither side has settled.
    """
    return np.array(
        [recorded(r, "loss_g")[-max(2, int(part * len(r.records))) :].std() for r in runs]
    )


def log_ratio(a: Sequence[Run], b: Sequence[Run], score: str = "frechet") -> Test:
    """Return the paired t-test, over seeds, of log a − log b of a score that is positive.

    Distances vary in proportion to their size, so that their logarithms have one spread.
    """
    return paired(np.log(of(a, score)), np.log(of(b, score)), test="t")


def above(runs: Sequence[Run], floor: np.ndarray, score: str = "frechet") -> Test:
    """Return the t-test, over seeds, of log score against the logarithm of the floor's mean."""
    return against(np.log(of(runs, score)), float(np.log(floor.mean())), test="t")


def lean_test(found: Found, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of a measure over even and over odd digits for the same z, (n,) each."""
    values = found[measure]
    return values[:, ::2].mean(1), values[:, 1::2].mean(1)


def too_near(found: Found, part: float = 0.01) -> tuple[int, int]:
    """Return how many generated digits lie nearer to a training digit than ``part`` of real ones.

    Second, how many there are. A generator that copies has far more than ``part`` of them.
    """
    limit = np.quantile(found["held_out"], part)
    return int((found["generated"] < limit).sum()), len(found["generated"])


def by_digit(shown: np.ndarray, rows: int = 10) -> np.ndarray:
    """Return fixed-z digits (n, 32, 32), classes in turn, as (10, rows, 32, 32): a row a class."""
    n = min(len(shown) // 10, rows)
    return shown[: 10 * n].reshape(n, 10, *shown.shape[1:]).swapaxes(0, 1)


def sheet(digits: np.ndarray, gap: int = 2) -> np.ndarray:
    """Return digits (rows, columns, 32, 32) as one picture, uint8 (H, W), white between them."""
    flat = digits.reshape(-1, *digits.shape[2:])
    whole = montage(flat, fill=255, grid_shape=digits.shape[:2], padding_width=gap)
    return whole[gap : len(whole) - gap, gap : whole.shape[1] - gap]


def frames(shown: np.ndarray, zoom: int = 1) -> list[np.ndarray]:
    """Return one picture per look, uint8 (H, W, 3), of digits (looks, 100, 32, 32)."""
    sheets = (sheet(by_digit(look)) for look in shown)
    return [np.repeat(s.repeat(zoom, 0).repeat(zoom, 1)[..., None], 3, 2) for s in sheets]


def seen(found: Found) -> int:
    """Return how many of ten dropped digits the count of modes notices."""
    return int((found["modes"] < 10).sum())


def is_monotone(row: np.ndarray) -> bool:
    """Return whether each value is above the one before it."""
    return bool((np.diff(row) > 0).all())


COVERED = scores.COVERED
"""From which share on a digit counts as covered, for captions."""
