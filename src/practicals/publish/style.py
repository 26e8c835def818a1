"""Whether a notebook reads as a lesson: short cells, one result each, exercises, an opening."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import nbformat.v4
from nbformat import NotebookNode

from provenance import handout

OPENING = {
    "a title": r"\A\s*# \S",
    "the minutes it takes": r"(?i)\bminutes?\b",
    "what to know before": r"(?i)\b(before|prerequisites?)\b",
    "a link": r"\]\(\S+\)",
}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
STATEMENTS = (*DEFINITIONS, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Assert)
TABLE = r"(.*\.)?(ledger\.(table|grid|claims_table)|\w*tables\.\w+)"
FIGURE = r"(.*\.)?ledger\.(figure|animation)"
KEPT = r"(.*\.)?(ledger|figures)\.\w+"
SHOWN = r"(.*\.)?(print|display|show\w*)"
Found = Iterator[tuple[str, str]]


def problems(path: Path) -> Found:
    """Yield what in the notebook at ``path`` breaks the style, each with its remedy."""
    nb = nbformat.v4.reads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    yield from opening(nb)
    yield from exercises(nb)
    yield from lengths([cell.source for cell in cells])
    for number, cell in enumerate(cells, 1):
        for what, remedy in of_cell(cell):
            yield f"code cell {number} {what}", remedy


def opening(nb: NotebookNode) -> Found:
    """Yield what the first cell does not tell a reader."""
    text = next((cell.source for cell in nb.cells[:1] if cell.cell_type == "markdown"), "")
    for what, pattern in OPENING.items():
        if not re.search(pattern, text):
            yield f"opens without {what}", "say it in the first cell, in Markdown"


def exercises(nb: NotebookNode) -> Found:
    """Yield an unsuitable number of cells to be written by hand, or one that cannot be used."""
    try:
        if not 3 <= (count := len(handout.by_hand(nb))) <= 6:
            yield f"has {count} cells to be written by hand", "mark 3 to 6"
    except handout.BadExercise as error:
        yield str(error), "pair answer and test as in the other notebooks"


def lengths(sources: list[str]) -> Found:
    """Yield what is too long in the code cells ``sources``, and too many comprehensions."""
    lines = sorted(sum(map(bool, map(str.strip, text.splitlines()))) for text in sources) or [0]
    limits = (
        (statistics.median(lines), 6, "in the median"),
        (lines[int(0.9 * (len(lines) - 1))], 15, "at the 90th percentile"),
        (lines[-1], 25, "in the longest"),
    )
    for found, limit, where in limits:
        if found > limit:
            remedy = "split cells, or move what is no lesson into the package"
            yield f"has {found:g} lines in a code cell {where}, more than {limit}", remedy
    nodes = [node for text in sources for node in ast.walk(_parsed(text))]
    each = sum(isinstance(node, COMPREHENSIONS) for node in nodes) / len(lines)
    if each > 1:
        yield f"has {each:.1f} comprehensions a cell, more than 1", "write loops"


def _parsed(source: str) -> ast.Module:
    """Return a cell's syntax tree, empty for one with a magic, which ``check`` names."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def of_cell(cell: NotebookNode) -> Found:
    """Yield what breaks the style in one code cell; one tagged ``hide-input`` may keep books."""
    tree = _parsed(cell.source)
    yield from _hard_to_read(tree)
    yield from _captions(tree)
    if "hide-input" not in cell.metadata.get("tags", []):
        yield from _bookkeeping(tree)
        if tree.body and not _has_result(tree, cell):
            yield "shows and defines nothing", "show its result, or tag it hide-input"


def _hard_to_read(tree: ast.Module) -> Found:
    choices = [node for node in ast.walk(tree) if isinstance(node, ast.IfExp)]
    if any(isinstance(n, ast.IfExp) for c in choices for n in ast.walk(c) if n is not c):
        yield "chains conditional expressions", "write if and else as statements"
    for alias in (node for node in ast.walk(tree) if isinstance(node, ast.alias)):
        # F stands for torch.nn.functional in every text of the field.
        if len(alias.asname or "") == 1 and alias.asname != "F":
            yield f"imports {alias.name} as {alias.asname}", "import it by its name"
    for node in tree.body[:-1]:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call):
            yield f"holds {ast.unparse(node)!r}, which is never shown", "show it last, or drop it"


def _calls(tree: ast.AST, pattern: str) -> list[ast.Call]:
    """Return the calls of functions whose dotted name is like ``pattern``."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if re.fullmatch(pattern, ast.unparse(call.func))]


def _captions(tree: ast.Module) -> Found:
    for call in _calls(tree, FIGURE):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        for part in ("caption", "alt"):
            if not given.get(part, "").strip("'\" "):
                yield f"shows a figure without {part}=", "say what it shows, and what is seen"


def _bookkeeping(tree: ast.Module) -> Found:
    kept = _calls(tree, KEPT)
    inner = {id(node) for call in kept for node in ast.walk(call) if node is not call}
    outer = [call for call in kept if id(call) not in inner]
    if len(outer) > 1:
        yield f"calls ledger or figures {len(outer)} times", "once a cell, or tag it hide-input"
    last = [node for node in tree.body[-1:] if isinstance(node, ast.Expr)]
    shown = {id(node) for expression in last for node in ast.walk(expression)}
    for call in _calls(tree, TABLE):
        if id(call) not in shown:
            yield f"never shows {ast.unparse(call.func)}(…)", "make it the cell's last expression"


def _has_result(tree: ast.Module, cell: NotebookNode) -> bool:
    ends = isinstance(tree.body[-1], ast.Expr) and not cell.source.rstrip().endswith(";")
    # Only a run tells whether a call at the end returns something.
    seen = bool(cell.outputs) or (ends and cell.execution_count is None)
    defines = any(isinstance(node, STATEMENTS) for node in ast.walk(tree))
    return seen or defines or bool(_calls(tree, SHOWN))
