"""Make the PDF: ``python -m provenance.report``.

LaTeX finds figures, numbers and tables of a profile through its search path, so that the sources
name no profile. What it read is asked of LaTeX itself (its ``.fls``), and so is which outcome of a
claim the text relies on. All of it is written below ``build/``; only a finished PDF leaves.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import project
from .project import ProvenanceError, sha256_of

OVERFULL = re.compile(r"^Overfull \\[hv]box \(([\d.]+)pt too (?:wide|high)\).*$", re.M)
TOO_WIDE = 5.0
"""Points by which a line of the published report may run into the margin."""
UNDEFINED = re.compile(r"^.*(?:Reference|Citation) .*undefined.*$", re.M)
OPTIONS = "-pdf -g -silent -interaction=nonstopmode -halt-on-error -file-line-error -jobname=report"


def pdf_path(profile: str) -> Path:
    """Return where the PDF of a profile goes."""
    here = project.current()
    base = here.output(profile)
    return (base / here.report if profile == here.published else base) / "report.pdf"


def recorded(profile: str) -> dict[str, Any]:
    """Return what a PDF was made from: inputs (path to sha256), claims relied on, or {}."""
    path = project.current().generated(profile) / "report.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found.get("inputs"), dict) else {}
    except (OSError, ValueError, AttributeError):
        return {}


def written_here(profile: str) -> dict[str, str]:
    """Return the files that are written for the PDF alone: its profile, title and appendix.

    ``[tool.provenance] appendix = "package.module:function"`` names who writes more.
    """
    here = project.current()
    files = {"profile.tex": f"\\def\\profilename{{{profile}}}\n{_title()}"}
    if here.appendix:
        module, _, function = here.appendix.partition(":")
        files |= getattr(importlib.import_module(module), function)(profile)
    return files


def _title() -> str:
    """Return version, date and address of CITATION.cff as macros."""
    path = project.current().root / "CITATION.cff"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    facts = dict(re.findall(r'^([a-z-]+): *"?([^"\n]+)"?$', text, re.M))
    names = {"version": "version", "date-released": "date", "repository-code": "address"}
    lines = (rf"\def\practicals{macro}{{{facts.get(k, '')}}}" for k, macro in names.items())
    return "\n".join([*lines, ""])


def _hashes(profile: str, names: list[str]) -> dict[str, str | None]:
    """Return the hashes of the files LaTeX reads, and of those that are written for it alone."""
    here = project.current()
    texts = {
        name: sha256(text.encode()).hexdigest() for name, text in written_here(profile).items()
    }
    return {name: sha256_of(here.root / name) for name in names} | texts


def stale(profile: str) -> list[str]:
    """Return what is no longer as it was when the profile's PDF was made; ``report.pdf`` itself."""
    record, pdf = recorded(profile), pdf_path(profile)
    then = record.get("inputs", {})
    written = written_here(profile)
    now = _hashes(profile, [name for name in then if name not in written])
    found = [name for name in sorted(now.keys() | then.keys()) if now.get(name) != then.get(name)]
    found += [] if record.get("files") == _listing(profile) else ["the set of figures and tables"]
    return found + ([] if record and record.get("pdf") == sha256_of(pdf) else [pdf.name])


def _listing(profile: str) -> str:
    """Return a hash of the names that LaTeX could find: a file that was absent may be there now."""
    here = project.current()
    folders = (here.figures(profile), here.generated(profile))
    names = sorted(p.name for folder in folders for p in folder.glob("*") if p.suffix != ".json")
    return sha256("\n".join(names).encode()).hexdigest()


def _read_by_latex(build: Path, folder: Path) -> list[str]:
    """Return the files of the project that LaTeX read, from its recorder's file."""
    root = project.current().root
    lines = (build / "report.fls").read_text(encoding="utf-8", errors="replace").splitlines()
    paths = {(folder / line[6:]).resolve() for line in lines if line.startswith("INPUT ")}
    paths |= set(folder.glob("*.bib"))  # read by BibTeX
    ours = {path for path in paths if path.is_relative_to(root) and path.is_file()}
    return sorted(p.relative_to(root).as_posix() for p in ours if not p.is_relative_to(build))


def _latexmk(profile: str, build: Path, folder: Path) -> None:
    here = project.current()
    folders = [".", str(build), str(here.generated(profile)), str(here.figures(profile)), ""]
    # Long lines: LaTeX would else cut file names in its log.
    environment = {**os.environ, "max_print_line": "1000", "TEXINPUTS": os.pathsep.join(folders)}
    environment["BIBINPUTS"] = os.pathsep.join([str(folder), ""])
    command = ["latexmk", *OPTIONS.split(), f"-outdir={build}", "main.tex"]
    run = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                         capture_output=True, check=False)  # fmt: skip
    log, kept = build / "report.log", here.root / "build" / "latex" / f"{profile}.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    project.write(kept, text)
    lines = text.splitlines()
    wrong = [m[0] for m in UNDEFINED.finditer(text)]
    if run.returncode:
        starts = [i for i, line in enumerate(lines) if re.match(r"!|\S+\.\w+:\d+: ", line)]
        wrong = [line for i in starts[:3] for line in lines[i : i + 4] if line.strip()] or wrong
        wrong = wrong or run.stderr.decode(errors="replace").splitlines()[-15:]
    elif profile == here.published:
        wrong += [m[0] for m in OVERFULL.finditer(text) if float(m[1]) > TOO_WIDE]
    if run.returncode or wrong:
        where = kept.relative_to(here.root)
        raise ProvenanceError(
            "\n".join([*dict.fromkeys(wrong), f"LaTeX fails; its log is {where}"])
        )


def typeset(profile: str) -> Path:
    """Make the PDF of a profile and record what it was made from; raise ProvenanceError."""
    if not shutil.which("latexmk"):
        raise ProvenanceError("latexmk is missing: `make setup` says how to install LaTeX")
    here, final = project.current(), pdf_path(profile)
    folder, logs = here.root / here.report, here.root / "build" / "latex"
    logs.mkdir(parents=True, exist_ok=True)
    project.sweep(logs, ".run-*")
    # A fresh folder: what a killed run left, or another run writes, cannot spoil this one.
    with TemporaryDirectory(dir=logs, prefix=".run-") as name:
        build = Path(name).resolve()
        for file, text in written_here(profile).items():
            (build / file).write_text(text, encoding="utf-8")
        _latexmk(profile, build, folder)
        inputs = _hashes(profile, _read_by_latex(build, folder))
        uses = build / "report.uses"
        lines = uses.read_text(encoding="utf-8").splitlines() if uses.exists() else []
        project.write(final, (build / "report.pdf").read_bytes())
    relied = [line.rpartition(" ")[::2] for line in dict.fromkeys(lines)]
    record = {"profile": profile, "pdf": sha256_of(final), "files": _listing(profile),
              "claims": relied, "inputs": inputs}  # fmt: skip
    project.write(here.generated(profile) / "report.json", json.dumps(record, indent=1) + "\n")
    return final


def main() -> int:
    """Make the PDF where it is not current; return the exit status."""
    profile = project.profile()
    if not stale(profile):
        print("report: up to date")
        return 0
    print(f"report: typesetting ({profile})", flush=True)
    print(f"report: {typeset(profile).relative_to(project.current().root)}")
    return 0


if __name__ == "__main__":
    sys.exit(project.command(main, "report"))
