"""Each test of practicals.stats against scipy, a closed form, an enumeration or an invariant."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as reference

from practicals import stats

RIGHT = np.array([1] * 9 + [0] * 2 + [1] * 50 + [0] * 4, bool)
OTHER = np.array([0] * 9 + [1] * 2 + [1] * 50 + [0] * 4, bool)


def pair(n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n)
    return b + shift + rng.normal(size=n), b


def all_flips(d):
    signs = np.array(list(itertools.product((-1, 1), repeat=len(d))))
    return np.mean(np.abs(signs @ d) >= abs(d.sum()) - 1e-12)


@pytest.mark.parametrize("n", [6, 14])
def test_permutation_equals_the_enumeration_of_all_flips(n):
    a, b = pair(n, 0.7)
    found = stats.paired(a, b)
    assert found.p == pytest.approx(all_flips(a - b), abs=1e-12)
    assert (found.name, found.n) == ("sign-flip permutation", n)
    assert found.effect == pytest.approx(np.mean(a - b))


def test_random_flips_come_near_the_enumeration_and_never_give_zero():
    a, b = pair(16, 0.5)
    assert stats.paired(a, b).p == pytest.approx(all_flips(a - b), abs=0.02)
    # Two-sided, with the observed arrangement counted: twice 1 in 10,000.
    assert stats.paired(np.arange(40.0) + 5, np.zeros(40)).p == pytest.approx(2e-4)


@pytest.mark.parametrize("test", ["permutation", "t", "wilcoxon"])
def test_paired_is_two_sided_and_antisymmetric(test):
    a, b = pair(12, 0.8)
    there, back = stats.paired(a, b, test), stats.paired(b, a, test)
    assert there.p == pytest.approx(back.p)
    assert there.effect == -back.effect
    assert there.low < there.effect < there.high
    if test == "t":
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_t_is_scipys_and_its_interval_uses_n_minus_one():
    a, b = pair(9, 0.4)
    found, expected = stats.paired(a, b, "t"), reference.ttest_rel(a, b)
    d = a - b
    error = math.sqrt(((d - d.mean()) ** 2).sum() / (9 - 1) / 9)
    half = reference.t.ppf(0.975, 8) * error
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half))
    assert (found.name, stats.against(d, 0, "t").name) == ("paired t", "t")


def test_t_gives_way_where_all_differences_are_equal():
    # 0.3 − 0.2 and 0.2 − 0.1 differ by a rounding error, which no t may take for a spread.
    found = stats.paired([0.3, 0.2, 1.1], [0.2, 0.1, 1.0], "t")
    assert (found.name, found.p) == ("sign-flip permutation", 0.25)
    assert stats.paired([1, 2, 3], [1, 2, 3], "t").p == 1


def test_wilcoxon_splits_zeros():
    a, b = pair(30, 0.3)
    a[:4] = b[:4]
    expected = reference.wilcoxon(a, b, zero_method="zsplit").pvalue
    assert stats.paired(a, b, "wilcoxon").p == expected
    assert expected != reference.wilcoxon(a, b, zero_method="wilcox").pvalue
    assert stats.paired(b, b, "wilcoxon").p == 1


def test_bootstrap_interval_is_the_percentile_one_of_the_mean():
    d = np.random.default_rng(1).exponential(size=80)
    found = stats.against(d, 1.0)
    rows = np.random.default_rng(7).integers(0, 80, (20_000, 80))
    low, high = np.percentile((d - 1)[rows].mean(1), [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


@pytest.mark.parametrize("test", ["permutation", "t", "wilcoxon"])
def test_against_subtracts_its_reference(test):
    values, _ = pair(11, 2)
    found = stats.against(values, 2.5, test)
    assert found == stats.against(values - 2.5, 0, test)
    assert found.effect == pytest.approx(values.mean() - 2.5)
    assert stats.against(values, 2.5, "t").p == pytest.approx(
        reference.ttest_1samp(values, 2.5).pvalue
    )


def test_same_seed_same_numbers_and_another_seed_others():
    a, b = pair(40, 0.2)
    assert stats.paired(a, b) == stats.paired(a, b)
    assert stats.paired(a, b).low != stats.paired(a, b, seed=1).low
    groups = np.arange(40) // 2
    assert stats.clustered(a, b, groups) == stats.clustered(a, b, groups)
    assert stats.correlation(a, b) == stats.correlation(a, b)


@pytest.mark.parametrize("n", [10, 30])
def test_clusters_of_one_are_pairs(n):
    a, b = pair(n, 0.4)
    found, expected = stats.clustered(a, b, np.arange(n)), stats.paired(a, b)
    assert (found.n, found.p) == (expected.n, expected.p)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_repeating_each_case_within_its_cluster_brings_no_certainty():
    a, b = pair(15, 0.4)
    once, labels = stats.paired(a, b), np.repeat(np.arange(15), 4)
    found = stats.clustered(np.repeat(a, 4), np.repeat(b, 4), labels)
    assert (found.n, found.p) == (15, pytest.approx(once.p))
    assert (found.low, found.high) == pytest.approx((once.low, once.high))
    assert stats.paired(np.repeat(a, 4), np.repeat(b, 4)).p < found.p / 2


def test_clusters_of_unequal_size_by_hand():
    d, labels = np.array([1.0, 2, 3, -1, 0.5, 4]), list("aaabcc")
    found = stats.clustered(d, np.zeros(6), labels)
    assert (found.n, found.effect) == (3, pytest.approx(d.mean()))
    assert found.p == all_flips(np.array([6, -1, 4.5]))
    sums, sizes = np.array([6, -1, 4.5]), np.array([3, 1, 2])
    rows = np.array(list(itertools.product(range(3), repeat=3)))
    means = sums[rows].sum(1) / sizes[rows].sum(1)
    assert found.low == pytest.approx(means.min()) == -1
    assert found.high == pytest.approx(means.max()) == 2.25
    shuffled = [5, 3, 0, 4, 2, 1]
    again = stats.clustered(d[shuffled], np.zeros(6), [labels[i] for i in shuffled])
    assert (again.effect, again.p) == pytest.approx((found.effect, found.p))


def test_clusters_are_refused_where_they_cannot_be_compared():
    with pytest.raises(ValueError, match="at least 2 values or clusters"):
        stats.clustered([1, 2, 3], [0, 0, 0], ["only"] * 3)
    with pytest.raises(ValueError, match="a cluster for each of 3 cases"):
        stats.clustered([1, 2, 3], [0, 0, 0], [1, 2])
    with pytest.raises(ValueError, match="a cluster for each of 3 cases"):
        stats.clustered([1, 2, 3], [0, 0, 0], [1, 2, np.nan])


@pytest.mark.parametrize("shift", [0.1, -0.1, 0.6])
def test_equivalence_in_closed_form(shift):
    a, b = pair(25, shift)
    d = a - b
    error = d.std(ddof=1) / 5
    tail = reference.t(24).sf
    expected = max(tail((0.5 + d.mean()) / error), tail((0.5 - d.mean()) / error))
    found = stats.equivalent(a, b, 0.5)
    assert found.p == pytest.approx(expected)
    assert stats.equivalent(b, a, 0.5).p == pytest.approx(expected)
    assert (found.effect, found.n) == (pytest.approx(d.mean()), 25)
    assert found.name == "two one-sided t-tests, margin 0.5"
    half = reference.t.ppf(0.975, 24) * error
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half))


def test_equivalence_needs_more_than_a_few_equal_results():
    few, many = np.arange(3.0), np.arange(30.0)
    assert stats.equivalent(few, few, 0.1).p == 0.125
    assert stats.equivalent(many, many, 0.1).p == 0.5**30
    assert stats.equivalent(many, many + 0.2, 0.1).p == 1
    for margin in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="positive, finite margin"):
            stats.equivalent(few, many[:3], margin)


def test_ties_share_ranks():
    assert stats.correlation([1, 1, 2], [1, 2, 2]).effect == pytest.approx(0.5)


def test_correlation_equals_the_enumeration_of_all_orders():
    a, b = np.array([1.0, 2, 2, 5, 3, 9]), np.array([2.0, 1, 3, 3, 4, 7])
    found = stats.correlation(a, b)
    values = [reference.spearmanr(p, b).statistic for p in itertools.permutations(a)]
    above = np.mean(np.array(values) >= found.effect - 1e-12)
    below = np.mean(np.array(values) <= found.effect + 1e-12)
    assert found.effect == pytest.approx(reference.spearmanr(a, b).statistic)
    assert found.p == pytest.approx(min(1, 2 * min(above, below)))
    assert stats.correlation([1, 2, 3], [2, 5, 7]).p == pytest.approx(2 / 6)


def test_correlation_of_many_is_near_scipys_p_with_an_interval_around_it():
    a, b = pair(60)
    a = a - 0.8 * b
    found, expected = stats.correlation(a, b), reference.spearmanr(a, b)
    assert found.p == pytest.approx(expected.pvalue, abs=0.03)
    assert found.low < found.effect < found.high
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 60, (1500, 60))
    spread = [reference.spearmanr(a[r], b[r]).statistic for r in rows]
    assert (found.low, found.high) == pytest.approx(np.percentile(spread, [2.5, 97.5]), abs=0.05)
    up = stats.correlation(b, b**3)
    assert (up.effect, up.low, up.high) == pytest.approx((1, 1, 1))


def test_a_constant_list_has_no_order():
    with pytest.raises(ValueError, match="values that vary"):
        stats.correlation([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="at least 3"):
        stats.correlation([1, 2], [1, 2])


@pytest.mark.parametrize(("k", "n"), [(15, 60), (0, 5), (5, 5), (1, 1), (890, 1000)])
def test_wilson_by_formula(k, n):
    z = 1.959963984540054
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    assert stats.wilson(k, n) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert 0 <= stats.wilson(k, n)[0] < stats.wilson(k, n)[1] <= 1


def test_rate_with_and_without_a_reference():
    low, high = stats.wilson(24, 60)
    assert stats.rate(24, 60) == stats.Test("Wilson interval", 0.4, low, high, 60, 1.0)
    found = stats.rate(24, 60, 0.25)
    masses = [math.comb(60, i) * 0.25**i * 0.75 ** (60 - i) for i in range(61)]
    two_sided = sum(m for m in masses if m <= masses[24] * (1 + 1e-9))
    assert found.p == pytest.approx(two_sided)
    assert (found.effect, found.low, found.high) == pytest.approx((0.15, low - 0.25, high - 0.25))
    assert found.name == "exact binomial"


@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 2), (0, 0), (1.5, 3), (np.nan, 3), (1, np.inf)])
def test_counts_must_be_counts(k, n):
    with pytest.raises(ValueError, match="whole numbers"):
        stats.wilson(k, n)
    with pytest.raises(ValueError, match="whole numbers"):
        stats.rate(k, n)


def test_a_reference_rate_lies_between_0_and_1():
    for value in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"reference in \[0, 1\]"):
            stats.rate(1, 2, value)


def test_mcnemar_is_exact_two_sided_and_symmetric():
    found, back = stats.mcnemar(RIGHT, OTHER), stats.mcnemar(OTHER, RIGHT)
    assert found.effect == -back.effect == pytest.approx(7 / len(RIGHT))
    assert found.p == back.p == pytest.approx(reference.binomtest(2, 11).pvalue)
    assert found.p == pytest.approx(2 * sum(math.comb(11, i) for i in range(3)) / 2**11)
    assert stats.mcnemar(RIGHT, RIGHT).p == 1


def test_mcnemars_interval_by_formula():
    found, n = stats.mcnemar(RIGHT, OTHER), len(RIGHT)
    p, q = 10 / (n + 2), 3 / (n + 2)
    half = 1.959963984540054 * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    assert (found.low, found.high) == pytest.approx((p - q - half, p - q + half))
    assert found.effect == pytest.approx(RIGHT.mean() - OTHER.mean()) == pytest.approx(7 / n)
    assert (found.name, found.n) == ("exact McNemar", n)
    assert stats.mcnemar([1] * 5, [0] * 5).high == 1


def test_mcnemars_interval_covers_the_true_difference():
    rng = np.random.default_rng(0)
    draws = rng.choice(4, (400, 80), p=[0.55, 0.2, 0.1, 0.15])
    tests = [stats.mcnemar(row <= 1, (row == 0) | (row == 2)) for row in draws]
    assert np.mean([t.low <= 0.1 <= t.high for t in tests]) == pytest.approx(0.95, abs=0.035)


def test_mcnemar_refuses_what_is_neither_right_nor_wrong():
    with pytest.raises(ValueError, match="True or False"):
        stats.mcnemar([0.3, 1.0], [1, 0])
    with pytest.raises(ValueError, match="same samples"):
        stats.mcnemar(RIGHT, OTHER[1:])


def test_standard_deviation_divides_by_n_minus_one():
    assert stats.mean_std([1, 2, 3, 6]) == pytest.approx((3, math.sqrt(14 / 3)))
    assert stats.mean_std([5.0]) == (5.0, 0.0)


def test_holm_by_hand():
    # 0.03 × 2 = 0.06 lifts 0.04 × 1 to 0.06: an adjusted p never falls below a smaller one's.
    np.testing.assert_allclose(stats.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(
        stats.holm([0.04, 0.001, 0.2, 0.013, 0.012]), [0.08, 0.005, 0.2, 0.048, 0.048]
    )
    np.testing.assert_allclose(stats.holm([0.7, 0.9]), [1, 1])
    assert stats.holm([0.03]).tolist() == [0.03]
    assert len(stats.holm([])) == 0
    for p in ([0.1, 1.1], [-0.1]):
        with pytest.raises(ValueError, match=r"p-values in \[0, 1\]"):
            stats.holm(p)


def test_a_method_beats_the_controls_only_if_it_beats_each():
    rng = np.random.default_rng(0)
    base = rng.normal(size=100)

    def near(shift):
        return base + shift + 0.05 * rng.normal(size=100)

    values = {"good": near(0.5), "middling": near(0.1), "a": near(0), "b": near(0.1)}
    assert stats.beats_all(values, ["a", "b"], higher=True) == {"good": True, "middling": False}
    assert stats.beats_all(values, ["a", "b"], higher=False) == {"good": False, "middling": False}
    assert stats.level_with_best(values, higher=True) == ["good"]
    twins = {"x": near(0), "y": near(0), "worse": near(1)}
    assert set(stats.level_with_best(twins, higher=False)) == {"x", "y"}
    assert stats.level_with_best({"alone": base}, higher=True) == ["alone"]
    with pytest.raises(ValueError, match="references among"):
        stats.beats_all(values, ["c"], higher=True)


def test_beats_all_and_level_with_best_correct_for_the_number_of_pairs():
    n = 40
    weak = np.arange(1.0, n + 1) * np.where(np.arange(n) % 7 < 2, -1, 1)
    p = stats.paired(weak, np.zeros(n), "wilcoxon").p
    assert 0.005 < p < 0.05
    level = 1.5 * p
    zero = {"zero": np.zeros(n)}
    assert stats.beats_all({"weak": weak, **zero}, ["zero"], True, level) == {"weak": True}
    two = {"weak": weak, "also": weak, **zero}
    assert stats.beats_all(two, ["zero"], True, level) == {"weak": False, "also": False}
    assert stats.level_with_best({"weak": weak, **zero}, True, level) == ["weak"]
    three = {"weak": weak, **zero, "none": np.zeros(n)}
    assert stats.level_with_best(three, True, level) == ["weak", "zero", "none"]


def test_an_unknown_test_is_refused_by_name():
    with pytest.raises(ValueError, match="permutation, t or wilcoxon"):
        stats.paired([1, 2], [2, 3], "sign")


GOOD = np.array([0.1, 0.9, 0.4, 0.7])
CALLS = {
    "against": stats.against,
    "paired": lambda x: stats.paired(x, GOOD),
    "paired t": lambda x: stats.paired(GOOD, x, "t"),
    "paired wilcoxon": lambda x: stats.paired(GOOD, x, "wilcoxon"),
    "clustered": lambda x: stats.clustered(GOOD, x, [0, 0, 1, 1]),
    "equivalent": lambda x: stats.equivalent(x, GOOD, 0.1),
    "correlation": lambda x: stats.correlation(GOOD, x),
    "mcnemar": lambda x: stats.mcnemar(x, [1, 0, 1, 1]),
    "mean_std": stats.mean_std,
    "holm": stats.holm,
    "beats_all": lambda x: stats.beats_all({"x": x, "y": GOOD}, ["y"], True),
    "level_with_best": lambda x: stats.level_with_best({"x": x, "y": GOOD}, True),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(name, bad):
    with pytest.raises(ValueError, match="expected finite numbers"):
        CALLS[name](np.array([0.2, bad, 0.3, 0.8]))


@pytest.mark.parametrize("name", [name for name in CALLS if name != "holm"])
def test_empty_lists_are_refused(name):
    with pytest.raises(ValueError, match="expected"):
        CALLS[name](np.array([]))
    with pytest.raises(ValueError, match="same samples"):
        CALLS[name](np.ones((4, 2)))


@pytest.mark.parametrize(
    "name", [name for name in CALLS if name not in {"against", "mean_std", "holm"}]
)
def test_lists_of_other_lengths_are_refused(name):
    with pytest.raises(ValueError, match="same samples"):
        CALLS[name](np.array([0.0, 1.0, 1.0]))


def test_nothing_to_compare_is_refused():
    for call in (lambda: stats.against([1.0]), lambda: stats.paired([1.0], [2.0])):
        with pytest.raises(ValueError, match="at least 2"):
            call()
    with pytest.raises(ValueError, match="finite"):
        stats.against([1.0, 2.0], np.nan)
    for call in (stats.level_with_best, lambda none, higher: stats.beats_all(none, [], higher)):
        with pytest.raises(ValueError, match="same samples"):
            call({}, True)
