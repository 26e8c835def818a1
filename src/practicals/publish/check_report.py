"""What is wrong with what is read: the README, the report's chapters and sources, the PDF."""

from collections.abc import Iterable, Iterator

from practicals import paths, profile
from practicals.publish import front, report
from practicals.publish.problem import RERUN, Ledgers, Problem
from practicals.publish.vouched import hash_of


def problems(stems: Iterable[str], ledgers: Ledgers) -> Iterator[Problem]:
    """Yield all that is wrong, given the notebooks' stems."""
    yield from readme(ledgers)
    yield from chapters(stems)
    yield from citations()
    yield from pdf()


def readme(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield README where its table of main results is not what the ledgers say."""
    path = front.readme()
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if front.expected(text, ledgers) != text:
        yield Problem("README.md", "has a table of main results that no ledger gives", RERUN)


def chapters(stems: Iterable[str]) -> Iterator[Problem]:
    """Yield the chapters that are missing."""
    for stem in stems:
        if not (paths.report_dir() / "chapters" / f"{stem}.tex").exists():
            remedy = "write the chapter: every notebook has one"
            yield Problem(f"report/chapters/{stem}.tex", "is missing", remedy)


def citations() -> Iterator[Problem]:
    """Yield keys that are cited and not in the bibliography, and the other way round."""
    known, uses = report.bibliography(), report.citations()
    for use in dict.fromkeys(uses):
        if use.name not in known:
            what = f"is cited in {use.file}, but not in report/references.bib"
            yield Problem(f"\\cite{{{use.name}}}", what, "add the entry, or correct the key")
    written = {path.stem for path in report.sources()}
    # Entries may wait for their chapter until all chapters are there.
    if set(profile.BUDGET_OF) <= written:
        for key in sorted(known - {use.name for use in uses}):
            yield Problem(f"reference {key}", "is never cited", "cite it, or remove its entry")


def pdf() -> Iterator[Problem]:
    """Yield PDF where it is not the one that was last made, or not of today's sources."""
    file, record = report.pdf_path("full"), report.recorded("full")
    if not file.exists():
        yield Problem("report/report.pdf", "is missing", RERUN)
        return
    if record.get("profile") != "full" or record.get("pdf") != hash_of(file):
        yield Problem("report/report.pdf", "is not the PDF that make report last wrote", RERUN)
    now, then = report.input_hashes("full"), record.get("inputs", {})
    for name in sorted(now.keys() | then.keys()):
        if now.get(name) != then.get(name):
            what = f"is stale: {name} changed since it was made"
            yield Problem("report/report.pdf", what, RERUN)
