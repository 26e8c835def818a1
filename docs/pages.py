"""How committed notebooks, docstrings and modules become pages of the site."""

import re
from collections.abc import Iterator

import nbformat
from autodoc2.render.rst_ import RstRenderer
from autodoc2.utils import ItemData
from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from nbformat import NotebookNode

MARKER = re.compile(r"^ *### (BEGIN|END) SOLUTION\n?", re.M)
PACKAGE = re.compile(r"\(\.\./src/practicals/(\w+)/?\)")
CODE = re.compile(r"(``.+?``)", re.S)
MODULE = re.compile(r"^   ((?:\w+\.)+(\w+))$")
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


class Renderer(RstRenderer):
    """The pages of modules: in alphabetical order, called by their own names in the menu."""

    def get_children(
        self, item: ItemData, types: set[str] | None = None, *, omit_hidden: bool = True
    ) -> Iterator[ItemData]:
        """Yield what an item holds; modules sorted, all else in the order of the source."""
        found = list(super().get_children(item, types, omit_hidden=omit_hidden))
        modules = item["type"] == "package" and types is not None
        yield from sorted(found, key=lambda child: child["full_name"]) if modules else found

    def render_package(self, item: ItemData) -> Iterator[str]:
        """Yield a page's lines, with a plain title and short names in its list of modules."""
        for line in super().render_package(item):
            plain = item["full_name"] if line.startswith(":py:mod:") else line
            yield MODULE.sub(r"   \2 <\1>", plain)

    def render_data(self, item: ItemData) -> Iterator[str]:
        """Yield a field's lines; one without a default has no value, where autodoc2 says None."""
        bare = item.get("value") is None
        yield from (x for x in super().render_data(item) if not (bare and ":value: None" in x))
