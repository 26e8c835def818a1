"""Numbers as readers see them, in text, HTML and LaTeX; frames as tables; LaTeX's macros.

A cell of a table is an ``Estimate``; how it is written is decided here, where it is shown.
"""

import html
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from .project import ProvenanceError

UNITS = ("fraction", "points", "count", "seconds", "number")
"""``fraction`` and ``points`` (a difference of two fractions) are held in [0, 1] and [−1, 1] and
shown in percent and in percentage points, with one decimal."""
THIN = "\u202f"
CODE = re.compile("`([^`]+)`")
NOTHING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", THIN: r"\,", "\u00a0": "~",
}  # fmt: skip
_MATHS = {
    "±": r"\pm", "−": "-", "×": r"\times", "≤": r"\leq", "≥": r"\geq", "≈": r"\approx",
    "→": r"\rightarrow", "↑": r"\uparrow", "↓": r"\downarrow", "∞": r"\infty", "·": r"\cdot",
    "√": r"\surd", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma",
    "δ": r"\delta", "Δ": r"\Delta", "ε": r"\varepsilon", "λ": r"\lambda", "μ": r"\mu",
    "σ": r"\sigma", "τ": r"\tau", "ℓ": r"\ell", "₀": "_0", "₁": "_1", "₂": "_2", "∥": r"\|",
}  # fmt: skip


def _signed(text: str) -> str:
    return text.replace("-", "−")


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` significant digits, powers of ten where zeros would pile."""
    if value == 0:
        return "0"
    base, power = f"{value:.{digits - 1}e}".split("e")
    size = int(power)
    if not -4 < size < 7:
        return _signed(f"{base}{THIN}×{THIN}10") + str(size).translate(_SUPERSCRIPT)
    value = round(value, digits - 1 - size)
    return _signed(f"{value:,.{max(digits - 1 - size, 0)}f}")


def _duration(value: float) -> str:
    for unit, length, limit in (("ms", 1e-3, 1), ("s", 1, 120), ("min", 60, 7200)):
        if value < limit:
            return f"{significant(value / length, 2)}{THIN}{unit}"
    return f"{significant(value / 3600, 2)}{THIN}h"


def bare(value: float, unit: str) -> str:
    """Return ``value`` in its unit, as text without the unit's sign."""
    if unit in ("fraction", "points"):
        return _signed(f"{100 * value:.1f}").replace("−0.0", "0.0")
    if unit == "count":
        return _signed(f"{value:,.0f}")
    return _duration(value) if unit == "seconds" else significant(value)


def shown(value: float, unit: str) -> str:
    """Return ``value`` as a reader sees it: ``91.2 %``, ``2,985``, ``3.4 s``."""
    return bare(value, unit) + (f"{THIN}%" if unit == "fraction" else "")


def shown_pm(value: float, spread: float, unit: str) -> str:
    """Return ``value ± spread`` in the unit; the spread decides how many decimals are shown."""
    if unit in ("fraction", "points"):
        sign = f"{THIN}%" if unit == "fraction" else ""
        return f"{bare(value, unit)} ± {bare(spread, unit)}{sign}"
    if unit == "count":
        return f"{bare(value, unit)} ± {significant(spread, 2)}"
    name, around = " s" if unit == "seconds" else "", significant(spread, 2)
    if spread == 0 or not 1e-4 < abs(spread) < 1e6:
        return f"{significant(value)} ± {around}{name}"
    return _signed(f"{value:,.{len(around.partition('.')[2])}f}") + f" ± {around}{name}"


@dataclass(frozen=True)
class Estimate:
    """A number with its spread, what that is a spread of, its sample size and its unit.

    ``spread_of`` says which spread: ``SD over seeds``, ``SE``. Raises ProvenanceError for numbers
    that cannot be meant: not finite, a negative spread, a fraction outside [0, 1].
    """

    value: float
    spread: float | None = None
    spread_of: str | None = None
    n: int | None = None
    unit: str = "number"

    def __post_init__(self) -> None:
        for name in ("value", "spread", "n"):
            number = getattr(self, name)
            number = number.item() if hasattr(number, "item") else number
            object.__setattr__(self, name, number)
            if number is None and name != "value":
                continue
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise ProvenanceError(f"{name} must be a number, not {number!r}")
            if not math.isfinite(number) or (name != "value" and number < 0):
                least = "" if name == "value" else ", not below 0"
                raise ProvenanceError(f"{name} is {number}: expected a finite number{least}")
        low, high = {"fraction": (0, 1), "points": (-1, 1)}.get(self.unit, (-math.inf, math.inf))
        if self.unit not in UNITS or not low <= self.value <= high:
            raise ProvenanceError(f"{self.value} as {self.unit!r}: expected one of {UNITS}, and a "
                                  f"value in [{low}, {high}]")  # fmt: skip
        if (self.spread is None) != (self.spread_of is None):
            raise ProvenanceError("spread and spread_of go together: say of what it is the spread")

    def __str__(self) -> str:
        if self.spread is None:
            return shown(self.value, self.unit)
        return shown_pm(self.value, self.spread, self.unit)

    def entry(self) -> dict[str, Any]:
        """Return the number as it stands in a chapter's file."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def mean_std(
    frame: pd.DataFrame, value: str, rows: str | list[str], columns: str | None = None,
    spread_of: str = "SD", unit: str = "number",
) -> pd.DataFrame:  # fmt: skip
    """Return a table of means and sample standard deviations of the column ``value``.

    A row for each ``rows``, a column for each ``columns`` (or one), in the order of appearance;
    a combination that the frame lacks stays empty, and one case alone has no spread.
    """
    by = [*([rows] if isinstance(rows, str) else rows), *([columns] if columns else [])]

    def estimate(cases: pd.Series) -> Estimate:
        spread = float(cases.std(ddof=1)) if len(cases) > 1 else None
        named = spread_of if spread is not None else None
        return Estimate(float(cases.mean()), spread, named, len(cases), unit)

    found = frame.groupby(by, sort=False, observed=True)[value].agg(estimate).astype(object)
    if columns is None:
        return found.to_frame(value)
    order = [frame[name].drop_duplicates() for name in by]
    wide = found.unstack(columns)
    return wide.reindex(columns=order[-1]).reindex(order[0]) if len(by) == 2 else wide


def text(cell: object) -> str:
    """Return a cell of a table as plain text: nothing as a dash, numbers by their kind."""
    if isinstance(cell, str | Estimate):
        return str(cell)
    if isinstance(cell, bool | np.bool_):
        return "yes" if cell else "no"
    if isinstance(cell, int | np.integer):
        return bare(int(cell), "count")
    if isinstance(cell, float | np.floating):
        return NOTHING if math.isnan(cell) else significant(float(cell))
    return NOTHING if cell is None or cell is pd.NA else str(cell)


def to_html(words: str) -> str:
    """Return plain text escaped for HTML; what stands between backticks is code."""
    return CODE.sub(r"<code>\1</code>", html.escape(words, quote=False))


def to_tex(words: str) -> str:
    """Return plain text with LaTeX's special characters escaped and symbols as mathematics.

    What stands between backticks is code.
    """
    prose, *later = CODE.split(words)
    codes = (rf"\texttt{{{_to_tex(code)}}}{_to_tex(rest)}"
             for code, rest in zip(later[::2], later[1::2], strict=True))  # fmt: skip
    return _to_tex(prose) + "".join(codes)


def _to_tex(words: str) -> str:
    parts = re.split("([⁻⁰¹²³⁴-⁹]+)", words)
    raised = [r"\ensuremath{^{" + part.translate(_PLAIN) + "}}" for part in parts[1::2]]
    level = ["".join(map(_tex_character, part)) for part in parts[::2]]
    return "".join(a + b for a, b in zip(level, [*raised, ""], strict=True))


def _tex_character(character: str) -> str:
    if character in _MATHS:
        return rf"\ensuremath{{{_MATHS[character]}}}"
    return _SPECIAL.get(character, character)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose index has become its first columns."""
    named = any(name is not None for name in frame.index.names)
    if isinstance(frame.index, pd.RangeIndex) and not named:
        return frame
    names = [name if name is not None else "" for name in frame.index.names]
    return frame.reset_index(names=names if len(names) > 1 else names[0])


def _styled(frame: pd.DataFrame, write: Any) -> Styler:
    flat = _flat(frame)
    style = Styler(flat, uuid="t", cell_ids=False).hide(axis="index")
    return style.format(lambda cell: write(text(cell))).format_index(
        lambda label: write(str(label)), axis="columns"
    )


def html_table(frame: pd.DataFrame, caption: str) -> str:
    """Return a frame as an HTML table, its caption above; texts stand left, numbers right."""
    style = _styled(frame, to_html).set_caption(to_html(caption))
    lefts = [i for i, left in enumerate(_lefts(frame)) if left]
    sides = [{"selector": f".col{i}", "props": "text-align: left"} for i in lefts]
    above = {"selector": "caption", "props": "caption-side: top; text-align: left"}
    return style.set_table_styles([above, *sides]).to_html()


def _lefts(frame: pd.DataFrame) -> list[bool]:
    """Return for each column of the flat frame whether its cells are text."""
    flat = _flat(frame)
    columns = (flat.iloc[:, i].dropna() for i in range(flat.shape[1]))
    return [all(isinstance(cell, str) for cell in column) for column in columns]


def tex_table(frame: pd.DataFrame) -> str:
    """Return a frame as a booktabs ``tabular``; a text before empty cells takes their room."""
    swallowed, flat = "\\swallowed ", _flat(frame).astype(object)
    for i in range(len(flat)):
        row = [text(cell) for cell in flat.iloc[i]]
        last = max((j for j, cell in enumerate(row) if cell != NOTHING), default=0)
        wide = len(row) - last
        if wide > 1 and isinstance(flat.iat[i, last], str):
            flat.iat[i, last] = _Raw(rf"\multicolumn{{{wide}}}{{l}}{{{to_tex(row[last])}}}")
            for j in range(last + 1, len(row)):
                flat.iat[i, j] = _Raw(swallowed)
    style = Styler(flat, uuid="t", cell_ids=False).hide(axis="index")
    style = style.format(lambda cell: cell if isinstance(cell, _Raw) else to_tex(text(cell)))
    style = style.format_index(lambda label: to_tex(str(label)), axis="columns")
    align = "".join("l" if left else "r" for left in _lefts(frame))
    return style.to_latex(hrules=True, column_format=align).replace(f" & {swallowed}", "")


class _Raw(str):
    """A cell that is LaTeX already."""


def key(*parts: object) -> str:
    """Return what names a number: the words of row and column, without what LaTeX cannot take."""
    words = "/".join(str(part) for part in parts)
    return " ".join(re.sub(r"[%#\\{}~^$]", "", words).split())


def cells(name: str, frame: pd.DataFrame) -> dict[str, Estimate]:
    """Return the numbers of a table by ``table/row/column``, from its labels.

    Raises ProvenanceError where two cells would have one name.
    """
    found: dict[str, Estimate] = {}
    for i, j, named in places(name, frame):
        cell = frame.iat[i, j]
        number = cell if isinstance(cell, Estimate) else _number(cell)
        if number is not None and named in found:
            raise ProvenanceError(f"table {name!r}: two cells are called {named!r}: give rows and "
                                  "columns names of their own")  # fmt: skip
        if number is not None:
            found[named] = number
    return found


def places(name: str, frame: pd.DataFrame) -> Iterator[tuple[int, int, str]]:
    """Yield row, column and name of each cell; without an index the first column names a row."""
    numbered = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    for i in range(len(frame)):
        row = frame.iat[i, 0] if numbered else frame.index[i]
        for j, column in enumerate(frame.columns):
            yield i, j, key(name, *_parts(row), *_parts(column))


def as_text(frame: pd.DataFrame) -> str:
    """Return a frame as lines of text."""
    flat = _flat(frame)
    rows = [[str(label) for label in flat.columns], *(map(text, row) for row in flat.to_numpy())]
    return "\n".join(" | ".join(row) for row in rows)


def _parts(label: object) -> tuple[object, ...]:
    return label if isinstance(label, tuple) else (label,)


def _number(cell: object) -> Estimate | None:
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | np.number):
        return None
    whole = isinstance(cell, int | np.integer)
    return (
        Estimate(float(cell), unit="count" if whole else "number") if math.isfinite(cell) else None
    )


def macros(stem: str, numbers: Mapping[str, Estimate], claims: Mapping[str, str]) -> str:
    r"""Return the LaTeX file behind ``\val``, ``\mean``, ``\n`` and ``\claim`` of a chapter.

    ``numbers`` by their key, ``claims`` from name to the number that readers see.
    """
    lines = [f"% The numbers of {stem}, written by its notebook: do not edit."]
    for name, number in numbers.items():
        forms = {"val": str(number), "mean": shown(number.value, number.unit)}
        forms |= {} if number.n is None else {"n": bare(number.n, "count")}
        for form, words in forms.items():
            lines.append(rf"\provenancedefine{{{form}}}{{{stem}/{name}}}{{{to_tex(words)}}}")
    lines += [rf"\provenancedefine{{claim}}{{{stem}/{name}}}{{{number}}}"
              for name, number in claims.items()]  # fmt: skip
    return "\n".join([*lines, ""])
