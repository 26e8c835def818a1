"""Prove that what is published is current: ``python -m practicals.publish.check``.

Notebooks, figures, numbers, claims and the PDF must all come from the full profile and the code as
it is, and every claim must hold. Each culprit is printed by name, with its remedy; the exit status
is 1 if there is one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from practicals import fingerprint, paths, profile
from practicals.publish import appendix, cleaning, front, numerals, render, report, style
from practicals.publish import claims as claims_of

HEAVY = 5_000_000
"""Bytes a tracked file may have."""
HEAVY_PDF = 15_000_000
"""Bytes the report may have."""
RERUN = "make report PROFILE=full"
PENDING: dict[str, str] = {}
"""Notebooks whose published outputs may be older than the code, and why. Their numbers, tables and
figures are still those of their ledger; the check says aloud that it does not vouch for more."""
Ledgers = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Problem:
    """A culprit by name, what is wrong with it, and the one-line remedy."""

    name: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}\n    remedy: {self.remedy}"


def _files() -> list[str]:
    """Return the files that git tracks or would add; raise OSError where git does not say."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=paths.root(), capture_output=True, check=False)
    if run.returncode:
        raise OSError(os.fsdecode(run.stderr).strip() or "git failed")
    return [os.fsdecode(name) for name in run.stdout.split(b"\0") if name]


def heavy_files() -> Iterator[Problem]:
    """Yield the files that are too heavy for the repository."""
    if not (paths.root() / ".git").exists():
        return
    try:
        names = _files()
    except OSError as error:
        yield Problem("git", f"cannot list the files: {error}", "do what git says, and check again")
        return
    for name in names:
        path = paths.root() / name
        limit = HEAVY_PDF if name == "report/report.pdf" else HEAVY
        if path.is_file() and path.stat().st_size > limit:
            what = f"is {path.stat().st_size / 1e6:.1f} MB, more than {limit / 1e6:.0f} MB"
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            yield Problem(shown, what, "make it smaller, or keep it under data/, outside git")


def nothing_published() -> bool:
    """Return whether no figure and no ledger of the full profile exists at all."""
    folders = (paths.figures_dir("full"), paths.generated_dir("full"))
    return not any(any(folder.glob("[!.]*")) for folder in folders)


def hashes() -> dict[str, str]:
    """Return stem → current hash under the full profile; ``unknown`` for one with a magic."""
    return {stem: _hash(stem) for stem in render.stems()}


def _hash(stem: str) -> str:
    try:
        return fingerprint.of_stem(stem, "full")
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def of_notebook(path: Path, code: str) -> Iterator[Problem]:
    """Yield what is wrong with one published notebook."""
    name = f"notebooks/{path.name}"
    if path.stem not in profile.BUDGET_OF:
        yield Problem(name, "has no budget", "add it to BUDGET_OF in src/practicals/profile.py")
    if path.stat().st_size > cleaning.LIMIT:
        size = path.stat().st_size / 1e6
        limit = cleaning.LIMIT / 1e6
        yield Problem(
            name, f"is {size:.1f} MB, more than {limit:.0f} MB", "show smaller figures in it"
        )
    try:
        nb = cleaning.read(path)
    except cleaning.Unreadable as error:
        yield Problem(name, f"cannot be read: {error}", "git checkout -- " + name)
        return
    if path.stem in PENDING:
        return
    found = [*_stamp(path, nb, code), *_ids(nb), *_cells(nb), *style.problems(path)]
    for what, remedy in found:
        yield Problem(name, what, remedy)


def _stamp(path: Path, nb: NotebookNode, code: str) -> Iterator[tuple[str, str]]:
    stamp = nb.metadata.get("practicals", {})
    if code == "unknown":
        try:
            fingerprint.notebook_hash(path, "full")
        except fingerprint.NotPlainPython as error:
            yield str(error), "remove the magic from the cell"
    elif not stamp:
        yield "has never been rendered: it has no stamp", RERUN
    elif stamp.get("profile") != "full":
        yield f"comes from the profile {stamp.get('profile')!r}, not from 'full'", RERUN
    elif stamp.get("hash") != code:
        yield "is stale: its code, its modules or its budgets changed since it ran", RERUN
    elif stamp.get("outputs") != cleaning.outputs_hash(nb.cells):
        yield "shows outputs that its last rendering did not write: edited, or run by hand", RERUN


def _ids(nb: NotebookNode) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, cell in enumerate(nb.cells, 1):
        identity = cell.get("id")
        if not identity or identity in seen:
            kind = f"the id {identity!r} of another" if identity else "no id"
            remedy = "python -m practicals.publish.render --clean-metadata FILE"
            yield f"cell {number} has {kind}", remedy
        seen.add(identity)


def _cells(nb: NotebookNode) -> Iterator[tuple[str, str]]:
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    for number, cell in enumerate(cells, 1):
        if cell.execution_count != number:
            yield f"code cell {number} carries the count [{cell.execution_count}]", RERUN
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}: {output.evalue}", RERUN
            for found in cleaning.absolute_paths(output, paths.root()):
                remedy = "print a path relative to the root, or silence the warning; " + RERUN
                yield f"code cell {number} shows the absolute path {found}", remedy


def _uses(found: list[report.Use], ledgers: Ledgers) -> list[report.Use]:
    """Leave out the uses in chapters that wait for their first run: the report leaves them out."""
    waiting = {f"{stem}.tex" for stem in PENDING if stem not in ledgers}
    return [use for use in found if Path(use.file).name not in waiting]


def figures(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield figures that are missing, altered, vouched for by no ledger, or shown nowhere."""
    folder = paths.figures_dir("full")
    vouched = {
        name: digest
        for ledger in ledgers.values()
        for name, digest in render.vouched_figures(ledger).items()
    }
    for name, digest in vouched.items():
        found = render.hash_of(folder / name)
        if found != digest:
            what = "is missing" if found is None else "is not the file that its notebook wrote"
            yield Problem(f"figures/{name}", what, RERUN)
    for path in sorted(folder.glob("[!.]*")):
        if path.name not in vouched and not path.name.startswith(tuple(PENDING)):
            yield Problem(
                f"figures/{path.name}", "is an orphan: no ledger vouches for it", "delete it"
            )
    known = {Path(name).stem for name in vouched}
    known |= {p.stem for stem in PENDING for p in folder.glob(f"{stem}-*")}
    uses = _uses(report.pictures(), ledgers)
    for use in uses:
        if use.name not in known:
            what = f"is shown in {use.file}, but no notebook draws it"
            yield Problem(f"\\includegraphics{{{use.name}}}", what, "correct the name, or draw it")
    printed = {Path(name).stem for name in vouched if not name.endswith(".gif")}
    for name in sorted(printed - {use.name for use in uses}):
        remedy = "\\includegraphics it in its chapter, or show it without ledger.figure"
        yield Problem(f"figure {name}", "is drawn, but the report does not show it", remedy)


def readme(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield README where its table of main results is not what the ledgers say."""
    path = front.readme()
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if front.expected(text, ledgers) != text:
        yield Problem("README.md", "has a table of main results that no ledger gives", RERUN)


def models(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield kept networks that are missing, altered, or kept by no notebook."""
    folder = paths.output_dir("full") / "data" / "models"
    vouched = {
        name: d for ledger in ledgers.values() for name, d in ledger.get("models", {}).items()
    }
    for name, digest in vouched.items():
        found = render.hash_of(folder / name)
        if found != digest:
            what = "is missing" if found is None else "is not the file that its notebook kept"
            yield Problem(f"data/models/{name}", what, RERUN)
    for path in sorted(folder.glob("[!.]*")):
        if path.name not in vouched:
            yield Problem(f"data/models/{path.name}", "is an orphan: no ledger has it", "delete it")


def claims(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield claims that do not hold, and those that say so against their own numbers."""
    for stem, ledger in ledgers.items():
        kept = ledger.get("claims", {})
        again = claims_of.corrected(claims_of.from_entry(*item) for item in kept.items())
        for (key, claim), derived in zip(kept.items(), again, strict=True):
            if claim != derived.entry():
                what = "does not follow from its own numbers: edited by hand?"
                yield Problem(f"{stem}: claim {key}", what, RERUN)
            elif not claim["holds"]:
                remedy = "change the sentence to what the numbers say, or drop it; " + RERUN
                yield Problem(f"{stem}: claim {key}", "does not hold in the full profile", remedy)


def _read(stem: str) -> dict[str, Any]:
    return render.read_ledger(paths.generated_dir("full") / f"{stem}.json")


def _of_ledger(stem: str, ledger: dict[str, Any], code: str) -> Iterator[Problem]:
    name = f"report/generated/{stem}.json"
    if not ledger:
        if stem not in PENDING:
            yield Problem(name, "is missing or unreadable", RERUN)
    elif ledger["profile"] != "full":
        yield Problem(name, f"comes from the profile {ledger['profile']!r}, not from 'full'", RERUN)
    elif ledger["code"] != code and stem not in PENDING:
        yield Problem(name, "is stale: its notebook's code changed since", RERUN)
    elif ledger["seed"] != profile.get("full").seed:
        yield Problem(
            name, f"comes from seed {ledger['seed']}, not from that of the profile", RERUN
        )
    if ledger:
        path = paths.generated_dir("full") / f"{stem}.tex"
        if _text(path) != _definitions(stem, ledger):
            what = "is missing or differs from its ledger: edited by hand?"
            yield Problem(f"report/generated/{stem}.tex", what, RERUN)


def _definitions(stem: str, ledger: dict[str, Any]) -> str:
    return numerals.definitions(stem, ledger["values"], list(ledger.get("claims", {})))


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def _numbers(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield numbers used but not defined, and recorded but never used."""
    defined = {
        (macro, stem, key)
        for stem, ledger in ledgers.items()
        for macro, key in numerals.defined(ledger["values"])
    }
    defined |= {
        ("claim", s, key) for s, ledger in ledgers.items() for key in ledger.get("claims", {})
    }
    uses = _uses(report.numbers(), ledgers)
    for use in dict.fromkeys(uses):
        if (use.macro, use.stem, use.name) not in defined:
            name = f"\\{use.macro}{{{use.stem}}}{{{use.name}}}"
            remedy = "record the key (with std= for \\respm, n= for \\resn), or correct its name"
            yield Problem(name, f"is used in {use.file}, but not in the ledger", remedy)
    used = {(use.stem, use.name) for use in uses} | set(appendix.uses())
    for stem, ledger in ledgers.items():
        in_tables = {key for table in ledger["tables"].values() for key in table["keys"]}
        for key in ledger["values"]:
            if key not in in_tables and (stem, key) not in used:
                remedy = "use it in the chapter or in a table, or do not record it"
                yield Problem(f"{stem}: {key}", "is recorded, but the report never uses it", remedy)


def _published(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield numbers and claims that ``published.json`` names and no ledger has."""
    named = [(stem, key, "values") for stem, key in appendix.uses()]
    chosen = appendix.published().get("claims", {})
    named += [(stem, key, "claims") for stem, keys in chosen.items() for key in keys]
    for stem, key, kind in named:
        if stem in ledgers and key not in ledgers[stem].get(kind, {}):
            what = f"is named in report/published.json, but not among the {kind} of the ledger"
            yield Problem(f"{stem}: {key}", what, "correct the name there, or drop the line")


def _tables(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield tables that are missing, edited, not used or not generated."""
    folder = paths.generated_dir("full")
    generated = {
        f"{stem}-{name}": table["sha256"]
        for stem, ledger in ledgers.items()
        for name, table in ledger["tables"].items()
    }
    uses = [use for use in report.inputs() if use.name.startswith(tuple(f"{s}-" for s in ledgers))]
    for use in uses:
        if use.name not in generated:
            what = f"is used in {use.file}, but no ledger generates it"
            yield Problem(f"\\input{{{use.name}}}", what, "correct the name, or add ledger.table")
    used = {use.name for use in uses}
    for name, sha256 in generated.items():
        file = folder / f"{name}.tex"
        if not file.exists():
            yield Problem(f"report/generated/{name}.tex", "is missing", RERUN)
        elif report.sha256_of(file) != sha256:
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
    known, uses = report.bibliography(), report.citations()
    for use in dict.fromkeys(uses):
        if use.name not in known:
            what = f"is cited in {use.file}, but not in report/references.bib"
            yield Problem(f"\\cite{{{use.name}}}", what, "add the entry, or correct the key")
    chapters = {path.stem for path in report.sources()}
    # Entries may wait for their chapter until all chapters are there.
    if set(profile.BUDGET_OF) <= chapters:
        for key in sorted(known - {use.name for use in uses}):
            yield Problem(f"reference {key}", "is never cited", "cite it, or remove its entry")


def _pdf() -> Iterator[Problem]:
    pdf, record = report.pdf_path("full"), report.recorded("full")
    if not pdf.exists():
        yield Problem("report/report.pdf", "is missing", RERUN)
        return
    if record.get("profile") != "full" or record.get("pdf") != report.sha256_of(pdf):
        yield Problem("report/report.pdf", "is not the PDF that make report last wrote", RERUN)
    now, then = report.input_hashes("full"), record.get("inputs", {})
    for name in sorted(now.keys() | then.keys()):
        if now.get(name) != then.get(name):
            what = f"is stale: {name} changed since it was made"
            yield Problem("report/report.pdf", what, RERUN)


def of_report(current: dict[str, str], ledgers: Ledgers) -> Iterator[Problem]:
    """Yield what is wrong with ledgers and report, given the notebooks' current hashes."""
    for stem, code in current.items():
        yield from _of_ledger(stem, ledgers.get(stem, {}), code)
        if not (paths.report_dir() / "chapters" / f"{stem}.tex").exists():
            remedy = "write the chapter: every notebook has one"
            yield Problem(f"report/chapters/{stem}.tex", "is missing", remedy)
    yield from _numbers(ledgers)
    yield from _published(ledgers)
    yield from _tables(ledgers)
    yield from _orphans(ledgers)
    yield from _citations()
    yield from _pdf()


def problems() -> list[Problem]:
    """Return all that is wrong with the repository's published outputs."""
    current = hashes()
    read = {stem: _read(stem) for stem in current}
    ledgers = {stem: ledger for stem, ledger in read.items() if ledger}
    found = list(heavy_files())
    for stem, code in current.items():
        found += of_notebook(paths.notebooks_dir() / f"{stem}.ipynb", code)
    of_chapters = (figures, models, claims, readme)
    found += [problem for kind in of_chapters for problem in kind(ledgers)]
    return [*found, *of_report(current, ledgers)]


def main() -> int:
    """Print the problems and return the exit status."""
    began = time.perf_counter()
    if nothing_published():
        print(f"check: no output of the full profile exists yet. Make it with: {RERUN}")
        return 1
    found = problems()
    for problem in found:
        print(problem)
    for stem in sorted(set(PENDING) & set(render.stems())):
        print(f"check: NOT VOUCHED FOR: notebooks/{stem}.ipynb: {PENDING[stem]}")
    seconds = time.perf_counter() - began
    verdict = f"{len(found)} problem(s)" if found else "everything published is current"
    print(f"check: {verdict} ({seconds:.1f} s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
