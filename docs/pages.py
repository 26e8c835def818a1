"""How a committed notebook and a docstring are read for the site."""

import re

import nbformat
from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from nbformat import NotebookNode

MARKER = re.compile(r"^### (BEGIN|END) SOLUTION\n?", re.M)
PACKAGE = re.compile(r"\(\.\./src/practicals/(\w+)/?\)")
CODE = re.compile(r"(``.+?``)", re.S)
SPECIAL = re.compile(r"([\\*_\[\]<>$`#|~])")


def read_notebook(text: str) -> NotebookNode:
    """Return a notebook as a page shows it: tests folded, pictures with their alternative text."""
    nb = nbformat.reads(text, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = PACKAGE.sub(r"(../api/practicals/practicals.\1.rst)", cell.source)
        elif cell.cell_type == "code":
            _show(cell)
    return nb


def _show(cell: NotebookNode) -> None:
    """Fold a test, leave nbgrader's markers out, and name the cell's picture for who hears it."""
    cell.source = MARKER.sub("", cell.source)
    grading, shown = cell.metadata.get("nbgrader", {}), cell.metadata.setdefault("mystnb", {})
    if grading.get("grade") and not grading.get("solution"):
        cell.metadata["tags"] = sorted({*cell.metadata.get("tags", []), "hide-input"})
        shown["code_prompt_show"] = "Show the test"
    told = (facts.get("alt") for o in cell.outputs for facts in o.get("metadata", {}).values())
    alt = next(filter(None, told), "A picture drawn by the code above it.")
    shown["image"] = {"alt": alt}


class Parser(MystParser):
    """Markdown in which only what stands between double backticks is special."""

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse a docstring, which is plain text with code in it."""
        parts = CODE.split(inputstring)
        plain = (p if i % 2 else SPECIAL.sub(r"\\\1", p) for i, p in enumerate(parts))
        super().parse("".join(plain), document)
