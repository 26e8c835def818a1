"""The table of main results in README.md, written from the ledgers: nobody types a number there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from practicals import paths
from practicals.paths import atomic_path
from practicals.publish import appendix, numerals

START, END = "<!-- main results: written by make report PROFILE=full -->\n", "<!-- end -->\n"
Ledgers = Mapping[str, Mapping[str, Any]]


def readme() -> Path:
    """Return the file."""
    return paths.root() / "README.md"


def table(ledgers: Ledgers) -> str:
    """Return the results that ``published.json`` lists for the front, in Markdown."""
    lines = ["| chapter | what was measured | result |", "|---|---|---|"]
    for stem, rows in appendix.published().get("front", {}).items():
        values = ledgers.get(stem, {}).get("values", {})
        for key, what in rows.items():
            if key in values:
                entry = values[key]
                shown = numerals.respm(entry) if "std" in entry else numerals.res(entry)
                lines.append(f"| {stem[0]} | {what} | {shown} |")
    return "\n".join([*lines, ""])


def expected(text: str, ledgers: Ledgers) -> str:
    """Return README's text with the table as the ledgers have it; unchanged without the marks."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    return f"{before}{START}{table(ledgers)}{END}{after}" if start and end else text


def write(ledgers: Ledgers) -> bool:
    """Bring the table up to date; return whether that changed the file."""
    path = readme()
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    new = expected(text, ledgers)
    if new != text:
        with atomic_path(path) as partial:
            partial.write_text(new, encoding="utf-8")
    return new != text
