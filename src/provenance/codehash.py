"""Hashes of code: of a module with what it imports, and of a notebook with what it reaches.

Comments, docstrings and layout do not count, so that prose can be improved without a new run. The
project's settings name the modules that do not count (where things lie, how they are shown).
"""

import ast
import hashlib
import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import project
from .project import ProvenanceError

SKIPPED_FIELDS = ("ctx", "kind", "type_comment", "type_ignores", "type_params")
PLAIN = (bool, int, float, complex, str, bytes, type(None))


class NotPlainPython(ProvenanceError):
    """Raised for a code cell that Python alone cannot parse, such as one with a ``%magic``."""


def _merged(parts: list[ast.expr]) -> list[ast.expr]:
    """Join neighbouring literals of an f-string, which Python versions split differently."""
    out: list[ast.expr] = []
    for part in parts:
        last = out[-1] if out else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            out[-1] = ast.Constant(str(last.value) + str(part.value))
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            out.append(part)
    return out


def _is_text(node: object) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _children(node: ast.AST, keep_text: bool) -> Iterator[tuple[str, object]]:
    for name in node._fields:
        value = getattr(node, name, None)
        if name in SKIPPED_FIELDS or value is None or value == []:
            continue
        if isinstance(node, ast.JoinedStr):
            value = _merged(node.values)
        if name == "body" and isinstance(value, list) and not keep_text:
            value = [item for item in value if not _is_text(item)]
        yield name, value


def text_of(node: object, keep_text: bool = False) -> str:
    """Return a syntax tree as text, without positions, comments and docstrings.

    ``keep_text`` keeps the bare strings at the top level: a notebook's cell displays them.
    """
    if isinstance(node, list):
        return "[" + ",".join(text_of(item) for item in node) + "]"
    if isinstance(node, ast.AST):
        fields = (f"{name}={text_of(value)}" for name, value in _children(node, keep_text))
        return f"{type(node).__name__}({','.join(fields)})"
    return ascii(node)  # repr would follow the Unicode tables of the Python at hand


def file_of(module: str) -> Path | None:
    """Return the file of a dotted module of the package, or None where there is none."""
    here = project.current()
    place = here.root / here.source / Path(*module.split("."))
    return next((p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()), None)


def _names(node: ast.AST, package: str) -> list[str]:
    """Return the dotted names that an import statement inside ``package`` may name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def imports(tree: ast.AST, package: str = "") -> set[str]:
    """Return the package's modules that ``tree`` imports, at any depth, as dotted names.

    ``package`` is the dotted package that relative imports start from. A module's packages count
    as well: their ``__init__`` runs first.
    """
    ours = project.current().package
    dotted = {name for node in ast.walk(tree) for name in _names(node, package or ours)}
    parts = [name.split(".") for name in dotted if f"{name}.".startswith(f"{ours}.")]
    found = {".".join(some[:i]) for some in parts for i in range(1, len(some) + 1)}
    return {name for name in found if file_of(name)}


@lru_cache(maxsize=1024)
def _parsed(file: Path, stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _tree(module: str) -> tuple[ast.Module, str]:
    """Return a module's syntax tree, and the package that its relative imports start from."""
    file = file_of(module)
    if file is None:
        raise ProvenanceError(f"{project.current().package} has no module {module!r}")
    facts = file.stat()
    inside = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return _parsed(file, (facts.st_mtime_ns, facts.st_size)), inside


def _counts(module: str) -> bool:
    """Return whether a module's text counts: neither it nor a package above is ``unhashed``."""
    skipped = project.current().unhashed
    return not any(f"{module}.".startswith(f"{name}.") for name in skipped)


def reached(names: Iterable[str]) -> dict[str, ast.Module]:
    """Return the modules that count and that ``names`` lead to, themselves included."""
    trees: dict[str, ast.Module] = {}
    todo = sorted(names)
    while todo:
        name = todo.pop()
        if name not in trees and _counts(name):
            trees[name], package = _tree(name)
            todo.extend(imports(trees[name], package))
    return dict(sorted(trees.items()))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def module_hash(*names: str) -> str:
    """Return the hash of the package's modules ``names`` and of all that they import.

    Raises ProvenanceError for a name that is no module: a hash of nothing would never change.
    """
    return _digest(f"{name}:{text_of(tree)}" for name, tree in reached(names).items())


def _plain(value: object) -> Any:
    """Return a constant as text, or None for what is no number, text or container of these."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        items = [_plain(item) for item in value]
        items += [_plain(item) for item in value.values()] if isinstance(value, dict) else []
        if None in items:
            return None
        ordered = sorted(items) if isinstance(value, set | frozenset) else items
        return f"{type(value).__name__}({','.join(ordered)})"
    return None


def _assigned(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (t.id for t in targets if isinstance(t, ast.Name))


def live_constants(*names: str) -> str:
    """Return the hash of what the constants of all reached modules hold in this process.

    A constant that a notebook has set, ``study.SIZE = 8``, is not in any file: this sees it.
    """
    parts = []
    for name, tree in reached(names).items():
        module = sys.modules.get(name) or importlib.import_module(name)
        for constant in dict.fromkeys(_assigned(tree)):
            value = _plain(getattr(module, constant, None))
            parts += [f"{name}.{constant}={value}"] if value is not None else []
    return _digest(parts)


def code_cells(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells that are not empty."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        return [source for source in sources if source.strip()]
    except (ValueError, KeyError, TypeError) as error:
        raise ProvenanceError(f"{path.name} is no readable notebook ({error!r})") from None


def _parse_cell(source: str, where: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise NotPlainPython(
            f"{where}, line {error.lineno}: {(error.text or '').strip()!r} is not plain Python. "
            "Cells may hold no %magic and no !command; write the call in Python"
        ) from None


def settings(stem: str, profile: str) -> str:
    """Return, as JSON, the settings that the notebook ``stem`` reads from outside hashed code.

    ``[tool.provenance] settings = "package.module:function"`` names who knows them.
    """
    named = project.current().settings
    if not named:
        return profile
    module, _, function = named.partition(":")
    found = getattr(importlib.import_module(module), function)(stem, profile)
    return json.dumps(found, sort_keys=True, default=str)


def notebook_hash(path: Path, profile: str) -> str:
    """Return the hash of the notebook at ``path`` under a profile.

    It covers the code cells, the modules they reach, the ``listed`` files and the settings; raises
    NotPlainPython for a cell with a magic.
    """
    sources = code_cells(path)
    trees = [_parse_cell(s, f"{path.name}, code cell {i}") for i, s in enumerate(sources, 1)]
    # A closing semicolon hides a cell's value: the output differs though the tree does not.
    pairs = zip(sources, trees, strict=True)
    cells = [f"{text_of(t, keep_text=True)}{s.rstrip()[-1] == ';'}" for s, t in pairs]
    modules = reached({name for tree in trees for name in imports(tree)})
    code = [f"{module}:{text_of(tree)}" for module, tree in modules.items()]
    root = project.current().root
    files = sorted(file for glob in project.current().listed for file in root.glob(glob))
    lists = [file.read_text(encoding="utf-8") for file in files]
    return _digest([settings(path.stem, profile), *cells, *code, *lists])
