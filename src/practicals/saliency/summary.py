"""What the study's numbers come to: means, tests and rows for figures. Arrays in, arrays out.

It stands apart from ``study``, so that another way to show a result does not measure it again.
"""

from collections.abc import Sequence

import numpy as np

from ..stats import Test, paired
from .methods import Method
from .study import CURVES, Found


def smoothed_curve(fractions: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean curve with a moving mean in whose window every picture appears once.

    A point of a shared-out curve is seen by some pictures only, so neighbouring points differ
    because their pictures do. The window is as wide as the points that one picture skips.
    """
    places, index = np.unique(fractions.round(9), return_inverse=True)
    counts, window = np.bincount(index.ravel()), np.ones(len(places) // fractions.shape[1])
    sums = np.bincount(index.ravel(), values.ravel())
    found = np.convolve(sums, window, "valid") / np.convolve(counts, window, "valid")
    return np.convolve(places, window / len(window), "valid"), found


def titles_of(methods: dict[str, Method]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the titles of the methods that look at the network, and of the controls."""
    learnt = {key: m.title for key, m in methods.items() if not m.is_control}
    return learnt, {key: m.title for key, m in methods.items() if m.is_control}


def hardest(scores: Found, method: str, controls: Sequence[str], higher: bool) -> Test:
    """Return the paired test of a method against the control that it fares worst beside."""
    sign = 1 if higher else -1
    tests = [paired(sign * scores[method], sign * scores[control]) for control in controls]
    return min(tests, key=lambda test: test.effect)


def means_and_errors(
    found: dict[str, Found], titles: dict[str, str], methods: dict[str, str]
) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Return network → score → method → mean area and its standard error, under their titles."""
    shown: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for name, title in titles.items():
        shown[title] = {}
        for score in CURVES:
            values = areas(found, score, list(methods))[name]
            pairs = {
                text: (v.mean(), v.std(ddof=1) / len(v) ** 0.5)
                for text, v in zip(methods.values(), values.values(), strict=True)
            }
            shown[title][score.replace("_", ", ")] = pairs
    return shown


def mean_curves(
    found: dict[str, Found], titles: dict[str, str], methods: dict[str, str]
) -> dict[str, dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]]:
    """Return network → score → method → fractions and mean probability, under their titles."""
    shown: dict[str, dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]] = {}
    for name, title in titles.items():
        part, shown[title] = found[name], {}
        for score in CURVES:
            curves_of = {
                text: smoothed_curve(part["fractions"], part[f"{m}/{score}"])
                for m, text in methods.items()
            }
            shown[title][score.replace("_", ", ")] = curves_of
    return shown


def agreement(found: dict[str, Found]) -> dict[str, np.ndarray]:
    """Return network → rank correlations of methods, (n, methods, methods).

    A map that is the same everywhere orders nothing: its correlation with any other is 0.
    """
    return {name: np.nan_to_num(part["agreement"]) for name, part in found.items()}


def over_networks(found: dict[str, Found], key: str) -> np.ndarray:
    """Return the mean over networks of what one picture, or mosaic, gave; matrices stay matrices.

    Where networks have different numbers of cases, only as many as all of them have are used.
    """
    fewest = min(len(values[key]) for values in found.values())
    return np.mean([values[key][:fewest] for values in found.values()], 0)


def panels_of(
    found: dict[str, Found],
    titles: dict[str, str],
    places: Sequence[object] | dict[str, Sequence[object]],
    keys: dict[str, str],
) -> dict[str, tuple[Sequence[object], Found]]:
    """Return, per network, the places and the mean over pictures of each of ``keys`` (key: title).

    This is what ``plots.lines`` draws. ``places`` are common, or one list per network.
    """
    panels = {}
    for name, title in titles.items():
        means = {text: found[name][key].mean(0) for key, text in keys.items()}
        panels[title] = (places[name] if isinstance(places, dict) else places, means)
    return panels


def areas(found: dict[str, Found], score: str, methods: Sequence[str]) -> dict[str, Found]:
    """Return network → method → area under the curve ``score`` of each picture."""
    return {
        name: {method: part[f"{method}/{score}"].mean(1) for method in methods}
        for name, part in found.items()
    }


def part_of(
    found: dict[str, Found], ending: str, places: slice | int = slice(None)
) -> dict[str, Found]:
    """Return network → method → ``method/ending``, where it is kept for several places one of them.

    A matrix (n, places) gives its column; vectors are returned as they are.
    """
    kept: dict[str, Found] = {}
    for name, part in found.items():
        chosen = {key: v for key, v in part.items() if key.endswith(f"/{ending}")}
        kept[name] = {
            key.rpartition("/")[0]: v if v.ndim == 1 else v[:, places] for key, v in chosen.items()
        }
    return kept
