"""A small repository that passes ``check``, and ways to break it."""

import json

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals import fingerprint, stats
from practicals.publish import check, cleaning, ledger, report, vouched

STEM = "5-domain-adaptation"
NOTEBOOK, LEDGER = f"notebooks/{STEM}.ipynb", f"report/generated/{STEM}.json"
CHAPTER = rf"""
\chapter{{Adaptation}} % \cite{{commented}} \res{{{STEM}}}{{commented}}
\res{{{STEM}}}{{best}} \respm{{{STEM}}}{{best}} \resn{{{STEM}}}{{best}}
\citep[see][]{{a2020, b2021}}
\includegraphics[width=\textwidth]{{{STEM}-curve}}
\input{{{STEM}-layers}} \claim{{{STEM}}}{{better}} \input{{{STEM}-claims}}
"""
MAIN = r"\documentclass{report}\usepackage{practicals}\begin{document}\input{profile}\end{document}"


def write_notebook(root):
    """Write a notebook of two code cells as a run would leave it, but without a stamp."""
    cells = [
        new_markdown_cell("# Title", id="m"),
        new_code_cell("from practicals import one\none.f()", execution_count=1, id="a"),
        new_code_cell("print('hi')", execution_count=2, id="b",
                      outputs=[new_output("stream", name="stdout", text="hi\n")]),
    ]  # fmt: skip
    nb = new_notebook(cells=cells)
    save_notebook(root, nb)
    return nb


def notebook(root):
    return nbformat.read(root / f"notebooks/{STEM}.ipynb", as_version=4)


def save_notebook(root, nb):
    path = root / f"notebooks/{STEM}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nb, path)


def publish(root):
    """Write all that the full profile publishes, in the order in which a run does."""
    nb = write_notebook(root)
    code = fingerprint.of_stem(STEM, "full")
    stamp = {"profile": "full", "hash": code, "seed": 0}
    nb.metadata["practicals"] = stamp | {"outputs": cleaning.outputs_hash(nb.cells)}
    save_notebook(root, nb)
    write_ledger(root)
    (root / "report/chapters").mkdir(parents=True, exist_ok=True)
    (root / "report/main.tex").write_text(MAIN)
    (root / f"report/chapters/{STEM}.tex").write_text(CHAPTER)
    (root / "report/references.bib").write_text("@book{a2020,\n}\n@article{b2021,\n}\n")
    record_pdf(root)


def write_ledger(root, effect=1.0):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_STAGING", str(root))
        (root / "data/models").mkdir(parents=True, exist_ok=True)
        (root / "data/models/net.pt").write_bytes(b"weights")
        book = ledger.Ledger(STEM)
        book.record("best", 0.93, std=0.01, n=10)
        book.record("images", 5, unit="count")
        book.table("layers", ["a", "b"], [["x", book.cell("images")]])
        fig, ax = plt.subplots(figsize=(1, 1))
        ax.plot([0, 1])
        book.figure("curve", fig, caption="A line.", alt="A line that rises.")
        test = stats.Test("t", effect, 0.5, 1.5, 9, 0.001)
        book.claim("better", "This is better than that", test)
        book.save()


def record_pdf(root):
    pdf = root / "report/report.pdf"
    pdf.write_bytes(b"%PDF-1.5 stands for the report")
    content = {
        "profile": "full",
        "pdf": vouched.hash_of(pdf),
        "inputs": report.input_hashes("full"),
    }
    report.record_path("full").write_text(json.dumps(content))


def blame(capsys, culprit, what):
    """Assert that ``check`` fails, says ``what`` is wrong with the culprit, and knows a remedy."""
    assert check.main() == 1
    out = capsys.readouterr().out
    blamed = [line for line in out.splitlines() if culprit in line and what in line]
    assert blamed, f"{culprit!r} with {what!r} is not in:\n{out}"
    assert "remedy:" in out


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edit_cell(root, **changes):
    nb = notebook(root)
    nb.cells[2].update(changes)
    save_notebook(root, nb)


def edit_ledger(root, **changes):
    path = root / f"report/generated/{STEM}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def chapter(old, new):
    return lambda root: edit(root / f"report/chapters/{STEM}.tex", old, new)


def remove(name):
    return lambda root: (root / name).unlink()


def add(name, content=b"x"):
    return lambda root: (root / name).write_bytes(content)
