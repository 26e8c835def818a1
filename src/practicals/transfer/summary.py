"""What is read off the results of chapter 1: choices, joined features, and paired tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .. import stats
from . import classifiers
from .banks import Bank
from .classifiers import Kernel, Result

INDOOR = ("bedroom", "industrial", "kitchen", "livingroom", "office", "store")
"""Scenes of 15-Scene that lie indoors; the industrial ones mostly do."""


def best(results: Mapping[object, Result]) -> object:
    """Return the key of the highest accuracy in cross-validation; the first of equal ones."""
    return max(results, key=lambda key: results[key].cv_accuracy)


def layers(bank: Bank, count: int) -> list[np.ndarray]:
    """Return the averages (n, c) of the last ``count`` layers."""
    return list(bank.means.values())[-count:]


def quarters(bank: Bank) -> list[np.ndarray]:
    """Return, layer by layer, the deviation (n, c) and the four quarters in one block (n, 4c)."""
    blocks = []
    for part in bank.parts.values():
        wide = part.astype(np.float32)
        blocks += [wide[:, 0], wide[:, 1:].reshape(len(wide), -1)]
    return blocks


def over_views(
    banks: Sequence[Bank], count: int, norm: str, columns: np.ndarray | None = None
) -> Kernel:
    """Return the kernel of the last ``count`` layers, joined over views."""
    return classifiers.joined((x for b in banks for x in layers(b, count)), norm, columns)


@dataclass(frozen=True)
class Rung:
    """One line of the ladder: its result, and its test against the line before."""

    result: Result
    test: stats.Test | None


def ladder(
    results: Mapping[str, Result], kept: Mapping[str, bool], y: np.ndarray
) -> dict[str, Rung]:
    """Return each result with McNemar's test against the last one kept before it.

    ``y`` are the test labels.
    """
    rungs: dict[str, Rung] = {}
    before: np.ndarray | None = None
    for name, result in results.items():
        right = result.predicted == y
        test = None if before is None else stats.mcnemar(right, before)
        rungs[name] = Rung(result, test)
        before = right if kept[name] else before
    return rungs


def holm_along(rungs: Mapping[str, Rung]) -> dict[str, float]:
    """Return the p-values of a ladder's steps, corrected together."""
    tested = {name: rung.test.p for name, rung in rungs.items() if rung.test is not None}
    adjusted = stats.holm(list(tested.values()))
    return dict(zip(tested, adjusted.tolist(), strict=True))


def confusions(y: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return unordered pairs of classes that are taken for one another, most frequent first."""
    counts: dict[str, int] = {}
    for true, guess in zip(y, predicted, strict=True):
        if true != guess:
            pair = " and ".join(sorted((names[true], names[guess])))
            counts[pair] = counts.get(pair, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def worst(scores: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Return the wrongly classified samples whose wrong class leads by most, (≤ count,)."""
    guesses = scores.argmax(1)
    wrong = np.flatnonzero(guesses != y)
    lead = scores[wrong, guesses[wrong]] - scores[wrong, y[wrong]]
    return wrong[np.argsort(-lead)[:count]]


def by_class(y: np.ndarray, predicted: np.ndarray, count: int) -> Iterator[tuple[int, int]]:
    """Yield how many of each of ``count`` classes are right, and how many there are."""
    for label in range(count):
        mine = y == label
        yield int((predicted[mine] == label).sum()), int(mine.sum())


def mistakes_inside(
    y: np.ndarray, predicted: np.ndarray, names: Sequence[str], group: Sequence[str]
) -> tuple[int, int, float]:
    """Count mistakes on pictures of ``group`` that stay inside it, and all mistakes on them.

    The third number is the share that would stay inside if a mistake fell on each other class as
    often as that class has test pictures.
    """
    of_group = np.array([name in group for name in names])
    wrong = (predicted != y) & of_group[y]
    inside = int(of_group[predicted[wrong]].sum())
    sizes = np.bincount(y, minlength=len(names)).astype(float)
    by_chance = [
        (sizes[of_group].sum() - sizes[true]) / (sizes.sum() - sizes[true]) for true in y[wrong]
    ]
    return inside, int(wrong.sum()), float(np.mean(by_chance)) if by_chance else 0.0


def traits(
    maps: np.ndarray, colourless: np.ndarray, pictures: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return three numbers for each map (k,) of a first layer.

    ``maps`` and ``colourless`` (n, k, h, w) are of pictures (n, 3, h, w) and of their grey copies;
    ``weights`` are (k, 3, u, v). *brightness*: correlation of map and picture, in [−1, 1];
    *colour*: share of the map that the grey copy's lacks; *plain*: answer to a white surface
    relative to the largest that weights of this size could give, in [0, 1].
    """
    grey = pictures.mean(1).ravel()
    count = maps.shape[1]
    flat = maps.transpose(1, 0, 2, 3).reshape(count, -1)
    lost = flat - colourless.transpose(1, 0, 2, 3).reshape(count, -1)
    spread = flat - flat.mean(1, keepdims=True)
    light = grey - grey.mean()
    size = np.maximum(np.linalg.norm(spread, axis=1), 1e-12)
    wide = weights.reshape(count, -1)
    return {
        "brightness": spread @ light / (size * max(np.linalg.norm(light), 1e-12)),
        "colour": np.linalg.norm(lost - lost.mean(1, keepdims=True), axis=1) / size,
        "plain": np.abs(wide.sum(1)) / np.maximum(np.abs(wide).sum(1), 1e-12),
    }


def extremes(found: Mapping[str, np.ndarray], count: int = 4) -> dict[str, list[str]]:
    """Return the names of the maps at the ends of each trait; A1 is the grid's first."""
    names = map_names(len(next(iter(found.values()))))
    lists = {
        "repeat the picture": -found["brightness"],
        "repeat its negative": found["brightness"],
        "answer to colour": -found["colour"],
        "silent on plain surfaces": found["plain"],
    }
    return {title: [names[i] for i in np.argsort(v)[:count]] for title, v in lists.items()}


def map_names(count: int) -> list[str]:
    """Return the names of ``count`` maps of a square grid: A1, A2, … in rows A, B, …"""
    side = int(np.ceil(np.sqrt(count)))
    return [f"{chr(ord('A') + i // side)}{i % side + 1}" for i in range(count)]
