"""Scores against closed forms, SciPy, torch-fidelity, and sets whose answer is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from tests.peers import peer

from practicals.gan import scores


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    return rng.normal(size=(400, 6)) @ mix, 0.5 + rng.normal(size=(300, 6)) * 1.5


def test_frechet_is_the_closed_form_of_scipy(features):
    a, b = features
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = sqrtm(cov_a @ cov_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert scores.frechet(a, b) == pytest.approx(expected, rel=1e-9)
    assert scores.frechet(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_equals_torch_fidelity_on_the_same_features(features):
    metric = peer("torch_fidelity.metric_fid")
    a, b = features
    moments = [{"mu": s.mean(0), "sigma": np.cov(s, rowvar=False)} for s in (a, b)]
    theirs = metric.fid_statistics_to_metric(*moments, verbose=False)
    value = theirs["frechet_inception_distance"]
    assert scores.frechet(a, b) == pytest.approx(float(value), rel=1e-6)


def test_frechet_of_commuting_gaussians():
    a, b = np.diag([4.0, 9.0, 0.0]), np.diag([1.0, 16.0, 0.0])
    found = scores.gaussian_distance(np.zeros(3), a, np.array([1.0, 0, 2.0]), b)
    assert found == pytest.approx(5 + (2 - 1) ** 2 + (3 - 4) ** 2)


def test_frechet_of_a_set_with_itself_is_nothing_even_where_features_are_dead(features):
    a = np.concatenate([features[0], np.zeros((400, 3))], 1)
    assert scores.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert scores.frechet(a, a + 2.0) == pytest.approx(4 * 9, rel=1e-6)


def test_the_kernel_distance_has_no_bias_and_sees_a_shift():
    rng = np.random.default_rng(0)
    same = [
        scores.kernel_distance(rng.normal(size=(60, 4)), rng.normal(size=(60, 4)), 60, 1)
        for _ in range(200)
    ]
    error = np.std(same) / len(same) ** 0.5
    assert abs(np.mean(same)) < 3 * error and min(same) < 0
    far = scores.kernel_distance(rng.normal(size=(200, 4)), 1 + rng.normal(size=(200, 4)))
    assert far > 20 * np.std(same)


def test_the_kernel_distance_of_two_pairs_by_hand():
    a, b = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    k = lambda x, y: (x * y + 1) ** 3  # noqa: E731
    expected = k(1, 2) + k(0, 3) - 2 * (k(1, 0) + k(1, 3) + k(2, 0) + k(2, 3)) / 4
    assert scores.kernel_distance(a, b, 2, 1) == pytest.approx(expected)


def test_neighbourhoods_of_known_sets():
    line = np.arange(20.0)[:, None]
    same = scores.neighbourhoods(line, line.copy(), k=2)
    assert same["precision"] == same["recall"] == same["coverage"] == 1
    away = scores.neighbourhoods(line, line + 100, k=2)
    assert set(away.values()) == {0.0}
    # The fakes sit on the first half only: every fake is real enough, half the real is not reached.
    half = scores.neighbourhoods(line, np.arange(0, 10, 0.5)[:, None], k=2)
    assert half["precision"] == 1
    assert 0.45 <= half["recall"] <= 0.65 and 0.45 <= half["coverage"] <= 0.65


def test_neighbourhoods_by_hand():
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [9.0], [10.0]])
    # k = 1: balls of 1, 1 and 2 around the real rows, of 8.5, 1 and 1 around the fake ones.
    found = scores.neighbourhoods(real, fake, k=1)
    assert found == pytest.approx(
        {"precision": 1 / 3, "recall": 1.0, "density": 2 / 3, "coverage": 2 / 3}
    )


def test_a_stray_row_moves_precision_but_hardly_density():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(300, 2)), 30 + rng.normal(size=(300, 2))
    stray = np.concatenate([real, [[35.0, 35.0]]])
    assert scores.neighbourhoods(real, fake)["precision"] == 0
    found = scores.neighbourhoods(stray, fake)
    assert found["precision"] == 1 and found["density"] < 0.25


def test_a_dropped_digit_is_noticed():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 5000)
    assert scores.modes_covered(labels) == 10 and scores.imbalance(labels) < 0.03
    for digit in range(10):
        dropped = labels[labels != digit]
        assert scores.modes_covered(dropped) == 9
        assert scores.histogram(dropped)[digit] == 0
        assert scores.imbalance(dropped) == pytest.approx(0.1, abs=0.02)


def test_shares_and_class_accuracy_by_hand():
    assert scores.histogram([0, 0, 9, 3])[[0, 3, 9]].tolist() == [0.5, 0.25, 0.25]
    assert scores.class_accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4])) == 0.75


def test_the_nearest_picture_is_found_and_a_copy_is_at_no_distance():
    rng = np.random.default_rng(0)
    known = rng.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8)
    distance, index = scores.nearest(known[[7, 3]], known)
    assert index.tolist() == [7, 3] and distance == pytest.approx([0, 0], abs=1e-3)
    black, white = np.zeros((1, 1, 4, 4), np.uint8), np.full((1, 1, 4, 4), 255, np.uint8)
    assert scores.nearest(black, white)[0][0] == pytest.approx(4)


def test_bad_features_are_refused(features):
    a, b = features
    with pytest.raises(ValueError, match="width"):
        scores.frechet(a, b[:, :3])
    with pytest.raises(ValueError, match="rows"):
        scores.frechet(a[:1], b)
    with pytest.raises(ValueError, match="finite"):
        scores.frechet(a, b * np.nan)
    with pytest.raises(ValueError, match="rows"):
        scores.neighbourhoods(a[:5], b, k=5)
    with pytest.raises(ValueError, match="classes"):
        scores.histogram(np.array([], int))
    with pytest.raises(ValueError, match="classes"):
        scores.histogram(np.array([10]))
    with pytest.raises(ValueError, match="answers"):
        scores.class_accuracy(np.zeros(3), np.zeros(4))
