"""Numbers as readers see them, text as LaTeX wants it, and a ledger's numbers as macros.

The macros are ``\\res{stem}{key}``, ``\\respm`` (± std), ``\\resn`` (n) and ``\\claim``.
"""

from collections.abc import Sequence
from typing import Any

from provenance.format import THIN, UNITS, bare, shown, significant, to_html, to_tex

__all__ = ["THIN", "UNITS", "bare", "shown", "significant", "to_html", "to_tex"]


def res(entry: dict[str, Any]) -> str:
    """Return a recorded number as text, with its unit's sign."""
    return shown(entry["value"], entry["unit"])


def respm(entry: dict[str, Any]) -> str | None:
    """Return a recorded number with its spread, or None where it has none."""
    std = entry.get("std")
    return None if std is None else shown(entry["value"], entry["unit"], std)


def resse(entry: dict[str, Any]) -> str | None:
    """Return a recorded number with its standard error, or None where it has none."""
    error = entry.get("se")
    return None if error is None else shown(entry["value"], entry["unit"], error)


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
