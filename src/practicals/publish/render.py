"""Run notebooks, clean what they leave, and stamp them with the hash of their code.

``python -m practicals.publish.render [STEM ...]`` runs all notebooks, or the named ones, under the
profile named by ``PROFILE``. ``full`` writes over ``notebooks/``; others write below ``build/``.
What a run writes takes its place only when the whole notebook has run.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from practicals import fingerprint, paths, profile
from practicals.publish import listening
from practicals.publish.vouched import all_files, hash_of, read_ledger

if TYPE_CHECKING:
    from nbformat import NotebookNode


class NotRendered(RuntimeError):
    """Raised for a notebook that could not be run; the message is for the user."""


class KernelDied(NotRendered):
    """Raised where a kernel ended early: by Ctrl-C, which reaches only it, or out of memory."""


def stems() -> list[str]:
    """Return the stems of the repository's notebooks, in order."""
    return sorted(path.stem for path in paths.notebooks_dir().glob("*.ipynb"))


def lacking(stem: str, base: Path, code: str) -> list[str]:
    """Return the outputs of a notebook below ``base`` that are absent, altered or of other code."""
    generated = base / "report" / "generated"
    content = read_ledger(generated / f"{stem}.json")
    if content.get("code") != code:
        return [f"{stem}.json"]
    vouched = all_files(stem, content, base)
    wrong = [path.name for path, known in vouched.items() if hash_of(path) != known]
    return wrong + [f"{stem}.tex"] * (not (generated / f"{stem}.tex").exists())


def is_current(stem: str, name: str, code: str) -> bool:
    """Return whether the rendered notebook and all its outputs come from this code, unaltered."""
    from practicals.publish import cleaning

    try:
        nb = cleaning.read(paths.notebooks_dir(name) / f"{stem}.ipynb")
    except (FileNotFoundError, cleaning.Unreadable):
        return False
    wanted = {"profile": name, "hash": code, "outputs": cleaning.outputs_hash(nb.cells)}
    stamp = nb.metadata.get("practicals", {})
    return wanted.items() <= stamp.items() and not lacking(stem, paths.output_dir(name), code)


def _refuse_heavy(nb: "NotebookNode", stem: str) -> None:
    from practicals.publish import cleaning

    size = cleaning.size_of(nb)
    if size > cleaning.LIMIT:
        cells = ", ".join(f"[{n}] with {b / 1e3:.0f} kB" for n, b in cleaning.heaviest(nb))
        raise NotRendered(
            f"{stem}: {size / 1e6:.2f} MB, more than the {cleaning.LIMIT / 1e6:.0f} MB a notebook "
            f"may have. Heaviest cells: {cells}. Show smaller figures there. {_set_aside(nb, stem)}"
        )


def render(stem: str, name: str, force: bool = False) -> None:
    """Run the notebook ``stem`` under the profile ``name`` where needed; raise NotRendered."""
    import nbformat  # here, as below: a command with nothing to do imports little

    source = paths.notebooks_dir() / f"{stem}.ipynb"
    try:
        code = fingerprint.notebook_hash(source, name)
        nb = nbformat.read(source, as_version=4)
    except (ValueError, KeyError, TypeError) as error:
        raise NotRendered(f"{source.name} cannot be run: {error}") from None
    if not force and is_current(stem, name, code):
        print(f"{stem} ({name}): up to date")
        return
    print(f"{stem} ({name}): running", flush=True)
    began = time.perf_counter()
    build = paths.root() / "build"
    build.mkdir(exist_ok=True)
    paths.sweep(build, ".staging-*")
    with TemporaryDirectory(dir=build, prefix=f".staging-{stem}-") as folder:
        execute(nb, stem, Path(folder))
        if fingerprint.notebook_hash(source, name) != code:
            raise NotRendered(f"{stem}: its code changed during the run; nothing was written")
        if missing := lacking(stem, Path(folder), code):
            raise NotRendered(
                f"{stem}: ran, but did not write {', '.join(missing)}. The last cell must save the "
                f"ledger (now.close()). {_set_aside(nb, stem)}"
            )
        _keep(nb, stem, name, code)
        _publish(stem, Path(folder), paths.output_dir(name))
    print(f"{stem} ({name}): done in {(time.perf_counter() - began) / 60:.1f} min")


def _set_aside(nb: "NotebookNode", stem: str) -> str:
    """Keep what a run that is not published has shown; return the sentence that says where."""
    from practicals.publish import cleaning

    cleaning.write(nb, paths.root() / "build" / "failed" / f"{stem}.ipynb")
    return f"The run so far is in build/failed/{stem}.ipynb; nothing else was written."


def _keep(nb: "NotebookNode", stem: str, name: str, code: str) -> None:
    """Clean, stamp and write an executed notebook."""
    from practicals import runtime
    from practicals.publish import cleaning

    facts = {"profile": name, "hash": code, "seed": profile.get(name).seed}
    nb.metadata["practicals"] = facts | runtime.describe()
    cleaning.clean(nb, paths.root())
    nb.metadata["practicals"]["outputs"] = cleaning.outputs_hash(nb.cells)
    _refuse_heavy(nb, stem)
    cleaning.write(nb, paths.notebooks_dir(name) / f"{stem}.ipynb")


def _owner(file: str) -> str | None:
    """Return the stem of the notebook that a figure, table or ledger carries in its name."""
    return max((s for s in stems() if file.startswith((f"{s}-", f"{s}."))), key=len, default=None)


def _publish(stem: str, staged: Path, target: Path) -> None:
    """Move a finished run's files to their place; remove those of earlier runs that are gone.

    What carries another notebook's name, as the outputs of a copied notebook do, stays behind.
    """
    for folder in ("figures", "report/generated"):
        for path in (staged / folder).glob("*"):
            if _owner(path.name) != stem:
                path.unlink()
        for old in (target / folder).glob(f"{stem}[-.]*"):
            if _owner(old.name) == stem and not (staged / folder / old.name).exists():
                old.unlink()
    # The ledger last: where it is new, so is all that it vouches for.
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path.suffix == ".json"):
        place = target / path.relative_to(staged)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)


class Progress:
    """One line per code cell: its number, its first line, the seconds it took."""

    def __init__(self, nb: "NotebookNode") -> None:
        self.total = sum(bool(c.cell_type == "code" and c.source.strip()) for c in nb.cells)
        self.number, self.began = 0, 0.0

    def start(self, cell: "NotebookNode", cell_index: int) -> None:
        """Announce a cell before it runs."""
        if cell.cell_type == "code":
            self.number, self.began = self.number + 1, time.perf_counter()
            label = cell.source.strip().split("\n")[0].lstrip("# ")
            print(f"  [{self.number:3d}/{self.total}] {label:66.66s}", end=" ", flush=True)

    def end(self, cell: "NotebookNode", cell_index: int, **_: Any) -> None:
        """Add the seconds to the cell's line."""
        print(f"{time.perf_counter() - self.began:7.1f} s", flush=True)


def client_for(nb: "NotebookNode", folder: Path) -> Any:
    """Return nbclient's client that runs ``nb`` in ``folder`` with this Python."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class ThisPython(KernelSpecManager):
        """Offers one kernel, that of the running Python, whatever else is installed."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=50"]
            argv += ["-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    progress = Progress(nb)
    client = NotebookClient(
        nb,
        km=manager,
        timeout=None,
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=progress.start,
        on_cell_executed=progress.end,
    )
    return listening.attentive(client)


def execute(nb: "NotebookNode", stem: str, staging: Path) -> None:
    """Run all cells of ``nb`` in place, their outputs going to ``staging``; raise NotRendered.

    A failed run is saved apart.
    """
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    from practicals.publish import cleaning

    environment = {**os.environ, "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
    # Threads that wait asleep lose less where other programs need the cores too.
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    environment["PRACTICALS_STAGING"] = str(staging)
    environment.pop("MPLBACKEND", None)  # figures belong into the notebook
    try:
        client_for(nb, paths.notebooks_dir()).execute(env=environment, cleanup_kc=True)
    except CellExecutionError as error:
        text = cleaning.ANSI.sub("", str(error)).rstrip()
        raise NotRendered(
            f"{text}\n\n{stem}: a cell failed (above). {_set_aside(nb, stem)}"
        ) from None
    except (DeadKernelError, AssertionError):  # the latter where a signal ends the kernel first
        raise KernelDied(
            f"{stem}: the kernel died, or was stopped, in the last cell above; if nobody stopped "
            "it, memory probably ran out. Nothing was written."
        ) from None


def _refuse_unknown(names: Sequence[str]) -> None:
    for stem in names:
        if stem not in stems():
            hint = paths.did_you_mean(stem, stems())
            raise NotRendered(f"no notebook {stem!r} in notebooks/.{hint}")


def clean_files(files: Sequence[str]) -> int:
    """Clean notebooks in place, outputs kept; return 1 where one changed, as hooks expect."""
    import nbformat

    from practicals.publish import cleaning

    changed = 0
    for path in map(Path, files):
        nb = cleaning.clean(nbformat.read(path, as_version=4), paths.root())
        if nbformat.writes(nb).rstrip() != path.read_text(encoding="utf-8").rstrip():
            cleaning.write(nb, path)
            print(f"{path}: metadata cleaned")
            changed = 1
    return changed


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
    parser = argparse.ArgumentParser(
        prog="python -m practicals.publish.render", description=__doc__
    )
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
