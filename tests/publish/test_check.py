"""A small repository that passes ``check``; then each thing broken in turn must be named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals import fingerprint, paths, profile, stats
from practicals.publish import check, cleaning, ledger, report

STEM = "5-domain-adaptation"
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
        "pdf": report.sha256_of(pdf),
        "inputs": report.input_hashes("full"),
    }
    report.record_path("full").write_text(json.dumps(content))


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    """A package of one module, and the full profile."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "one.py").write_text("def f():\n    return 1\n")
    monkeypatch.setattr(fingerprint, "package_dir", lambda: package)
    monkeypatch.setenv("PROFILE", "full")
    monkeypatch.setattr(check, "PENDING", {})
    # Two cells are no lesson; the style has tests of its own.
    monkeypatch.setattr(check.style, "problems", lambda path: iter(()))
    return package


@pytest.fixture
def repository(registry, monkeypatch, tmp_path):
    """A repository whose published outputs are all current."""
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.setenv("PRACTICALS_ROOT", str(root))
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    publish(root)
    return root


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edit_cell(root, **changes):
    nb = notebook(root)
    nb.cells[2].update(changes)
    save_notebook(root, nb)


def edit_claim(root, **changes):
    path = root / f"report/generated/{STEM}.json"
    ledger = json.loads(path.read_text())
    ledger["claims"]["better"] |= changes
    path.write_text(json.dumps(ledger))


def edit_ledger(root, **changes):
    path = root / f"report/generated/{STEM}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def shows(text):
    return lambda root: edit_cell(
        root, outputs=[new_output("stream", name="stdout", text=f"saved {text}\n")]
    )


def chapter(old, new):
    return lambda root: edit(root / f"report/chapters/{STEM}.tex", old, new)


def remove(name):
    return lambda root: (root / name).unlink()


def add(name, content=b"x"):
    return lambda root: (root / name).write_bytes(content)


def duplicate_id(root):
    path = root / f"notebooks/{STEM}.ipynb"
    edit(path, '"id": "b"', '"id": "a"')


NOTEBOOK, LEDGER = f"notebooks/{STEM}.ipynb", f"report/generated/{STEM}.json"
FIGURE, TABLE = f"figures/{STEM}-curve.pdf", f"report/generated/{STEM}-layers.tex"
COMPARISON = {
    "chapter": STEM, "ours": "none", "what": "a", "value": 1, "shown": "1", "cite": "a2020",
    "protocol": "b", "better": "",
}  # fmt: skip
BREAKS = {
    "cell changed": (lambda r: edit_cell(r, source="print('ho')"), NOTEBOOK, "is stale"),
    "no stamp": (lambda r: write_notebook(r), NOTEBOOK, "never been rendered"),
    "sample notebook": (
        lambda r: edit(r / NOTEBOOK, '"profile": "full"', '"profile": "sample"'),
        NOTEBOOK, "profile 'sample'"),
    "magic": (lambda r: edit_cell(r, source="%time 1"), NOTEBOOK, "not plain Python"),
    "count": (lambda r: edit_cell(r, execution_count=3), NOTEBOOK, "carries the count [3]"),
    "never run": (lambda r: edit_cell(r, execution_count=None), NOTEBOOK, "the count [None]"),
    "error output": (
        lambda r: edit_cell(r, outputs=[new_output("error", ename="ValueError", evalue="bad")]),
        NOTEBOOK, "ValueError: bad"),
    "home path": (shows("/" + "home/ada/x.png"), NOTEBOOK, "absolute path /home/ada/x.png"),
    "windows path": (shows(r"C:\Users\ada\x"), NOTEBOOK, r"absolute path C:\Users\ada\x"),
    "root's path": (lambda r: shows(r)(r), NOTEBOOK, "absolute path"),
    "heavy notebook": (shows("x" * 3_000_001), NOTEBOOK, "3.0 MB"),
    "same cell id": (duplicate_id, NOTEBOOK, "cell 3 has the id 'a' of another"),
    "notebook cut": (add(NOTEBOOK, b'{"cells": [{"cell_ty'), NOTEBOOK, "cannot be read"),
    "merge marks": (
        lambda r: edit(r / NOTEBOOK, '"cells": [', '<<<<<<< HEAD\n"cells": ['),
        NOTEBOOK, "cannot be read"),
    "notebook empty": (add(NOTEBOOK, b""), NOTEBOOK, "no readable notebook"),
    "no notebook": (add(NOTEBOOK, b"[1]"), NOTEBOOK, "no readable notebook"),
    "notebook without cells": (add(NOTEBOOK, b'{"metadata": {}}'), NOTEBOOK, "no readable"),
    "Latin-1 notebook": (
        lambda r: add(NOTEBOOK, (r / NOTEBOOK).read_bytes().replace(b"hi", b"\xe9"))(r),
        NOTEBOOK, "no readable notebook"),
    "output removed": (lambda r: edit_cell(r, outputs=[]), NOTEBOOK, "did not write"),
    "output edited": (shows("95 %"), NOTEBOOK, "did not write"),
    "comparison without a number": (
        add("report/published.json", json.dumps({"comparisons": [COMPARISON]}).encode()),
        f"{STEM}: none", "not among the values"),
    "main claim that is gone": (
        add("report/published.json", b'{"claims": {"5-domain-adaptation": ["gone"]}}'),
        f"{STEM}: gone", "not among the claims"),
    "network gone": (remove("data/models/net.pt"), "data/models/net.pt", "is missing"),
    "network altered": (add("data/models/net.pt"), "data/models/net.pt", "not the file"),
    "network of nobody": (add("data/models/other.pt"), "data/models/other.pt", "orphan"),
    "another seed": (lambda r: edit_ledger(r, seed=7), LEDGER, "comes from seed 7"),
    "figure gone": (remove(FIGURE), FIGURE, "is missing"),
    "figure repainted": (add(FIGURE), FIGURE, "not the file"),
    "picture empty": (add(f"figures/{STEM}-curve.png", b""), f"{STEM}-curve.png", "not the file"),
    "picture swapped": (add(f"figures/{STEM}-curve.png"), f"{STEM}-curve.png", "not the file"),
    "claim that fails": (
        lambda r: write_ledger(r, -1.0), f"{STEM}: claim better", "does not hold"),
    "claim edited by hand": (
        lambda r: edit_claim(r, p_holm=0.5), f"{STEM}: claim better", "edited by hand"),
    "unknown claim": (
        chapter("{better}", "{worse}"), f"\\claim{{{STEM}}}{{worse}}", "not in the ledger"),
    "orphan figure": (add("figures/old.png"), "figures/old.png", "orphan"),
    "figure not shown": (chapter("includegraphics", "phantom"), f"figure {STEM}-curve", "not show"),
    "unknown figure": (
        chapter("\\input", "\\includegraphics{typo}\\input"),
        "\\includegraphics{typo}", "no notebook draws it"),
    "ledger gone": (remove(LEDGER), LEDGER, "missing or unreadable"),
    "ledger cut": (add(LEDGER, b'{"values":'), LEDGER, "missing or unreadable"),
    "no ledger": (add(LEDGER, b"[]"), LEDGER, "missing or unreadable"),
    "Latin-1 ledger": (add(LEDGER, b'{"values": "\xe9"}'), LEDGER, "missing or unreadable"),
    "sample ledger": (lambda r: edit_ledger(r, profile="sample"), LEDGER, "profile 'sample'"),
    "stale ledger": (lambda r: edit_ledger(r, code="0"), LEDGER, "is stale"),
    "number edited": (
        lambda r: edit(r / f"report/generated/{STEM}.tex", "93.0", "95.0"),
        f"report/generated/{STEM}.tex", "edited by hand"),
    "Latin-1 numbers": (
        add(f"report/generated/{STEM}.tex", b"\xe9"), f"report/generated/{STEM}.tex", "by hand"),
    "table edited": (lambda r: edit(r / TABLE, "5", "6"), TABLE, "edited by hand"),
    "table gone": (remove(TABLE), TABLE, "is missing"),
    "table not shown": (chapter("\\input", "\\phantom"), f"table {STEM}-layers", "not show"),
    "unknown table": (chapter("-layers", "-typo"), f"\\input{{{STEM}-typo}}", "no ledger"),
    "orphan table": (add("report/generated/old.tex"), "report/generated/old.tex", "orphan"),
    "unknown number": (
        chapter("{best}", "{worst}"), f"\\res{{{STEM}}}{{worst}}", "not in the ledger"),
    "no spread": (
        chapter("\\input", f"\\respm{{{STEM}}}{{images}}\\input"),
        f"\\respm{{{STEM}}}{{images}}", "not in the ledger"),
    "unused number": (chapter("{best}", "{images}"), f"{STEM}: best", "never uses it"),
    "unknown citation": (chapter("b2021", "c2022"), "\\cite{c2022}", "references.bib"),
    "chapter gone": (
        remove(f"report/chapters/{STEM}.tex"), f"report/chapters/{STEM}.tex", "is missing"),
    "pdf gone": (remove("report/report.pdf"), "report/report.pdf", "is missing"),
    "pdf replaced": (add("report/report.pdf"), "report/report.pdf", "not the PDF"),
    "Latin-1 chapter": (
        lambda r: add(f"report/chapters/{STEM}.tex", CHAPTER.encode() + b"\xe9")(r),
        "report/report.pdf", "is stale"),
    "record cut": (add("report/generated/report.json", b"{"), "report/report.pdf", "not the PDF"),
    "prose changed": (chapter("Adaptation", "Learning"), "report/report.pdf", "is stale"),
    "heavy file with a Latin-1 name": (
        lambda r: add(os.fsdecode(b"gro\xdf.bin"), bytes(5_000_001))(r), "gro\\xdf.bin", "5.0 MB"),
    "heavy file": (add("big.bin", bytes(5_000_001)), "big.bin", "5.0 MB"),
}  # fmt: skip


def test_a_current_repository_passes(repository, capsys):
    assert check.problems() == []
    assert check.main() == 0
    assert "everything published is current" in capsys.readouterr().out


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_repository_fails_and_names_the_culprit(repository, capsys, name):
    damage, culprit, what = BREAKS[name]
    damage(repository)
    assert check.main() == 1
    out = capsys.readouterr().out
    blamed = [line for line in out.splitlines() if culprit in line and what in line]
    assert blamed, f"{culprit!r} with {what!r} is not in:\n{out}"
    assert "remedy:" in out


@pytest.mark.parametrize("culprit", [NOTEBOOK, LEDGER])
def test_a_changed_module_makes_all_stale(repository, registry, capsys, culprit):
    edit(registry / "one.py", "return 1", "return 2")
    assert check.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"{culprit}: is stale") for line in lines)


def test_a_repository_that_git_refuses_is_said(repository, monkeypatch, capsys):
    """As where the folder belongs to somebody else: the heavy files are not looked at."""
    (repository / ".git/HEAD").write_text("nonsense")
    assert check.main() == 1
    assert "git: cannot list the files: " in capsys.readouterr().out


def test_outside_git_nothing_is_said_of_heavy_files(repository):
    shutil.rmtree(repository / ".git")
    assert check.problems() == []


def test_line_ends_are_the_same_on_every_machine():
    """Else a clone by git for Windows would differ from every hash."""
    rules = (Path(check.__file__).parents[3] / ".gitattributes").read_text().splitlines()
    assert "* text=auto eol=lf" in rules


def test_a_changed_budget_makes_the_notebook_stale(repository, monkeypatch, capsys):
    monkeypatch.setitem(profile.PROFILES, "full", lambda: profile.Profile(seed=9))
    assert check.main() == 1
    assert f"{NOTEBOOK}: is stale" in capsys.readouterr().out


def test_a_comment_changes_nothing(repository, registry):
    edit(registry / "one.py", "return 1", "return 1  # why")
    assert check.problems() == []


def test_a_notebook_without_a_budget_is_named(repository, capsys):
    shutil.copy(repository / NOTEBOOK, repository / "notebooks/9-new.ipynb")
    assert check.main() == 1
    assert "notebooks/9-new.ipynb: has no budget" in capsys.readouterr().out


def test_unused_references_count_once_all_chapters_exist(repository, monkeypatch, capsys):
    edit(repository / "report/references.bib", "@book", "@misc{z1999,\n}\n@book")
    record_pdf(repository)
    assert check.problems() == []
    monkeypatch.setattr(profile, "BUDGET_OF", {STEM: "adaptation"})
    publish(repository)
    edit(repository / "report/references.bib", "@book", "@misc{z1999,\n}\n@book")
    assert "reference z1999" in {problem.name for problem in check.problems()}


def test_nothing_published_says_exactly_that(repository, capsys):
    shutil.rmtree(repository / "figures")
    shutil.rmtree(paths.generated_dir("full"))
    assert check.main() == 1
    assert "no output of the full profile exists yet" in capsys.readouterr().out


def test_check_and_render_do_not_load_torch():
    program = "import sys; from practicals.publish import check, render, report\n"
    program += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_is_pending_is_said_aloud_and_not_checked(repository, monkeypatch, capsys):
    monkeypatch.setattr(check, "PENDING", {STEM: "its run is due"})
    edit_cell(repository, source="print('ho')")
    edit_ledger(repository, code="0")
    assert check.main() == 0
    assert f"NOT VOUCHED FOR: notebooks/{STEM}.ipynb: its run is due" in capsys.readouterr().out
    edit(repository / f"report/generated/{STEM}.tex", "93.0", "95.0")
    assert check.main() == 1, "its numbers must still be those of its ledger"


def test_a_chapter_that_waits_for_its_first_run_is_not_read(monkeypatch):
    uses = [check.report.Use("one", f"{STEM}.tex"), check.report.Use("two", "main.tex")]
    assert check._uses(uses, {}) == uses
    monkeypatch.setattr(check, "PENDING", {STEM: "its first run is due"})
    assert check._uses(uses, {}) == uses[1:]
    assert check._uses(uses, {STEM: {}}) == uses, "once it has numbers they must be right"
    assert not list(check._of_ledger(STEM, {}, "0"))
    monkeypatch.setattr(check, "PENDING", {})
    assert [problem.what for problem in check._of_ledger(STEM, {}, "0")] == [
        "is missing or unreadable"
    ]
