"""Executed notebooks made fit for a repository: outputs stay, the traces of one machine go."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import nbformat.v4
from nbformat import NotebookNode

from practicals.paths import atomic_path

LIMIT = 3_000_000
"""Bytes that a committed notebook may have."""
KEPT = ("tags", "nbgrader")
"""Metadata of cells that mean something here: hidden input, and what a student writes."""
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"\d+%\||\d+it \[|[\d?.]+(it|s)/(s|it)\b")
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
ROOTS = "home|root|tmp|work|workspace|Users|mnt|media|opt|usr|var|private|srv|content|builds|github"
ABSOLUTE = re.compile(rf"(?<![\w.])(?:/(?:{ROOTS})/|[A-Z]:\\+Users\\)[^\s'\"<>)]*")


def text_of(output: NotebookNode) -> str:
    """Return all that a reader sees of an output as text; pictures give nothing."""
    parts = [output.get("text", ""), *output.get("traceback", [])]
    data = output.get("data", {})
    parts += [str(value) for mime, value in data.items() if not _is_picture(mime)]
    return "\n".join(parts)


def absolute_paths(output: NotebookNode, root: Path) -> list[str]:
    """Return the absolute paths in an output: the repository's own and those of common roots."""
    text = text_of(output)
    found = [match.group() for match in ABSOLUTE.finditer(text)]
    return found or [str(root)] * (str(root) in text)


def _is_picture(mime: str) -> bool:
    return mime.startswith("image/") and mime != "image/svg+xml"


def _without_progress(text: str) -> str:
    """Keep the last state of lines that were written over, and no progress bars."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(line for line in lines if not PROGRESS.search(line))


def _rewrite(output: NotebookNode, change: Callable[[str], str]) -> None:
    if "text" in output:
        output.text = change(output.text)
    for mime, value in output.get("data", {}).items():
        if isinstance(value, str) and not _is_picture(mime):
            output.data[mime] = change(value)


def _joined(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Join neighbouring pieces of one stream: how they were cut differs from run to run."""
    last = None
    for output in outputs:
        if last is not None and output.output_type == "stream" and output.name == last.get("name"):
            last.text += output.text
        else:
            last = output
            yield output


def clean_outputs(outputs: list[NotebookNode], root: Path) -> list[NotebookNode]:
    """Return outputs without progress bars, widgets, memory addresses and the root's path."""

    def change(text: str) -> str:
        return ADDRESS.sub("", text.replace(f"{root}/", ""))

    kept = []
    for output in list(_joined([o for o in outputs if WIDGET not in o.get("data", {})])):
        if output.output_type == "stream":
            output.text = _without_progress(output.text)
            if not output.text.strip():
                continue
        _rewrite(output, change)
        output.get("metadata", {}).pop("needs_background", None)
        kept.append(output)
    return kept


def clean(nb: NotebookNode, root: Path) -> NotebookNode:
    """Strip a notebook, in place, of all that depends on the machine or the moment; return it."""
    stamp = nb.metadata.get("practicals")
    nb.metadata = NotebookNode(kernelspec=KERNELSPEC, language_info={"name": "python"})
    if stamp:
        nb.metadata.practicals = stamp
    nb.nbformat, nb.nbformat_minor = 4, 5
    seen: set[str] = set()
    for cell in nb.cells:
        kept = {k: v for k, v in cell.metadata.items() if k in KEPT}
        cell.metadata = NotebookNode(kept)
        if cell.get("id") in seen or not cell.get("id"):
            cell.id = uuid4().hex[:8]
        seen.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = clean_outputs(cell.outputs, root)
    return nb


def size_of(nb: NotebookNode) -> int:
    """Return the bytes of a notebook as a file."""
    return len(nbformat.writes(nb).encode())


def heaviest(nb: NotebookNode, count: int = 3) -> list[tuple[int, int]]:
    """Return the ``count`` heaviest code cells as pairs: execution count, bytes of outputs."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    sizes = [(cell.execution_count or 0, len(str(cell.outputs))) for cell in cells]
    return sorted(sizes, key=lambda pair: -pair[1])[:count]


class Unreadable(ValueError):
    """Raised for a file that is no notebook: cut short, or with the marks of a merge."""


def read(path: Path) -> NotebookNode:
    """Read a notebook as it is; ``nbformat.read`` would repair what is to be found in it."""
    try:
        nb = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        for cell in nb.cells:  # what is read of it later must be there
            _ = cell.source, cell.outputs if cell.cell_type == "code" else None, nb.metadata
        return nb
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise Unreadable(f"{path.name} is no readable notebook ({error})") from None


def write(nb: NotebookNode, path: Path) -> None:
    """Write a notebook completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(nbformat.writes(nb).rstrip("\n") + "\n", encoding="utf-8")


def outputs_hash(cells: Iterable[NotebookNode]) -> str:
    """Return one hash of all that the code cells show, so that an edited output is noticed."""
    shown = [cell.get("outputs", []) for cell in cells if cell.cell_type == "code"]
    return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
