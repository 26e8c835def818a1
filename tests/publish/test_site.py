"""The sources of the site: what is committed, turned into pages whole, and without torch."""

import base64
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from practicals import figures, paths, stats
from practicals.publish import claims, pages, reference, results, site
from practicals.publish.tables import Cell, Table

PIXELS = base64.b64encode(b"\x89PNG not a picture, but bytes").decode()


def test_writing_the_sources_needs_no_torch():
    code = "import sys, practicals.publish.site; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_table_comes_back_from_latex_as_it_was():
    rows = (
        ("A & B_1", Cell("k", "91.2\u202f% ± 0.3", bold=True), "−1.2\u202f×\u202f10⁻⁵"),
        None,
        ("p < 0.001", "a~b ^ $5 #1 {x}", "λ → ∞"),
    )
    table = Table(("name | kind", "value", "other"), rows, "lrr")
    header, found = results.tabular(table.tex())
    assert header == [r"name \| kind", "value", "other"]
    plain = [[results.md(c.text if isinstance(c, Cell) else c) for c in row] for row in rows if row]
    plain[0][1] = f"**{plain[0][1]}**"
    assert found == plain
    with pytest.raises(ValueError, match="a table"):
        results.tabular("no table")


def ledger():
    test = stats.Test("sign-flip permutation", 0.25, 0.2, 0.3, 40, 0.0001)
    made = [
        claims.make("first", "A beats B|C", test, "higher", "X 2018: yes"),
        claims.make("second", "All is checked", True, "true", None),
        claims.make("third", "A loses to B", test, "lower", None),
    ]
    return {
        "profile": "full", "seed": 0, "device": {"device": "cpu", "precision": "float32"},
        "values": {"a": {"value": 0.5, "std": 0.1, "n": 10, "unit": "fraction"}}, "tables": {},
        "claims": {c.key: c.entry() for c in claims.corrected(made)},
        "figures": {"f": {"caption": "C", "alt": "A", "files": {"1-x-f.pdf": "", "1-x-f.png": ""}}},
    }  # fmt: skip


def test_the_page_of_claims_shows_all_and_what_fails():
    text = results.claims_page({"1-x": ledger(), "2-y": {}}, {"1-x": "One", "2-y": "Two"})
    assert "3 claims, and 2 hold" in text and "No claims are published yet." in text
    lines = [line for line in text.splitlines() if line.startswith("| 1.")]
    assert len(lines) == 3
    assert r"A beats B\|C | 0.250 \[0.200, 0.300\] | 40 |" in lines[0]
    assert lines[0].endswith("| X 2018: yes | yes |")
    assert "checked on every case" in lines[1] and lines[2].endswith("| – | no |")


def test_the_front_page_shows_only_what_holds_and_chosen_claims_first():
    text = results.main_results({"1-x": ledger()}, {"1-x": {"claims": ["second"]}})
    lines = [line for line in text.splitlines() if line.startswith("| 1.")]
    assert [line.split("|")[1].strip() for line in lines] == ["1.2", "1.1"]
    cards = results.cards({"1-x": ledger(), "2-y": {}}, {"1-x": "One: why?", "2-y": "Two"}, {})
    assert "_static/figures/1-x-f.png" in cards and "published run is due" in cards


def test_results_show_figures_and_numbers(tmp_path):
    text = results.page("1-x", "One", ledger(), tmp_path, {}, {"1-x-f.png": 456})
    assert "../_static/figures/1-x-f.png" in text and ":alt: A" in text
    assert ":width: 456px" in text
    assert "| `a` | 50.0 ± 10.0" in text
    assert "published run is due" in results.page("2-y", "Two", {}, tmp_path, {}, {})


def test_a_figure_is_as_wide_as_in_its_notebook(tmp_path):
    Image.new("RGB", (912, 600)).save(tmp_path / "f.png", dpi=(figures.DPI, figures.DPI))
    assert site.width_of(tmp_path / "f.png") == 456 and site.SCREEN_DPI == figures.DPI / 2
    Image.new("RGB", (912, 600)).save(tmp_path / "f.gif")
    assert site.width_of(tmp_path / "f.gif") is None


def notebook():
    shown = [
        new_output(
            "display_data",
            {"image/png": PIXELS, "text/plain": "<Image>"},
            metadata={"image/png": {"alt": 'a "map"', "width": 300}},
        ),
        new_output("display_data", {"text/html": '<p class="caption"><em>Seen.</em></p>'}),
        new_output("display_data", {"text/html": "<table><tr><td>1</td></tr></table>"}),
        new_output(
            "display_data",
            {
                "text/html": "<style>pre {}</style>",
                "text/plain": "def f(): ...",
                "text/latex": r"\begin{Verbatim}x",
            },
        ),
        new_output("stream", name="stderr", text="/some/where: warning"),
    ]
    grade = {"grade": True, "solution": False, "grade_id": "test-f"}
    cells = [
        new_markdown_cell("# 1 · One: why?\n\n[report](../report/report.pdf), [2](2-b.ipynb)"),
        new_markdown_cell("[room](../src/practicals/gan/), [gone](../somewhere/else.txt)"),
        new_code_cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", outputs=shown),
        new_code_cell("assert x", metadata={"nbgrader": grade}),
    ]
    return new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "P"}}
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook(), tmp_path / "notebooks" / "1-a.ipynb")
    return tmp_path


def test_a_notebook_becomes_a_page(root, tmp_path):
    folder = tmp_path / "source"
    notes = pages.write("1-a", notebook(), folder)
    assert notes == ["1-a: no page for the link ../somewhere/else.txt"]
    nb = nbformat.read(folder / "notebooks" / "1-a.ipynb", as_version=4)
    texts = [cell.source for cell in nb.cells]
    assert "[2](2-b.ipynb)" in texts[0] and "(../report/" not in texts[0]
    assert "[room](../api/gan.md), gone" in texts[2]
    code, test = nb.cells[3:]
    assert code.source == "x = 1" and "hide-input" in test.metadata.tags
    figure, table, source = (output.data for output in code.outputs)
    assert 'alt="a &quot;map&quot;" width="300"' in figure["text/html"]
    assert "<p class='caption'>Seen.</p>" in figure["text/html"]
    assert table["text/html"].startswith('<div class="table-wrapper"><table>')
    assert source == {"text/markdown": "```python\ndef f(): ...\n```"}
    assert len(list((folder / "_static" / "notebooks").glob("1-a-*.png"))) == 1


def test_a_notebook_without_outputs_says_so(root, tmp_path):
    nb = notebook()
    nb.cells[2].outputs = []
    pages.write("1-a", nb, tmp_path / "source")
    text = (tmp_path / "source" / "notebooks" / "1-a.ipynb").read_text(encoding="utf-8")
    assert "Not yet published" in text


SOURCE = '''
"""A *module*."""
from ..data import images
from .other import Case as Kind

LIMIT = 3

class Box(Kind):
    """Holds ``a_b`` and c_d."""

    side: int = 3
    """Pixels."""

    def area(self, of: "Box", *rest: images.Crop) -> Kind:
        """Return it."""

    @property
    def name(self) -> str:
        """Its name."""

    def _hidden(self): ...

def make(n: int, *, box: Box | None = None) -> list[Box]:
    """Return boxes."""

def _helper(): ...
'''


def test_the_reference_shows_what_is_public_with_full_names(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "__init__.py").write_text('"""All."""')
    (tmp_path / "room" / "__init__.py").write_text('"""A room."""')
    (tmp_path / "room" / "boxes.py").write_text(SOURCE)
    found = reference.pages(tmp_path)
    assert set(found) == {"index", "ground", "room"}
    text, here = found["room"], "practicals.room"
    assert r"A \*module\*." in text and r"``a_b`` and c\_d" in text
    assert f"{{py:method}} area(of: {here}.boxes.Box, *rest: practicals.data.images.Crop)" in text
    assert f"-> {here}.other.Case" in text
    box = f"{here}.boxes.Box"
    assert f"{{py:function}} make(n: int, *, box: {box} | None=None) -> list[{box}]" in text
    assert ":type: int" in text and "Pixels." in text and "{py:property} name" in text
    assert "_hidden" not in text and "_helper" not in text


def test_equal_files_keep_their_time_and_others_go(tmp_path):
    made, final = tmp_path / "made", tmp_path / "final"
    for folder, names in ((made, "ab"), (final, "ac")):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(name)
    then = (final / "a").stat().st_mtime_ns
    site.synchronise(made, final)
    assert sorted(p.name for p in final.iterdir()) == ["a", "b"]
    assert (final / "a").stat().st_mtime_ns == then


def test_what_the_browser_lacks_is_said(root, tmp_path):
    notes = site.vendor(tmp_path / "static")
    assert any("npm" in note for note in notes)
    assert any("gan-conditional.onnx" in note for note in notes)
    facts = (tmp_path / "static" / "models" / "models.json").read_text()
    assert facts == '{"runtime": false, "files": []}\n'


def test_every_hand_written_page_is_reached():
    folder = paths.root() / "site"
    front = (folder / "index.md").read_text(encoding="utf-8")
    assert site.CHAPTERS in front and site.MAIN in front
    for page in folder.rglob("*.md"):
        name = page.relative_to(folder).with_suffix("").as_posix()
        assert name == "index" or f"\n{name}\n" in front
