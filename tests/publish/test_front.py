"""The table of main results in README.md: from the ledgers, between two marks, all else left."""

import json

import pytest

from practicals.publish import front

STEM = "5-domain-adaptation"
LEDGERS = {STEM: {"values": {"best": {"value": 0.934, "std": 0.004, "unit": "fraction"}}}}
TEXT = f"# Title\n{front.START}old\n{front.END}More.\n"


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    (tmp_path / "report").mkdir()
    rows = {STEM: {"best": "digits read right", "absent": "never measured"}}
    (tmp_path / "report/published.json").write_text(json.dumps({"front": rows}))
    (tmp_path / "README.md").write_text(TEXT)
    return tmp_path


def test_the_table_is_what_the_ledger_says_and_leaves_out_what_is_not_measured(root):
    assert front.write(LEDGERS)
    text = (root / "README.md").read_text()
    assert "| 5 | digits read right | 93.4 ± 0.4\u202f% |" in text
    assert "absent" not in text and "never" not in text and "old" not in text
    assert text.startswith("# Title\n") and text.endswith("More.\n")


def test_a_second_time_changes_nothing(root):
    front.write(LEDGERS)
    assert not front.write(LEDGERS)


@pytest.mark.parametrize("text", ["", "# Title\n", f"# Title\n{front.START}cut"])
def test_without_its_marks_the_file_is_left_alone(root, text):
    (root / "README.md").write_text(text)
    assert not front.write(LEDGERS)
    assert (root / "README.md").read_text() == text
