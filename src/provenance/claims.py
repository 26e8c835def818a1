"""Claims: a sentence, the test it stands on, and one of three outcomes.

A test is any object with ``name``, ``effect``, its 95 % interval ``low`` to ``high``, ``n`` and
the ``unit`` that it counts, a two-sided ``p`` (of an equivalence: small where the effect is surely
inside the margin), and the ``direction`` stated before the run: ``higher``, ``lower``, or ``equal``
with a ``margin``, which is else None.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .format import significant, to_html
from .project import ProvenanceError

LEVEL = 0.05
DIRECTIONS = {"higher": 1, "lower": -1, "equal": 0}
MARKS = {"supported": "✔", "refuted": "✘", "undecided": "?"}


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
        if self.margin is not None:
            outside = self.low > self.margin or self.high < -self.margin
            return "supported" if p < LEVEL else "refuted" if outside else "undecided"
        agrees = self.effect * DIRECTIONS[self.direction]
        if p >= LEVEL or agrees == 0:
            return "undecided"
        return "supported" if agrees > 0 else "refuted"

    def entry(self) -> dict[str, Any]:
        """Return the claim as it stands in a chapter's file."""
        return {**asdict(self), "outcome": self.outcome}

    def evidence(self) -> str:
        """Return effect, interval, n and p as a reader sees them."""
        p = self.p if self.p_corrected is None else self.p_corrected
        shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        shown += " before the chapter's correction" if self.p_corrected is None else ""
        around = f"[{significant(self.low)}, {significant(self.high)}], n = {self.n:,}"
        shown += f"; published: {self.published}" if self.published else ""
        return f"{significant(self.effect)} {around} {self.unit_of_n}, {self.test}, {shown}"

    def _repr_html_(self) -> str:
        head = f"<b>{MARKS[self.outcome]} Claim, {self.outcome}</b>: {to_html(self.sentence)}"
        return f'<div role="note">{head}<br><small>{to_html(self.evidence())}</small></div>'


def make(name: str, sentence: str, test: Any, published: str | None = None) -> Claim:
    """Return a claim; raise ProvenanceError where sentence, test and direction do not fit."""
    if not sentence.strip() or sentence.rstrip().endswith("."):
        raise ProvenanceError(f"claim {name!r}: write one sentence, without its full stop")
    try:
        claim = Claim(
            name, sentence, test.direction, test.name, float(test.effect), float(test.low),
            float(test.high), int(test.n), test.unit, float(test.p), test.margin, published,
        )  # fmt: skip
    except AttributeError as error:
        raise ProvenanceError(f"claim {name!r}: its test does not state {error.name}") from None
    numbers = (claim.effect, claim.low, claim.high, 1.0 if claim.margin is None else claim.margin)
    if not all(map(math.isfinite, numbers)) or numbers[-1] <= 0 or not 0 <= claim.p <= 1:
        raise ProvenanceError(f"claim {name!r}: its test has impossible numbers: {test}")
    if claim.direction not in DIRECTIONS or (claim.direction == "equal") != bool(claim.margin):
        wanted = f"one of {', '.join(DIRECTIONS)}; equal has a margin, the others have none"
        raise ProvenanceError(f"claim {name!r}: direction {claim.direction!r}, expected {wanted}")
    return claim


def from_entry(entry: Mapping[str, Any]) -> Claim:
    """Return the claim that stands in a chapter's file, without its corrected p."""
    return Claim(**{f: entry[f] for f in Claim.__dataclass_fields__ if f != "p_corrected"})


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values, adjusted for their number (Holm, Scandinavian J. of Statistics 1979)."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        adjusted[i] = largest = max(largest, min(1.0, p[i] * (len(p) - rank)))
    return adjusted


def corrected(claims: Iterable[Claim]) -> list[Claim]:
    """Return the claims of a chapter with p-values after Holm's correction over all of them."""
    claims = list(claims)
    adjusted = holm([claim.p for claim in claims])
    return [replace(c, p_corrected=p) for c, p in zip(claims, adjusted, strict=True)]
