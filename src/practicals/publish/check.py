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

from practicals import fingerprint, paths
from practicals.publish import check_ledgers, check_notebook, check_report, vouched
from practicals.publish.problem import RERUN, Problem
from practicals.publish.render import stems

HEAVY = 5_000_000
"""Bytes a tracked file may have."""
HEAVY_PDF = 15_000_000
"""Bytes the report may have."""
PENDING: dict[str, str] = {}
"""Notebooks whose published outputs may be older than the code, and why. Their numbers, tables and
figures are still those of their ledger; the check says aloud that it does not vouch for more."""


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
    return {stem: _hash(stem) for stem in stems()}


def _hash(stem: str) -> str:
    try:
        return fingerprint.of_stem(stem, "full")
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def problems() -> list[Problem]:
    """Return all that is wrong with the repository's published outputs."""
    current = hashes()
    folder = paths.generated_dir("full")
    read = {stem: vouched.read_ledger(folder / f"{stem}.json") for stem in current}
    ledgers = {stem: ledger for stem, ledger in read.items() if ledger}
    found = list(heavy_files())
    for stem, code in current.items():
        path = paths.notebooks_dir() / f"{stem}.ipynb"
        found += check_notebook.of_notebook(path, code, PENDING)
    found += check_ledgers.problems(current, ledgers, PENDING)
    return [*found, *check_report.problems(current, ledgers)]


def main() -> int:
    """Print the problems and return the exit status."""
    began = time.perf_counter()
    if nothing_published():
        print(f"check: no output of the full profile exists yet. Make it with: {RERUN}")
        return 1
    found = problems()
    for problem in found:
        print(problem)
    for stem in sorted(set(PENDING) & set(stems())):
        print(f"check: NOT VOUCHED FOR: notebooks/{stem}.ipynb: {PENDING[stem]}")
    seconds = time.perf_counter() - began
    verdict = f"{len(found)} problem(s)" if found else "everything published is current"
    print(f"check: {verdict} ({seconds:.1f} s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
