r"""Figures: registered = present = shown in the report, published profile, current code."""

from collections.abc import Iterator
from pathlib import Path

from practicals import catalogue, paths, tex
from practicals.problems import RERUN, Problem

REGISTRY = "FIGURES_OF in src/practicals/catalogue.py"


def problems(current: dict[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the figures, given the notebooks' current hashes."""
    folder = paths.figures_dir("full")
    present = {path for path in folder.glob("*") if not path.name.startswith(".")}
    expected: set[Path] = set()
    for stem, code in current.items():
        for path in catalogue.files_of(stem, folder):
            expected.add(path)
            yield from _of_file(path, code) if path in present else [_missing(path, stem)]
    for path in sorted(present - expected):
        what = "is an orphan: no notebook registers it"
        yield Problem(f"figures/{path.name}", what, f"delete it, or add it to {REGISTRY}")
    yield from _shown(set(current))


def _missing(path: Path, stem: str) -> Problem:
    remedy = f"save it in notebooks/{stem}.ipynb, or take it out of {REGISTRY}; {RERUN}"
    return Problem(f"figures/{path.name}", "is registered, but missing", remedy)


def _of_file(path: Path, code: str) -> Iterator[Problem]:
    name = f"figures/{path.name}"
    stamp = catalogue.read_stamp(path)
    if not stamp:
        yield Problem(name, "carries no stamp: figures.save did not write it", RERUN)
    elif stamp["profile"] != "full":
        yield Problem(name, f"comes from the profile {stamp['profile']!r}, not from 'full'", RERUN)
    elif stamp["code"] != code:
        yield Problem(name, "is stale: its notebook's code changed since", RERUN)


def _shown(stems: set[str]) -> Iterator[Problem]:
    uses = tex.pictures()
    for use in uses:
        if use.name not in catalogue.FIGURES:
            what = f"is shown in {use.file}, but not registered"
            yield Problem(f"\\includegraphics{{{use.name}}}", what, f"add it to {REGISTRY}")
    shown = {use.name for use in uses}
    for name, stem in catalogue.FIGURES.items():
        printable = set(catalogue.formats_of(name)) - {"gif"}
        if stem in stems and printable and name not in shown:
            remedy = f"\\includegraphics it in report/chapters/{stem}.tex, or unregister it"
            yield Problem(
                f"figure {name}", "is registered, but the report does not show it", remedy
            )
