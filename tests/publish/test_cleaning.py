"""One machine's traces go, what means something stays, and an edit of outputs is seen."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from practicals.publish import cleaning


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("result\n", "result\n"),
        ("step 1\rstep 2\n", "step 2\n"),
        (" 10%|█ | 1/10\r100%|██| 10/10 [00:01<00:00, 9.9it/s]\n", ""),
        ("accuracy 93 %\n", "accuracy 93 %\n"),
        ("<f at 0x7f00aa11bb22>", "<f>"),
        ("saved ROOT/figures/x.png", "saved figures/x.png"),
    ],
)
def test_streams_are_cleaned(tmp_path, before, after):
    text = before.replace("ROOT", str(tmp_path))
    outputs = [new_output("stream", name="stdout", text=piece) for piece in (text[:3], text[3:])]
    cleaned = cleaning.clean_outputs(outputs, tmp_path)
    assert [output.text for output in cleaned] == ([after] if after else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://example.org/home/x and a/tmp/b", []),
        ("1/2, and/or, </var>", []),
        ("/" + "tmp/ipykernel_1/2.py:3: UserWarning", ["/" + "tmp/ipykernel_1/2.py:3:"]),
    ],
)
def test_absolute_paths_are_found(tmp_path, text, found):
    assert cleaning.absolute_paths(new_output("stream", text=text), tmp_path) == found


def test_cell_metadata_that_means_something_stays(tmp_path):
    kept = {"tags": ["hide-input"], "nbgrader": {"grade": True, "solution": False}}
    nb = new_notebook(cells=[new_code_cell("1", metadata=kept | {"collapsed": True})])
    assert cleaning.clean(nb, tmp_path).cells[0].metadata == kept


def test_the_hash_of_outputs_sees_any_edit_and_nothing_else(tmp_path):
    def hashed(*outputs, source="1", count=1):
        cells = [new_code_cell(source, outputs=list(outputs), execution_count=count)]
        nb = new_notebook(cells=[new_markdown_cell(source), *cells])
        cleaning.write(nb, tmp_path / "x.ipynb")
        again = cleaning.outputs_hash(cleaning.read(tmp_path / "x.ipynb").cells)
        assert again == cleaning.outputs_hash(nb.cells), "a file keeps it"
        return again

    text = new_output("stream", name="stdout", text="a\nb\n")
    picture = new_output("display_data", {"image/png": "aGk=", "text/plain": "x"})
    found = [hashed(), hashed(text), hashed(picture), hashed(text, picture), hashed(picture, text)]
    found += [hashed(new_output("stream", name="stderr", text="a\nb\n"))]
    found += [hashed(new_output("display_data", {"image/png": "aGkh", "text/plain": "x"}))]
    assert len(set(found)) == len(found)
    assert hashed(text, source="2") == hashed(text)
