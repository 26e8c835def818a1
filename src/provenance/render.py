"""Run notebooks, strip what one machine leaves in them, and stamp them with hashes.

``python -m provenance.render [STEM ...]`` runs all notebooks, or those named, under the profile of
the environment: those that ``check`` would find stale. The published profile writes
over ``notebooks/``, others below ``build/``; a run's files take their place only when the whole
notebook has run. Ctrl-C ends the whole command.
"""

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from . import chapter, check, codehash, project
from .project import ProvenanceError

KEPT = ("tags", "nbgrader")
"""Metadata of cells that mean something here: hidden input, and what a student writes."""
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"\d+%\||\d+it \[|[\d?.]+(it|s)/(s|it)\b")
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CLOSING = "from provenance.chapter import close_all; close_all()"
EVERY_S = 2.0


def strip(nb: NotebookNode) -> NotebookNode:
    """Remove from a notebook, in place, all that depends on the machine or the moment."""
    stamp = nb.metadata.get(check.STAMP)
    nb.metadata = NotebookNode(kernelspec=KERNELSPEC, language_info={"name": "python"})
    if stamp:
        nb.metadata[check.STAMP] = stamp
    nb.nbformat, nb.nbformat_minor = 4, 5
    seen: set[str] = set()
    for cell in nb.cells:
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k in KEPT})
        cell.id = cell.id if cell.get("id") and cell.id not in seen else uuid4().hex[:8]
        seen.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = _stripped(cell.outputs)
    return nb


def _stripped(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs without progress bars, widgets, memory addresses and the root's path."""
    root, kept = f"{project.current().root}{os.sep}", []
    for output in _joined([o for o in outputs if WIDGET not in o.get("data", {})]):
        if output.output_type == "stream":
            lines = (line.rstrip("\r").rpartition("\r")[2] for line in output.text.split("\n"))
            output.text = "\n".join(line for line in lines if not PROGRESS.search(line))
            output.text = ADDRESS.sub("", output.text.replace(root, ""))
            if not output.text.strip():
                continue
        for mime, value in output.get("data", {}).items():
            if isinstance(value, str) and not check.is_picture(mime):
                output.data[mime] = ADDRESS.sub("", value.replace(root, ""))
        output.get("metadata", {}).pop("needs_background", None)
        kept.append(output)
    return kept


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring pieces of one stream: how they were cut differs from run to run."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else NotebookNode()
        if output.output_type == "stream" and output.name == last.get("name"):
            last.text += output.text
        else:
            joined.append(output)
    return joined


class ThisPython(KernelSpecManager):
    """Offers one kernel, that of the running Python, whatever else is installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the only kernel, under any name."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=50"]
        argv += ["-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def client_for(nb: NotebookNode, folder: Path, **hooks: Any) -> NotebookClient:
    """Return nbclient's client that runs ``nb`` in ``folder`` with this Python."""
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(nb, km=manager, timeout=None, store_widget_state=False,
                            record_timing=False, resources=resources, **hooks)  # fmt: skip
    client.on_notebook_start = lambda **_: _attend(client)
    return client


def _attend(client: NotebookClient) -> None:
    """Look at the shell channel every few seconds.

    The state of a widget is sent on the socket from which replies are read, which may swallow the
    signal that one is there: without a second look the run would wait for ever.
    """
    channel: Any = client.kc.shell_channel  # type: ignore[union-attr]
    wait = channel.get_msg

    async def get_msg(timeout: float | None = None) -> Any:
        left = float("inf") if timeout is None else timeout
        while True:
            try:
                return await wait(min(left, EVERY_S))
            except Empty:
                left -= EVERY_S
                if left <= 0:
                    raise

    channel.get_msg = get_msg


def run_client(client: NotebookClient, environment: dict[str, str]) -> None:
    """Run a client's notebook; Ctrl-C kills the kernel and is raised here as KeyboardInterrupt.

    In a thread: there nbclient leaves signals alone, which it would else take for a dead kernel.
    """
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(client.execute, env=environment, cleanup_kc=True)
        try:
            run.result()
        except KeyboardInterrupt:
            process = getattr(getattr(client.km, "provisioner", None), "process", None)
            if process is not None:
                process.send_signal(signal.SIGKILL)
            run.exception()
            raise


def execute(nb: NotebookNode, stem: str, staging: Path) -> None:
    """Run all cells in place, what they hand over going to ``staging``; raise ProvenanceError."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
    # Threads that wait asleep lose less where other programs need the cores too.
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    environment[chapter.STAGING] = str(staging)
    environment.pop("MPLBACKEND", None)  # figures belong into the notebook
    nb.cells.append(nbformat.v4.new_code_cell(CLOSING))
    total = sum(bool(c.cell_type == "code" and c.source.strip()) for c in nb.cells)
    lines = _progress(total)
    hooks = {"on_cell_execute": lambda cell, **_: lines(cell, True)}
    hooks["on_cell_executed"] = lambda cell, **_: lines(cell, False)
    try:
        run_client(client_for(nb, project.current().notebooks(), **hooks), environment)
    except CellExecutionError as error:
        text = ANSI.sub("", str(error)).rstrip()
        raise ProvenanceError(
            f"{text}\n\n{stem}: a cell failed (above). {_aside(nb, stem)}"
        ) from None
    except (DeadKernelError, AssertionError):
        raise ProvenanceError(
            f"{stem}: the kernel died in the last cell above; memory probably ran out. Nothing "
            "was written"
        ) from None
    nb.cells.pop()


def _progress(total: int) -> Any:
    """Return a function that prints a line per code cell: number, first line, seconds."""
    state = {"number": 0, "began": 0.0}

    def line(cell: NotebookNode, begins: bool) -> None:
        if cell.cell_type == "code" and begins:
            state.update(number=state["number"] + 1, began=time.perf_counter())
            label = cell.source.strip().split("\n")[0].lstrip("# ")
            print(f"  [{state['number']:3.0f}/{total}] {label:66.66s}", end=" ", flush=True)
        elif cell.cell_type == "code":
            print(f"{time.perf_counter() - state['began']:7.1f} s", flush=True)

    return line


def _aside(nb: NotebookNode, stem: str) -> str:
    """Keep what a run that is not published has shown; return the sentence that says where."""
    name = f"build/failed/{stem}.ipynb"
    write(nb, project.current().root / name)
    return f"The run so far is in {name}; nothing else was written."


def write(nb: NotebookNode, path: Path) -> None:
    """Write a notebook completely or not at all."""
    project.write(path, nbformat.writes(nb).rstrip("\n") + "\n")


def render(stem: str, profile: str, force: bool = False) -> None:
    """Run a notebook under a profile where needed; raise ProvenanceError."""
    here = project.current()
    source = here.notebooks() / f"{stem}.ipynb"
    code, nb = codehash.notebook_hash(source, profile), check.read(source)
    if not force and not list(check.of_stem(stem, profile)):
        print(f"{stem} ({profile}): up to date")
        return
    print(f"{stem} ({profile}): running", flush=True)
    began, build = time.perf_counter(), here.root / "build"
    build.mkdir(exist_ok=True)
    project.sweep(build, ".staging-*")
    with TemporaryDirectory(dir=build, prefix=f".staging-{stem}-") as folder:
        staged = Path(folder).resolve()
        execute(nb, stem, staged)
        if codehash.notebook_hash(source, profile) != code:
            raise ProvenanceError(f"{stem}: its code changed during the run; nothing was written")
        ledger = staged / here.report / "generated" / f"{stem}.json"
        if not ledger.is_file():
            raise ProvenanceError(f"{stem}: ran, but handed nothing over. {_aside(nb, stem)}")
        stamp(nb, profile, code, ledger)
        size, limit = len(nbformat.writes(nb).encode()), here.limit("megabytes")
        if size > limit * 1e6:
            what = f"{size / 1e6:.1f} MB, more than {limit:g} MB: show smaller figures"
            raise ProvenanceError(f"{stem}: {what}. {_aside(nb, stem)}")
        write(nb, here.notebooks(profile) / f"{stem}.ipynb")
        _publish(stem, staged, here.output(profile))
    print(f"{stem} ({profile}): done in {(time.perf_counter() - began) / 60:.1f} min")


def stamp(nb: NotebookNode, profile: str, code: str, ledger: Path) -> None:
    """Strip a notebook and write into it what ``check`` compares."""
    nb.metadata[check.STAMP] = {}
    strip(nb)
    facts = {"profile": profile, "code": code, "ledger": project.sha256_of(ledger)}
    nb.metadata[check.STAMP] = NotebookNode(facts | {"outputs": check.outputs_hash(nb)})


def _publish(stem: str, staged: Path, target: Path) -> None:
    """Move a finished run's files to their place; remove those of its earlier runs.

    What carries another notebook's name, as the outputs of a copied notebook do, stays behind.
    """

    def own(folder: Path) -> Iterator[Path]:
        names = project.current().stems()
        for path in folder.glob(f"{stem}[-.]*"):
            if max((s for s in names if path.name.startswith((f"{s}-", f"{s}."))), key=len) == stem:
                yield path

    here = project.current()
    for part in ("figures", f"{here.report}/generated"):
        files = list(own(staged / part))
        for old in own(target / part):
            if not (staged / part / old.name).exists():
                old.unlink()
        # The JSON last: where it is new, so is all that it vouches for.
        for path in sorted(files, key=lambda path: path.suffix == ".json"):
            _move(path, target / part / path.name)
    for path in (staged / here.models).glob("[!.]*"):
        _move(path, target / here.models / path.name)


def _move(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, place)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m provenance.render", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="STEM", help="notebook without .ipynb")
    parser.add_argument("--force", action="store_true", help="run even what is up to date")
    parser.add_argument("--strip", nargs="+", metavar="FILE", help="only strip FILEs, for a hook")
    options = parser.parse_args(arguments)
    return project.command(lambda: _main(options), "render")


def _main(options: argparse.Namespace) -> int:
    if options.strip:
        return _strip_files(options.strip)
    profile, stems, status = project.profile(), project.current().stems(), 0
    for stem in options.names:
        if stem not in stems:
            hint = project.did_you_mean(stem, stems)
            raise ProvenanceError(f"no notebook {stem!r} in notebooks/.{hint}")
    for stem in options.names or stems:
        try:
            render(stem, profile, options.force)
        except ProvenanceError as error:
            print(f"\n{error}\n", file=sys.stderr)
            status = 1
    return status


def _strip_files(files: Sequence[str]) -> int:
    """Strip notebooks in place, outputs kept; return 1 where one changed, as hooks expect."""
    changed = 0
    for path in map(Path, files):
        nb = strip(check.read(path))
        if nbformat.writes(nb).rstrip() != path.read_text(encoding="utf-8").rstrip():
            write(nb, path)
            print(f"{path}: stripped")
            changed = 1
    return changed


if __name__ == "__main__":
    sys.exit(main())
