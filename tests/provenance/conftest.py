"""A small project in a folder of its own: settings, a package ``lesson``, a folder of notebooks."""

import json
import sys

import pytest

PYPROJECT = '[tool.provenance]\npackage = "lesson"\nprofiles = ["sample", "full"]\n'
MODULES = {
    "__init__": "",
    "study": (
        "import os\n\nfrom . import maps\n\nSTEPS = 4\n\n\n"
        "def noise(net, factor=1):\n    return maps.heat(net) * factor * STEPS\n\n\n"
        "def process(seed):\n    return os.getpid()\n"
    ),
    "maps": "from .deep.inner import SCALE\n\n\ndef heat(x):\n    return x * SCALE\n",
    "other": "A = 1\n",
    "deep/__init__": "",
    "deep/inner": "SCALE = 2\n",
}
VARIABLES = ("PROFILE", "PROVENANCE_CACHE", "PROVENANCE_JOBS", "PROVENANCE_STAGING")


def write(folder, name, text):
    """Write the module ``name`` (``deep/inner``) of the package in ``folder``."""
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def forget():
    """Let the next import read the package anew."""
    for name in [name for name in sys.modules if f"{name}.".startswith("lesson.")]:
        del sys.modules[name]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root of a project whose package can be imported; one stands in its notebooks/."""
    home = tmp_path / "home"
    (home / "notebooks").mkdir(parents=True)
    (home / "pyproject.toml").write_text(PYPROJECT)
    for name, text in MODULES.items():
        write(home / "src" / "lesson", name, text)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROVENANCE_ROOT", str(home))
    monkeypatch.chdir(home / "notebooks")
    monkeypatch.syspath_prepend(str(home / "src"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget()
    yield home
    forget()


@pytest.fixture
def package(root):
    """The folder of the project's package."""
    return root / "src" / "lesson"


@pytest.fixture
def notebook(root):
    """Return a function that writes a notebook of code cells and returns its path."""

    def written(*cells, stem="1-maps"):
        code = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        made = [{**code, "id": f"c{i}", "source": cell} for i, cell in enumerate(cells)]
        made.append({"cell_type": "markdown", "id": "text", "metadata": {}, "source": "words"})
        path = root / "notebooks" / f"{stem}.ipynb"
        content = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(content))
        return path

    return written
