"""Numbers as readers see them, text as LaTeX wants it, and a ledger's numbers as macros.

The macros are ``\\res{stem}{key}``, ``\\respm`` (± std), ``\\resn`` (n) and ``\\claim``.
"""

import html
import re
from collections.abc import Sequence
from typing import Any

UNITS = ("fraction", "points", "count", "seconds", "number")
"""``fraction`` and ``points`` (a difference of two fractions) are held in [0, 1] and [−1, 1] and
shown in percent and in percentage points, with one decimal."""
THIN = "\u202f"
CODE = re.compile("`([^`]+)`")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN = {v: k for k, v in _SUPERSCRIPT.items()}
_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    THIN: r"\,",
    "\u00a0": "~",
}
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


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def shown_pm(value: float, std: float, unit: str) -> str:
    """Return ``value ± std`` in the unit; the spread decides how many decimals a number shows."""
    sign = f"{THIN}%" if unit == "fraction" else ""
    if unit in ("fraction", "points"):
        return f"{bare(value, unit)} ± {bare(std, unit)}{sign}"
    if unit == "count":
        return f"{bare(value, unit)} ± {significant(std, 2)}"
    name = " s" if unit == "seconds" else ""
    if std == 0 or not 1e-4 < abs(std) < 1e6:
        return f"{significant(value)} ± {significant(std, 2)}{name}"
    spread = significant(std, 2)
    return _signed(f"{value:,.{_decimals(spread)}f}") + f" ± {spread}{name}"


def to_tex(text: str) -> str:
    """Return plain text with LaTeX's special characters escaped and symbols as mathematics.

    What stands between backticks is code.
    """
    prose, *later = CODE.split(text)
    codes = "".join(
        rf"\texttt{{{_to_tex(code)}}}{_to_tex(rest)}"
        for code, rest in zip(later[::2], later[1::2], strict=True)
    )
    return _to_tex(prose) + codes


def _to_tex(text: str) -> str:
    parts = re.split("([⁻⁰¹²³⁴-⁹]+)", text)
    raised = [r"\ensuremath{^{" + part.translate(_PLAIN) + "}}" for part in parts[1::2]]
    level = ["".join(map(_tex_character, part)) for part in parts[::2]]
    return "".join(a + b for a, b in zip(level, [*raised, ""], strict=True))


def _tex_character(character: str) -> str:
    if character in _MATHS:
        return rf"\ensuremath{{{_MATHS[character]}}}"
    return _SPECIAL.get(character, character)


def to_html(text: str) -> str:
    """Return plain text escaped for HTML; what stands between backticks is code."""
    return CODE.sub(r"<code>\1</code>", html.escape(text, quote=False))


def res(entry: dict[str, Any]) -> str:
    """Return a recorded number as text, with its unit's sign."""
    return shown(entry["value"], entry["unit"])


def respm(entry: dict[str, Any]) -> str | None:
    """Return a recorded number with its spread, or None where it has none."""
    std = entry.get("std")
    return None if std is None else shown_pm(entry["value"], std, entry["unit"])


def resse(entry: dict[str, Any]) -> str | None:
    """Return a recorded number with its standard error, or None where it has none."""
    error = entry.get("se")
    return None if error is None else shown_pm(entry["value"], error, entry["unit"])


def resn(entry: dict[str, Any]) -> str | None:
    """Return a recorded number's sample size, or None where it has none."""
    return None if "n" not in entry else bare(entry["n"], "count")


def resint(entry: dict[str, Any]) -> str:
    """Return a recorded number rounded to an integer."""
    return bare(entry["value"], "count")


MACROS = {"res": res, "respm": respm, "resn": resn}


def defined(values: dict[str, dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return the text of every macro: (macro, key) → text, for the entries of a ledger."""
    texts = {(m, key): form(entry) for key, entry in values.items() for m, form in MACROS.items()}
    return {name: text for name, text in texts.items() if text is not None}


def definitions(stem: str, values: dict[str, dict[str, Any]], claims: Sequence[str] = ()) -> str:
    """Return the LaTeX file that defines a notebook's macros, and the numbers of its claims."""
    lines = [f"% The numbers of {stem}, written by its notebook: do not edit."]
    for (macro, key), text in defined(values).items():
        lines.append(rf"\practicalsdefine{{{macro}}}{{{stem}}}{{{key}}}{{{to_tex(text)}}}")
    for number, key in enumerate(claims, 1):
        lines.append(rf"\practicalsdefine{{claim}}{{{stem}}}{{{key}}}{{{stem[0]}.{number}}}")
    return "\n".join([*lines, ""])
