"""Tables: the same rows in LaTeX and in a notebook, and a column of published numbers."""

import pytest

from practicals.publish import numerals
from practicals.publish.ledger import FORMS
from practicals.publish.tables import Cell, Table, with_published

THIN = numerals.THIN
ROWS = (
    ("SqueezeNet & co", Cell("best", f"93.1{THIN}%", bold=True), Cell("n", "5")),
    None,
    ("other", Cell("worst", f"1.0{THIN}%"), ""),
    ("text <b>", "", Cell("best", "93.1 ± 0.5", form="pm")),
)
TABLE = Table(("Network", "Accuracy", "n"), ROWS, "lrc", "What & why")


def test_latex():
    lines = TABLE.tex().splitlines()
    assert lines[0] == r"\begin{tabular}{lrc}" and lines[-1] == r"\end{tabular}"
    assert lines[2] == r"Network & Accuracy & n \\"
    assert lines[4:7] == [
        r"SqueezeNet \& co & \textbf{93.1\,\%} & 5 \\", r"\midrule", r"other & 1.0\,\% &  \\"
    ]  # fmt: skip
    assert lines[7].startswith(r"text \ensuremath{<}b\ensuremath{>}")
    assert TABLE.tex().count("midrule") == 2


def test_html():
    html = TABLE._repr_html_()
    assert html.count("<tr>") == 4, "a rule is no row"
    assert "<caption>What &amp; why</caption>" in html and "text &lt;b&gt;" in html
    assert f'<td style="text-align: right"><b>93.1{THIN}%</b></td>' in html
    assert '<th style="text-align: center">n</th>' in html


def test_plain_text():
    assert repr(TABLE).splitlines()[:2] == [
        "Network | Accuracy | n", f"SqueezeNet & co | 93.1{THIN}% | 5"
    ]  # fmt: skip


def test_paragraph_columns_have_a_place_in_html():
    wide = Table(("", "claim", "x"), (("1", "a", "b"),), r"rp{0.4\linewidth}c")
    sides = [part.split('"')[0] for part in wide._repr_html_().split("text-align: ")[1:]]
    assert sides == ["right", "left", "center"] * 2


def test_a_remark_takes_the_empty_cells_to_its_right():
    lacking = Table(
        ("network", "side", "time"),
        (("SqueezeNet", "224", Cell("t", "5 ms")), ("VGG16", "absent: `make data`", "")),
        "lrr",
    )
    line = r"VGG16 & \multicolumn{2}{l}{absent: \texttt{make data}} \\"
    assert lacking.tex().splitlines()[5] == line
    last = lacking._repr_html_().split("<tr>")[-1]
    assert last.count("<td") == 2 and 'colspan="2"' in last
    assert "<code>make data</code>" in last


def test_a_number_takes_no_empty_cell():
    row = ("straight through", Cell("t", "1"), "")
    one = Table(("attack", "JPEG", "blur"), (row,), "lrr")
    assert one.tex().splitlines()[4] == r"straight through & 1 &  \\"
    assert "colspan" not in one._repr_html_()


def test_keys_are_each_listed_once():
    assert TABLE.keys() == ["best", "n", "worst"]


def test_published_numbers_stand_beside_the_own_in_one_column():
    values = {
        "best": {"value": 0.95, "std": 0.01, "unit": "fraction"},
        "n": {"value": 7, "unit": "count"},
    }
    wider = with_published(TABLE, values, FORMS)
    assert wider.header[-1] == "published (full profile)" and wider.align == "lrcl"
    assert [row and row[-1] for row in wider.rows] == [
        f"95.0{THIN}% / 7", None, "", f"95.0 ± 1.0{THIN}%"
    ]  # fmt: skip
    assert [row and row[:-1] for row in wider.rows] == [*ROWS]
    assert wider.caption == TABLE.caption and "95.0" in wider._repr_html_()


@pytest.mark.parametrize("values", [{}, {"something_else": {"value": 1, "unit": "count"}}])
def test_where_nothing_is_published_the_table_stays(values):
    assert with_published(TABLE, values, FORMS) is TABLE
