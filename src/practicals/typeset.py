"""Make the PDF: ``python -m practicals.typeset``; with ``--setup``, see that LaTeX is there.

LaTeX finds figures, numbers and tables of a profile through its search path, so that the sources
name no profile; everything it writes goes below ``build/``, and only a finished PDF leaves it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from practicals import paths, profile, tex
from practicals.atomic import atomic_path

PROGRAMS = ("latexmk", "pdflatex", "bibtex")
STYLES = ("natbib.sty", "lmodern.sty", "microtype.sty", "booktabs.sty", "subcaption.sty")
PACKAGES = "latexmk lmodern texlive-latex-base texlive-latex-recommended texlive-fonts-recommended"
INSTALL = f"apt-get install --no-install-recommends {PACKAGES}"


class NotTypeset(RuntimeError):
    """Raised where no PDF could be made; the message is for the user."""


def missing() -> list[str]:
    """Return the programs and style files that the report needs and the machine lacks."""
    programs = [name for name in PROGRAMS if not shutil.which(name)]
    if programs:
        return programs
    run = subprocess.run(["kpsewhich", *STYLES], capture_output=True, text=True, check=False)
    found = {Path(line).name for line in run.stdout.splitlines()}
    return [name for name in STYLES if name not in found]


def advice(lacking: Sequence[str]) -> str:
    """Return what a user types to install LaTeX."""
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    return (
        f"the PDF needs LaTeX; missing here: {', '.join(lacking)}.\n"
        f"  Debian, Ubuntu: {sudo}{INSTALL}\n"
        "  elsewhere: TeX Live or MacTeX, with latexmk"
    )


def setup() -> int:
    """Install LaTeX where it is missing and may be installed, else say how; never fail for it."""
    lacking = missing()
    if not lacking:
        return 0
    may_install = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")
    if not may_install:
        print(f"setup: {advice(lacking)}\n  Notebooks and tests work without it.")
        return 0
    print(f"setup: installing LaTeX, a few minutes: {INSTALL}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get -qq update", INSTALL.replace("install", "install -qq -y", 1)):
        run = subprocess.run(
            command.split(), env=environment, capture_output=True, text=True, check=False
        )
        if run.returncode:
            print(f"setup: `{command}` failed:\n{run.stderr.strip()[-1500:]}\n{advice(missing())}")
            return 0
    return 0


def is_current(name: str) -> bool:
    """Return whether the profile's PDF was made from the sources and outputs as they are."""
    pdf, record = tex.pdf_path(name), tex.recorded(name)
    return (
        pdf.exists()
        and record.get("inputs") == tex.input_hashes(name)
        and record.get("pdf") == tex.sha256_of(pdf)
    )


def errors_in(log: str) -> list[str]:
    """Return the lines of a LaTeX log that explain a failure."""
    lines = log.splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"!|\S+\.\w+:\d+: ", line)]
    near = [line for i in starts[:3] for line in lines[i : i + 4] if line.strip()]
    hard = [line for line in near if not re.match(r"(See the|Type +H|\s*\.\.\.)", line)]
    return list(dict.fromkeys(hard)) or undefined_in(log)


def undefined_in(log: str) -> list[str]:
    """Return a LaTeX log's warnings of undefined references and citations."""
    return [
        line for line in log.splitlines() if re.search(r"(Reference|Citation) .*undefined", line)
    ]


def _environment(name: str, build: Path) -> dict[str, str]:
    folders = [build, paths.generated_dir(name), paths.figures_dir(name)]
    search = os.pathsep.join([".", *map(str, folders), ""])
    lookup = os.pathsep.join([str(paths.report_dir()), ""])
    # Long lines: LaTeX would else cut file names in its log.
    wide = {"max_print_line": "1000", "error_line": "254", "half_error_line": "238"}
    return {**os.environ, **wide, "TEXINPUTS": search, "BIBINPUTS": lookup}


def _latexmk(name: str, build: Path) -> Path:
    options = "-pdf -g -silent -interaction=nonstopmode -halt-on-error -file-line-error"
    command = ["latexmk", *options.split(), f"-outdir={build}", "-jobname=report", "main.tex"]
    run = subprocess.run(
        command,
        cwd=paths.report_dir(),
        env=_environment(name, build),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    log = build / "report.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    where = log.relative_to(paths.root())
    if run.returncode:
        lines = errors_in(text) or run.stderr.decode(errors="replace").splitlines()[-15:]
        raise NotTypeset("\n".join([*lines, f"report: LaTeX failed; the whole log is {where}"]))
    if lines := undefined_in(text):
        raise NotTypeset("\n".join([*lines, f"report: undefined names; the whole log is {where}"]))
    return build / "report.pdf"


def typeset(name: str) -> Path:
    """Make the PDF of the profile ``name`` and record its inputs; raise NotTypeset."""
    if lacking := missing():
        raise NotTypeset(f"report: {advice(lacking)}")
    inputs = tex.input_hashes(name)
    build = paths.root() / "build" / "latex" / name
    build.mkdir(parents=True, exist_ok=True)
    (build / "profile.tex").write_text(f"\\def\\profilename{{{name}}}\n", encoding="utf-8")
    made, final = _latexmk(name, build), tex.pdf_path(name)
    final.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(final) as partial:
        shutil.copyfile(made, partial)
    record = {"profile": name, "pdf": tex.sha256_of(final), "inputs": inputs}
    tex.record_path(name).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(tex.record_path(name)) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return final


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.typeset", description=__doc__)
    parser.add_argument("--setup", action="store_true", help="see that LaTeX is installed")
    if parser.parse_args(arguments).setup:
        return setup()
    try:
        name = profile.current().name
        if not tex.sources()[1:]:
            print("report: nothing to do: report/chapters/ holds no chapter")
            return 0
        if is_current(name):
            print("report: up to date")
            return 0
        print(f"report: typesetting ({name})", flush=True)
        print(f"report: {typeset(name).relative_to(paths.root())}")
    except (profile.UnknownProfile, NotTypeset) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
