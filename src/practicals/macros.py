r"""A ledger's numbers as LaTeX macros: ``\res{stem}{key}``, ``\respm`` (± std), ``\resn`` (n)."""

from typing import Any

from practicals import numerals


def res(entry: dict[str, Any]) -> str:
    """Return a recorded number as text, with its unit's sign."""
    return numerals.shown(entry["value"], entry["unit"])


def respm(entry: dict[str, Any]) -> str | None:
    """Return a recorded number with its spread, or None where it has none."""
    std = entry.get("std")
    return None if std is None else numerals.shown_pm(entry["value"], std, entry["unit"])


def resn(entry: dict[str, Any]) -> str | None:
    """Return a recorded number's sample size, or None where it has none."""
    return None if "n" not in entry else numerals.bare(entry["n"], "count")


def resint(entry: dict[str, Any]) -> str:
    """Return a recorded number rounded to an integer."""
    return numerals.bare(entry["value"], "count")


MACROS = {"res": res, "respm": respm, "resn": resn}


def defined(values: dict[str, dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return the text of every macro: (macro, key) → text, for the entries of a ledger."""
    texts = {(m, key): form(entry) for key, entry in values.items() for m, form in MACROS.items()}
    return {name: text for name, text in texts.items() if text is not None}


def definitions(stem: str, values: dict[str, dict[str, Any]]) -> str:
    """Return the LaTeX file that defines the macros of the notebook ``stem``."""
    lines = [f"% The numbers of {stem}, written by its notebook: do not edit."]
    for (macro, key), text in defined(values).items():
        lines.append(rf"\practicalsdefine{{{macro}}}{{{stem}}}{{{key}}}{{{numerals.to_tex(text)}}}")
    return "\n".join([*lines, ""])
