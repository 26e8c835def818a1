"""Hashes change with code and budgets, and with nothing else."""

import ast
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from practicals import fingerprint, profile

TRICKY = r'''
"""Docstring."""
import os, sys as system
from a.b import (c as d, e)
X: int = -1_000; Y = 1e-7; Z = 0x1F; S = u"é\u202f" 'b' f"{X!r:>{Y}}" rf"\d{X = }{{"; B = b"\x00"
async def f(a, /, b=1, *args: int, c, d: "str" = ..., **kw) -> None:
    """Docstring."""
    async with a as b, c: pass
    return [x async for x in a if x] or {**kw} or {*args} or await a
class A(B, metaclass=C):
    field: int = 3
    """Attribute's docstring."""
    @property
    def g(self): return lambda x=1: (y := x)[1:2, ..., None]
match X:
    case {"a": [1, *rest], **more} if rest: pass
    case A(field=3) | None: pass
try: pass
except (A, B) as error: raise error from None
else: del X
finally: global_ = not X if Y else 1j
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package: ``one`` imports ``two``, ``other`` nothing; ``a`` and ``deep`` are folders."""
    folder = tmp_path / "practicals"
    files = {
        "__init__": "",
        "one": "from practicals import two\n\n\ndef f():\n    return two.g()\n",
        "two": "def g():\n    return 1\n",
        "other": "A = 1\n",
        "a/__init__": '"""A folder."""\n',
        "a/b": "def h():\n    return 1\n",
        "a/c": "from . import b\n",
        "a/d": "from .b import h\n",
        "a/e": "from ..two import g\n",
        "deep/__init__": "",
        "deep/f": "from ..a import b\n",
        "deep/g": "from ..a.b import h\n",
        "deep/x/__init__": "",
        "deep/x/y": "from ...a.c import b\n",
    }
    for name, text in files.items():
        write(folder, name, text)
    monkeypatch.setattr(fingerprint, "package_dir", lambda: folder)
    return folder


def write(folder, name, text):
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def notebook(tmp_path):
    """Return a function that writes a notebook with the given cells and hashes it."""

    def write(*cells, stem="1-transfer-learning", name="sample"):
        path = tmp_path / f"{stem}.ipynb"
        kinds = [{"cell_type": "code", "source": cell} for cell in cells]
        path.write_text(json.dumps({"cells": [*kinds, {"cell_type": "markdown", "source": "hi"}]}))
        return fingerprint.notebook_hash(path, name)

    return write


def test_docstrings_comments_and_layout_do_not_count():
    a = ast.parse('"""Doc."""\n# why\ndef f(x):\n    "Doc."\n    return (x +\n 1)')
    assert fingerprint.walk(a) == fingerprint.walk(ast.parse("def f(x): return x+1"))


@pytest.mark.parametrize("other", ["f(1)", "f(True)", "f('1')", "f(1.0)", "f(1, 2)", "g(1)"][1:])
def test_different_code_differs(other):
    assert fingerprint.walk(ast.parse("f(1)")) != fingerprint.walk(ast.parse(other))


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13", "3.14"])
def test_other_python_versions_agree(version):
    python = shutil.which(f"python{version}")
    walker = "import ast,sys;exec(sys.stdin.read())"
    if not python or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"python{version} is not installed")
    source = Path(fingerprint.__file__).read_text()
    needed = source[source.index("SKIPPED_FIELDS") : source.index("def _names")]
    program = (
        "from __future__ import annotations\nfrom collections.abc import Iterator\n"
        + needed.replace("class NotPlainPython", "from pathlib import Path\nclass NotPlainPython")
        + f"\nprint(walk(ast.parse({TRICKY!r})))"
    )
    out = subprocess.run([python, "-c", walker], input=program, capture_output=True, text=True)
    assert out.stdout.strip() == fingerprint.walk(ast.parse(TRICKY)), out.stderr


def test_code_hash_follows_imports(package):
    before = fingerprint.code_hash("one"), fingerprint.code_hash("practicals.other")
    (package / "two.py").write_text("def g():\n    return 2\n")
    assert fingerprint.code_hash("one") != before[0]
    assert fingerprint.code_hash("other") == before[1]


@pytest.mark.parametrize(
    "cell",
    [
        "from practicals import one",
        "from practicals.one import f",
        "import practicals.one",
        "import practicals.one as o",
        "def later():\n    from practicals import one",
    ],
)
def test_a_notebook_reaches_modules_through_any_import(package, notebook, cell):
    before = notebook(cell)
    (package / "other.py").write_text("A = 2\n")
    assert notebook(cell) == before
    (package / "two.py").write_text('"""New words."""\n\n\ndef g():  # why\n    return 1\n')
    assert notebook(cell) == before
    (package / "two.py").write_text("def g():\n    return 2\n")
    assert notebook(cell) != before


@pytest.mark.parametrize(
    "cell",
    [
        "from practicals.a import b",
        "from practicals.a.b import h",
        "import practicals.a.b as z",
        "import practicals.a.b",
        "from practicals.a import c",
        "from practicals.a import d",
        "from practicals.deep import f",
        "from practicals.deep.g import h",
        "from practicals.deep.x import y",
        "if True:\n    import os, practicals.deep.x.y as y",
    ],
)
def test_a_change_two_folders_deep_makes_a_notebook_stale(package, notebook, cell):
    before = notebook(cell)
    write(package, "other", "A = 2\n")
    write(package, "a/e", "B = 2\n")
    assert notebook(cell) == before
    write(package, "a/b", "def h():\n    return 2\n")
    assert notebook(cell) != before


def test_two_dots_lead_to_the_package_above(package, notebook):
    before = notebook("from practicals.a.e import g")
    write(package, "two", "def g():\n    return 2\n")
    assert notebook("from practicals.a.e import g") != before


@pytest.mark.parametrize("init", ["__init__", "deep/__init__", "deep/x/__init__", "a/__init__"])
def test_the_packages_of_a_module_count(package, notebook, init):
    before = notebook("from practicals.deep.x import y"), notebook("from practicals import other")
    write(package, init, "SIZE = 2\n")
    assert notebook("from practicals.deep.x import y") != before[0]
    assert (notebook("from practicals import other") == before[1]) is (init != "__init__")


def test_a_folder_alone_counts_without_its_modules(package, notebook):
    before = notebook("from practicals import a")
    write(package, "a/b", "def h():\n    return 2\n")
    assert notebook("from practicals import a") == before
    write(package, "a/__init__", "from . import b\n")
    with_b = notebook("from practicals import a")
    write(package, "a/b", "def h():\n    return 3\n")
    assert before != with_b != notebook("from practicals import a")


@pytest.mark.parametrize("name", ["three", "a.x", "practicals.a.x", "a.b.h", "numpy"])
def test_a_hash_of_no_module_is_refused(package, name):
    with pytest.raises(ValueError, match="has no module"):
        fingerprint.code_hash(name)


def test_names_may_carry_the_packages_own(package):
    assert fingerprint.code_hash("practicals.a.b") == fingerprint.code_hash("a.b")
    assert fingerprint.code_hash("a.b") != fingerprint.code_hash("a.c")
    assert fingerprint.code_hash("a.b", "one") == fingerprint.code_hash("one", "a.b")


def test_every_module_of_the_package_is_found_by_what_imports_it():
    """The real package: nothing that a chapter's study imports drops out of its hash."""
    program = "import sys, practicals.saliency.study, practicals.adaptation.study\n"
    program += "print(*(m for m in sys.modules if m.startswith('practicals.')))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {name.removeprefix("practicals.") for name in out.stdout.split()}
    reached = fingerprint.reached(["saliency.study", "adaptation.study"])
    assert loaded - fingerprint.NOT_HASHED <= set(reached), out.stderr
    assert {"saliency", "saliency.maps", "networks.gradients"} <= set(reached)


def test_modules_left_out_lead_to_no_module_that_counts():
    for name in fingerprint.NOT_HASHED:
        inner = fingerprint.imports(fingerprint.parse_module(name), fingerprint.package_of(name))
        assert inner - fingerprint.NOT_HASHED <= {"", "data"}, name


def test_cells_count_and_their_comments_do_not(package, notebook):
    assert notebook("x = 1\nx") == notebook("# first\nx = 1\nx", "  ")
    assert notebook("x = 1\nx") != notebook("x = 1\nx;")
    assert notebook("x = 1", "x") != notebook("x = 1\nx", "y")
    assert notebook("'a shown string'") != notebook("'another'")


def test_a_shown_listing_counts_with_its_comments(package, notebook):
    shown = "from practicals import two\nshow_source(two.g)"
    before = notebook(shown), notebook("from practicals import two")
    (package / "two.py").write_text("def g():\n    return 1  # why\n")
    assert notebook(shown) != before[0]
    assert notebook("from practicals import two") == before[1]


@pytest.mark.parametrize("cell", ["%matplotlib inline", "!ls", "x = 1\n%timeit x"])
def test_magics_are_refused_by_name(package, notebook, cell):
    with pytest.raises(fingerprint.NotPlainPython, match=r"1-transfer-learning.ipynb, code cell 2"):
        notebook("x = 1", cell)


def test_only_the_own_budgets_count(package, notebook, monkeypatch):
    full = profile.get("full")
    before = notebook("x"), notebook("x", name="full")
    assert before[0] != before[1]

    def replace(**changes):
        changed = dataclasses.replace(full, **changes)
        monkeypatch.setitem(profile.PROFILES, "full", lambda: changed)
        return notebook("x", name="full")

    assert replace(saliency=dataclasses.replace(full.saliency, steps=9)) == before[1]
    assert replace(transfer=dataclasses.replace(full.transfer, folds=9)) != before[1]
    assert replace(seed=9) != before[1]


def test_every_budget_may_exist_later_but_not_be_misspelt():
    fields = {field.name for field in dataclasses.fields(profile.Profile)} - {"name", "seed"}
    assert fields <= set(profile.BUDGET_OF.values()), "name its notebook in profile.BUDGET_OF"


def test_of_stem_is_unknown_without_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    assert fingerprint.of_stem("1-transfer-learning", "full") == "unknown"
