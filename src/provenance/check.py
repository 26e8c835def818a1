"""Prove that what is published is current: ``python -m provenance.check``.

Each chapter's JSON holds a manifest (path to sha256) of what its notebook wrote, the notebook's
stamp holds the hash of that JSON, of the code and of the outputs, and ``report.json`` those of all
that LaTeX read. Culprits are printed by name with the remedy; the exit status is 1 if there is one.
An outcome of a claim is never a culprit; a text that relies on another outcome is.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat.v4

from . import claims, codehash, project, report
from .project import Project, ProvenanceError, sha256_of

STAMP = "provenance"
ROOTS = "home|root|tmp|work|workspace|Users|mnt|media|opt|usr|var|private|srv|content|builds|github"
ABSOLUTE = re.compile(rf"(?<![\w.])(?:/(?:{ROOTS})/|[A-Z]:\\+Users\\)[^\s'\"<>)]*")
EXEMPT = re.compile(
    r"\$\$.*?\$\$|\$[^$\n]+\$|```.*?```|`[^`\n]*`|^#[^\n]*$|<!--.*?-->", re.S | re.M
)
"""Formulas, code and settings, headings: no measured numbers."""
CITED = re.compile(r"\b(?:19|20)\d\d\b|\bpublished\b", re.I)
"""What makes a sentence one about somebody's result: a year, or the word."""
SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n\n")
NUMBER = re.compile(
    r"(?<![\w.])[−-]?\d+\.\d+(?![\w.]*\w)|(?<![\w.])\d+(?:\.\d+)?(?=[\s\u202f\u00a0]?%)"
)
Problems = Iterator[tuple[str, str]]


def rerun() -> str:
    """Return the command that mends what only a new run can mend."""
    return f"make report PROFILE={project.current().published}"


def is_picture(mime: str) -> bool:
    """Return whether an output of this kind is a picture and not text."""
    return mime.startswith("image/") and mime != "image/svg+xml"


def shown_text(output: Any) -> str:
    """Return all that a reader sees of an output as text; pictures give nothing."""
    parts = [output.get("text", ""), *output.get("traceback", [])]
    parts += [str(v) for mime, v in output.get("data", {}).items() if not is_picture(mime)]
    return "\n".join(parts)


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook as it is; raise ProvenanceError for what is no valid notebook."""
    try:
        nb = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        ids = [cell.get("id") for cell in nb.cells]
        if len(set(ids)) < len(ids):  # nbformat would repair them
            raise ValueError("two cells have the same id: python -m provenance.render --strip FILE")
        nbformat.validate(nb)
        return nb
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ProvenanceError(f"{path.name} is no readable notebook ({error})") from None
    except nbformat.ValidationError as error:
        raise ProvenanceError(f"{path.name} is no valid notebook ({error.message})") from None


def outputs_hash(nb: nbformat.NotebookNode) -> str:
    """Return one hash of what code cells show and of what nbgrader marks, points included."""
    cells = [c.get("outputs", []) for c in nb.cells if c.cell_type == "code"]
    marks = [cell.metadata.get("nbgrader") for cell in nb.cells]
    return sha256(json.dumps([cells, marks], sort_keys=True).encode()).hexdigest()


def has_moved(nb: nbformat.NotebookNode) -> bool:
    """Return whether a notebook hands over by ``Chapter``, so that DESIGN's limits hold for it."""
    return any("Chapter(" in c.source for c in nb.cells if c.cell_type == "code")


def of_stem(stem: str, profile: str) -> Problems:
    """Yield what a new run of one notebook would mend: each with its name."""
    here = project.current()
    path = here.notebooks(profile) / f"{stem}.ipynb"
    ledger = here.generated(profile) / f"{stem}.json"
    try:
        code = codehash.notebook_hash(here.notebooks() / f"{stem}.ipynb", profile)
        nb, facts = read(path), _facts(ledger)
    except (OSError, ProvenanceError) as error:
        yield f"{stem}.ipynb", project.complain(error)
        return
    stamp = nb.metadata.get(STAMP, {})
    wanted = {
        "profile": (profile, f"is not of the profile {profile!r}"),
        "code": (code, "is stale: its code or what it reaches changed since it ran"),
        "outputs": (outputs_hash(nb), "has outputs or points that its run did not write"),
        "ledger": (sha256_of(ledger), f"does not vouch for {stem}.json: edited by hand?"),
    }
    yield from ((f"{stem}.ipynb", why) for k, (v, why) in wanted.items() if stamp.get(k) != v)
    for name, digest in facts["manifest"].items():
        base = here.root if name == here.lock else here.output(profile)
        if (found := sha256_of(base / name)) != digest:
            yield name, "is not what the run left" if found else "is missing"


def _facts(path: Path) -> dict[str, Any]:
    """Return what a chapter has handed over; raise ProvenanceError where it has another form."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProvenanceError(f"{path.name} is missing or unreadable ({error})") from None
    manifest = found.get("manifest") if isinstance(found, dict) else None
    if not isinstance(manifest, dict) or not all(isinstance(v, str) for v in manifest.values()):
        raise ProvenanceError(f"{path.name} has no manifest of paths and hashes")
    return found


def _of_notebook(path: Path) -> Problems:
    """Yield what is wrong with a published notebook as it stands, whatever its code."""
    try:
        nb = read(path)
    except ProvenanceError:  # of_stem has said so
        return
    cells = [c for c in nb.cells if c.cell_type == "code" and c.source.strip()]
    for number, cell in enumerate(cells, 1):
        if cell.execution_count != number:
            yield f"code cell {number} carries the count [{cell.execution_count}]", rerun()
        for output in cell.outputs:
            text = shown_text(output)
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}: {output.evalue}", rerun()
            for found in ABSOLUTE.findall(text) or [str(project.current().root)]:
                if found in text:
                    yield f"code cell {number} shows the absolute path {found}", rerun()
    if has_moved(nb):
        yield from _limits(nb)
        for number, text in unseen_numbers(nb):
            yield f"markdown cell {number} says {text}, which no output shows", "correct the text"


def counts(nb: nbformat.NotebookNode) -> dict[str, float]:
    """Return what DESIGN limits: cells, lines, words, calls of ``book.``, claims, lengths."""
    code = [c.source for c in nb.cells if c.cell_type == "code" and c.source.strip()]
    lines = sorted(sum(bool(line.strip()) for line in text.splitlines()) for text in code) or [0]
    words = (len(re.findall(r"\w+", c.source)) for c in nb.cells if c.cell_type == "markdown")
    return {
        "cells": len(code),
        "lines": sum(lines),
        "median": statistics.median(lines),
        "p90": lines[int(0.9 * (len(lines) - 1))],
        "longest": lines[-1],
        "words": sum(words),
        "calls": sum(len(re.findall(r"\bbook\.\w+\(", text)) for text in code),
        "claims": sum(text.count("book.claim(") for text in code),
    }


def _limits(nb: nbformat.NotebookNode) -> Problems:
    for name, found in counts(nb).items():
        limit = project.current().limit(name)
        if found > limit:
            yield f"has {name} {found:g}, more than {limit:g}", "take away what nobody would miss"


def unseen_numbers(nb: nbformat.NotebookNode) -> Iterator[tuple[int, str]]:
    """Yield the decimals and percentages in prose that no output of the notebook shows.

    Years, formulas, headings, code and what is cited with its year are exempt.
    """
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    seen = {_plain(n) for o in outputs for n in re.findall(r"[−-]?[\d,]*\.?\d+", shown_text(o))}
    for number, cell in enumerate((c for c in nb.cells if c.cell_type == "markdown"), 1):
        for sentence in SENTENCE.split(EXEMPT.sub(" ", cell.source)):
            found = [] if CITED.search(sentence) else NUMBER.findall(sentence)
            yield from ((number, text) for text in found if _plain(text) not in seen)


def _plain(number: str) -> str:
    return number.lstrip("−-").replace(",", "")


def _of_claims(facts: dict[str, Any]) -> Problems:
    """Yield claims whose outcome does not follow from their own numbers."""
    kept = facts.get("claims", [])
    if not isinstance(kept, list):  # a chapter that has not moved
        return
    again = claims.corrected(map(claims.from_entry, kept))
    for entry, claim in zip(kept, again, strict=True):
        if entry != claim.entry():
            yield f"claim {claim.name} does not follow from its own numbers", rerun()


def _tracked(here: Project) -> Problems:
    """Yield files that are too heavy for the repository."""
    if not (here.root / ".git").exists():
        return
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=here.root, capture_output=True, check=False)
    if run.returncode:
        yield "git", os.fsdecode(run.stderr).strip() or "cannot list the files"
    for raw in filter(None, run.stdout.split(b"\0")):
        path = here.root / os.fsdecode(raw)
        limit = here.limit("pdf_megabytes" if path.suffix == ".pdf" else "megabytes")
        if path.is_file() and path.stat().st_size > limit * 1e6:
            name = raw.decode("utf-8", "backslashreplace")
            yield name, f"is {path.stat().st_size / 1e6:.1f} MB, more than {limit:g} MB"


def _orphans(here: Project, ledgers: dict[str, dict[str, Any]]) -> Problems:
    """Yield files beside the published ones that no chapter vouches for, hidden ones included."""
    if set(here.stems()) - set(ledgers):  # who cannot be read may vouch for them
        return
    known = {name for facts in ledgers.values() for name in facts["manifest"]}
    generated = f"{here.report}/generated"
    known |= {f"{generated}/{stem}.json" for stem in ledgers} | {f"{generated}/report.json"}
    made = (path for pattern in here.made for path in here.root.glob(pattern))
    known |= {path.relative_to(here.root).as_posix() for path in made}
    for folder in ("figures", generated, here.models):
        for path in sorted((here.root / folder).rglob("*")):
            name = path.relative_to(here.root).as_posix()
            if path.is_file() and name not in known:
                yield name, "is an orphan: no chapter vouches for it; delete it"


def _of_report(here: Project, ledgers: dict[str, dict[str, Any]]) -> Problems:
    """Yield what is wrong with the PDF: stale, or a text that relies on another outcome."""
    record = report.recorded(here.published)
    pdf = f"{here.report}/report.pdf"
    for name in report.stale(here.published):
        yield pdf, f"is stale: {name} changed since it was made"
    outcomes = {
        f"{stem}/{claim['name']}": claim["outcome"]
        for stem, facts in ledgers.items()
        if isinstance(facts.get("claims"), list)
        for claim in facts["claims"]
    }
    for name, relied in record.get("claims", []):
        if outcomes.get(name) != relied:
            found = outcomes.get(name, "not among the claims")
            yield f"\\claim{{{name}}}{{{relied}}}", f"relies on an outcome that is {found}"
    read_by_latex = set(record.get("inputs", {}))
    for name in sorted(n for facts in ledgers.values() for n in facts["manifest"]):
        twin = Path(name).with_suffix(".pdf").as_posix()  # a chapter that has not moved keeps two
        printed = Path(name).suffix in (".pdf", ".jpg", ".tex") or twin == name
        if printed and name not in read_by_latex and twin not in read_by_latex:
            yield name, "is written by its notebook, but the report does not show it"


def problems() -> list[tuple[str, str, str]]:
    """Return all that is wrong with what is published: name, what it is, remedy."""
    here, found, ledgers = project.current(), [], {}
    for stem in here.stems():
        path = here.notebooks() / f"{stem}.ipynb"
        found += [(name, what, rerun()) for name, what in of_stem(stem, here.published)]
        found += [(f"{stem}.ipynb", what, remedy) for what, remedy in _of_notebook(path)]
        try:
            facts = _facts(here.generated(here.published) / f"{stem}.json")
            found += [(f"{stem}.json", *culprit) for culprit in _of_claims(facts)]
            ledgers[stem] = facts
        except (ProvenanceError, KeyError, TypeError, ValueError) as error:
            found.append((f"{stem}.json", f"has another form than a chapter's: {error}", rerun()))
    others = [*_tracked(here), *_orphans(here, ledgers), *_of_report(here, ledgers)]
    return found + [(name, what, rerun()) for name, what in others]


def main() -> int:
    """Print the problems, and what is not yet checked; return the exit status."""
    began, here = time.perf_counter(), project.current()
    found = problems()
    for name, what, remedy in dict.fromkeys(found):
        print(f"{name}: {what}\n    remedy: {remedy}")
    for stem in here.stems():
        try:
            nb = read(here.notebooks() / f"{stem}.ipynb")
        except ProvenanceError:
            continue
        if not has_moved(nb):
            count = len(list(unseen_numbers(nb)))
            unseen = f"{count} numbers of its prose are not seen in its outputs"
            print(f"check: note: {stem}.ipynb has not moved: {unseen}")
    verdict = f"{len(found)} problem(s)" if found else "everything published is current"
    print(f"check: {verdict} ({time.perf_counter() - began:.1f} s)")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(project.command(main, "check"))
