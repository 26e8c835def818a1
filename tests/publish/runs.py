"""What stands for a notebook's run: a kernel is slow, and what it leaves is all that matters."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from practicals import fingerprint
from practicals.publish import render
from practicals.publish.ledger import Ledger

STEM = "1-transfer-learning"


def is_current(name="sample"):
    return render.is_current(STEM, name, fingerprint.of_stem(STEM, name))


def publish_older(root, stem=STEM):
    for name in (f"figures/{stem}-old.png", f"report/generated/{stem}.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")


def fake_run(monkeypatch, change):
    """Replace the kernel by ``change(nb)``, which runs as a notebook's cells do."""

    def execute(nb, stem, staging):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PRACTICALS_STAGING", str(staging))
            change(nb)

    monkeypatch.setattr(render, "execute", execute)


def save(*figures, stem=STEM):
    def run(nb):
        ledger = Ledger(stem)
        for name in figures:
            ledger.figure(name, plt.figure(figsize=(1, 1)), "A figure", "Nothing")
        ledger.table("layers", ["a"], [["x"]])
        ledger.save()

    return run


def files(root):
    """Return the content of everything in the repository but what is kept of failed runs."""
    found = [path for path in root.rglob("*") if path.is_file()]
    names = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
    return {name: data for name, data in names.items() if not name.startswith("build/failed/")}
