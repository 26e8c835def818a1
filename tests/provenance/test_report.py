"""The PDF: what it was made from, when it is stale, and what its user is told."""

import shutil

import pytest
from tests.provenance import published

from provenance import project, report
from provenance.project import ProvenanceError, sha256_of

MAIN = r"""\documentclass{article}\usepackage{graphicx}\input{profile}
\newwrite\uses\immediate\openout\uses=\jobname.uses \immediate\write\uses{1-maps/better supported}
\begin{document}\IfFileExists{1-maps-curve.pdf}{\includegraphics[width=1cm]{1-maps-curve}}{no curve}
\end{document}
"""
needs_latex = pytest.mark.skipif(
    not shutil.which("latexmk"), reason="latexmk is missing: what LaTeX does is NOT tested"
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project with a report of one page, whose figure is not there yet."""
    monkeypatch.setenv("PROVENANCE_ROOT", str(tmp_path))
    published.build(tmp_path)
    (tmp_path / "report/main.tex").write_text(MAIN)
    return tmp_path


@needs_latex
def test_what_latex_read_is_recorded(root):
    assert "report.pdf" in report.stale("full")
    assert report.typeset("full").read_bytes().startswith(b"%PDF")
    record = report.recorded("full")
    assert record["inputs"]["report/main.tex"] == sha256_of(root / "report/main.tex")
    assert set(record["inputs"]) == {"report/main.tex", "profile.tex"}
    assert record["claims"] == [["1-maps/better", "supported"]]
    assert report.stale("full") == []
    assert not list((root / "build/latex").glob(".run-*"))


@needs_latex
def test_a_pdf_is_stale_when_a_figure_comes_that_was_absent(root):
    report.typeset("full")
    (root / "figures").mkdir()
    shutil.copy(root / "report/report.pdf", root / "figures/1-maps-curve.pdf")
    assert report.stale("full") == ["the set of figures and tables"]
    report.typeset("full")
    assert "figures/1-maps-curve.pdf" in report.recorded("full")["inputs"]


@needs_latex
def test_a_pdf_is_stale_when_a_source_or_it_itself_changes(root):
    report.typeset("full")
    published.edit(root, "report/main.tex", "no curve", "none")
    (root / "report/report.pdf").write_bytes(b"%PDF")
    assert report.stale("full") == ["report/main.tex", "report.pdf"]


@needs_latex
@pytest.mark.parametrize("broken", [r"\ref{tab:gone}", r"\gone"])
def test_what_latex_does_not_know_is_named_and_the_old_pdf_stays(root, broken):
    before = report.typeset("full").read_bytes()
    published.edit(root, "report/main.tex", "no curve", broken)
    with pytest.raises(ProvenanceError, match=r"gone.*\n(.*\n)*LaTeX fails; its log is "):
        report.typeset("full")
    assert (root / "report/report.pdf").read_bytes() == before


def test_a_missing_latexmk_is_one_clear_line(root, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(root))
    assert project.command(report.main, "report") == 1
    said = capsys.readouterr().err
    assert said == "report: latexmk is missing: `make setup` says how to install LaTeX\n"


@pytest.mark.parametrize("text", ["{", "[]", '{"inputs": 3}'])
def test_a_record_of_another_form_counts_as_none(root, text):
    (root / "report/generated").mkdir()
    (root / "report/generated/report.json").write_text(text)
    assert report.recorded("full") == {}
    assert {"profile.tex", "the set of figures and tables"} < set(report.stale("full"))
