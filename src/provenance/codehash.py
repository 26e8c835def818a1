"""Hashes of code: of modules with all they import, and of a notebook with all it reaches.

Comments, docstrings and layout do not count, so that prose can be improved without a new run; nor
do the modules that ``[tool.provenance] unhashed`` names (where things lie, how they are shown).
"""

import ast
import importlib
import json
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from . import project
from .project import ProvenanceError

SKIPPED = ("ctx", "kind", "type_comment", "type_ignores")


def text_of(node: object, keep_text: bool = False) -> str:
    """Return a syntax tree as text: the same on Python 3.11 to 3.14, without comments and docs.

    ``keep_text`` keeps the bare strings at the top level: a notebook's cell displays them.
    """
    if isinstance(node, list):
        return f"[{','.join(map(text_of, node))}]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # repr would follow the Unicode tables of the Python at hand
    fields = []
    for name, value in ast.iter_fields(node):
        if name in SKIPPED or value is None or value == []:  # versions differ in empty fields
            continue
        if isinstance(node, ast.JoinedStr):
            value = _merged(node.values)
        elif name == "body" and isinstance(value, list) and not keep_text:
            value = [item for item in value if not _is_text(item)]
        fields.append(f"{name}={text_of(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _merged(parts: list[ast.expr]) -> list[ast.expr]:
    """Join neighbouring literals of an f-string, which Python versions split differently."""
    out: list[ast.expr] = []
    for part in parts:
        if isinstance(part, ast.Constant) and out and isinstance(out[-1], ast.Constant):
            out[-1] = ast.Constant(str(out[-1].value) + str(part.value))
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            out.append(part)
    return out


def _is_text(node: object) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def file_of(module: str) -> Path | None:
    """Return the file of a dotted module of the package, or None where there is none."""
    here = project.current()
    place = here.root / here.source / Path(*module.split("."))
    return next((p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()), None)


def _named(tree: ast.AST, package: str) -> set[str]:
    """Return the dotted names that imports inside ``package`` may mean, with their parents.

    A module's packages count as well: their ``__init__`` runs first.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {name.rsplit(".", i)[0] for name in found for i in range(name.count(".") + 1)}


@lru_cache(maxsize=1024)
def _parsed(file: Path, package: str, stamp: tuple[int, int]) -> tuple[str, frozenset[str]]:
    """Return a file as text and the names it imports; ``stamp`` is there for the cache."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return text_of(tree), frozenset(_named(tree, package))


def reached(names: Iterable[str]) -> dict[str, str]:
    """Return the modules that count among ``names`` and all they import, with their text."""
    here, texts, todo = project.current(), dict[str, str](), list(names)
    while todo:
        name = todo.pop()
        if name in texts or any(f"{name}.".startswith(f"{skip}.") for skip in here.unhashed):
            continue
        file = file_of(name)
        if file is None:
            raise ProvenanceError(f"{here.package} has no module {name!r}")
        facts, inside = file.stat(), name if file.stem == "__init__" else name.rpartition(".")[0]
        texts[name], named = _parsed(file, inside, (facts.st_mtime_ns, facts.st_size))
        todo += _ours(named)
    return dict(sorted(texts.items()))


def _ours(named: Iterable[str]) -> list[str]:
    ours = f"{project.current().package}."
    return [name for name in named if f"{name}.".startswith(ours) and file_of(name)]


def module_hash(*names: str) -> str:
    """Return the hash of the package's modules ``names`` and of all that they import.

    Raises ProvenanceError for a name that is no module: a hash of nothing would never change.
    """
    code = "\n".join(f"{name}:{text}" for name, text in reached(names).items())
    return sha256(code.encode()).hexdigest()


def _cell(source: str, where: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise ProvenanceError(
            f"{where}, line {error.lineno}: {(error.text or '').strip()!r} is not plain Python. "
            "Cells may hold no %magic and no !command; write the call in Python"
        ) from None


def settings(stem: str, profile: str) -> str:
    """Return, as JSON, the settings that a notebook reads from outside hashed code.

    ``[tool.provenance] settings = "package.module:function"`` names who knows them.
    """
    module, _, function = project.current().settings.partition(":")
    if not module:
        return profile
    found = getattr(importlib.import_module(module), function)(stem, profile)
    return json.dumps(found, sort_keys=True, default=str)


def notebook_hash(path: Path, profile: str) -> str:
    """Return the hash of a notebook: code cells, modules reached, ``listed`` files, settings.

    Raises ProvenanceError for a file that is no notebook and for a cell that is not plain Python.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        every = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise ProvenanceError(f"{path.name} is no readable notebook ({error!r})") from None
    sources = [source.rstrip() for source in every if source.strip()]
    trees = [_cell(s, f"{path.name}, code cell {i}") for i, s in enumerate(sources, 1)]
    # A closing semicolon hides a cell's value: the output differs though the tree does not.
    shown = [text_of(t, True) + str(s[-1] == ";") for t, s in zip(trees, sources, strict=True)]
    here = project.current()
    modules = reached(_ours(name for tree in trees for name in _named(tree, here.package)))
    code = [f"{name}:{text}" for name, text in modules.items()]
    files = sorted(file for pattern in here.listed for file in here.root.glob(pattern))
    lists = [file.read_text(encoding="utf-8") for file in files]
    parts = [settings(path.stem, profile), *shown, *code, *lists]
    return sha256("\n".join(parts).encode()).hexdigest()
