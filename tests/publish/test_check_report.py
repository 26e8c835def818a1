"""What is wrong with the chapters, the references and the PDF is named."""

import pytest
from tests.publish.small import (
    CHAPTER,
    STEM,
    add,
    blame,
    chapter,
    edit,
    publish,
    record_pdf,
    remove,
)

from practicals import profile
from practicals.publish import check

BREAKS = {
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
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_report_fails_and_names_the_culprit(repository, capsys, name):
    damage, culprit, what = BREAKS[name]
    damage(repository)
    blame(capsys, culprit, what)


def test_unused_references_count_once_all_chapters_exist(repository, monkeypatch, capsys):
    edit(repository / "report/references.bib", "@book", "@misc{z1999,\n}\n@book")
    record_pdf(repository)
    assert check.problems() == []
    monkeypatch.setattr(profile, "BUDGET_OF", {STEM: "adaptation"})
    publish(repository)
    edit(repository / "report/references.bib", "@book", "@misc{z1999,\n}\n@book")
    assert "reference z1999" in {problem.name for problem in check.problems()}
