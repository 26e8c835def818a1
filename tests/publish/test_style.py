"""The style of a notebook: a good one passes, and each fault is named."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals.publish import style

OPENING = """\
# Toy

What to know before: sums. About 3 minutes. See the [chapter](report.pdf)."""


def exercise(name):
    """Return an answer and its test, as the convention asks."""
    facts = {"grade": False, "grade_id": name, "locked": False, "solution": True}
    test = {"grade": True, "grade_id": f"test-{name}", "locked": True, "solution": False}
    facts["schema_version"] = test["schema_version"] = 3
    test["points"] = 1
    source = f"def {name}():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    return [
        new_code_cell(source, metadata={"nbgrader": facts}),
        new_code_cell(f"assert {name}() == 1", metadata={"nbgrader": test}),
    ]


EXERCISES = [cell for name in ("one", "two", "three") for cell in exercise(name)]
FIGURE = 'ledger.figure("a", fig, caption="c", alt="d")'


def found(tmp_path, *cells, opening=OPENING, exercises=EXERCISES, stem="2-toy"):
    """Return the problems of a notebook as ``what`` → ``remedy``."""
    first = [new_markdown_cell(opening)] if opening else []
    path = tmp_path / f"{stem}.ipynb"
    nbformat.write(new_notebook(cells=[*first, *exercises, *cells]), path)
    return dict(style.problems(path))


GOOD = {
    "a table": "rows = [1]\nledger.table('a', ('b',), [(ledger.cell('x'),)])",
    "a figure": FIGURE,
    "a drawn figure": 'ledger.figure("a", figures.mosaic(x), caption=f"n = {n}", alt="d")',
    "an expression": "x",
    "torch's own alias": "import torch.nn.functional as F\nimport numpy as np",
    "one choice": "x = 1 if y else 2",
    "a loop that shows": "for x in y:\n    print(x)",
    "a table displayed": "display(ledger.grid('a', (), {}, ()))",
    "an annotation": "x: int = 1",
    "a class": "class A:\n    pass",
    "a comment": "# only this",
    "a magic": "%time 1",
}
BAD = {
    "chained": ("x = 1 if y else 2 if z else 3", "chains conditional expressions"),
    "alias": ("import numpy as n", "imports numpy as n"),
    "alias from": ("from torch import nn as N", "imports nn as N"),
    "hidden table": ("ledger.table('a')\nx", "never shows ledger.table(…)"),
    "kept table": ("t = now.ledger.grid('a')", "never shows now.ledger.grid(…)"),
    "hidden claims": ("ledger.claims_table()\nx", "never shows ledger.claims_table(…)"),
    "hidden tables": ("tables.by_network(1)\nx", "never shows tables.by_network(…)"),
    "dead": ("by_hand\nx = 1", "holds 'by_hand', which is never shown"),
    "books": ("ledger.record('a', 1)\nledger.record('b', 2)\nx", "calls ledger or figures 2 times"),
    "figures": (f"figures.mosaic(x)\n{FIGURE}", "calls ledger or figures 2 times"),
    "no caption": ('ledger.figure("a", fig, alt="d")', "shows a figure without caption="),
    "empty alt": ('ledger.figure("a", fig, caption="c", alt=" ")', "shows a figure without alt="),
    "animation": ('ledger.animation("a", f, caption="c")', "shows a figure without alt="),
    "nothing": ("for x in y:\n    net(x)", "shows and defines nothing"),
    "hidden value": ("x;", "shows and defines nothing"),
}


def test_a_good_notebook_passes(tmp_path):
    assert found(tmp_path, new_code_cell("x = 1\nx")) == {}


@pytest.mark.parametrize("name", GOOD)
def test_good_cells_pass(tmp_path, name):
    assert found(tmp_path, new_code_cell(GOOD[name])) == {}


@pytest.mark.parametrize("name", BAD)
def test_bad_cells_are_named(tmp_path, name):
    source, what = BAD[name]
    problems = found(tmp_path, new_code_cell("1"), new_code_cell(source))
    assert list(problems) == [f"code cell 8 {what}"] and all(problems.values())


def test_a_hidden_cell_may_keep_books_but_no_picture_without_caption(tmp_path):
    tags = {"tags": ["hide-input"]}
    books = "ledger.record('a', 1)\nfor x in y:\n    ledger.record(x, 2)\nledger.table('a')\nx.y()"
    assert found(tmp_path, new_code_cell(books, metadata=tags)) == {}
    assert found(tmp_path, new_code_cell("ledger.record('a', 1)", metadata=tags)) == {}
    assert found(tmp_path, new_code_cell("ledger.figure('a', f)", metadata=tags))


def test_only_a_run_tells_whether_a_call_shows_something(tmp_path):
    cell = new_code_cell("net.train()")
    assert found(tmp_path, cell) == {}
    cell.execution_count = 1
    assert list(found(tmp_path, cell)) == ["code cell 7 shows and defines nothing"]
    cell.outputs = [new_output("stream", text="x")]
    assert found(tmp_path, cell) == {}


def lines(count):
    return new_code_cell("\n\n".join(["x = 1"] * count))


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ([lines(6)] * 20, None),
        ([lines(7)] * 20, "has 7 lines in a code cell in the median, more than 6"),
        ([lines(15)] * 2, None),
        # 10 cells: sorted, number 8 of 0 to 9 decides.
        ([lines(16)] * 2 + [lines(1)] * 2, "at the 90th percentile, more than 15"),
        # Of 20 cells, number 17.
        ([lines(16)] * 2 + [lines(1)] * 12, None),
        ([lines(25)], None),
        ([lines(26)], "has 26 lines in a code cell in the longest, more than 25"),
        ([new_code_cell("[x for x in y if {x for x in y}]")] * 6, None),
        ([new_code_cell("[x for x in y]")] * 7 + [new_code_cell("list(x for x in y)")] * 6, None),
        ([new_code_cell("{x: {x for x in y} for x in list(x for x in y)}")] * 6, "1.5 compr"),
        ([new_code_cell("[[x for x in y] for z in [x for x in y]]")] * 6, "1.5 compr"),
    ],
)
def test_lengths_and_comprehensions(tmp_path, cells, what):
    problems = list(found(tmp_path, *(new_code_cell(cell.source) for cell in cells)))
    assert len(problems) == (what is not None)
    assert not what or what in problems[0]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("# Toy", "## Toy", "a title"),
        ("3 minutes", "3 hours", "the minutes it takes"),
        ("What to know before: sums.", "", "what to know before"),
        ("[chapter](report.pdf)", "chapter", "a link"),
    ],
)
def test_the_opening_says_what_a_reader_needs(tmp_path, old, new, what):
    problems = found(tmp_path, opening=OPENING.replace(old, new))
    assert list(problems) == [f"opens without {what}"]


def test_a_notebook_that_opens_with_code_has_no_opening(tmp_path):
    problems = found(tmp_path, new_markdown_cell(OPENING), opening="")
    assert len(problems) == len(style.OPENING)


@pytest.mark.parametrize("count", [2, 3, 6, 7])
def test_three_to_six_exercises(tmp_path, count):
    cells = [cell for number in range(count) for cell in exercise(f"e{number}")]
    what = f"has {count} cells to be written by hand"
    assert list(found(tmp_path, exercises=cells)) == ([] if 3 <= count <= 6 else [what])


def test_a_test_stands_directly_below_its_answer(tmp_path):
    apart = [*EXERCISES[:5], new_markdown_cell("between"), EXERCISES[5]]
    (what,) = found(tmp_path, exercises=apart)
    assert what == "the cell directly below 'three' must be its test, 'test-three'"
