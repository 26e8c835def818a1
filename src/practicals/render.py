"""Run notebooks, clean what they leave, and stamp them with the hash of their code.

``python -m practicals.render [STEM ...]`` runs all notebooks, or the named ones, under the profile
named by ``PROFILE``. ``full`` writes over ``notebooks/``; ``sample`` writes below ``build/``.
"""

import argparse
import difflib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from practicals import catalogue, fingerprint, paths, profile
from practicals.problems import KernelDied, NotRendered

if TYPE_CHECKING:
    from nbformat import NotebookNode


def stems() -> list[str]:
    """Return the stems of the repository's notebooks, in order."""
    return sorted(path.stem for path in paths.notebooks_dir().glob("*.ipynb"))


def lacking(stem: str, name: str, code: str) -> list[str]:
    """Return the outputs of a notebook that are absent or come from other code."""
    out = []
    for path in catalogue.files_of(stem, paths.figures_dir(name)):
        if not path.exists() or catalogue.read_stamp(path).get("code") != code:
            out.append(path.name)
    ledger = paths.generated_dir(name) / f"{stem}.json"
    content = json.loads(ledger.read_text(encoding="utf-8")) if ledger.exists() else {}
    if content.get("code") != code:
        return [*out, ledger.name]
    files = [f"{stem}.tex", *(f"{stem}-{table}.tex" for table in content["tables"])]
    return out + [file for file in files if not (ledger.parent / file).exists()]


def is_current(stem: str, name: str, code: str) -> bool:
    """Return whether the rendered notebook and all its outputs come from this code."""
    target = paths.notebooks_dir(name) / f"{stem}.ipynb"
    if not target.exists():
        return False
    stamp = json.loads(target.read_text(encoding="utf-8"))["metadata"].get("practicals", {})
    wanted = {"profile": name, "hash": code}
    return wanted.items() <= stamp.items() and not lacking(stem, name, code)


def _refuse_heavy(nb: "NotebookNode", stem: str) -> None:
    from practicals import cleaning

    size = cleaning.size_of(nb)
    if size > cleaning.LIMIT:
        cells = ", ".join(f"[{n}] with {b / 1e3:.0f} kB" for n, b in cleaning.heaviest(nb))
        failed = paths.root() / "build" / "failed" / f"{stem}.ipynb"
        cleaning.write(nb, failed)
        raise NotRendered(
            f"{stem}: {size / 1e6:.2f} MB, more than the {cleaning.LIMIT / 1e6:.0f} MB a notebook "
            f"may have, even with its pictures as JPEG. Heaviest cells: {cells}. Show smaller "
            f"figures there. The run is in build/failed/{stem}.ipynb."
        )


def render(stem: str, name: str, force: bool = False) -> None:
    """Run the notebook ``stem`` under the profile ``name`` where needed; raise NotRendered."""
    source = paths.notebooks_dir() / f"{stem}.ipynb"
    try:
        code = fingerprint.notebook_hash(source, name)
    except fingerprint.NotPlainPython as error:
        raise NotRendered(str(error)) from None
    if not force and is_current(stem, name, code):
        print(f"{stem} ({name}): up to date")
        return
    import nbformat  # here, as below: a command with nothing to do imports little

    from practicals import execution

    print(f"{stem} ({name}): running", flush=True)
    began = time.perf_counter()
    nb = nbformat.read(source, as_version=4)
    execution.execute(nb, stem)
    if fingerprint.notebook_hash(source, name) != code:
        raise NotRendered(f"{stem}: its code changed during the run; nothing was written")
    _keep(nb, stem, name, code)
    print(f"{stem} ({name}): done in {(time.perf_counter() - began) / 60:.1f} min")
    if missing := lacking(stem, name, code):
        raise NotRendered(
            f"{stem}: ran, but did not write {', '.join(missing)}. Every registered figure needs "
            "a figures.save, and the ledger a ledger.save(), in the notebook."
        )


def _keep(nb: "NotebookNode", stem: str, name: str, code: str) -> None:
    """Clean, stamp and write an executed notebook."""
    from practicals import cleaning, runtime

    facts = {"profile": name, "hash": code, "seed": profile.get(name).seed}
    nb.metadata["practicals"] = facts | runtime.describe()
    cleaning.clean(nb, paths.root())
    cleaning.lighten(nb)
    _refuse_heavy(nb, stem)
    cleaning.write(nb, paths.notebooks_dir(name) / f"{stem}.ipynb")


def clean_files(files: Sequence[str]) -> int:
    """Clean notebooks in place, outputs kept; return 1 where one changed, as hooks expect."""
    import nbformat

    from practicals import cleaning

    changed = 0
    for path in map(Path, files):
        nb = cleaning.clean(nbformat.read(path, as_version=4), paths.root())
        if nbformat.writes(nb).rstrip() != path.read_text(encoding="utf-8").rstrip():
            cleaning.write(nb, path)
            print(f"{path}: metadata cleaned")
            changed = 1
    return changed


def _refuse_unknown(names: Sequence[str]) -> None:
    for stem in names:
        if stem not in stems():
            near = difflib.get_close_matches(stem, stems(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise NotRendered(f"no notebook {stem!r} in notebooks/.{hint}")


def _render_all(names: Sequence[str], force: bool) -> int:
    status = 0
    try:
        name = profile.current().name
        _refuse_unknown(names)
    except (profile.UnknownProfile, NotRendered) as error:
        print(error, file=sys.stderr)
        return 2
    if not stems():
        print("nothing to do: notebooks/ holds no notebook")
    for stem in names or stems():
        try:
            render(stem, name, force)
        except NotRendered as error:
            print(f"\n{error}\n", file=sys.stderr)
            status = 1
            if isinstance(error, KernelDied):
                break
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m practicals.render", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="STEM", help="notebook without .ipynb")
    parser.add_argument("--force", action="store_true", help="run even what is up to date")
    parser.add_argument("--clean-metadata", nargs="+", metavar="FILE", help="only clean FILEs")
    options = parser.parse_args(arguments)
    if options.clean_metadata:
        return clean_files(options.clean_metadata)
    try:
        return _render_all(options.names, options.force)
    except KeyboardInterrupt:
        print("\ninterrupted: nothing was written for this notebook", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
