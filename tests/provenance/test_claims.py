"""Three outcomes of a claim, Holm's correction, and tests that cannot carry a claim."""

from dataclasses import replace

import numpy as np
import pytest
from tests.provenance.small import Result

from practicals import stats
from provenance import claims
from provenance.project import ProvenanceError

EQUAL = Result(direction="equal", margin=0.1, effect=0.01, low=-0.05, high=0.07)


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        (Result(), "supported"),
        (Result(p=0.049), "supported"),
        (Result(p=0.05), "undecided"),
        (Result(effect=-0.3), "refuted"),
        (Result(effect=-0.3, p=0.2), "undecided"),
        (Result(effect=0.0), "undecided"),
        (Result(direction="lower"), "refuted"),
        (Result(direction="lower", effect=-0.3), "supported"),
        (EQUAL, "supported"),
        (replace(EQUAL, p=0.3), "undecided"),
        (replace(EQUAL, p=0.9, low=0.05, high=0.3), "undecided"),
        (replace(EQUAL, p=0.9, low=0.11, high=0.3), "refuted"),
        (replace(EQUAL, p=0.9, low=-0.3, high=-0.11), "refuted"),
    ],
)
def test_outcomes(test, outcome):
    claim = claims.make("x", "A beats B", test)
    assert claim.outcome == claim.entry()["outcome"] == outcome
    assert outcome in claim._repr_html_() and claims.MARKS[outcome] in claim._repr_html_()


def test_the_corrected_p_decides():
    family = [claims.make(f"c{i}", "A beats B", Result(p=0.02)) for i in range(3)]
    assert {claim.outcome for claim in family} == {"supported"}
    assert [(c.p_corrected, c.outcome) for c in claims.corrected(family)] == [
        (pytest.approx(0.06), "undecided")
    ] * 3


def test_holm_by_hand():
    # Sorted: 0.01 · 4, 0.02 · 3, then 0.03 · 2 = 0.06 and 0.04 · 1, which may not fall below 0.06.
    assert claims.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert claims.holm([0.9, 0.8]) == [1.0, 1.0] and claims.holm([]) == []


def test_holm_rejects_what_the_step_down_rule_rejects_and_agrees_with_the_lesson():
    rng = np.random.default_rng(0)
    for k in (1, 2, 5, 21):
        p = rng.beta(0.3, 3, k).round(3)
        found = claims.holm(list(p))
        assert found == pytest.approx(list(stats.holm(p)))
        for level in (0.01, 0.05, 0.2):
            rejected, order = np.zeros(k, bool), np.argsort(p)
            for rank, i in enumerate(order):
                if p[i] * (k - rank) > level:
                    break
                rejected[i] = True
            assert (np.array(found) <= level).tolist() == rejected.tolist()


def test_an_entry_brings_the_claim_back():
    made = [
        claims.make("x", "A < B", Result(p=0.03), "as in the paper"),
        claims.make("y", "c", EQUAL),
    ]
    corrected = claims.corrected(made)
    entries = [claim.entry() for claim in corrected]
    assert set(entries[0]) >= {
        "name", "sentence", "direction", "outcome", "effect", "low", "high", "n", "unit_of_n", "p",
        "p_corrected", "published",
    }  # fmt: skip
    assert [claims.from_entry(entry) for entry in entries] == made
    assert claims.corrected(map(claims.from_entry, entries)) == corrected


def test_evidence_as_readers_see_it():
    claim = claims.make("x", "a < b", Result(n=12000, p=0.0004), "0.5")
    assert claim.evidence() == (
        "0.300 [0.200, 0.400], n = 12,000 pictures, paired t, p < 0.001 before the chapter's "
        "correction; published: 0.5"
    )
    assert claims.corrected([claim])[0].evidence().endswith("paired t, p < 0.001; published: 0.5")
    assert "a &lt; b" in claim._repr_html_()


class Old:
    """A test of the time before directions."""

    name, effect, low, high, n, p = "t", 0.1, 0.0, 0.2, 5, 0.01


@pytest.mark.parametrize(
    ("sentence", "test", "says"),
    [
        ("A beats B.", Result(), "full stop"),
        (" ", Result(), "sentence"),
        ("A beats B", Old(), "does not state direction"),
        ("A beats B", Result(direction=None), "direction None, expected one of higher, lower"),
        ("A beats B", Result(direction="up"), "'up'"),
        ("A equals B", Result(direction="equal"), "equal has a margin"),
        ("A beats B", Result(margin=0.1), "others have none"),
        ("A equals B", replace(EQUAL, margin=-0.1), "impossible"),
        ("A equals B", replace(EQUAL, margin=0.0), "impossible"),
        ("A beats B", Result(p=float("nan")), "impossible"),
        ("A beats B", Result(p=1.2), "impossible"),
        ("A beats B", Result(low=float("-inf")), "impossible"),
    ],
)
def test_what_cannot_be_claimed_is_refused(sentence, test, says):
    with pytest.raises(ProvenanceError, match=says):
        claims.make("x", sentence, test)
