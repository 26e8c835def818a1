"""The hand-out: nothing of an answer in it, and a check that notices every useless exercise."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

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


def without(cell, key):
    del cell.metadata[key]
    return cell


DOUBLE = [answer("double"), check_of("double", "assert double(3) == 6")]
UNUSABLE = {
    "no metadata": ([without(answer("double"), "nbgrader"), DOUBLE[1]], "no nbgrader metadata"),
    "no name": ([answer(""), DOUBLE[1]], "'test-'"),
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
}


def test_each_answer_is_paired_with_the_test_below():
    open_question = answer("why", source="### BEGIN SOLUTION\n1\n### END SOLUTION")
    open_question.metadata.nbgrader |= {"grade": True, "points": 2}
    cells = [new_markdown_cell("### BEGIN SOLUTION"), *DOUBLE, open_question, new_code_cell("1")]
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


@pytest.mark.parametrize("key", ["points", "schema_version"])
def test_metadata_that_nbgrader_could_not_grade_is_refused(key):
    cells = [answer("double"), check_of("double", "1")]
    del cells[1].metadata.nbgrader[key]
    with pytest.raises(Exception, match=r"failed to validate|Outdated schema"):
        handout.without_answers(new_notebook(cells=cells))


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """Return a function that writes a small repository, with these cells in one notebook."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.delenv("PRACTICALS_DATA", raising=False)
    package = tmp_path / "src/practicals"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("data", "notebooks", "report/generated"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("pyproject.toml", "data/README.md", "data/weights.bin", "secret.txt"):
        (tmp_path / name).write_text(name)
    (package / "__init__.py").touch()
    (package / "here.py").write_text("x = 1")
    (package / "__pycache__/here.pyc").touch()
    (tmp_path / "report/generated/2-toy.json").write_text("{}")
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "notebooks/1-plain.ipynb")

    def write(*cells):
        nbformat.write(new_notebook(cells=list(cells)), tmp_path / "notebooks/2-toy.ipynb")
        return tmp_path

    return write


def test_the_hand_out_holds_what_it_needs_and_no_more(repository, capsys):
    root = repository(*DOUBLE)
    (root / "build/student").mkdir(parents=True)
    (root / "build/student/old.txt").touch()
    assert handout.main(["make"]) == 0
    assert capsys.readouterr().out == "handout: the hand-out is build/student/\n"
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
    assert readme.endswith("| [2-toy](notebooks/2-toy.ipynb) | double |\n")
    assert "2 * x" not in (folder / "notebooks/2-toy.ipynb").read_text()


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
assert os.environ["PRACTICALS_DATA"] == {root!r} + "/data"
assert os.environ["PROFILE"] == "sample" and os.environ["PRACTICALS_OFFLINE"] == "1"
assert "PRACTICALS_ROOT" not in os.environ"""


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
