"""Numbers as readers see them, in text, HTML and LaTeX; frames as tables; LaTeX's macros.

A cell of a table is an ``Estimate``; how it is written is decided here, where it is shown.
"""

import html
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from .project import ProvenanceError

ANY = (-math.inf, math.inf)
UNITS = {"fraction": (0, 1), "points": (-1, 1), "count": ANY, "seconds": ANY, "number": ANY}
"""Units with the range of a value. Fractions, and points (differences of fractions), are shown in
percent and in percentage points, with one decimal."""
THIN, NOTHING, TAKEN = "\u202f", "–", "\0"
CODE, RAISED = re.compile("`([^`]+)`"), re.compile("[⁻⁰¹²³⁴-⁹]+")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
MATHS = {
    "±": r"\pm", "−": "-", "×": r"\times", "≤": r"\leq", "≥": r"\geq", "≈": r"\approx",
    "→": r"\rightarrow", "↑": r"\uparrow", "↓": r"\downarrow", "∞": r"\infty", "·": r"\cdot",
    "√": r"\surd", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma",
    "δ": r"\delta", "Δ": r"\Delta", "ε": r"\varepsilon", "λ": r"\lambda", "μ": r"\mu",
    "σ": r"\sigma", "τ": r"\tau", "ℓ": r"\ell", "₀": "_0", "₁": "_1", "₂": "_2", "∥": r"\|",
    "<": "<", ">": ">",
}  # fmt: skip
TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {c: rf"\ensuremath{{{m}}}" for c, m in MATHS.items()}
TEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
TEX |= {THIN: r"\,", "\u00a0": "~"}


def _signed(text: str) -> str:
    return text.replace("-", "−")


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` significant digits, powers of ten where zeros would pile."""
    if value == 0:
        return "0"
    base, power = f"{value:.{digits - 1}e}".split("e")
    size = int(power)
    if not -4 < size < 7:
        return _signed(f"{base}{THIN}×{THIN}10") + str(size).translate(SUPERSCRIPT)
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


def shown(value: float, unit: str, spread: float | None = None) -> str:
    """Return ``value``, or ``value ± spread``, as a reader sees it: ``91.2 %``, ``0.69 ± 0.10``.

    A spread of a number decides how many decimals are shown.
    """
    sign = f"{THIN}%" if unit == "fraction" else ""
    if spread is None:
        return bare(value, unit) + sign
    if unit in ("fraction", "points"):
        return f"{bare(value, unit)} ± {bare(spread, unit)}{sign}"
    around, sign = significant(spread, 2), " s" if unit == "seconds" else ""
    decimals = len(around.partition(".")[2])
    if unit == "count":
        mean = bare(value, unit)
    elif spread == 0 or not 1e-4 < abs(spread) < 1e6:
        mean = significant(value)
    else:
        mean = _signed(f"{value:,.{decimals}f}")
    return f"{mean} ± {around}{sign}"


@dataclass(frozen=True)
class Estimate:
    """A number with its spread, what that is a spread of (``SD over seeds``), its n and its unit.

    Raises ProvenanceError for what cannot be meant: not finite, a negative spread or n, a fraction
    outside [0, 1].
    """

    value: float
    spread: float | None = None
    spread_of: str | None = None
    n: int | None = None
    unit: str = "number"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ProvenanceError(f"unit {self.unit!r}: expected one of {', '.join(UNITS)}")
        if (self.spread is None) != (self.spread_of is None):
            raise ProvenanceError("spread and spread_of go together: say of what it is the spread")
        for name in ("value", "spread", "n"):
            number = getattr(self, name)
            number = number.item() if hasattr(number, "item") else number
            object.__setattr__(self, name, number)
            low, high = UNITS[self.unit] if name == "value" else (0, math.inf)
            if number is None and name != "value":
                continue
            known = isinstance(number, int | float) and not isinstance(number, bool)
            if not known or not (math.isfinite(number) and low <= number <= high):
                wanted = f"expected a finite number in [{low}, {high}]"
                raise ProvenanceError(f"{name} {number!r} of unit {self.unit!r}: {wanted}")

    def __str__(self) -> str:
        return shown(self.value, self.unit, self.spread)


def mean_std(
    frame: pd.DataFrame, value: str, rows: str | list[str], columns: str | None = None,
    spread_of: str = "SD", unit: str = "number",
) -> pd.DataFrame:  # fmt: skip
    """Return a table of means and sample standard deviations of the column ``value``.

    A row for each ``rows``, a column for each ``columns`` (or one), in the order of appearance;
    a combination that the frame lacks stays empty, and one case alone has no spread.
    """

    def estimate(cases: pd.Series) -> Estimate:
        found = cases.to_numpy(float)
        spread = float(found.std(ddof=1)) if len(found) > 1 else None
        named = None if spread is None else spread_of
        return Estimate(float(found.mean()), spread, named, len(found), unit)

    by = [rows] if isinstance(rows, str) else rows
    return frame.pivot_table(value, by, columns, estimate, sort=False, observed=True)


def text(cell: object) -> str:
    """Return a cell as plain text; whole numbers are counts (with gaps: of pandas' Int64)."""
    if isinstance(cell, bool | np.bool_):
        return "yes" if cell else "no"
    if cell is None or cell is pd.NA or cell != cell:
        return NOTHING
    number = _number(cell)
    return str(cell) if number is None else str(number)


def _number(cell: object) -> Estimate | None:
    """Return a cell as a number, or None if it is text, empty, or yes or no."""
    if isinstance(cell, Estimate):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float | np.number) or cell != cell:
        return None
    return Estimate(float(cell), unit="count" if isinstance(cell, int | np.integer) else "number")


def to_html(words: str) -> str:
    """Return plain text escaped for HTML; what stands between backticks is code."""
    return CODE.sub(r"<code>\1</code>", html.escape(words, quote=False))


def to_tex(words: str) -> str:
    """Return plain text escaped for LaTeX, symbols as mathematics, code between backticks."""
    words = "".join(TEX.get(character, character) for character in words)
    words = RAISED.sub(lambda m: rf"\ensuremath{{^{{{m[0].translate(PLAIN)}}}}}", words)
    return CODE.sub(r"\\texttt{\1}", words)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose index names its rows: where it has none, the first column does."""
    none = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    return frame.set_index([frame.columns[0]]) if none and frame.shape[1] > 1 else frame


def _styled(
    frame: pd.DataFrame, write: Callable[[str], str], remark: Callable[[int, str], str]
) -> Styler:
    """Return a frame as text, its index as first columns.

    Text among numbers, with nothing after it, is a remark that takes the room of what is missing.
    """
    named, rows = _named(frame), []
    sides = _sides(frame)[named.index.nlevels :]
    for label, cells in zip(named.index, named.astype(object).to_numpy(), strict=True):
        texts = [write(text(cell)) for cell in cells]
        used = max((j for j, words in enumerate(texts) if words != NOTHING), default=0)
        if isinstance(cells[used], str) and sides[used] == "r" and texts[used + 1 :]:
            room = len(texts) - used
            texts[used:] = [remark(room, texts[used]), *[TAKEN] * (room - 1)]
        rows.append([*(write(str(part)) for part in _parts(label)), *texts])
    index = named.rename_axis([name or "" for name in named.index.names])
    columns = index.iloc[:0].reset_index().columns
    columns.names = [None] * columns.nlevels
    identity = sha256(repr(rows).encode()).hexdigest()[:8]
    style = Styler(pd.DataFrame(rows, columns=columns), uuid=identity, cell_ids=False)
    return style.hide(axis="index").format_index(lambda label: write(str(label)), axis="columns")


def html_table(frame: pd.DataFrame, caption: str) -> str:
    """Return a frame as an HTML table, its caption above; texts stand left, numbers right."""
    style = _styled(frame, to_html, lambda room, words: f"{TAKEN}{room} {words}")
    sides = {"td": "right", "th": "right", "caption": "left; caption-side: top"}
    sides |= {f".col{i}": "left" for i, side in enumerate(_sides(frame)) if side == "l"}
    styles = [{"selector": of, "props": f"text-align: {side}"} for of, side in sides.items()]
    page = style.set_caption(to_html(caption)).set_table_styles(styles).to_html()
    page = re.sub(rf"\s*<td[^>]*>{TAKEN}</td>", "", page)
    return re.sub(rf">{TAKEN}(\d+) ", r'colspan="\1" style="text-align: left">', page)


def _sides(frame: pd.DataFrame) -> str:
    """Return ``l`` or ``r`` for each column of a table: labels and texts stand left."""
    named = _named(frame)
    columns = (named.iloc[:, j] for j in range(named.shape[1]))
    return "l" * named.index.nlevels + "".join(
        "l" if any(isinstance(cell, str) for cell in column) and not any(map(_number, column))
        else "r" for column in columns
    )  # fmt: skip


def tex_table(frame: pd.DataFrame, sides: str | None = None) -> str:
    """Return a frame as a booktabs ``tabular``, by default texts at the left, numbers right."""
    style = _styled(frame, to_tex, lambda room, words: rf"\multicolumn{{{room}}}{{l}}{{{words}}}")
    page = style.to_latex(hrules=True, column_format=sides or _sides(frame), multicol_align="c")
    return page.replace(f" & {TAKEN}", "")


def key(*parts: object) -> str:
    """Return what names a number: the words of row and column, without what LaTeX cannot take."""
    words = "/".join(str(part) for part in parts)
    return " ".join(re.sub(r"[%#\\{}~^$]", "", words).split())


def _parts(label: object) -> tuple[object, ...]:
    return label if isinstance(label, tuple) else (label,)


def places(name: str, frame: pd.DataFrame) -> Iterator[tuple[int, str, object]]:
    """Yield row number, name (``table/row/column``) and content of each cell of a table."""
    named = _named(frame).astype(object)
    for i, (row, cells) in enumerate(zip(named.index, named.to_numpy(), strict=True)):
        for column, cell in zip(named.columns, cells, strict=True):
            yield i, key(name, *_parts(row), *_parts(column)), cell


def cells(name: str, frame: pd.DataFrame) -> dict[str, Estimate]:
    """Return the numbers of a table by name; raise ProvenanceError where two have one name."""
    found: dict[str, Estimate] = {}
    for _, named, cell in places(name, frame):
        if (number := _number(cell)) is None:
            continue
        if named in found:
            raise ProvenanceError(f"two cells are called {named!r}: name rows and columns apart")
        found[named] = number
    return found


def macros(stem: str, numbers: Mapping[str, Estimate], claims: Mapping[str, str]) -> str:
    r"""Return the LaTeX file behind ``\val``, ``\mean``, ``\n`` and ``\claim`` of a chapter.

    ``numbers`` by their key, ``claims`` from name to the number that readers see.
    """
    forms = {("claim", name): number for name, number in claims.items()}
    for name, number in numbers.items():
        forms["val", name], forms["mean", name] = str(number), shown(number.value, number.unit)
        if number.n is not None:
            forms["n", name] = bare(number.n, "count")
    head = f"% The numbers of {stem}, written by its notebook: do not edit."
    lines = (rf"\provenancedefine{{{form}}}{{{stem}/{name}}}{{{to_tex(words)}}}"
             for (form, name), words in forms.items())  # fmt: skip
    return "\n".join([head, *lines, ""])
