"""The package's public names as pages: read from the source as text, so that nothing is imported.

A page holds one room; a class shows its fields and methods, and every docstring is shown as it is.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path

CODE = re.compile(r"(``.+?``)", re.S)
SPECIAL = re.compile(r"([\\*_\[\]<>$`#|~])")
GROUND = "ground"
"""The page of the modules that lie in no room."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef
Names = Mapping[str, str]
"""What the package's own names in a module stand for: name to full dotted name."""


def as_markdown(text: str | None) -> str:
    """Return a docstring as Markdown: only what stands between double backticks is special."""
    parts = CODE.split(inspect.cleandoc(text or ""))
    return "".join(p if i % 2 else SPECIAL.sub(r"\\\1", p) for i, p in enumerate(parts))


def pages(package: Path) -> dict[str, str]:
    """Return the pages of the package in the folder ``package``, name to Markdown."""
    rooms = sorted(p for p in package.iterdir() if (p / "__init__.py").is_file())
    found = {GROUND: _page("Ground", package, "practicals")}
    for room in rooms:
        found[room.name] = _page(room.name, room, f"practicals.{room.name}")
    listed = "\n".join(found)
    head = as_markdown(ast.get_docstring(_parsed(package / "__init__.py")))
    return found | {
        "index": f"# API reference\n\n{head}\n\nEvery folder of the package is a room, and a page "
        "here. *Ground* holds the modules that all rooms stand on.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    }


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _page(title: str, folder: Path, dotted: str) -> str:
    about = ast.get_docstring(_parsed(folder / "__init__.py"))
    lines = [f"# {title}", "", as_markdown(about) if dotted != "practicals" else "", ""]
    for path in sorted(folder.glob("*.py")):
        if not path.stem.startswith("_"):
            lines += _module(_parsed(path), f"{dotted}.{path.stem}")
    return "\n".join(lines) + "\n"


def names_in(tree: ast.Module, dotted: str) -> dict[str, str]:
    """Return what classes of the package a module's annotations can name, so that links are right.

    Two rooms may each have a class of one name.
    """
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = f"{dotted}.{node.name}"
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(dotted.split(".")[: -node.level]) if node.level else ""
            whole = ".".join(filter(None, (base, node.module)))
            if whole.split(".")[0] == "practicals":
                found |= {name.asname or name.name: f"{whole}.{name.name}" for name in node.names}
    return found


class _Full(ast.NodeTransformer):
    """Writes full names in place of the package's own short ones."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), ast.Load())


def _annotation(node: ast.expr, names: Names) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # a name between quotes
        node = ast.parse(node.value, mode="eval").body
    return ast.unparse(_Full(names).visit(deepcopy(node)))


def _module(tree: ast.Module, dotted: str) -> Iterator[str]:
    names = names_in(tree, dotted)
    yield from (f"## {dotted.rpartition('.')[2]}", "", f"```{{py:module}} {dotted}", "```", "")
    yield from (as_markdown(ast.get_docstring(tree)), "")
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield from _described("function", node.name + _signature(node, names), node, 3)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(node, names)


def _described(
    kind: str, signature: str, node: Definition | ast.ClassDef, colons: int
) -> Iterator[str]:
    fence = ":" * colons
    text = as_markdown(ast.get_docstring(node))
    yield from (f"{fence}{{py:{kind}}} {signature}", "", text, fence, "")


def _class(node: ast.ClassDef, names: Names) -> Iterator[str]:
    bases = [ast.unparse(base) for base in node.bases]
    shown = f"({', '.join(bases)})" if bases else ""
    yield from (f"::::{{py:class}} {node.name}{shown}", "", as_markdown(ast.get_docstring(node)))
    yield ""
    texts = [*node.body[1:], None]
    for part, after in zip(node.body, texts, strict=True):
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            if not part.target.id.startswith("_"):
                yield from _field(part, after, names)
        elif isinstance(part, Definition) and not part.name.startswith("_"):
            decorators = {ast.unparse(d).rpartition(".")[2] for d in part.decorator_list}
            if "property" in decorators:
                yield from _described("property", part.name, part, 3)
            else:
                yield from _described("method", part.name + _signature(part, names, True), part, 3)
    yield from ("::::", "")


def _field(part: ast.AnnAssign, after: ast.stmt | None, names: Names) -> Iterator[str]:
    """Describe a field; a bare string below it is its docstring."""
    said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    text = str(after.value.value) if said else ""
    yield f":::{{py:attribute}} {part.target.id}"
    yield f":type: {_annotation(part.annotation, names)}"
    if part.value is not None and len(value := ast.unparse(part.value)) < 60:
        yield f":value: {value}"
    yield from ("", as_markdown(text), ":::", "")


def _signature(node: Definition, names: Names, bound: bool = False) -> str:
    """Return arguments and result as in the source, on one line, without ``self``."""
    given = deepcopy(node.args)
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    for argument in every:
        if argument is not None and argument.annotation is not None:
            argument.annotation = ast.Name(_annotation(argument.annotation, names), ast.Load())
    arguments = ast.unparse(given)
    if bound:
        arguments = re.sub(r"^(self|cls)(, |$)", "", arguments)
    returns = f" -> {_annotation(node.returns, names)}" if node.returns else ""
    return f"({arguments}){returns}".replace("\n", " ")
