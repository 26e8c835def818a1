r"""Numbers, tables, citations and the PDF: all defined, all used, all current."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from practicals import catalogue, macros, paths, tex
from practicals.problems import RERUN, Problem

Ledgers = dict[str, dict[str, Any]]


def problems(current: dict[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with ledgers and report, given the notebooks' current hashes."""
    ledgers = {stem: _read(stem) for stem in current}
    for stem, code in current.items():
        yield from _of_ledger(stem, ledgers[stem], code)
        if not (paths.report_dir() / "chapters" / f"{stem}.tex").exists():
            remedy = "write the chapter: every notebook has one"
            yield Problem(f"report/chapters/{stem}.tex", "is missing", remedy)
    known = {stem: ledger for stem, ledger in ledgers.items() if ledger}
    yield from _numbers(known)
    yield from _tables(known)
    yield from _orphans(known)
    yield from _citations()
    yield from _pdf()


def _read(stem: str) -> dict[str, Any]:
    path = paths.generated_dir("full") / f"{stem}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _of_ledger(stem: str, ledger: dict[str, Any], code: str) -> Iterator[Problem]:
    name = f"report/generated/{stem}.json"
    if not ledger:
        yield Problem(name, "is missing or unreadable", RERUN)
    elif ledger["profile"] != "full":
        yield Problem(name, f"comes from the profile {ledger['profile']!r}, not from 'full'", RERUN)
    elif ledger["code"] != code:
        yield Problem(name, "is stale: its notebook's code changed since", RERUN)
    if ledger:
        path = paths.generated_dir("full") / f"{stem}.tex"
        if _text(path) != macros.definitions(stem, ledger["values"]):
            what = "is missing or differs from its ledger: edited by hand?"
            yield Problem(f"report/generated/{stem}.tex", what, RERUN)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _numbers(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield numbers used but not defined, and recorded but never used."""
    defined = {
        (macro, stem, key)
        for stem, ledger in ledgers.items()
        for macro, key in macros.defined(ledger["values"])
    }
    uses = tex.numbers()
    for use in dict.fromkeys(uses):
        if (use.macro, use.stem, use.name) not in defined:
            name = f"\\{use.macro}{{{use.stem}}}{{{use.name}}}"
            remedy = "record the key (with std= for \\respm, n= for \\resn), or correct its name"
            yield Problem(name, f"is used in {use.file}, but not in the ledger", remedy)
    used = {(use.stem, use.name) for use in uses}
    for stem, ledger in ledgers.items():
        in_tables = {key for table in ledger["tables"].values() for key in table["keys"]}
        for key in ledger["values"]:
            if key not in in_tables and (stem, key) not in used:
                remedy = "use it in the chapter or in a table, or do not record it"
                yield Problem(f"{stem}: {key}", "is recorded, but the report never uses it", remedy)


def _tables(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield tables that are missing, edited, not used or not generated."""
    folder = paths.generated_dir("full")
    generated = {
        f"{stem}-{name}": table["sha256"]
        for stem, ledger in ledgers.items()
        for name, table in ledger["tables"].items()
    }
    uses = [use for use in tex.inputs() if use.name.startswith(tuple(f"{s}-" for s in ledgers))]
    for use in uses:
        if use.name not in generated:
            what = f"is used in {use.file}, but no ledger generates it"
            yield Problem(f"\\input{{{use.name}}}", what, "correct the name, or add ledger.table")
    used = {use.name for use in uses}
    for name, sha256 in generated.items():
        file = folder / f"{name}.tex"
        if not file.exists():
            yield Problem(f"report/generated/{name}.tex", "is missing", RERUN)
        elif tex.sha256_of(file) != sha256:
            what = "differs from its ledger: edited by hand?"
            yield Problem(f"report/generated/{name}.tex", what, RERUN)
        if name not in used:
            remedy = f"\\input{{{name}}} in the chapter, or drop the table from the notebook"
            yield Problem(f"table {name}", "is generated, but the report does not show it", remedy)


def _orphans(ledgers: Ledgers) -> Iterator[Problem]:
    expected = {"report.json"}
    for stem, ledger in ledgers.items():
        expected |= {f"{stem}.json", f"{stem}.tex"}
        expected |= {f"{stem}-{name}.tex" for name in ledger["tables"]}
    for path in sorted(paths.generated_dir("full").glob("*")):
        if path.name not in expected and not path.name.startswith("."):
            what = "is an orphan: no ledger generates it"
            yield Problem(f"report/generated/{path.name}", what, "delete it")


def _citations() -> Iterator[Problem]:
    known, uses = tex.bibliography(), tex.citations()
    for use in dict.fromkeys(uses):
        if use.name not in known:
            what = f"is cited in {use.file}, but not in report/references.bib"
            yield Problem(f"\\cite{{{use.name}}}", what, "add the entry, or correct the key")
    chapters = {path.stem for path in tex.sources()}
    # Entries may wait for their chapter until all chapters are there.
    if set(catalogue.BUDGET_OF) <= chapters:
        for key in sorted(known - {use.name for use in uses}):
            yield Problem(f"reference {key}", "is never cited", "cite it, or remove its entry")


def _pdf() -> Iterator[Problem]:
    pdf, record = tex.pdf_path("full"), tex.recorded("full")
    if not pdf.exists():
        yield Problem("report/report.pdf", "is missing", RERUN)
        return
    if record.get("profile") != "full" or record.get("pdf") != tex.sha256_of(pdf):
        yield Problem("report/report.pdf", "is not the PDF that make report last wrote", RERUN)
    now, then = tex.input_hashes("full"), record.get("inputs", {})
    for name in sorted(now.keys() | then.keys()):
        if now.get(name) != then.get(name):
            what = f"is stale: {name} changed since it was made"
            yield Problem("report/report.pdf", what, RERUN)
