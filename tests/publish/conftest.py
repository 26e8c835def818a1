"""Small repositories: one whose published outputs are all current, one of notebooks to run."""

import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tests.publish import runs
from tests.publish.small import publish

from practicals import fingerprint, runtime
from practicals.publish import check, style


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package of one module, and the full profile."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "one.py").write_text("def f():\n    return 1\n")
    monkeypatch.setattr(fingerprint, "package_dir", lambda: package)
    monkeypatch.setenv("PROFILE", "full")
    monkeypatch.setattr(check, "PENDING", {})
    # Two cells are no lesson; the style has tests of its own.
    monkeypatch.setattr(style, "problems", lambda path: iter(()))
    return package


@pytest.fixture
def repository(package, monkeypatch, tmp_path):
    """A repository whose published outputs are all current."""
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.setenv("PRACTICALS_ROOT", str(root))
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    publish(root)
    return root


@pytest.fixture
def repository_of(monkeypatch, tmp_path):
    """Return a function that writes a repository of one notebook with the given code cells."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROFILE", "sample")
    monkeypatch.setattr(runtime, "describe", lambda: {"device": "cpu"})

    def write(*sources, stem=runs.STEM):
        cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells), tmp_path / f"notebooks/{stem}.ipynb")
        return tmp_path

    return write
