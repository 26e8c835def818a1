"""LaTeX itself: whether it is installed, how it is, and what its log complains of."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

OVERFULL = re.compile(r"^Overfull \\[hv]box \(([\d.]+)pt too (?:wide|high)\).*$", re.M)
TOO_WIDE = 5.0
"""Points by which a line of the published report may run into the margin."""
OPENED = re.compile(r"\(\S*?([^()\s/]+\.tex)")
PROGRAMS = ("latexmk", "pdflatex", "bibtex")
STYLES = (
    "natbib.sty",
    "lmodern.sty",
    "microtype.sty",
    "booktabs.sty",
    "longtable.sty",
    "subcaption.sty",
)
PACKAGES = "latexmk lmodern texlive-latex-base texlive-latex-recommended texlive-fonts-recommended"
INSTALL = f"apt-get install --no-install-recommends {PACKAGES}"


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


def overfull_in(log: str) -> list[str]:
    """Return a LaTeX log's warnings of boxes over by more than ``TOO_WIDE``, each with its file.

    The file is the last one that was opened before, which is where the box stands or near it.
    """
    found = []
    for match in OVERFULL.finditer(log):
        if float(match[1]) > TOO_WIDE:
            opened = OPENED.findall(log, 0, match.start())
            found.append(f"{opened[-1] if opened else 'report'}: {match[0]}")
    return found
