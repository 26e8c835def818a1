"""A small repository whose published outputs are all current."""

import subprocess

import pytest
from tests.publish.small import publish

from practicals import fingerprint
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
