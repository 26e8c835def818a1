"""Numbers as readers see them, and frames as tables in HTML and LaTeX."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from provenance import format
from provenance.format import Estimate
from provenance.project import ProvenanceError

THIN = format.THIN


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9125, "fraction", f"91.2{THIN}%"),
        (1.0, "fraction", f"100.0{THIN}%"),
        (-0.0123, "points", "−1.2"),
        (-0.0001, "points", "0.0"),
        (138357544, "count", "138,357,544"),
        (0.034, "seconds", f"34{THIN}ms"),
        (3.44, "seconds", f"3.4{THIN}s"),
        (754, "seconds", f"13{THIN}min"),
        (9000, "seconds", f"2.5{THIN}h"),
        (0, "number", "0"),
        (3.14159, "number", "3.14"),
        (12345.6, "number", "12,300"),
        (0.99999, "number", "1.00"),
        (-1.5e-7, "number", f"−1.50{THIN}×{THIN}10⁻⁷"),
    ],
)
def test_numbers_as_readers_see_them(value, unit, text):
    assert str(Estimate(value, unit=unit)) == text


@pytest.mark.parametrize(
    ("value", "spread", "unit", "text"),
    [
        (0.9312, 0.0049, "fraction", f"93.1 ± 0.5{THIN}%"),
        (0.01, 0.002, "points", "1.0 ± 0.2"),
        (12.345, 0.678, "number", "12.35 ± 0.68"),
        (12345.6, 120, "number", "12,346 ± 120"),
        (2.0, 0.0, "number", "2.00 ± 0"),
        (10, 2.5, "count", "10 ± 2.5"),
        (3.21, 0.12, "seconds", "3.21 ± 0.12 s"),
    ],
)
def test_spreads_as_readers_see_them(value, spread, unit, text):
    assert str(Estimate(value, spread, "SD", unit=unit)) == text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"value": float("nan")}, "finite"),
        ({"value": float("inf")}, "finite"),
        ({"value": 91.2, "unit": "fraction"}, r"91.2 of unit 'fraction'.*\[0, 1\]"),
        ({"value": -1.01, "unit": "points"}, r"\[-1, 1\]"),
        ({"value": "0.9"}, "'0.9'"),
        ({"value": True}, "True"),
        ({"value": None}, "None"),
        ({"value": 1.0, "unit": "percent"}, "fraction, points, count"),
        ({"value": 1.0, "spread": 0.1}, "spread_of"),
        ({"value": 1.0, "spread_of": "SD"}, "spread_of"),
        ({"value": 1.0, "spread": -0.1, "spread_of": "SD"}, "spread -0.1"),
        ({"value": 1.0, "n": -1}, "n -1"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(arguments, says):
    with pytest.raises(ProvenanceError, match=says):
        Estimate(**arguments)


def test_numbers_of_arrays_become_python_numbers():
    found = Estimate(np.float32(0.5), np.float64(0.25), "SE", np.int64(7))
    assert [type(x) for x in (found.value, found.spread, found.n)] == [float, float, int]


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b & 5 % $x$ #1 {~^\\", r"a\_b \& 5 \% \$x\$ \#1 \{\textasciitilde{}"
         r"\textasciicircum{}\textbackslash{}"),
        ("±1 λ ≥ 10⁻¹²", r"\ensuremath{\pm}1 \ensuremath{\lambda} \ensuremath{\geq} "
         r"10\ensuremath{^{-12}}"),
        ("plain é", "plain é"),
        ("run `a_b` < `c`", r"run \texttt{a\_b} \ensuremath{<} \texttt{c}"),
        (f"5{THIN}%\u00a0x", r"5\,\%~x"),
    ],
)  # fmt: skip
def test_text_for_latex(text, tex):
    assert format.to_tex(text) == tex


def test_text_for_html():
    assert format.to_html('`a < b` < & "c"') == '<code>a &lt; b</code> &lt; &amp; "c"'


def cases():
    rows = [("z", "B", s, s) for s in (1.0, 2.0, 6.0)] + [("z", "A", 9, 5.0), ("a", "B", 1, 0.5)]
    return pd.DataFrame(rows, columns=["method", "net", "seed", "score"])


def test_means_and_deviations_of_a_tidy_frame():
    found = format.mean_std(cases(), "score", "method", "net", spread_of="SD over seeds")
    assert (list(found.index), list(found.columns)) == (["z", "a"], ["B", "A"])
    assert found.loc["z", "B"] == Estimate(3.0, 7**0.5, "SD over seeds", 3)
    assert found.loc["z", "A"] == Estimate(5.0, n=1)
    assert pd.isna(found.loc["a", "A"])
    single = format.mean_std(cases(), "score", "net", unit="count")
    assert list(single.columns) == ["score"] and single.loc["A", "score"].unit == "count"
    two = format.mean_std(cases(), "score", ["method", "net"], "seed")
    assert list(two.index) == [("z", "B"), ("z", "A"), ("a", "B")]


def test_a_case_without_a_score_is_not_dropped_in_silence():
    frame = cases()
    frame.loc[1, "score"] = np.nan
    with pytest.raises(ProvenanceError, match="nan"):
        format.mean_std(frame, "score", "method", "net")


class Cells(HTMLParser):
    """Rows of a page's table as (tag, colspan, text); ``left`` has the columns at the left."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.caption, self._in = [], "", None
        self.left = {int(i) for i in re.findall(r"\.col(\d+) {\s*text-align: left", page)}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append((tag, int(dict(attrs).get("colspan", 1)), ""))
        self._in = tag

    def handle_data(self, data):
        if self._in in ("td", "th", "code") and data.strip():
            tag, span, text = self.rows[-1][-1]
            self.rows[-1][-1] = (tag, span, text + data)
        elif self._in == "caption":
            self.caption += data


MIXED = pd.DataFrame(
    {
        "x<1 & y_2": [Estimate(0.5, 0.1, "SD"), "not at hand", 2],
        "n": pd.array([3, None, 10000], "Int64"),
        "kind": ["a", None, "`b`"],
        "sure": [True, None, np.bool_(False)],
        "none": [None, None, float("nan")],
    },
    index=pd.Index(["first", "second", "third"], name="net"),
)


def test_a_frame_as_html():
    page = Cells(format.html_table(MIXED, "Rates < 1."))
    texts = [[text for _, _, text in row] for row in page.rows]
    assert page.caption.strip() == "Rates < 1."
    assert texts == [
        ["net", "x<1 & y_2", "n", "kind", "sure", "none"],
        ["first", "0.50 ± 0.10", "3", "a", "yes", "–"],
        ["second", "not at hand"],
        ["third", "2", "10,000", "b", "no", "–"],
    ]
    assert [span for _, span, _ in page.rows[2]] == [1, 5]
    assert page.left == {0, 3}  # labels and texts; numbers stand at the right
    assert "<code>b</code>" in format.html_table(MIXED, "c")


def test_html_is_the_same_each_time_and_tables_of_a_page_do_not_share_their_style():
    pages = [format.html_table(frame, "c") for frame in (MIXED, MIXED, MIXED.iloc[:1])]
    names = [re.findall(r'id="(\w+)"', page) for page in pages]
    assert pages[0] == pages[1] and names[0] != names[2] and len(names[0]) == 1


def test_a_frame_as_booktabs():
    assert format.tex_table(MIXED).splitlines() == [
        r"\begin{tabular}{lrrlrr}",
        r"\toprule",
        r"net & x\ensuremath{<}1 \& y\_2 & n & kind & sure & none \\",
        r"\midrule",
        r"first & 0.50 \ensuremath{\pm} 0.10 & 3 & a & yes & – \\",
        r"second & \multicolumn{5}{l}{not at hand} \\",
        r"third & 2 & 10,000 & \texttt{b} & no & – \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_missing_number_after_a_label_is_a_dash_and_no_remark():
    frame = pd.DataFrame({"a": [None, 1.0]}, index=pd.Index(["x", "y"], name="m"))
    assert r"x & – \\" in format.tex_table(frame)
    assert [len(row) for row in Cells(format.html_table(frame, "c")).rows] == [2, 2, 2]
    words = pd.DataFrame({"kind": ["slow", "fast"], "a": [None, 1.0]}, index=frame.index)
    assert r"x & slow & – \\" in format.tex_table(words)


def test_rows_and_columns_of_two_levels():
    columns = pd.MultiIndex.from_product([["A", "B"], ["p", "q"]], names=["net", "side"])
    index = pd.MultiIndex.from_tuples([("m", 0.01), ("m", 0.1)], names=["method", "ε"])
    frame = pd.DataFrame([[1, 2, 3, 4], [5, 6, 7, 0.5]], index, columns)
    head, second, _, first, *_ = format.tex_table(frame).splitlines()[2:]
    assert head == r"method & \ensuremath{\varepsilon} & \multicolumn{2}{c}{A} & "\
        r"\multicolumn{2}{c}{B} \\"  # fmt: skip
    assert (second, first) == (r" &  & p & q & p & q \\", r"m & 0.01 & 1 & 2 & 3 & 4.00 \\")
    rows = Cells(format.html_table(frame, "c")).rows
    assert [span for _, span, _ in rows[0]] == [1, 1, 2, 2] and len(rows[3]) == 6
    assert next(iter(format.cells("t", frame))) == "t/m/0.01/A/p"
    assert format.cells("t", frame)["t/m/0.1/B/q"] == Estimate(0.5)


def test_numbers_are_named_by_row_and_column():
    assert format.cells("t", MIXED) == {
        "t/first/x<1 & y_2": Estimate(0.5, 0.1, "SD"),
        "t/first/n": Estimate(3.0, unit="count"),
        "t/third/x<1 & y_2": Estimate(2.0, unit="count"),
        "t/third/n": Estimate(10000.0, unit="count"),
    }


def test_without_an_index_the_first_column_names_the_rows():
    frame = pd.DataFrame({"eps": [0.01, 0.1], "rate": [1.5, 2.5], "n": [1234, 2]})
    found = format.cells("t", frame)
    assert list(found) == ["t/0.01/rate", "t/0.01/n", "t/0.1/rate", "t/0.1/n"]
    assert str(found["t/0.01/n"]) == "1,234"  # a whole number stays one beside others
    assert r"0.01 & 1.50 & 1,234 \\" in format.tex_table(frame)


def test_a_key_has_nothing_that_latex_cannot_take():
    assert format.key("t", r"5 % #1 {a}\b~^$", f"x{THIN}y  z") == "t/5 1 ab/x y z"


@pytest.mark.parametrize("index", [["a", "a"], ["a%", "a"]])
def test_two_cells_of_one_name_are_refused(index):
    frame = pd.DataFrame({"x": [Estimate(1.0)] * 2}, index=pd.Index(index, name="m"))
    with pytest.raises(ProvenanceError, match="'t/a/x'"):
        format.cells("t", frame)


def test_macros_have_each_form_of_a_number_and_the_claims():
    numbers = {"t/a & b/x": Estimate(0.9312, 0.0049, "SD", 2985, "fraction"), "v": Estimate(2.0)}
    define = r"\provenancedefine"
    assert format.macros("2-x", numbers, {"first": "2.1"}).splitlines()[1:] == [
        rf"{define}{{claim}}{{2-x/first}}{{2.1}}",
        rf"{define}{{val}}{{2-x/t/a & b/x}}{{93.1 \ensuremath{{\pm}} 0.5\,\%}}",
        rf"{define}{{mean}}{{2-x/t/a & b/x}}{{93.1\,\%}}",
        rf"{define}{{n}}{{2-x/t/a & b/x}}{{2,985}}",
        rf"{define}{{val}}{{2-x/v}}{{2.00}}",
        rf"{define}{{mean}}{{2-x/v}}{{2.00}}",
    ]
