"""Prove that what is published is current: ``python -m practicals.check``.

Notebooks, figures, numbers and the PDF must all come from the full profile and the code as it is.
Each culprit is printed by name, with its remedy; the exit status is 1 if there is one.
"""

import subprocess
import sys
import time
from collections.abc import Iterator

from practicals import check_figures, check_notebooks, check_report, paths
from practicals.problems import RERUN, Problem

HEAVY = 5_000_000
"""Bytes a tracked file may have."""
HEAVY_PDF = 15_000_000
"""Bytes the report may have."""


def _files() -> list[str]:
    """Return the files that git tracks or would add; none outside a git repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        run = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [name for name in run.stdout.split("\0") if name]


def heavy_files() -> Iterator[Problem]:
    """Yield the files that are too heavy for the repository."""
    for name in _files():
        path = paths.root() / name
        limit = HEAVY_PDF if name == "report/report.pdf" else HEAVY
        if path.is_file() and path.stat().st_size > limit:
            what = f"is {path.stat().st_size / 1e6:.1f} MB, more than {limit / 1e6:.0f} MB"
            yield Problem(name, what, "make it smaller, or keep it under data/, outside git")


def nothing_published() -> bool:
    """Return whether no figure and no ledger of the full profile exists at all."""
    folders = (paths.figures_dir("full"), paths.generated_dir("full"))
    return not any(any(folder.glob("[!.]*")) for folder in folders)


def problems() -> list[Problem]:
    """Return all that is wrong with the repository's published outputs."""
    current = check_notebooks.hashes()
    found = list(heavy_files())
    for module in (check_notebooks, check_figures, check_report):
        found += module.problems(current)
    return found


def main() -> int:
    """Print the problems and return the exit status."""
    began = time.perf_counter()
    if nothing_published():
        print(f"check: no output of the full profile exists yet. Make it with: {RERUN}")
        return 1
    found = problems()
    for problem in found:
        print(problem)
    seconds = time.perf_counter() - began
    verdict = f"{len(found)} problem(s)" if found else "everything published is current"
    print(f"check: {verdict} ({seconds:.1f} s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
