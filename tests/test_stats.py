"""Tests behind claims: against scipy, closed forms and invariants."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from practicals import stats

RNG = np.random.default_rng(0)


def test_standard_deviations_divide_by_n_minus_one():
    assert stats.mean_std([1.0, 2, 4]) == pytest.approx((7 / 3, np.sqrt(7 / 3)))
    assert stats.mean_std([5.0]) == (5.0, 0.0)
    assert stats.standard_error(0.5, 100) == pytest.approx(0.05)


def test_the_sign_flip_test_is_exact_for_few_cases():
    d = np.array([0.3, 1.2, -0.4, 2.0, 0.7, 0.1])
    flips = np.array(list(itertools.product((-1, 1), repeat=6)))
    extreme = np.abs((flips * d).mean(1)) >= abs(d.mean()) - 1e-12
    found = stats.against(d)
    assert found.p == pytest.approx(extreme.mean(), abs=1e-9)
    assert found.effect == pytest.approx(d.mean()) and found.n == 6


def test_paired_is_the_test_of_the_differences_and_is_two_sided():
    a, b = RNG.normal(size=(2, 40)) + np.array([[0.4], [0]])
    found, back = stats.paired(a, b), stats.paired(b, a)
    assert found.p == pytest.approx(back.p, abs=0.01) and found.effect == -back.effect
    assert found.p == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue, abs=0.02)
    assert found.low < found.effect < found.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    tests = [stats.against(rng.normal(0.5, 1, 30), 0.0) for _ in range(60)]
    covered = np.mean([test.low <= 0.5 <= test.high for test in tests])
    assert 0.85 <= covered <= 1.0


def test_noise_is_rarely_significant():
    rng = np.random.default_rng(2)
    assert np.mean([stats.against(rng.normal(size=25)).p < 0.05 for _ in range(60)]) < 0.15


def test_cases_of_one_cluster_count_once():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(12), 4)
    shift = np.repeat(rng.normal(0.3, 1, 12), 4)
    found = stats.clustered(shift, np.zeros(48), clusters)
    naive = stats.paired(shift, np.zeros(48))
    once = stats.paired(shift[::4], np.zeros(12))
    assert found.n == 12 and found.p == pytest.approx(once.p, abs=0.01)
    assert naive.p < 0.7 * found.p, "48 copies would look surer than 12 cases"
    single = stats.clustered(shift[::4], np.zeros(12), np.arange(12))
    assert single.p == pytest.approx(once.p, abs=1e-9)


def test_equivalence_needs_a_small_difference_and_enough_cases():
    rng = np.random.default_rng(4)
    a = rng.normal(size=50)
    assert stats.equivalent(a, a + 0.01 * rng.normal(size=50), 0.1).p < 0.01
    assert stats.equivalent(a, a + 0.2, 0.1).p > 0.5
    assert stats.equivalent(a[:4], a[:4] + rng.normal(size=4), 0.1).p > 0.05


def test_equivalence_by_hand():
    d = np.array([0.1, -0.2, 0.05, 0.15, -0.1])
    upper = scipy_stats.ttest_1samp(d, 0.3, alternative="less").pvalue
    lower = scipy_stats.ttest_1samp(d, -0.3, alternative="greater").pvalue
    assert stats.equivalent(d, np.zeros(5), 0.3).p == pytest.approx(max(upper, lower))


def test_correlation_handles_ties():
    assert stats.correlation([1, 1, 2, 3], [1, 2, 2, 4]).effect == pytest.approx(
        scipy_stats.spearmanr([1, 1, 2, 3], [1, 2, 2, 4]).statistic
    )


def test_holm_by_hand():
    np.testing.assert_allclose(stats.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(stats.holm([0.5, 0.9]), [1, 1])


def test_wilcoxon_sees_a_small_steady_difference():
    a = RNG.normal(size=200)
    assert stats.paired_p(a, a) == 1
    assert stats.paired_p(a, a + 0.1 + 0.01 * RNG.normal(size=200)) < 1e-10


def test_mcnemar_is_a_binomial_test_of_the_discordant_cases():
    first = np.array([True] * 30 + [False] * 12 + [True] * 50)
    second = np.array([False] * 30 + [True] * 12 + [True] * 50)
    found = stats.mcnemar(first, second)
    assert (found.only_first, found.only_second, found.difference) == (30, 12, 18)
    assert found.p == pytest.approx(scipy_stats.binomtest(30, 42).pvalue)
    assert stats.mcnemar(first, first).p == 1


def test_a_method_beats_the_controls_only_if_it_beats_each():
    rng = np.random.default_rng(0)
    base = rng.normal(size=100)

    def near(shift):
        return base + shift + 0.05 * rng.normal(size=100)

    values = {"good": near(0.5), "middling": near(0.1), "a": near(0), "b": near(0.1)}
    assert stats.beats_all(values, ["a", "b"], higher=True) == {"good": True, "middling": False}
    assert stats.beats_all(values, ["a", "b"], higher=False) == {"good": False, "middling": False}
    assert stats.level_with_best(values, higher=True) == ["good"]


@pytest.mark.parametrize("bad", [[1.0, np.nan], [np.inf, 0.0], [], [[1.0, 2.0]]])
def test_what_is_no_list_of_finite_numbers_is_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        stats.against(bad)


def test_nan_neither_wins_nor_ties():
    values = {"nan": np.array([np.nan, 1.0]), "fine": np.array([0.0, 1.0])}
    with pytest.raises(ValueError, match="expected finite"):
        stats.level_with_best(values, higher=True)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        stats.paired([1.0, 2], [1.0, 2, 3])
