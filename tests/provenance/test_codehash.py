"""Hashes change with the code that is reached and with the settings, and with nothing else."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.provenance.conftest import PYPROJECT, write

from provenance import codehash
from provenance.codehash import module_hash, notebook_hash, text_of
from provenance.project import ProvenanceError

TRICKY = r'''
"""Docstring."""
import os, sys as system
from a.b import (c as d, e)
X: int = -1_000; Y = 1e-7; Z = 0x1F; S = u"é\u202f" 'b' f"{X!r:>{Y}}" rf"\d{X = }{{"; B = b"\x00"
T = f"{X:}" f"" f"{X}" "" f"{X:%d.%m}"
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
except* (A, B) as error: raise error from None
else: del X
finally: global_ = not X if Y else 1j
'''
MORE = {
    "__init__": "",
    "one": "from lesson import two\n\n\ndef f():\n    return two.g()\n",
    "two": "def g():\n    return 1\n",
    "a/__init__": '"""A folder."""\n',
    "a/b": "def h():\n    return 1\n",
    "a/c": "from . import b\n",
    "a/d": "from .b import h\n",
    "a/e": "from ..two import g\n",
    "deep/f": "from ..a import b\n",
    "deep/g": "from ..a.b import h\n",
    "deep/x/__init__": "",
    "deep/x/y": "from ...a.c import b\n",
}


@pytest.fixture(autouse=True)
def more(package):
    """More modules: ``one`` imports ``two``, ``other`` nothing; ``a`` and ``deep`` are folders."""
    for name, text in MORE.items():
        write(package, name, text)


@pytest.fixture
def hashed(notebook):
    """Return a function that hashes a notebook of the given cells."""
    return lambda *cells, profile="sample": notebook_hash(notebook(*cells), profile)


def test_docstrings_comments_and_layout_do_not_count():
    long = ast.parse('"""Doc."""\n# why\ndef f(x):\n    "Doc."\n    return (x +\n 1)')
    assert text_of(long) == text_of(ast.parse("def f(x): return x+1"))


@pytest.mark.parametrize("other", ["f(True)", "f('1')", "f(1.0)", "f(1, 2)", "g(1)", "f(b'1')"])
def test_different_code_differs(other):
    assert text_of(ast.parse("f(1)")) != text_of(ast.parse(other))
    assert text_of(ast.parse(f'f"{{{other}}}"')) != text_of(ast.parse('f"{f(1)}"'))


def pythons():
    """Return the Pythons of other versions that are at hand and run."""
    found = [shutil.which(f"python3.{n}") for n in (11, 12, 13, 14)]
    found += map(str, Path("~/.pyenv/versions").expanduser().glob("3.1[1-9].*/bin/python"))
    runs = (
        p for p in found if p and not subprocess.run([p, "-c", ""], capture_output=True).returncode
    )
    return sorted(set(runs)) or [sys.executable]


@pytest.mark.parametrize("python", pythons())
def test_python_versions_agree(python):
    source = Path(codehash.__file__).read_text()
    walker = source[source.index("SKIPPED =") : source.index("def file_of")]
    program = f"import ast\n{walker}\nprint(text_of(ast.parse({TRICKY!r})))"
    out = subprocess.run([python, "-I", "-"], input=program, capture_output=True, text=True)
    assert out.stdout.strip() == text_of(ast.parse(TRICKY)), out.stderr


def test_a_modules_hash_follows_its_imports(package):
    before = module_hash("lesson.one"), module_hash("lesson.other")
    write(package, "two", "# words\ndef g():\n    return (1)\n")
    assert module_hash("lesson.one") == before[0]
    write(package, "two", "def g():\n    return 2\n")
    assert module_hash("lesson.one") != before[0] and module_hash("lesson.other") == before[1]
    assert module_hash("lesson.a.b", "lesson.one") == module_hash("lesson.one", "lesson.a.b")


CELLS = [
    "from lesson.a import b",
    "from lesson.a.b import h",
    "import lesson.a.b as z",
    "import lesson.a.b",
    "from lesson.a import c",
    "from lesson.a import d",
    "from lesson.deep import f",
    "from lesson.deep.g import h",
    "from lesson.deep.x import y",
    "if True:\n    import os, lesson.deep.x.y as y",
    "def later():\n    from lesson.a import b",
]


@pytest.mark.parametrize("cell", CELLS)
def test_a_change_many_folders_deep_makes_a_notebook_stale(package, hashed, cell):
    before = hashed(cell)
    write(package, "other", "A = 2\n")
    write(package, "a/e", "B = 2\n")
    write(package, "a/b", '"""New words."""\n\n\ndef h():  # why\n    return 1\n')
    assert hashed(cell) == before
    write(package, "a/b", "def h():\n    return 2\n")
    assert hashed(cell) != before


def test_two_dots_lead_to_the_package_above(package, hashed):
    before = hashed("from lesson.a.e import g")
    write(package, "two", "def g():\n    return 2\n")
    assert hashed("from lesson.a.e import g") != before


@pytest.mark.parametrize("init", ["__init__", "deep/__init__", "deep/x/__init__", "a/__init__"])
def test_the_packages_of_a_module_count(package, hashed, init):
    before = hashed("from lesson.deep.x import y"), hashed("from lesson import other")
    write(package, init, "SIZE = 2\n")
    assert hashed("from lesson.deep.x import y") != before[0]
    assert (hashed("from lesson import other") == before[1]) is (init != "__init__")


def test_a_folder_alone_counts_without_its_modules(package, hashed):
    before = hashed("from lesson import a")
    write(package, "a/b", "def h():\n    return 2\n")
    assert hashed("from lesson import a") == before
    write(package, "a/__init__", "from . import b\n")
    with_b = hashed("from lesson import a")
    write(package, "a/b", "def h():\n    return 3\n")
    assert before != with_b != hashed("from lesson import a")


def test_modules_that_are_not_hashed_do_not_count_and_lead_nowhere(root, package, hashed):
    (root / "pyproject.toml").write_text(f'{PYPROJECT}unhashed = ["lesson.a", "lesson.on"]\n')
    cell = "from lesson.a import d\nfrom lesson import one"
    before = hashed(cell)
    write(package, "a/b", "def h():\n    return 2\n")
    assert hashed(cell) == before
    write(package, "one", "ONE = 1\n")
    assert hashed(cell) != before, "lesson.on is not lesson.one"


@pytest.mark.parametrize("name", ["lesson.three", "a.b", "lesson.a.b.h", "numpy"])
def test_a_hash_of_no_module_is_refused(name):
    with pytest.raises(ProvenanceError, match=f"lesson has no module '{name}'"):
        module_hash(name)


def test_every_module_of_the_real_package_is_found_by_what_imports_it(monkeypatch):
    """Nothing that a chapter's study imports drops out of its hash."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PROVENANCE_ROOT", str(root))
    program = f"import sys; sys.path.insert(0, {str(root / 'src')!r})\n"
    program += "import practicals.saliency.study\n"
    program += "print(*(m for m in sys.modules if f'{m}.'.startswith('practicals.')))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    skipped = codehash.project.current().unhashed
    loaded = {
        name for name in out.stdout.split()
        if not any(f"{name}.".startswith(f"{skip}.") for skip in skipped)
    }  # fmt: skip
    # What only data.fetch imports, which is not hashed: how files arrive.
    loaded -= {f"practicals.data.{name}" for name in ("download", "layouts", "registry")}
    reached = set(codehash.reached(["practicals.saliency.study"]))
    assert loaded <= reached and "practicals.networks.gradients" in loaded, out.stderr


def test_cells_count_and_their_comments_do_not(hashed):
    assert hashed("x = 1\nx") == hashed("# first\nx = 1\nx", "  ")
    assert hashed("x = 1\nx") != hashed("x = 1\nx;")
    assert hashed("x = 1", "x") != hashed("x = 1\nx", "y")
    assert hashed("'a shown string'") != hashed("'another'")


@pytest.mark.parametrize("cell", ["%matplotlib inline", "!ls", "x = 1\n%timeit x"])
def test_a_cell_that_is_not_plain_python_is_named(hashed, cell):
    with pytest.raises(ProvenanceError, match=r"1-maps.ipynb, code cell 2, line .* plain Python"):
        hashed("x = 1", cell)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [{}]}', '{"cells": 3}'])
def test_what_is_no_notebook_is_named(root, text):
    path = root / "notebooks" / "x.ipynb"
    path.write_text(text)
    with pytest.raises(ProvenanceError, match=r"x.ipynb is no readable notebook"):
        notebook_hash(path, "full")


def test_listed_files_count(root, hashed):
    (root / "pyproject.toml").write_text(f'{PYPROJECT}listed = ["lists/*.txt"]\n')
    before = hashed("x")
    (root / "lists").mkdir()
    (root / "lists" / "a.txt").write_text("one")
    (root / "lists" / "a.md").write_text("one")
    one = hashed("x")
    (root / "lists" / "a.md").write_text("two")
    assert before != one == hashed("x")
    (root / "lists" / "a.txt").write_text("two")
    assert hashed("x") != one


def test_the_settings_that_a_notebook_reads_count(root, package, hashed):
    assert hashed("x") != hashed("x", profile="full"), "without settings the profile's name counts"
    write(
        package, "sizes", "SIZES = {'full': 9, 'sample': 9}\ndef of(s, p): return {s: SIZES[p]}\n"
    )
    (root / "pyproject.toml").write_text(f'{PYPROJECT}settings = "lesson.sizes:of"\n')
    before = hashed("x")
    assert before == hashed("x", profile="full"), "of two profiles with the same settings"
    sys.modules["lesson.sizes"].SIZES["sample"] = 8
    assert hashed("x") != before == hashed("x", profile="full")
