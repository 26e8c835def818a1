"""The hand-out: nothing of an answer in it, and a check that notices every useless exercise."""

import ast
import errno
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader import utils
from nbgrader.validator import Validator

from provenance import handout

ANSWER = "def {0}(x):\n    ### BEGIN SOLUTION\n    return {1}\n    ### END SOLUTION"


def answer(name, body="2 * x", source=ANSWER):
    facts = {"grade": False, "grade_id": name, "locked": False, "solution": True}
    facts |= {"schema_version": 3, "task": False}
    source = source.format(name.replace("-", "_"), body)
    return new_code_cell(source, metadata={"nbgrader": facts})


def check_of(name, source):
    facts = {"grade": True, "grade_id": f"test-{name}", "locked": True, "solution": False}
    facts |= {"schema_version": 3, "task": False, "points": 1}
    return new_code_cell(source, metadata={"nbgrader": facts})


def reading(name, source, points=2):
    facts = {"grade": True, "grade_id": name, "locked": False, "points": points, "solution": True}
    facts |= {"schema_version": 3, "task": False}
    return new_markdown_cell(source, metadata={"nbgrader": facts})


def changed(cell, **facts):
    cell.metadata.nbgrader |= facts
    return cell


def without(cell, key):
    del cell.metadata[key]
    return cell


def without_fact(cell, key):
    del cell.metadata.nbgrader[key]
    return cell


DOUBLE = [answer("double"), check_of("double", "assert double(3) == 6")]
UNUSABLE = {
    "no metadata": ([without(answer("double"), "nbgrader"), DOUBLE[1]], "no nbgrader metadata"),
    "no name": ([answer(""), DOUBLE[1]], "grade_id is empty"),
    "no markers": ([answer("double", source="double = 1"), DOUBLE[1]], "needs a line"),
    "no end": ([answer("double", source="### BEGIN SOLUTION\n1"), DOUBLE[1]], "needs a line"),
    "wrong order": (
        [answer("double", source="### END SOLUTION\n### BEGIN SOLUTION"), DOUBLE[1]],
        "needs a line",
    ),
    "no test": ([DOUBLE[0]], "directly below 'double'"),
    "test further down": ([DOUBLE[0], new_markdown_cell("x"), DOUBLE[1]], "directly below"),
    "another's test": ([DOUBLE[0], check_of("triple", "1")], "'test-double'"),
    "below is no test": ([DOUBLE[0], answer("test-double")], "directly below"),
    "same name": (
        [*DOUBLE, answer("double"), check_of("double", "1")],
        "several cells: ['double', 'test-double']",
    ),
    "lonely test": ([*DOUBLE, check_of("triple", "1")], "'test-triple' has no answer"),
    "open region": ([reading("why", "A\n<!-- BEGIN SOLUTION -->\nB")], "'why' needs a line"),
    "only its end": ([reading("why", "A\n<!-- END SOLUTION -->\nB")], "'why' needs a line"),
    "nested": (
        [reading("why", "<!-- BEGIN SOLUTION -->\n" * 2 + "A\n" + "<!-- END SOLUTION -->\n" * 2)],
        "'why' needs a line",
    ),
    "text beside a mark": (
        [reading("why", "<!-- BEGIN SOLUTION --> A\nB\n<!-- END SOLUTION -->")],
        "'why' needs a line",
    ),
    "code's marks in a text": (
        [reading("why", "### BEGIN SOLUTION\nA\n### END SOLUTION")],
        "'why' needs a line <!-- BEGIN SOLUTION -->",
    ),
    "marks without metadata": (
        [new_markdown_cell("<!-- BEGIN SOLUTION -->\nA\n<!-- END SOLUTION -->", id="here")],
        "'cell here' holds <!-- BEGIN SOLUTION -->, but no nbgrader metadata",
    ),
    "text without points": (
        [changed(reading("why", "A"), grade=False)],
        "'why': nbgrader refuses its metadata: Markdown solution cell is not marked as a grade",
    ),
    "points in words": ([reading("why", "A", points="two")], "'why': nbgrader refuses"),
    "negative points": ([reading("why", "A", points=-1)], "'why': nbgrader refuses"),
    "no points": ([without_fact(reading("why", "A"), "points")], "does not have points"),
    "no grade": ([without_fact(reading("why", "A"), "grade")], "refuses its metadata: 'grade' is"),
    "old schema": ([changed(reading("why", "A"), schema_version=2)], "Outdated schema version"),
    "bad name": ([reading("why so?", "A")], "'why so?': nbgrader refuses"),
    "magic beside a claim": (
        [new_code_cell("%time book.claim('a', 'A grows', t)", id="here")],
        "'cell here': invalid syntax",
    ),
    "caption elsewhere": (
        [new_code_cell("book.figure('a', fig, caption=text)", id="here")],
        "'cell here': write a caption as a text into its call",
    ),
    "sentence elsewhere": (
        [new_code_cell("book.claim('a', sentence, test)", id="here")],
        "'cell here': write the sentence of a claim into its call",
    ),
}


def test_each_answer_is_paired_with_the_test_below():
    open_question = answer("why", source="### BEGIN SOLUTION\n1\n### END SOLUTION")
    open_question.metadata.nbgrader |= {"grade": True, "points": 2}
    cells = [new_markdown_cell("# Twice"), *DOUBLE, open_question, new_code_cell("1")]
    assert handout.by_hand(new_notebook(cells=cells)) == {"double": 1}
    assert handout.by_hand(new_notebook()) == {}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_exercise_is_refused(name):
    cells, message = UNUSABLE[name]
    with pytest.raises(handout.BadExercise) as caught:
        handout.by_hand(new_notebook(cells=cells))
    assert message in str(caught.value)


def test_nothing_of_an_answer_is_left():
    hidden = "assert double(1) == 2\n### BEGIN HIDDEN TESTS\nassert double(8) == 16\n"
    cells = [answer("double"), check_of("double", f"{hidden}### END HIDDEN TESTS")]
    cells[0].outputs, cells[0].execution_count = [new_output("stream", text="16")], 1
    nb = new_notebook(cells=cells, metadata={"practicals": {"hash": "1"}})
    given = handout.without_answers(nb)
    assert given.cells[0].source == (
        "def double(x):\n    # Your answer, in place of the next line.\n"
        "    raise NotImplementedError()"
    )
    assert given.cells[1].source == "assert double(1) == 2"
    assert given.cells[0].outputs == [] and given.cells[0].execution_count is None
    assert "practicals" not in given.metadata
    # A student may write the answer; neither cell can be deleted, nor the test edited.
    assert given.cells[0].metadata.get("editable", True) and not given.cells[0].metadata.deletable
    assert not given.cells[1].metadata.editable and not given.cells[1].metadata.deletable
    assert all(cell.metadata.nbgrader.checksum for cell in given.cells)
    assert "2 * x" in nb.cells[0].source and nb.cells[0].outputs, "the source stays as it was"


BEGIN, END = "<!-- BEGIN SOLUTION -->", "<!-- END SOLUTION -->"
TEXTS = {
    "whole": ("It grows, *see above*.\n\nAnd how.", "*Your answer here (2 points).*"),
    "label": ("**Reading.** It grows.", "**Reading.**\n*Your answer here (2 points).*"),
    "numbered": (
        "**Answer to question 7.** No.\n\nSince",
        "**Answer to question 7.**\n*Your answer here (2 points).*",
    ),
    "bold answer": ("**Answer.** **No.**", "**Answer.**\n*Your answer here (2 points).*"),
    "telling label": ("**Reading: it grows.** So", "*Your answer here (2 points).*"),
    "region": (
        f"> **Question 1.** Why?\n\n{BEGIN}\n**Answer.** So.\n\n- so\n{END}\n\n## Next",
        "> **Question 1.** Why?\n\n**Answer.**\n*Your answer here (2 points).*\n\n## Next",
    ),
    "two regions": (
        f"{BEGIN}\nSo.\n{END}\n\n## Next\n\n{BEGIN}\nSo\n{END}",
        "*Your answer here (2 points together).*\n\n## Next\n\n"
        "*Your answer here (2 points together).*",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_of_an_answer_in_words_only_its_label_stays(name):
    source, left = TEXTS[name]
    cell = reading("why", source)
    cell.attachments = {"seen.png": {"image/png": "aGVhdA=="}}
    given = handout.without_answers(new_notebook(cells=[cell])).cells[0]
    assert given.source == left and "attachments" not in given
    assert given.metadata.get("editable", True) and not given.metadata.deletable


def test_one_point_is_no_points():
    given = handout.without_answers(new_notebook(cells=[reading("why", "So.", points=1)]))
    assert given.cells[0].source == "*Your answer here (1 point).*"


TOLD = {
    "claim": (
        'book.claim("a-grows", "A grows", stats.paired(a, b))',
        '("What do you conclude?", stats.paired(a, b))',
    ),
    "claim over lines": (
        'if a:\n    print(ledger.claim(f"{a}-é", f"„{a}“ is\u202flarger",\n'
        '                       a\n                       > b, expect="true"))  # é',
        'if a:\n    print(("What do you conclude?", a\n                       > b))  # é',
    ),
    "claim by names": ("x = book.claim(name='a', sentence=f'{a}', test=t)", "x = (…, t)"),
    "two claims": (
        'book.claim("a", "A grows", t)\nbook.claim("b", "B grows", u)',
        '("What do you conclude?", t)\n("What do you conclude?", u)',
    ),
    "caption by place": (
        'book.table("a", frame, "Means. A grows.")',
        'book.table("a", frame, "Means.")',
    ),
    "figure by place": (
        'book.figure("a", fig, "Means of e.g. 3.5 px? A grows!", "A rising line")',
        'book.figure("a", fig, "Means of e.g. 3.5 px?", ALT)',
    ),
    "values": (
        'now.ledger.figure("a", fig, caption=f"{n:,} by Su et al. in {x!r}. A "\n'
        '                  f"grows to {m}.", alt=f"Up to {m}")',
        'now.ledger.figure("a", fig, caption=f"{n:,} by Su et al. in {x!r}.", alt=ALT)',
    ),
    "joined values": (
        'book.figure("a", fig, caption=f"Of {n} " + ", ".join(x) + ". It " + "grows.", alt="x")',
        'book.figure("a", fig, caption=f"Of {n} {\', \'.join(x)}.", alt=ALT)',
    ),
    "one sentence": (
        'ledger.grid("a", *rows, caption=f"Means of {n} é")  # é\nfig.show()',
        'ledger.grid("a", *rows, caption=f"Means of {n} é")  # é\nfig.show()',
    ),
    "a magic": ("%matplotlib inline", "%matplotlib inline"),
    "no caption": ('ledger.table("a", ("x",), rows)', 'ledger.table("a", ("x",), rows)'),
}


@pytest.mark.parametrize("name", TOLD)
def test_of_claims_stay_tests_and_of_captions_the_first_sentence(name):
    source, left = TOLD[name]
    left = left.replace("ALT", handout.ALT).replace("…", '"What do you conclude?"')
    found = handout.without_findings(source)
    assert found == left or ast.dump(ast.parse(found)) == ast.dump(ast.parse(left))
    assert "grow" not in found
    assert handout.without_findings(found) == found
    assert source != left or found == source, "what tells nothing stays as it was written"


def test_nbgrader_takes_the_hand_out_and_marks_an_empty_answer_with_nothing(tmp_path):
    cells = [reading("why", "It grows."), *DOUBLE, reading("how", "Slowly.")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    given = handout.without_answers(new_notebook(cells=cells, metadata={"kernelspec": kernel}))
    given.cells[0].source = "I see that it grows."
    given.cells[1].source = cells[1].source
    nbformat.write(given, tmp_path / "given.ipynb")
    (failed,) = Validator().validate(str(tmp_path / "given.ipynb"))["failed"]
    assert failed["source"] == "*Your answer here (2 points).*"
    assert failed["raw_error"] == "You did not provide a response."
    assert utils.determine_grade(given.cells[0]) == (None, 2), "a person marks it"
    assert utils.determine_grade(given.cells[3]) == (0, 2), "as it was handed out"


def test_the_rubric_has_each_question_its_points_and_its_answer():
    text = f"> ★ **Question 1.** Why?\n\n{BEGIN}\n**Answer.** So.\n{END}\n\n## Last\n\nThe end."
    cells = [
        new_markdown_cell("# Twice\n\nThe idea."),
        *DOUBLE,
        reading("seen", "**Reading.** It\n\ngrows.", points=1),
        reading("why", text),
        reading("both", f"{BEGIN}\nOne.\n{END}\n\n### Next\n\n{BEGIN}\nTwo.\n{END}", points=3),
    ]
    assert handout.rubric("2-toy", new_notebook(cells=cells)) == (
        "# 2-toy: rubric\n\n## In words\n\n"
        "### seen: 1 point\n\nTwice\n\n**Reading.** It\n\ngrows.\n\n"
        "### why: 2 points\n\n★ **Question 1.** Why?\n\n**Answer.** So.\n\n"
        "### both: 3 points\n\nLast\n\nOne.\n\nTwo.\n\n"
        "## By tests\n\n- test-double: 1 point\n"
    )


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """Return a function that writes a small repository, with these cells in one notebook."""
    monkeypatch.setenv("PROVENANCE_ROOT", str(tmp_path))
    monkeypatch.delenv("PROVENANCE_CACHE", raising=False)
    package = tmp_path / "src/practicals"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("data", "notebooks", "report/generated"):
        (tmp_path / name).mkdir(parents=True)
    settings = '[tool.provenance]\npackage = "practicals"\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    for name in ("data/README.md", "data/weights.bin", "secret.txt"):
        (tmp_path / name).write_text(name)
    (package / "__init__.py").touch()
    (package / "here.py").write_text("x = 1")
    (package / "__pycache__/here.pyc").touch()
    told = {"values": {"a": {"value": 1}}, "cells": {"t/r/c": {"value": 2}}, "stem": "2-toy"}
    told |= {"claims": [{"sentence": "It GROWS"}], "figures": {"f": {"caption": "It GROWS"}}}
    (tmp_path / "report/generated/2-toy.json").write_text(json.dumps(told))
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "notebooks/1-plain.ipynb")

    def write(*cells):
        nbformat.write(new_notebook(cells=list(cells)), tmp_path / "notebooks/2-toy.ipynb")
        return tmp_path

    return write


def test_the_hand_out_holds_what_it_needs_and_no_more(repository, capsys):
    claim = new_code_cell("book.claim('it-GROWS', 'It GROWS', test)")
    root = repository(*DOUBLE, reading("why", "**Reading.** It GROWS."), claim)
    (root / "build/student").mkdir(parents=True)
    (root / "build/student/old.txt").touch()
    assert handout.main(["make"]) == 0
    assert capsys.readouterr().out == "handout: wrote build/student/, and for you build/rubric/\n"
    folder = root / "build/student"
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        "README.md",
        "pyproject.toml",
        "data/README.md",
        "notebooks/2-toy.ipynb",
        "report/generated/2-toy.json",
        "src/practicals/__init__.py",
        "src/practicals/here.py",
    }
    readme = (folder / "README.md").read_text()
    assert "pip install -e ." in readme
    assert readme.endswith("| [2-toy](notebooks/2-toy.ipynb) | double | 1 |\n")
    for path in map(folder.joinpath, files):
        assert not any(told in path.read_text() for told in ("2 * x", "GROWS")), path
    numbers = json.loads((folder / "report/generated/2-toy.json").read_text())
    assert numbers["values"]["a"]["value"] == 1 and numbers["cells"]["t/r/c"]["value"] == 2
    assert "It GROWS." in (root / "build/rubric/2-toy.md").read_text()


def test_a_disk_that_takes_nothing_is_said_in_one_line(repository, capsys, monkeypatch):
    root = repository(*DOUBLE)
    (root / "build").touch()  # a folder cannot be made here
    assert handout.main(["make"]) == 1
    assert str(root / "build") in (said := capsys.readouterr().err) and said.count("\n") == 1
    (root / "build").unlink()
    assert handout.main(["make"]) == 0
    before = sorted(root.rglob("*"))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nbformat, "write", full)
    assert handout.main(["make"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before, "the old hand-out stays, and no part of a new one"


def test_what_is_no_notebook_is_named(repository, capsys):
    (repository(*DOUBLE) / "notebooks/2-toy.ipynb").write_text("no JSON")
    assert handout.main(["make"]) == 1
    assert "handout: 2-toy: " in capsys.readouterr().err


def test_what_cannot_be_handed_out_is_named(repository, capsys):
    root = repository(new_code_cell("1"))
    assert handout.main(["make"]) == 1
    assert "no notebook in notebooks/ has a cell" in capsys.readouterr().err
    repository(DOUBLE[0])
    assert handout.main(["make"]) == 1
    assert "handout: 2-toy: the cell directly below 'double'" in capsys.readouterr().err
    repository(*DOUBLE, new_code_cell("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS"))
    assert handout.main(["make"]) == 1
    assert "Hidden test region detected" in capsys.readouterr().err
    assert not (root / "build/student").exists()
    assert handout.main(["check", "3-none"]) == 1
    assert "'3-none'" in capsys.readouterr().err


OWN = """\
import os
from pathlib import Path
from practicals import here
own = Path(here.__file__).resolve().parents[2]
assert own == Path.cwd().parent.resolve() and own != Path({root!r})
assert os.environ["PROVENANCE_CACHE"] == {root!r} + "/data/cache"
assert os.environ["PROFILE"] == "sample"
assert "PROVENANCE_ROOT" not in os.environ"""


def test_good_exercises_pass_the_check(repository, capsys, monkeypatch):
    monkeypatch.setenv("PROFILE", "full")
    fourfold = answer("four-fold", "double(double(x))")
    # This test needs the answer before: only its own is missing when it must fail.
    second = check_of("four-fold", "assert double(1) == 2\nassert four_fold(1) == 4")
    slider = "import ipywidgets\nipywidgets.interact(lambda x: print(x), x=(0, 3))"
    used = new_code_cell(f"{slider}\nassert four_fold(2) == 8")
    root = repository(new_code_cell("pass"), *DOUBLE, fourfold, second, used)
    repository(new_code_cell(OWN.format(root=str(root))), *DOUBLE, fourfold, second, used)
    assert handout.main(["check", "2-toy"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2-toy: double: fails without the answer: NotImplementedError; passes with it",
        "2-toy: four-fold: fails without the answer: NotImplementedError; passes with it",
        "handout: every test needs its answer",
    ]


def test_useless_exercises_are_named(repository, capsys):
    free = "### BEGIN SOLUTION\n{0} = 7\n### END SOLUTION"
    repository(
        new_code_cell("leaked = 7"),
        answer("leaked", source=free),
        check_of("leaked", "assert leaked == 7"),
        answer("loose", source=free),
        check_of("loose", "assert loose == 7"),
        answer("set", source=f"set = None\n{free}"),
        check_of("set", "assert set == 7, 'seven'"),
        answer("wrong", "3 * x"),
        check_of("wrong", "assert wrong(3) == 6"),
        answer("broken", source=f"{free}\n1 / 0"),
        check_of("broken", "assert broken == 7"),
        new_code_cell("# plain\nundefined"),
    )
    assert handout.main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2-toy: WRONG: leaked: passes without the answer; passes with it"
    assert "WRONG: loose: fails without the answer: NameError: name 'loose'" in lines[1]
    assert "(expected AssertionError or NotImplementedError" in lines[1]
    assert lines[2] == "2-toy: set: fails without the answer: AssertionError; passes with it"
    assert "WRONG: wrong: fails without the answer: NotImplementedError; fails with" in lines[3]
    assert "fails with it: ZeroDivisionError" in lines[4]
    assert lines[5].startswith("2-toy: WRONG: '# plain', no exercise: fails with all answers: Name")
    assert lines[6:] == ["handout: 5 wrong"]


def test_a_kernel_that_dies_is_reported(repository, capsys):
    repository(new_code_cell("import os\nos._exit(1)"), *DOUBLE)
    assert handout.main(["check"]) == 1
    assert "Kernel died" in capsys.readouterr().err
