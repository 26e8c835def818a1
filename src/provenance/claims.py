"""Claims: a sentence, the test it stands on, and one of three outcomes.

A test is any object with ``name``, ``effect``, its 95 % interval ``low`` to ``high``, ``n``, ``p``
(two-sided; of an equivalence test, small where the effect is surely inside the margin), and with
the ``direction`` that was stated before the run: ``higher``, ``lower``, or ``equal`` with a
``margin``. ``unit`` says what ``n`` counts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .format import significant, to_html
from .project import ProvenanceError

LEVEL = 0.05
"""Largest p, after Holm's correction over the chapter, that decides."""
DIRECTIONS = {"higher": 1, "lower": -1, "equal": 0}
MARKS = {"supported": "✔", "refuted": "✘", "undecided": "?"}
FIELDS = ("effect", "low", "high", "n", "p")


@dataclass(frozen=True)
class Claim:
    """A sentence with its test; ``p_corrected`` is None until the whole chapter is known."""

    name: str
    sentence: str
    direction: str
    test: str
    effect: float
    low: float
    high: float
    n: int
    unit_of_n: str
    p: float
    margin: float | None = None
    published: str | None = None
    p_corrected: float | None = None

    @property
    def outcome(self) -> str:
        """``supported``, ``refuted`` or ``undecided`` by what was measured."""
        p = self.p if self.p_corrected is None else self.p_corrected
        if self.direction == "equal":
            margin = self.margin or 0.0
            outside = self.low > margin or self.high < -margin
            return "supported" if p < LEVEL else "refuted" if outside else "undecided"
        if p >= LEVEL:
            return "undecided"
        return "supported" if self.effect * DIRECTIONS[self.direction] > 0 else "refuted"

    def entry(self) -> dict[str, Any]:
        """Return the claim as it stands in a chapter's file."""
        return {**self.__dict__, "outcome": self.outcome}

    def evidence(self) -> str:
        """Return effect, interval, n and p as a reader sees them."""
        p = self.p if self.p_corrected is None else self.p_corrected
        shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        shown += "" if self.p_corrected is not None else " before the correction over the chapter"
        around = f"[{significant(self.low)}, {significant(self.high)}]"
        counted = f"n = {self.n} {self.unit_of_n}"
        found = f"; published: {self.published}" if self.published else ""
        return f"{significant(self.effect)} {around}, {counted}, {self.test}, {shown}{found}"

    def _repr_html_(self) -> str:
        return (
            f'<div role="note"><b>{MARKS[self.outcome]} Claim, {self.outcome}</b>: '
            f"{to_html(self.sentence)}<br><small>{to_html(self.evidence())}</small></div>"
        )

    def __repr__(self) -> str:
        return f"{self.outcome}: {self.sentence} ({self.evidence()})"


def make(name: str, sentence: str, test: Any, published: str | None = None) -> Claim:
    """Return a claim; raise ProvenanceError where sentence, test and direction do not fit."""
    if not sentence.strip() or sentence.rstrip().endswith("."):
        raise ProvenanceError(f"claim {name!r}: write one sentence, without its full stop")
    lacking = [f for f in (*FIELDS, "name", "direction", "unit") if not hasattr(test, f)]
    if lacking or test.direction not in DIRECTIONS:
        raise ProvenanceError(
            f"claim {name!r}: expected a test that states its direction before the run, one of "
            f"{sorted(DIRECTIONS)}, got {test!r}"
        )
    margin = getattr(test, "margin", None)
    if (test.direction == "equal") != (margin is not None):
        raise ProvenanceError(f"claim {name!r}: an equivalence test has a margin, others have none")
    if not all(math.isfinite(getattr(test, f)) for f in FIELDS) or not 0 <= test.p <= 1:
        raise ProvenanceError(f"claim {name!r}: its test is not finite: {test}")
    numbers = (float(test.effect), float(test.low), float(test.high), int(test.n))
    return Claim(
        name, sentence, test.direction, test.name, *numbers, test.unit, float(test.p), margin,
        published,
    )  # fmt: skip


def from_entry(entry: Mapping[str, Any]) -> Claim:
    """Return the claim that stands in a chapter's file, without its corrected p."""
    known = {f: entry[f] for f in Claim.__dataclass_fields__ if f != "p_corrected"}
    return Claim(**known)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values, adjusted for their number (Holm, Scandinavian J. of Statistics 1979)."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, p[i] * (len(p) - rank)))
        adjusted[i] = largest
    return adjusted


def corrected(claims: Iterable[Claim]) -> list[Claim]:
    """Return the claims of a chapter with p-values after Holm's correction over all of them."""
    claims = list(claims)
    adjusted = holm([claim.p for claim in claims])
    return [replace(c, p_corrected=p) for c, p in zip(claims, adjusted, strict=True)]
