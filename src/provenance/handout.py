"""The hand-out: the notebooks without what a student is to write or to find out, and its check.

``python -m provenance.handout make`` writes ``build/student/``, a folder that runs on its own, and
``build/rubric/``, the answers in words with their points. ``check [STEM ...]`` proves, in a copy
that is thrown away, that every test fails without its answer and passes with it.
"""

import argparse
import ast
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jsonschema import ValidationError
from nbformat import NotebookNode
from nbgrader import preprocessors, utils
from nbgrader.converters import GenerateAssignment
from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError
from traitlets import Dict

from . import project, render

COPIED = ("pyproject.toml", "requirements.txt", "LICENSE", "data/README.md")
# Of what a notebook published only numbers are handed out: tables show them beside one's own.
NUMBERS = ("stem", "profile", "values", "cells")
BEGIN = {"code": "### BEGIN SOLUTION", "markdown": "<!-- BEGIN SOLUTION -->"}
END = {"code": "### END SOLUTION", "markdown": "<!-- END SOLUTION -->"}
MARK = re.compile(r"^.*(?:BEGIN|END) SOLUTION.*$", re.M)
REGION = re.compile(r"^.*BEGIN SOLUTION.*\n((?s:.*?))^.*END SOLUTION.*$", re.M)
# What may stay of an answer is the label that it begins with.
LABEL = re.compile(rf"({BEGIN['markdown']}\n)(\*\*(?:Reading|Answer(?: to question \d+)?)\.\*\*) *")
ASKED = re.compile(r"^(?:#+ |.*\*\*(?:Question|Predict first)).*$", re.M)
# The arguments, by place, of the calls that say what was found.
SAID: dict[str, tuple[str, ...]] = {
    "claim": ("name", "sentence", "test"),
    "table": ("name", "frame", "caption"),
}
SAID |= {kind: ("name", kind, "caption", "alt") for kind in ("figure", "animation")}
SENTENCE = re.compile(r"(?<!\bal)(?<!e\.g)(?<!i\.e)(?<!vs)[.!?](?=\s)")
ALT = '"Say in words what is seen."'
# How a test fails where its answer is missing; other errors do not tell a student what is.
EXPECTED = ("AssertionError", "NotImplementedError")
HINT = f"(expected {' or '.join(EXPECTED)}: let the answer be a function's body)"


class BadExercise(ValueError):
    """Raised for a cell that nbgrader or a student could not use, or that gives an answer away."""


class ClearAnswers(preprocessors.ClearSolutions):
    """nbgrader's step that removes answers; what stands for a text says its points."""

    code_stub = Dict(
        {"python": "# Your answer, in place of the next line.\nraise NotImplementedError()"}
    ).tag(config=True)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> Any:
        """Remove the answer of a cell, pictures pasted into it included."""
        if cell.cell_type == "markdown" and utils.is_solution(cell):
            cell.pop("attachments", None)
            if not REGION.search(cell.source):
                cell.source = f"{BEGIN['markdown']}\n{cell.source}\n{END['markdown']}"
            together = " together" * (len(_texts(cell)) > 3)
            self.text_stub = f"*Your answer here ({_points(cell)}{together}).*"
            cell.source = LABEL.sub(r"\2\n\1", cell.source)
        return super().preprocess_cell(cell, resources, cell_index)


class ClearFindings(preprocessors.NbGraderPreprocessor):
    """A step that removes what was found from captions, alternative texts and claims."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> Any:
        """Remove findings from a cell's code."""
        if cell.cell_type == "code":
            cell.source = without_findings(cell.source)
        return cell, resources


def without_findings(source: str) -> str:
    """Return a cell's code with the test of each claim, and the first sentence of each caption.

    Raises BadExercise where such a text does not stand in the call, SyntaxError for other code.
    """
    said = "|".join({"caption", "alt", *SAID})
    while re.search(rf"\b(?:{said})\b", source) and (edit := next(_findings(source), None)):
        source = source.replace(*edit)
    return source


def _findings(source: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a cell's code that tell of results, and what to write for each."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        words = {str(word.arg): word.value for word in call.keywords}
        given = dict(zip(SAID.get(call.func.attr, ()), call.args, strict=False)) | words
        code = {name: ast.get_source_segment(source, value) or "" for name, value in given.items()}
        if call.func.attr == "claim" and {"sentence", "test"} <= set(given):
            if isinstance(given["sentence"], ast.Name):
                raise BadExercise("write the sentence of a claim into its call, and nowhere else")
            whole = ast.get_source_segment(source, call) or ""
            yield whole, f'("What do you conclude?", {code["test"]})'
        if code.get("alt", ALT) != ALT:
            yield code["alt"], ALT
        parts = _parts(given["caption"]) if "caption" in given else []
        if "caption" in words and not any(isinstance(part, ast.Constant) for part in parts):
            raise BadExercise(
                "write a caption as a text into its call, so that it can be shortened"
            )
        if short := _first_sentence(parts):
            yield code["caption"], short


def _parts(text: ast.expr) -> list[ast.expr]:
    """Return the texts and the values of which a text is made up."""
    if isinstance(text, ast.JoinedStr):
        return text.values
    if isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add):
        return _parts(text.left) + _parts(text.right)
    is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
    return [text if is_text else ast.FormattedValue(text, -1)]


def _first_sentence(parts: list[ast.expr]) -> str | None:
    """Return the first sentence of a text as code, or None where there is no second one."""
    for place, part in enumerate(parts):
        text = part.value if isinstance(part, ast.Constant) else None
        if isinstance(text, str) and (end := SENTENCE.search(text)):
            last = ast.Constant(text[: end.end()])
            code = ast.unparse(ast.JoinedStr([*parts[:place], last]) if place else last)
            return code.replace("'", '"') if code.count("'") == 2 and '"' not in code else code
    return None


def release_steps() -> list[type]:
    """Return the steps of ``nbgrader generate_assignment``, with these two for ClearSolutions.

    nbgrader's configuration takes them as ``c.GenerateAssignment.preprocessors``.
    """
    steps = list(GenerateAssignment.preprocessors.default_args[0])
    place = steps.index(preprocessors.ClearSolutions)
    return [*steps[:place], ClearAnswers, ClearFindings, *steps[place + 1 :]]


def without_answers(nb: NotebookNode) -> NotebookNode:
    """Return the notebook as a student gets it: no answers, findings, outputs or hidden tests.

    The steps are those of a release, but for those that need nbgrader's database.
    """
    nb, resources = deepcopy(nb), dict[str, Any]()
    kept = {k: v for k, v in nb.metadata.items() if k in ("kernelspec", "language_info")}
    nb.metadata = NotebookNode(kept)
    for step in release_steps():
        if step.__name__ not in ("IncludeHeaderFooter", "InstantiateTests", "SaveCells"):
            nb, resources = step()(nb, resources)
    return nb


def by_hand(nb: NotebookNode) -> dict[str, int]:
    """Return the exercises of a notebook, name to place; the test of each is the cell below.

    Raises BadExercise for metadata that nbgrader refuses, a name used twice, marks without metadata
    or not in pairs, an answer without a test of its name directly below, a test without an answer.
    """
    for cell in nb.cells:
        _refuse_unusable(cell)
    names = [_name(cell) for cell in nb.cells if "nbgrader" in cell.metadata]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadExercise(f"the same grade_id names several cells: {sorted(twice)}")
    answers = [utils.is_solution(c) and not utils.is_grade(c) for c in nb.cells]
    found = {_name(nb.cells[place]): place for place, answer in enumerate(answers) if answer}
    for name, place in found.items():
        below = nb.cells[place + 1 : place + 2]
        if not MARK.search(nb.cells[place].source):
            raise BadExercise(f"{name!r} needs a line {BEGIN['code']}, and after it {END['code']}")
        if not below or not _is_test(below[0]) or _name(below[0]) != f"test-{name}":
            raise BadExercise(f"the cell directly below {name!r} must be its test, 'test-{name}'")
    for cell in filter(_is_test, nb.cells):
        if _name(cell).removeprefix("test-") not in found:
            raise BadExercise(f"test {_name(cell)!r} has no answer directly above")
    return found


def _name(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {cell.get('id', '')}"


def _points(cell: NotebookNode) -> str:
    points = cell.metadata.get("nbgrader", {}).get("points", 0)
    return f"{points:g} point{'s' * (points != 1)}"


def _is_test(cell: NotebookNode) -> bool:
    return utils.is_grade(cell) and not utils.is_solution(cell)


def _is_read(cell: NotebookNode) -> bool:
    """Return whether a person marks a cell."""
    return utils.is_grade(cell) and utils.is_solution(cell)


def _texts(cell: NotebookNode) -> list[str]:
    """Return what stands outside and inside of a cell's marks by turns; outside first and last."""
    texts = REGION.split(cell.source)
    return ["", cell.source, ""] if _is_read(cell) and len(texts) == 1 else texts


def _refuse_unusable(cell: NotebookNode) -> None:
    """Raise BadExercise for what nbgrader refuses without a name, or silently leaves in."""
    try:
        MetadataValidator().validate_cell(cell)
        if cell.cell_type == "code":
            without_findings(cell.source)
    except (BadExercise, SyntaxError) as error:
        raise BadExercise(f"{_name(cell)!r}: {error}") from None
    except (KeyError, ValidationError, SchemaTooNewError, SchemaTooOldError) as error:
        reason = str(error).partition("\n")[0]
        raise BadExercise(f"{_name(cell)!r}: nbgrader refuses its metadata: {reason}") from None
    begin, end = BEGIN.get(cell.cell_type), END.get(cell.cell_type)
    marks = [line.strip() for line in MARK.findall(cell.source)]
    if marks != [begin, end] * (len(marks) // 2):
        raise BadExercise(f"{_name(cell)!r} needs a line {begin}, and after it {end}: {marks}")
    if marks and not utils.is_solution(cell):
        raise BadExercise(f"{_name(cell)!r} holds {begin}, but no nbgrader metadata of a solution")


def rubric(stem: str, nb: NotebookNode) -> str:
    """Return what a person marks by: points, question and answer; last what tests mark."""
    words, tests, asked = [f"# {stem}: rubric", "## In words"], [], ""
    for cell in nb.cells:
        if _is_test(cell):
            tests.append(f"- {_name(cell)}: {_points(cell)}")
        for place, text in enumerate(_texts(cell)):
            if place % 2 and _is_read(cell):
                words += [f"### {_name(cell)}: {_points(cell)}", asked] * (place == 1)
                words.append(text.strip("\n"))
            elif cell.cell_type == "markdown":
                asked = (ASKED.findall(text) or [asked])[-1].lstrip("#> ")
    return "\n\n".join([*words, "## By tests", "\n".join(tests)]) + "\n"


def sources() -> dict[str, NotebookNode]:
    """Return the notebooks with exercises, stem to content; raise BadExercise where none has."""
    found = {}
    for stem in project.current().stems():
        try:
            nb = nbformat.read(project.current().notebooks() / f"{stem}.ipynb", as_version=4)
            if by_hand(nb):
                found[stem] = nb
        except ValueError as error:  # no JSON, or no use
            raise BadExercise(f"{stem}: {error}") from None
    if not found:
        raise BadExercise("no notebook in notebooks/ has a cell to be written by hand")
    return found


def write(folder: Path, notebooks: dict[str, NotebookNode]) -> None:
    """Write the hand-out into ``folder``: notebooks without answers and all that they need."""
    here = project.current()
    root, generated = here.root, Path(here.report, "generated")
    ignore = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")
    shutil.copytree(root / "src", folder / "src", ignore=ignore)
    for name in ("notebooks", generated, "data"):
        (folder / name).mkdir(parents=True)
    readme = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    for stem, nb in notebooks.items():
        words = sum(map(_is_read, nb.cells))
        readme += f"| [{stem}](notebooks/{stem}.ipynb) | {', '.join(by_hand(nb))} | {words} |\n"
        nbformat.write(without_answers(nb), folder / "notebooks" / f"{stem}.ipynb")
        published = generated / f"{stem}.json"
        if (root / published).exists():
            facts = json.loads((root / published).read_text(encoding="utf-8"))
            numbers = json.dumps({key: facts[key] for key in NUMBERS if key in facts}, indent=1)
            (folder / published).write_text(numbers, encoding="utf-8")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    for name in filter(lambda name: (root / name).exists(), COPIED):
        shutil.copyfile(root / name, folder / name)


def make() -> None:
    """Write the hand-out to ``build/student/``, and the rubrics to ``build/rubric/``."""
    notebooks, build = sources(), project.current().root / "build"
    build.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=build, prefix=".handout-") as scratch:
        new = {name: Path(scratch) / name for name in ("student", "rubric")}
        write(new["student"], notebooks)
        new["rubric"].mkdir()
        for stem, nb in notebooks.items():
            (new["rubric"] / f"{stem}.md").write_text(rubric(stem, nb), encoding="utf-8")
        for name, folder in new.items():
            if (build / name).exists():  # aside first: a folder cannot be replaced in one step
                os.replace(build / name, Path(scratch) / f"old-{name}")
            os.replace(folder, build / name)


def both_ways(given: NotebookNode, answered: NotebookNode) -> tuple[NotebookNode, dict[str, int]]:
    """Return a notebook that runs each exercise without its answer and then with it, in four cells.

    The second value says where these begin, name to place. In this order nothing that an answer
    leaves behind can help the test without it; all earlier answers are in place.
    """
    cells, begins = list(deepcopy(given.cells)), {}
    for number, (name, place) in enumerate(by_hand(answered).items()):
        begin = begins[name] = place + 2 * number
        pair = (cell.source for cell in answered.cells[place : place + 2])
        cells[begin + 2 : begin + 2] = map(nbformat.v4.new_code_cell, pair)
    return nbformat.v4.new_notebook(metadata=given.metadata, cells=cells), begins


def run(nb: NotebookNode, folder: Path, label: str) -> None:
    """Run all cells in place, errors kept, in the sample profile of the hand-out in ``folder``.

    Caches are those of the repository.
    """
    from tqdm import tqdm

    own = {"PROFILE": project.current().profiles[0], "TQDM_DISABLE": "1"}
    own |= {"PYTHONPATH": str(folder / "src"), "PROVENANCE_CACHE": str(project.cache_dir())}
    foreign = ("PROVENANCE_ROOT", "PROVENANCE_STAGING", "MPLBACKEND")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    client = render.client_for(nb, folder / "notebooks")
    client.allow_errors = True
    client.store_widget_state = True  # without it nbclient ends at the first slider
    with tqdm(total=len(nb.cells), desc=label, unit="cell", leave=False) as bar:
        client.on_cell_executed = lambda **_: bar.update()
        render.run_client(client, environment | own)


def error_of(cell: NotebookNode) -> str:
    """Return name and text of the error that a cell ended in, or nothing."""
    errors = (o for o in cell.get("outputs", []) if o.output_type == "error")
    return next((f"{error.ename}: {error.evalue}" for error in errors), "")


def verdicts(nb: NotebookNode, begins: dict[str, int]) -> Iterator[tuple[bool, str]]:
    """Yield, for each exercise and each other cell that failed, whether all is well, and a line."""
    others = dict(enumerate(nb.cells))
    for name, begin in begins.items():
        _, blank, answer, test = (error_of(others.pop(begin + i)) for i in range(4))
        good = blank.startswith(EXPECTED)
        why = blank.partition(":")[0] if good else f"{blank} {HINT}"
        before = f"fails without the answer: {why}" if blank else "passes without the answer"
        after = f"fails with it: {answer or test}" if answer or test else "passes with it"
        yield good and not (answer or test), f"{name}: {before}; {after}"
    for cell in others.values():
        if error_of(cell):
            first = cell.source.strip().partition("\n")[0]
            yield False, f"{first!r}, no exercise: fails with all answers: {error_of(cell)}"


def check(stems: Sequence[str] = ()) -> int:
    """Prove the hand-out of all notebooks, or of ``stems``; print a line for each exercise.

    Return the number of culprits. Raises BadExercise for a stem without exercises.
    """
    notebooks, wrong = sources(), 0
    if unknown := set(stems) - set(notebooks):
        raise BadExercise(f"{unknown}: not among the notebooks with exercises, {set(notebooks)}")
    with TemporaryDirectory(prefix="student-") as name:
        folder = Path(name).resolve()
        write(folder, notebooks)
        for stem in stems or notebooks:
            given = nbformat.read(folder / "notebooks" / f"{stem}.ipynb", as_version=4)
            nb, begins = both_ways(given, notebooks[stem])
            run(nb, folder, stem)
            for good, line in verdicts(nb, begins):
                wrong += not good
                print(f"{stem}: {'' if good else 'WRONG: '}{line}", flush=True)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m provenance.handout")
    parser.add_argument("command", choices=("make", "check"))
    parser.add_argument("stems", nargs="*", metavar="STEM", help="check only these notebooks")
    options = parser.parse_args(arguments)
    try:
        if options.command == "make":
            make()
            print("handout: wrote build/student/, and for you build/rubric/")
            return 0
        wrong = check(options.stems)
    # ValueError: no notebook, or one that no student could use; RuntimeError: the kernel died.
    except (OSError, RuntimeError, ValueError) as error:
        print(f"handout: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhandout: interrupted; nothing was written", file=sys.stderr)
        return 130
    print(f"handout: {f'{wrong} wrong' if wrong else 'every test needs its answer'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
