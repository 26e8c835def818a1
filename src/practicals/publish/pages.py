"""A committed notebook as a page of the site: what it shows, in the form that a page needs."""

import base64
import html
import re
import shutil
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from practicals import paths

LINK = re.compile(r"(?<!!)\[([^\]\[]*)\]\(([^()\s]+)\)")
KEPT_LINK = re.compile(r"https?://|mailto:|#|[\w-]+\.ipynb(#.*)?$")
ROOM = re.compile(r"(?:\.\./)*src/practicals/([a-z_]*)")
PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}
MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")
TABLE = re.compile(r"<table.*?</table>", re.S)
CAPTION = re.compile(r'<p class="caption"><em>(.*?)</em></p>', re.S)
WAITING = (
    "```{{admonition}} Not yet published\n:class: warning\n"
    "This notebook is written and tested, and its published run is due: the page shows no outputs "
    "yet. `make report` runs it with small stand-ins in a few minutes.\n```"
)
LINKS = (
    "{{download}}`The notebook file <../_static/notebooks/{stem}.ipynb>` · "
    "[results of this chapter](../results/{stem}.md) · [its claims](../claims.md) · "
    "the package's rooms in the [API reference](../api/index.md)"
)


def title_of(nb: NotebookNode) -> str:
    """Return the first heading of a notebook, such as ``2 · Saliency: which pixels decide?``."""
    for cell in nb.cells:
        found = re.search(r"^# (.+)$", cell.source, re.M)
        if cell.cell_type == "markdown" and found:
            return found.group(1).strip()
    raise ValueError("a notebook without a heading has no title")


def write(stem: str, nb: NotebookNode, folder: Path) -> list[str]:
    """Write the page of a notebook and its pictures below ``folder``; return notes on links."""
    notes: list[str] = []
    nb = deepcopy(nb)
    shows = any(cell.get("outputs") for cell in nb.cells)
    number = 0
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source, found = relinked(cell.source, stem, ["notebooks"])
            notes += found
        elif cell.cell_type == "code":
            _tidy(cell)
            cell.outputs, number = _outputs(cell.outputs, stem, folder, number)
    below = [LINKS.format(stem=stem), *([] if shows else [WAITING.format()])]
    nb.cells[1:1] = [
        nbformat.v4.new_markdown_cell(text, id=f"site-{i}") for i, text in enumerate(below)
    ]
    nb.metadata = NotebookNode(kernelspec=nb.metadata.kernelspec, language_info={"name": "python"})
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, folder / "notebooks" / f"{stem}.ipynb")
    own = folder / "_static" / "notebooks"
    own.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(paths.notebooks_dir() / f"{stem}.ipynb", own / f"{stem}.ipynb")
    return notes


def relinked(text: str, name: str, parts: list[str]) -> tuple[str, list[str]]:
    """Return Markdown whose links lead to pages of the site, and notes on those that led nowhere.

    ``parts`` are the folders above the page. Links to files that no page shows lose their target.
    """
    up, notes = "../" * len(parts), []

    def target(found: re.Match[str]) -> str:
        words, link = found.groups()
        if KEPT_LINK.match(link):
            return found.group()
        if room := ROOM.match(link):
            return f"[{words}]({up}api/{room.group(1) or 'index'}.md)"
        if link.endswith("report.pdf"):
            pdf = paths.report_dir() / "report.pdf"
            return f"[{words}]({up}_static/report.pdf)" if pdf.is_file() else words
        if link.endswith("data/README.md"):
            return f"[{words}]({up}data.md)"
        notes.append(f"{name}: no page for the link {link}")
        return words

    return LINK.sub(target, text), notes


def _tidy(cell: NotebookNode) -> None:
    """Leave nbgrader's markers out, and fold tests, which a reader opens who wants them."""
    lines = cell.source.splitlines()
    cell.source = "\n".join(line for line in lines if line.strip() not in MARKERS)
    facts = cell.metadata.get("nbgrader", {})
    tags = list(cell.metadata.get("tags", []))
    if facts.get("grade") and not facts.get("solution"):
        tags.append("hide-input")
        cell.metadata["mystnb"] = {"code_prompt_show": "Show the test"}
    cell.metadata["tags"] = list(dict.fromkeys(tags))


def _outputs(
    outputs: list[NotebookNode], stem: str, folder: Path, number: int
) -> tuple[list[NotebookNode], int]:
    """Return outputs as a page shows them, and how many pictures there have been so far."""
    shown: list[NotebookNode] = []
    for output in outputs:
        data = output.get("data")
        if not data:
            if output.get("name") != "stderr":
                shown.append(output)
            continue
        kind = next((kind for kind in PICTURES if kind in data), None)
        if kind:
            number += 1
            facts = output.get("metadata", {}).get(kind, {})
            mine = _picture(data[kind], PICTURES[kind], facts, (stem, number, folder))
            shown.append(_as("text/html", mine))
        elif (caption := _caption(data)) and shown and _is_figure(shown[-1]):
            shown[-1].data["text/html"] += f"<p class='caption'>{caption}</p>"
        else:
            shown.append(_text(data))
    return shown, number


def _as(kind: str, content: str) -> NotebookNode:
    return nbformat.v4.new_output("display_data", {kind: content})


def _is_figure(output: NotebookNode) -> bool:
    return "<img " in output.get("data", {}).get("text/html", "")


def _caption(data: dict[str, Any]) -> str | None:
    found = CAPTION.fullmatch("".join(data.get("text/html", "")).strip())
    return found.group(1) if found else None


def _picture(
    content: str, suffix: str, facts: dict[str, Any], at: tuple[str, int, Path]
) -> str:  # fmt: skip
    """Keep a picture as a file, named by its content, and return the element that shows it."""
    stem, number, folder = at
    pixels = base64.b64decode("".join(content))
    name = f"{stem}-{sha256(pixels).hexdigest()[:12]}.{suffix}"
    target = folder / "_static" / "notebooks" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(pixels)
    alt = facts.get("alt") or f"Picture {number} of this notebook, drawn by the code above it."
    width = f' width="{facts["width"]}"' if "width" in facts else ""
    source = f"../_static/notebooks/{name}"
    return f'<img src="{source}" alt="{html.escape(alt)}"{width} loading="lazy">'


def _text(data: dict[str, Any]) -> NotebookNode:
    """Return an output without a picture in one form: source code, mathematics, HTML or text."""
    plain = "".join(data.get("text/plain", ""))
    latex = "".join(data.get("text/latex", ""))
    if latex.startswith(r"\begin{Verbatim}"):  # source: the page highlights it in its own colours
        return _as("text/markdown", f"```python\n{plain}\n```")
    if latex and "text/html" not in data:
        return _as("text/latex", latex)
    if "text/html" in data:
        whole = "".join(data["text/html"])
        return _as("text/html", TABLE.sub(_wrapped, whole))
    if "text/markdown" in data:
        return _as("text/markdown", "".join(data["text/markdown"]))
    return _as("text/plain", plain)


def _wrapped(found: re.Match[str]) -> str:
    return f'<div class="table-wrapper">{found.group()}</div>'
