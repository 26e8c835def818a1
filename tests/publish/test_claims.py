"""Claims: which measurement supports which sentence, corrected over the chapter."""

import itertools

import numpy as np
import pytest

from practicals import stats
from practicals.publish import claims


def a_test(effect=0.5, p=0.01, name="sign-flip permutation", **changes):
    facts = {"low": effect - 0.1, "high": effect + 0.1, "n": 30} | changes
    return stats.Test(name, effect, facts["low"], facts["high"], facts["n"], p)


def equivalence(p):
    return a_test(0.01, p, "two one-sided t-tests, margin 0.1")


def make(test, expect, sentence="A is better than B"):
    return claims.make("key", sentence, test, expect, None)


@pytest.mark.parametrize(
    ("expect", "test", "holds"),
    [
        ("higher", a_test(0.5, 0.01), True),
        ("higher", a_test(-0.5, 0.01), False),
        ("higher", a_test(0.5, 0.2), False),
        ("higher", a_test(0.5, 0.05), False),
        ("higher", a_test(0.0, 0.01), False),
        ("lower", a_test(-0.5, 0.01), True),
        ("lower", a_test(0.5, 0.01), False),
        ("lower", a_test(-0.5, 0.2), False),
        ("equal", equivalence(0.01), True),
        ("equal", equivalence(0.2), False),
        ("undecided", a_test(0.5, 0.2), True),
        ("undecided", a_test(-0.5, 0.2), True),
        ("undecided", a_test(0.5, 0.04), False),
        ("true", True, True),
        ("true", np.bool_(True), True),
        ("true", False, False),
    ],
)
def test_each_kind_holds_and_does_not_hold(expect, test, holds):
    assert make(test, expect).holds is holds
    assert claims.corrected([make(test, expect)])[0].entry()["holds"] is holds


def test_a_real_equivalence_test_is_the_one_that_equal_takes():
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    near, far = a + rng.normal(0, 0.01, 200), a + 1
    assert make(stats.equivalent(a, near, 0.1), "equal").holds
    assert not make(stats.equivalent(a, far, 0.1), "equal").holds
    assert make(stats.paired(far, a), "higher").holds


@pytest.mark.parametrize(
    ("test", "expect", "sentence", "message"),
    [
        (a_test(), "higher", "A is better.", "without its full stop"),
        (a_test(), "higher", "A is better. ", "without its full stop"),
        (a_test(), "higher", "  ", "write one sentence"),
        (a_test(), "better", "A is better", "expected one of"),
        (True, "higher", "A is better", "goes with True or False"),
        (a_test(), "true", "A is better", "goes with True or False"),
        ("False", "true", "A is better", "goes with True or False"),
        (0.01, "higher", "A is better", "goes with True or False"),
        (a_test(p=float("nan")), "higher", "A is better", "not finite"),
        (a_test(high=float("inf")), "undecided", "A is better", "not finite"),
        (a_test(), "equal", "A equals B", "goes with practicals.stats.equivalent"),
        (equivalence(0.01), "higher", "A is better", "with the other tests"),
    ],
)
def test_what_does_not_fit_is_refused(test, expect, sentence, message):
    with pytest.raises(claims.ClaimError, match=message):
        make(test, expect, sentence)


def test_p_values_are_corrected_over_the_chapter_in_any_order():
    p = [0.03, 0.001, 0.02, 0.04]
    made = [make(a_test(p=value), "higher") for value in p]
    others = [make(True, "true"), make(a_test(p=0.3), "undecided")]
    expected = dict(zip(p, stats.holm(p), strict=True))
    for order in itertools.permutations([*made, others[0]]):
        found = claims.corrected([*order, others[1]])
        assert {c.test.p: c.p_holm for c in found[:-1] if c.test} == pytest.approx(expected)
        assert [c.sentence for c in found] == [c.sentence for c in [*order, others[1]]]
    assert [made[0].holds, claims.corrected(made)[0].holds] == [True, False], "0.03 becomes 0.06"


def test_what_is_undecided_keeps_its_own_p():
    undecided = make(a_test(p=0.03), "undecided")
    many = [make(a_test(p=0.02), "higher") for _ in range(5)]
    found = claims.corrected([*many, undecided])
    assert found[-1].p_holm == 0.03 and not found[-1].holds, "a correction would let it hold"
    assert found[0].p_holm == pytest.approx(0.1), "five claims are corrected, not six"


def test_no_claims_are_no_error():
    assert claims.corrected([]) == []


def test_entry_and_evidence_say_what_the_claim_stands_on():
    claim = claims.make("k", "A < B & C", a_test(-0.25, 0.0004), "lower", "higher in the paper")
    (claim,) = claims.corrected([claim])
    assert claim.entry() == {
        "sentence": "A < B & C", "expect": "lower", "test": "sign-flip permutation",
        "effect": -0.25, "low": -0.35, "high": -0.15, "n": 30, "p": 0.0004, "p_holm": 0.0004,
        "published": "higher in the paper", "holds": True,
    }  # fmt: skip
    assert claim.evidence() == ("−0.250 [−0.350, −0.150], n = 30, sign-flip permutation, p < 0.001")
    assert make(True, "true").evidence() == "checked on every case"
    html = claim._repr_html_()
    assert "A &lt; B &amp; C" in html and "holds" in html
    assert "does not hold" in make(a_test(p=0.5), "higher")._repr_html_()
    assert repr(make(a_test(p=0.5), "higher")).startswith("does not hold: A is better")
