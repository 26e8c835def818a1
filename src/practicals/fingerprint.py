"""Hashes of code: of a module with what it imports, and of a notebook with what it reaches.

Comments, docstrings and layout do not count, so that prose can be improved without a new run. The
hash is the same on Python 3.10 and later, whose syntax trees differ only in empty fields.
"""

import ast
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from practicals import paths, profile

PACKAGE = "practicals"
# No number or figure depends on the text of these: where things lie, how files arrive (their
# content is checked) and are kept, how a hash is taken. The budgets of the profile enter by value.
NOT_HASHED = frozenset(
    {
        "profile",
        "budgets",
        "sizes",
        "fingerprint",
        "paths",
        "jobs",
        "entries",
        "data.fetch",
    }
)
# Which files a data set consists of: the lists that ``data.fetch`` reads, but for the addresses.
LISTS = "data/*.txt"
SKIPPED_FIELDS = ("ctx", "kind", "type_comment", "type_ignores")


class NotPlainPython(ValueError):
    """Raised for a code cell that Python alone cannot parse, such as one with a ``%magic``."""


def package_dir() -> Path:
    """Return the folder of the package's modules."""
    return Path(__file__).resolve().parent


def _merged(parts: list[ast.expr]) -> list[ast.expr]:
    """Join neighbouring literals of an f-string, which Python versions split differently."""
    out: list[ast.expr] = []
    for part in parts:
        last = out[-1] if out else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            out[-1] = ast.Constant(last.value + part.value)
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
            value = _merged(value)
        if name == "body" and isinstance(value, list) and not keep_text:
            value = [item for item in value if not _is_text(item)]
        yield name, value


def walk(node: object, keep_text: bool = False) -> str:
    """Return a syntax tree as text, without positions, comments and docstrings.

    ``keep_text`` keeps the bare strings at the top level: a notebook's cell displays them.
    """
    if isinstance(node, list):
        return "[" + ",".join(walk(item) for item in node) + "]"
    if isinstance(node, ast.AST):
        fields = (f"{name}={walk(value)}" for name, value in _children(node, keep_text))
        return f"{type(node).__name__}({','.join(fields)})"
    return ascii(node)  # repr would follow the Unicode tables of the Python at hand


def package_of(module: str) -> str:
    """Return the dotted package that the relative imports of a module of ours start from."""
    is_package = (package_dir() / Path(*module.split(".")) / "__init__.py").is_file()
    whole = f"{PACKAGE}.{module}" if module else PACKAGE
    return whole if is_package or not module else whole.rpartition(".")[0]


def file_of(module: str) -> Path | None:
    """Return the file of a module of the package, ``saliency.maps`` or ``saliency``, or None."""
    place = package_dir().joinpath(*module.split("."))
    options = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in options if path.is_file()), None)


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


def imports(tree: ast.AST, package: str = PACKAGE) -> set[str]:
    """Return the package's modules that ``tree`` imports, at any depth, as ``saliency.maps``.

    ``package`` is the dotted package that relative imports start from. A module's packages count
    as well, up to our own (the empty name): their ``__init__`` runs first.
    """
    dotted = {name for node in ast.walk(tree) for name in _names(node, package)}
    ours = [name.split(".") for name in dotted if f"{name}.".startswith(f"{PACKAGE}.")]
    found = {".".join(parts[1:i]) for parts in ours for i in range(1, len(parts) + 1)}
    return {name for name in found if file_of(name)}


def parse_module(module: str) -> ast.Module:
    """Return the syntax tree of a module of the package; raise ValueError where there is none."""
    path = file_of(module)
    if path is None:
        raise ValueError(f"{PACKAGE} has no module {module!r}")
    return ast.parse(path.read_text(encoding="utf-8"))


def reached(names: Iterable[str]) -> dict[str, ast.Module]:
    """Return the hashed modules that ``names`` lead to, themselves included, with their trees."""
    trees: dict[str, ast.Module] = {}
    todo = sorted(names)
    while todo:
        name = todo.pop()
        if name not in trees and name not in NOT_HASHED:
            trees[name] = parse_module(name)
            todo.extend(imports(trees[name], package_of(name)))
    return dict(sorted(trees.items()))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def code_hash(*names: str) -> str:
    """Return the hash of the package's modules ``names`` and of all that they import.

    Names start below the package (``"transfer.study"``) or with it. Raises ValueError for a name
    that is no module: a hash of nothing would never change.
    """
    short = (name.removeprefix(f"{PACKAGE}.") for name in names)
    return _digest(f"{name}:{walk(tree)}" for name, tree in reached(short).items())


def code_cells(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells that are not empty."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return [source for source in sources if source.strip()]


def _parse_cell(source: str, where: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise NotPlainPython(
            f"{where}, line {error.lineno}: {(error.text or '').strip()!r} is not plain Python. "
            "Cells may hold no %magic and no !command; write the call in Python."
        ) from None


def _shown(cells: list[ast.Module]) -> set[str]:
    """Return the names of the definitions that cells print with ``show_source``."""
    calls = (n for cell in cells for n in ast.walk(cell) if isinstance(n, ast.Call))
    names = (
        getattr(argument, "attr", getattr(argument, "id", ""))
        for call in calls
        if getattr(call.func, "attr", getattr(call.func, "id", "")) == "show_source"
        for argument in call.args
    )
    return set(names) - {""}


def _listings(names: set[str], modules: Iterable[str]) -> Iterator[str]:
    """Yield the full text of definitions shown in a notebook: there, comments do count."""
    for module in modules if names else ():
        source = file_of(module).read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if getattr(node, "name", None) in names and hasattr(node, "lineno"):
                yield "\n".join([module, *lines[node.lineno - 1 : node.end_lineno]])


def budgets(stem: str, name: str) -> str:
    """Return, as JSON, the fields of the profile ``name`` that the notebook ``stem`` reads."""
    values = dataclasses.asdict(profile.get(name))
    foreign = set(profile.BUDGET_OF.values()) - {profile.BUDGET_OF.get(stem)}
    kept = {key: value for key, value in values.items() if key not in foreign}
    return json.dumps(kept, sort_keys=True, default=str)


def notebook_hash(path: Path, name: str) -> str:
    """Return the hash of the notebook at ``path`` under the profile called ``name``.

    It covers the code cells, the modules they reach, the lists of the data sets' files and the
    budgets they spend; raises NotPlainPython for a cell with a magic.
    """
    sources = code_cells(path)
    trees = [_parse_cell(s, f"{path.name}, code cell {i}") for i, s in enumerate(sources, 1)]
    # A closing semicolon hides a cell's value: the output differs though the tree does not.
    cells = [f"{walk(t, True)}{s.rstrip()[-1] == ';'}" for s, t in zip(sources, trees, strict=True)]
    modules = reached({name for tree in trees for name in imports(tree)})
    code = [f"{module}:{walk(tree)}" for module, tree in modules.items()]
    lists = [p.read_text(encoding="utf-8") for p in sorted(package_dir().glob(LISTS))]
    shown = _listings(_shown(trees), modules)
    return _digest([budgets(path.stem, name), *cells, *code, *lists, *shown])


def of_stem(stem: str, name: str) -> str:
    """Return ``notebook_hash`` of the notebook ``stem``, or ``"unknown"`` where it has none.

    A student's copy with another name or a magic in a cell still runs; ``check`` refuses its
    outputs.
    """
    try:
        return notebook_hash(paths.notebooks_dir() / f"{stem}.ipynb", name)
    except (FileNotFoundError, NotPlainPython):
        return "unknown"
