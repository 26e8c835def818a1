"""What is read off results: choices, tests along the ladder, mistakes, traits of maps."""

import numpy as np
import pytest

from practicals import stats
from practicals.transfer import classifiers, summary
from practicals.transfer.banks import Bank
from practicals.transfer.classifiers import Result


def result(cv, predicted, classes=3):
    scores = np.eye(classes)[np.asarray(predicted)]
    return Result(1.0, cv, 0.0, scores, (cv,))


def test_best_is_by_cross_validation_and_the_first_of_equals():
    found = {"a": result(0.5, [0]), "b": result(0.9, [1]), "c": result(0.9, [2])}
    assert summary.best(found) == "b"


def test_a_ladder_tests_each_step_against_the_last_one_kept():
    y = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    wrong = (y + 1) % 3
    half = np.where(np.arange(8) < 4, y, wrong)
    steps = {"first": result(0.1, wrong), "second": result(0.2, half), "third": result(0.3, y)}
    rungs = summary.ladder(steps, dict.fromkeys(steps, True), y)
    assert rungs["first"].test is None
    assert rungs["second"].test == stats.mcnemar(half == y, wrong == y)
    assert rungs["third"].test.effect == 0.5
    p = [rungs[name].test.p for name in ("second", "third")]
    corrected = summary.holm_along(rungs)
    np.testing.assert_allclose(list(corrected.values()), stats.holm(p))
    assert list(corrected) == ["second", "third"]
    skipped = summary.ladder(steps, {"first": True, "second": False, "third": True}, y)
    assert skipped["third"].test.effect == 1.0 and skipped["second"].test.effect == 0.5


def bank(seed):
    rng = np.random.default_rng(seed)
    means = {layer: rng.normal(size=(6, 4)).astype(np.float32) for layer in ("a", "b", "c")}
    return Bank(means, {"c": rng.normal(size=(6, 5, 4)).astype(np.float16)}, 1.0)


def test_blocks_of_a_bank():
    one, two = bank(0), bank(1)
    for found, layer in zip(summary.layers(one, 2), ("b", "c"), strict=True):
        assert found is one.means[layer]
    deviation, quarters = summary.quarters(one)
    np.testing.assert_array_equal(deviation, one.parts["c"][:, 0].astype(np.float32))
    np.testing.assert_array_equal(quarters.reshape(6, 4, 4), one.parts["c"][:, 1:])
    K = summary.over_views([one, two], 2, "l2")
    blocks = [b.means[layer] for b in (one, two) for layer in ("b", "c")]
    stacked = np.hstack([classifiers.normalise(x, "l2") for x in blocks])
    np.testing.assert_allclose(K.products, stacked @ stacked.T, atol=1e-5)


def test_mistakes_are_counted_and_ordered():
    names = ("hall", "sea", "room")
    y, guess = np.array([0, 0, 1, 2, 2, 2]), np.array([2, 0, 0, 0, 2, 1])
    found = summary.confusions(y, guess, names)
    assert found == [("hall and room", 2), ("hall and sea", 1), ("room and sea", 1)]
    assert list(summary.by_class(y, guess, 3)) == [(1, 2), (0, 1), (1, 3)]
    inside, wrong, chance = summary.mistakes_inside(y, guess, names, ("hall", "room"))
    assert (inside, wrong) == (2, 3)
    assert chance == pytest.approx((3 / 4 + 2 / 3 + 2 / 3) / 3)


def test_the_worst_mistake_leads_by_most():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.0, 1.0]])
    assert summary.worst(scores, np.array([0, 0, 0, 0]), 2).tolist() == [3, 1]


def test_traits_know_a_copy_a_negative_and_a_colour():
    rng = np.random.default_rng(0)
    x = rng.random((2, 3, 5, 7))
    grey = np.repeat(x.mean(1, keepdims=True), 3, 1)
    weights = np.zeros((3, 3, 1, 1))
    weights[0], weights[1] = 1 / 3, -1 / 3
    weights[2, 0], weights[2, 1] = 1, -1
    maps, without = (np.einsum("kcuv,nchw->nkhw", weights, p) for p in (x, grey))
    found = summary.traits(maps, without, x, weights)
    np.testing.assert_allclose(found["brightness"][:2], [1, -1], atol=1e-9)
    np.testing.assert_allclose(found["colour"], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(found["plain"], [1, 1, 0], atol=1e-9)
    lists = summary.extremes(found, 1)
    assert list(lists.values()) == [["A1"], ["A2"], ["B1"], ["B1"]]
    assert summary.map_names(64)[::9] == ["A1", "B2", "C3", "D4", "E5", "F6", "G7", "H8"]
