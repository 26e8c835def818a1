"""Claims: every conclusion that is drawn, what it stands on, and whether it holds."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import stats
from . import numerals

LEVEL = 0.05
"""Largest p-value, after Holm's correction over the chapter, that supports a difference."""
EQUIVALENCE = "two one-sided"
"""How the name of a test begins whose small p-value means that an effect is small."""
EXPECTED = {
    "higher": "the effect is positive",
    "lower": "the effect is negative",
    "equal": "the effect is smaller than the margin of the test",
    "undecided": "the data do not decide",
    "true": "a check that either holds or does not",
}


class ClaimError(ValueError):
    """Raised for a claim that cannot be recorded; the message says what to do."""


@dataclass(frozen=True)
class Claim:
    """A sentence, what is expected of the test behind it, and the published value beside it."""

    key: str
    sentence: str
    expect: str
    test: stats.Test | None = None
    fact: bool | None = None
    published: str | None = None
    p_holm: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the measurement supports the sentence."""
        if self.expect == "true":
            return bool(self.fact)
        p = self.test.p if self.p_holm is None else self.p_holm
        sign = {"higher": 1, "lower": -1}.get(self.expect, 0)
        if self.expect == "undecided":
            return p >= LEVEL
        return p < LEVEL and (sign == 0 or sign * self.test.effect > 0)

    def entry(self) -> dict[str, object]:
        """Return the claim as it stands in a ledger."""
        facts: dict[str, object] = {"sentence": self.sentence, "expect": self.expect}
        if self.test is not None:
            test = self.test
            facts |= {"test": test.name, "effect": test.effect, "low": test.low, "high": test.high}
            facts |= {"n": test.n, "p": test.p, "p_holm": self.p_holm}
        if self.published:
            facts["published"] = self.published
        return facts | {"holds": self.holds}

    def evidence(self) -> str:
        """Return effect, interval, n and p as a reader sees them."""
        if self.test is None:
            return "checked on every case"
        test, p = self.test, self.test.p if self.p_holm is None else self.p_holm
        interval = f"[{numerals.significant(test.low)}, {numerals.significant(test.high)}]"
        shown_p = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        if self.p_holm is None:
            shown_p += " (before the correction over the chapter)"
        effect = numerals.significant(test.effect)
        return f"{effect} {interval}, n = {test.n}, {test.name}, {shown_p}"

    def _repr_html_(self) -> str:
        mark, word = ("✔", "holds") if self.holds else ("✘", "does not hold in this run")
        return (
            f'<div role="note"><b>{mark} Claim</b> ({word}): {numerals.to_html(self.sentence)}'
            f"<br><small>{numerals.to_html(self.evidence())}</small></div>"
        )

    def __repr__(self) -> str:
        return f"{'holds' if self.holds else 'does not hold'}: {self.sentence} ({self.evidence()})"


def make(
    key: str, sentence: str, test: stats.Test | bool, expect: str, published: str | None
) -> Claim:
    """Return a claim; raise ClaimError where sentence, test and expectation do not fit."""
    if expect not in EXPECTED:
        raise ClaimError(f"claim {key!r}: expect {expect!r}, expected one of {sorted(EXPECTED)}")
    if not sentence.strip() or sentence.rstrip().endswith("."):
        raise ClaimError(f"claim {key!r}: write one sentence, without its full stop")
    if not isinstance(test, bool | np.bool_ if expect == "true" else stats.Test):
        raise ClaimError(
            f"claim {key!r}: expect='true' goes with True or False, everything else with a Test "
            "of practicals.stats"
        )
    if expect == "true":
        return Claim(key, sentence, expect, fact=bool(test), published=published)
    if not all(map(math.isfinite, (test.effect, test.low, test.high, test.p))):
        raise ClaimError(f"claim {key!r}: its test is not finite: {test}")
    if (expect == "equal") != test.name.startswith(EQUIVALENCE) and expect != "undecided":
        raise ClaimError(
            f"claim {key!r}: expect='equal' goes with practicals.stats.equivalent, 'higher' and "
            "'lower' with the other tests"
        )
    return Claim(key, sentence, expect, test, published=published)


def from_entry(key: str, entry: Mapping[str, Any]) -> Claim:
    """Return the claim that stands in a ledger, without its p-value after correction."""
    test = None
    if "test" in entry:
        facts = {name: entry[name] for name in ("effect", "low", "high", "n", "p")}
        test = stats.Test(name=entry["test"], **facts)
    fact = bool(entry["holds"]) if test is None else None
    return Claim(key, entry["sentence"], entry["expect"], test, fact, entry.get("published"))


def corrected(claims: Iterable[Claim]) -> list[Claim]:
    """Return the claims with p-values after Holm (1979) over all that look for an effect.

    A claim that the data do not decide gets stronger by a correction, so it keeps its own p.
    """
    claims = list(claims)
    tested = [i for i, c in enumerate(claims) if c.test is not None and c.expect != "undecided"]
    adjusted = stats.holm([claims[i].test.p for i in tested]) if tested else []
    p = {i: float(value) for i, value in zip(tested, adjusted, strict=True)}
    return [
        replace(c, p_holm=p.get(i, c.test.p)) if c.test is not None else c
        for i, c in enumerate(claims)
    ]
