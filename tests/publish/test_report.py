"""The PDF: what each profile does with a number it does not have, and clear failures."""

import os
import shutil
from pathlib import Path

import pytest

from practicals.publish import latex, report

REPORT = Path(__file__).resolve().parents[2] / "report"
STEM = "1-transfer-learning"
MAIN = rf"""\documentclass{{report}}\usepackage{{practicals}}\begin{{document}}
\profilebanner \practicalschapter{{{STEM}}}
\appendix \chapter{{Settings}} \input{{appendix-settings}}
\bibliographystyle{{plainnat}} \bibliography{{references}} \end{{document}}
"""
needs_latex = pytest.mark.skipif(bool(latex.missing()), reason="LaTeX is not installed")


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """The report's own style with one small chapter and one ledger number, for a profile."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    (tmp_path / "report/chapters").mkdir(parents=True)
    for name in ("practicals.sty", "references.bib"):
        shutil.copy(REPORT / name, tmp_path / "report")
    (tmp_path / "report/main.tex").write_text(MAIN)

    def write(profile, text):
        monkeypatch.setenv("PROFILE", profile)
        generated = report.paths.generated_dir(profile)
        generated.mkdir(parents=True, exist_ok=True)
        (generated / f"{STEM}.tex").write_text(
            rf"\practicalsdefine{{res}}{{{STEM}}}{{best_accuracy}}{{93.0\,\%}}"
        )
        content = rf"\chapter{{Transfer}} \cite{{simonyan2015}} {text}"
        (tmp_path / f"report/chapters/{STEM}.tex").write_text(content)
        return tmp_path

    return write


@needs_latex
def test_sample_pdf_fills_gaps_and_is_made_once(repository, capsys):
    gaps = rf"\res{{{STEM}}}{{best_accuracy}} \res{{{STEM}}}{{absent_key}} \includegraphics{{none}}"
    root = repository("sample", gaps)
    assert report.main([]) == 0
    assert (root / "build/sample/report.pdf").read_bytes().startswith(b"%PDF")
    assert [path.name for path in (root / "report").glob("*.pdf")] == []
    capsys.readouterr()
    assert report.main([]) == 0
    assert capsys.readouterr().out == "report: up to date\n"
    (root / "report/main.tex").write_text((root / "report/main.tex").read_text() + "% more\n")
    assert not report.is_current("sample")


@needs_latex
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rf"\res{{{STEM}}}{{absent_key}}", rf"No number \res{{{STEM}}}{{absent_key}}"),
        (r"\cite{nobody1900}", "Citation `nobody1900'"),
        (r"\hbox to \linewidth{\hspace{1.1\linewidth}}", f"{STEM}.tex: Overfull \\hbox"),
    ],
)
def test_full_pdf_refuses_what_is_not_defined(repository, capsys, text, message):
    root = repository("full", text)
    assert report.main([]) == 1
    error = capsys.readouterr().err
    assert message in error and "build/latex/full.log" in error
    assert not (root / "report/report.pdf").exists() and not report.recorded("full")


def test_without_chapters_there_is_nothing_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    assert report.main([]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_missing_latex_gives_the_one_command(repository, monkeypatch, capsys):
    repository("sample", "text")
    monkeypatch.setattr(report.shutil, "which", lambda name: None)
    assert report.main([]) == 1
    assert "apt-get install --no-install-recommends latexmk" in capsys.readouterr().err
    assert report.main(["--setup"]) == 0, "the rest works without LaTeX"
    assert "missing here: latexmk, pdflatex, bibtex" in capsys.readouterr().out


def test_setup_installs_as_root_on_debian(monkeypatch, capsys):
    commands = []

    def run(command, **_):
        commands.append(" ".join(command))
        return report.subprocess.CompletedProcess(command, 0)

    found = {"apt-get": "apt-get"}
    monkeypatch.setattr(report.shutil, "which", found.get)
    monkeypatch.setattr(report.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(report.subprocess, "run", run)
    assert report.main(["--setup"]) == 0
    assert commands[0] == "apt-get -qq update"
    assert commands[1].startswith("apt-get install -qq -y --no-install-recommends latexmk")


def test_sources_are_read_without_comments(repository):
    repository("full", "% \\cite{hidden}\n 5\\% \\citep[p.~3][]{a, b} \\input{x/table.tex}")
    assert [use.name for use in report.citations()] == ["simonyan2015", "a", "b"]
    assert "table" in [use.name for use in report.inputs()]
    assert "simonyan2015" in report.bibliography()


def test_two_runs_at_once_do_not_share_a_folder(repository, monkeypatch):
    root, folders = repository("sample", "text"), []

    def latexmk(name, build, log):
        folders.append(build)
        assert sorted(p.suffix for p in build.iterdir()) == [".tex"] * 5, "a fresh folder"
        (build / "report.aux").write_text("half")
        if len(folders) == 1:
            report.typeset(name)  # another run begins and ends while this one goes on
        (build / "report.pdf").write_bytes(b"%PDF")
        return build / "report.pdf"

    monkeypatch.setattr(latex, "missing", lambda: [])
    monkeypatch.setattr(report, "_latexmk", latexmk)
    assert report.main([]) == 0 and report.is_current("sample")
    assert len(set(folders)) == 2 and not any(folder.exists() for folder in folders)
    old = root / "build/latex/.run-old"
    old.mkdir()
    os.utime(old, (1, 1))
    report.typeset("sample")
    assert not old.exists(), "what was left a day ago goes"


def test_an_interrupted_run_leaves_the_older_pdf(repository, monkeypatch, capsys):
    root = repository("sample", "text")
    pdf = root / "build/sample/report.pdf"
    pdf.write_bytes(b"older")

    def latexmk(name, build, log):
        raise KeyboardInterrupt

    monkeypatch.setattr(latex, "missing", lambda: [])
    monkeypatch.setattr(report, "_latexmk", latexmk)
    assert report.main([]) == 130
    assert "older PDF is untouched" in capsys.readouterr().err
    assert pdf.read_bytes() == b"older" and not list((root / "build/latex").glob(".run-*"))


@pytest.mark.parametrize("damage", ["pdf", "record", "figure", "table", "chapter"])
def test_the_pdf_is_current_until_something_it_shows_changes(repository, monkeypatch, damage):
    text = rf"\includegraphics{{{STEM}-curve}}"
    root = repository("full", text)
    generated = root / "report/generated"
    (root / "figures").mkdir()
    places = {
        "pdf": root / "report/report.pdf",
        "record": generated / "report.json",
        "figure": root / f"figures/{STEM}-curve.jpg",
        "table": generated / f"{STEM}-layers.tex",
        "chapter": root / f"report/chapters/{STEM}.tex",
    }
    places["figure"].write_bytes(b"jpg")
    places["table"].write_text("table")

    def latexmk(name, build, log):
        (build / "report.pdf").write_bytes(b"%PDF")
        return build / "report.pdf"

    monkeypatch.setattr(latex, "missing", lambda: [])
    monkeypatch.setattr(report, "_latexmk", latexmk)
    report.typeset("full")
    assert report.is_current("full")
    (generated / f"{STEM}.json").write_text("{}")
    assert report.is_current("full"), "the PDF does not show the ledger itself"
    places[damage].write_bytes(b"{")
    assert not report.is_current("full")


@needs_latex
def test_what_a_killed_run_left_does_not_spoil_the_next(repository):
    root = repository("sample", "text")
    left = root / "build/latex/.run-left"
    left.mkdir(parents=True)
    (left / "report.aux").write_text("\\garbage{")
    (root / "build/latex/report.aux").write_text("\\garbage{")
    assert report.main([]) == 0
    assert (root / "build/sample/report.pdf").exists()
