"""What ledgers vouch for, against what is there and what the report uses.

``pending`` holds the stems of the notebooks whose run is due: what such a run would mend is no
problem.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from practicals import paths, profile
from practicals.publish import appendix, numerals, report, vouched
from practicals.publish import claims as claims_of
from practicals.publish.problem import RERUN, Ledgers, Problem

Pending = Collection[str]


def problems(current: Mapping[str, str], ledgers: Ledgers, pending: Pending) -> Iterator[Problem]:
    """Yield all that is wrong, given the notebooks' current hashes by stem."""
    yield from figures(ledgers, pending)
    yield from models(ledgers)
    yield from claims(ledgers)
    for stem, code in current.items():
        yield from of_ledger(stem, ledgers.get(stem, {}), code, pending)
    yield from numbers(ledgers, pending)
    yield from published(ledgers)
    yield from tables(ledgers)
    yield from orphans(ledgers)


def _uses(found: list[report.Use], ledgers: Ledgers, pending: Pending) -> list[report.Use]:
    """Leave out the uses in chapters that wait for their first run: the report leaves them out."""
    waiting = {f"{stem}.tex" for stem in pending if stem not in ledgers}
    return [use for use in found if Path(use.file).name not in waiting]


def figures(ledgers: Ledgers, pending: Pending) -> Iterator[Problem]:
    """Yield figures that are missing, altered, vouched for by no ledger, or shown nowhere."""
    folder = paths.figures_dir("full")
    expected = {
        name: digest
        for ledger in ledgers.values()
        for name, digest in vouched.figures(ledger).items()
    }
    for name, digest in expected.items():
        found = vouched.hash_of(folder / name)
        if found != digest:
            what = "is missing" if found is None else "is not the file that its notebook wrote"
            yield Problem(f"figures/{name}", what, RERUN)
    for path in sorted(folder.glob("[!.]*")):
        if path.name not in expected and not path.name.startswith(tuple(pending)):
            yield Problem(
                f"figures/{path.name}", "is an orphan: no ledger vouches for it", "delete it"
            )
    known = {Path(name).stem for name in expected}
    known |= {p.stem for stem in pending for p in folder.glob(f"{stem}-*")}
    uses = _uses(report.pictures(), ledgers, pending)
    for use in uses:
        if use.name not in known:
            what = f"is shown in {use.file}, but no notebook draws it"
            yield Problem(f"\\includegraphics{{{use.name}}}", what, "correct the name, or draw it")
    printed = {Path(name).stem for name in expected if not name.endswith(".gif")}
    for name in sorted(printed - {use.name for use in uses}):
        remedy = "\\includegraphics it in its chapter, or show it without ledger.figure"
        yield Problem(f"figure {name}", "is drawn, but the report does not show it", remedy)


def models(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield kept networks that are missing, altered, or kept by no notebook."""
    folder = paths.output_dir("full") / "data" / "models"
    expected = {
        name: d for ledger in ledgers.values() for name, d in ledger.get("models", {}).items()
    }
    for name, digest in expected.items():
        found = vouched.hash_of(folder / name)
        if found != digest:
            what = "is missing" if found is None else "is not the file that its notebook kept"
            yield Problem(f"data/models/{name}", what, RERUN)
    for path in sorted(folder.glob("[!.]*")):
        if path.name not in expected:
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


def of_ledger(
    stem: str, ledger: Mapping[str, Any], code: str, pending: Pending
) -> Iterator[Problem]:
    """Yield what is wrong with one ledger and the numbers that LaTeX reads."""
    name = f"report/generated/{stem}.json"
    if not ledger:
        if stem not in pending:
            yield Problem(name, "is missing or unreadable", RERUN)
    elif ledger["profile"] != "full":
        yield Problem(name, f"comes from the profile {ledger['profile']!r}, not from 'full'", RERUN)
    elif ledger["code"] != code and stem not in pending:
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


def _definitions(stem: str, ledger: Mapping[str, Any]) -> str:
    return numerals.definitions(stem, ledger["values"], list(ledger.get("claims", {})))


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def numbers(ledgers: Ledgers, pending: Pending) -> Iterator[Problem]:
    """Yield numbers used but not defined, and recorded but never used."""
    defined = {
        (macro, stem, key)
        for stem, ledger in ledgers.items()
        for macro, key in numerals.defined(ledger["values"])
    }
    defined |= {
        ("claim", s, key) for s, ledger in ledgers.items() for key in ledger.get("claims", {})
    }
    uses = _uses(report.numbers(), ledgers, pending)
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


def published(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield numbers and claims that ``published.json`` names and no ledger has."""
    named = [(stem, key, "values") for stem, key in appendix.uses()]
    chosen = appendix.published().get("claims", {})
    named += [(stem, key, "claims") for stem, keys in chosen.items() for key in keys]
    for stem, key, kind in named:
        if stem in ledgers and key not in ledgers[stem].get(kind, {}):
            what = f"is named in report/published.json, but not among the {kind} of the ledger"
            yield Problem(f"{stem}: {key}", what, "correct the name there, or drop the line")


def tables(ledgers: Ledgers) -> Iterator[Problem]:
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
        elif vouched.hash_of(file) != sha256:
            what = "differs from its ledger: edited by hand?"
            yield Problem(f"report/generated/{name}.tex", what, RERUN)
        if name not in used:
            remedy = f"\\input{{{name}}} in the chapter, or drop the table from the notebook"
            yield Problem(f"table {name}", "is generated, but the report does not show it", remedy)


def orphans(ledgers: Ledgers) -> Iterator[Problem]:
    """Yield files among the generated ones that no ledger accounts for."""
    expected = {"report.json"}
    for stem, ledger in ledgers.items():
        expected |= {f"{stem}.json", f"{stem}.tex"}
        expected |= {f"{stem}-{name}.tex" for name in ledger["tables"]}
    for path in sorted(paths.generated_dir("full").glob("*")):
        if path.name not in expected and not path.name.startswith("."):
            what = "is an orphan: no ledger generates it"
            yield Problem(f"report/generated/{path.name}", what, "delete it")
