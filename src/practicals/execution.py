"""Run one notebook in a kernel of this very Python, with a line of progress per cell."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from practicals import cleaning, paths
from practicals.problems import KernelDied, NotRendered


class Progress:
    """One line per code cell: its number, its first line, the seconds it took."""

    def __init__(self, nb: NotebookNode) -> None:
        self.total = sum(bool(c.cell_type == "code" and c.source.strip()) for c in nb.cells)
        self.number, self.began = 0, 0.0

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        """Announce a cell before it runs."""
        if cell.cell_type == "code":
            self.number, self.began = self.number + 1, time.perf_counter()
            label = cell.source.strip().split("\n")[0].lstrip("# ")
            print(f"  [{self.number:3d}/{self.total}] {label:66.66s}", end=" ", flush=True)

    def end(self, cell: NotebookNode, cell_index: int, **_: Any) -> None:
        """Add the seconds to the cell's line."""
        print(f"{time.perf_counter() - self.began:7.1f} s", flush=True)


def _client(nb: NotebookNode, folder: Path) -> Any:
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
    return NotebookClient(
        nb,
        km=manager,
        timeout=None,
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=progress.start,
        on_cell_executed=progress.end,
    )


def execute(nb: NotebookNode, stem: str) -> None:
    """Run all cells of ``nb`` in place; raise NotRendered after saving the failed run apart."""
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("MPLBACKEND", None)  # figures belong into the notebook
    try:
        _client(nb, paths.notebooks_dir()).execute(env=environment)
    except CellExecutionError as error:
        failed = paths.root() / "build" / "failed" / f"{stem}.ipynb"
        cleaning.write(nb, failed)
        raise NotRendered(
            f"{cleaning.ANSI.sub('', str(error)).rstrip()}\n\n{stem}: a cell failed (above). "
            f"The run so far is in build/failed/{stem}.ipynb; nothing else was written."
        ) from None
    except DeadKernelError:
        raise KernelDied(
            f"{stem}: the kernel died, or was stopped, in the last cell above; if nobody stopped "
            "it, memory probably ran out. Nothing was written."
        ) from None
