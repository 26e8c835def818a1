"""What the report prints of all chapters: verdicts from the numbers, claims by their numbers."""

import json

import pytest

from practicals import profile, stats
from practicals.publish import appendix, claims

STEM = "5-domain-adaptation"
ROW = {
    "chapter": STEM, "what": "target accuracy", "ours": "best", "value": 0.7666,
    "shown": "76.66 %", "cite": "ganin2016", "protocol": "their network", "better": "higher",
}  # fmt: skip


@pytest.fixture
def write(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    (tmp_path / "report").mkdir()

    def published(**content):
        (tmp_path / "report/published.json").write_text(json.dumps(content))

    return published


def ledger(value=0.9, effects=(1.0, -1.0)):
    tests = [stats.Test("t", e, e - 0.5, e + 0.5, 9, 0.01) for e in effects]
    made = [claims.make(f"c{i}", f"Claim {i}", t, "higher", None) for i, t in enumerate(tests)]
    return {
        STEM: {
            "values": {"best": {"value": value, "unit": "fraction"}},
            "claims": {c.key: c.entry() for c in claims.corrected(made)},
        }
    }


@pytest.mark.parametrize(
    ("better", "ours", "said"),
    [
        ("higher", 0.9, "better"),
        ("higher", 0.7, "worse"),
        ("lower", 0.9, "worse"),
        ("lower", 0.7, "better"),
        ("", 0.9, "other"),
    ],
)
def test_the_verdict_follows_from_the_numbers(write, better, ours, said):
    write(comparisons=[ROW | {"better": better}])
    assert appendix.VERDICTS[said] in appendix.comparisons(ledger(ours))


def test_a_comparison_shows_both_numbers_and_the_source(write):
    write(comparisons=[ROW])
    text = appendix.comparisons(ledger())
    assert r"90.0\,\%" in text and r"76.66 \% \citep{ganin2016}" in text
    assert appendix.cited() == ["ganin2016"] and appendix.uses() == [(STEM, "best")]


def test_a_number_that_is_not_there_has_no_verdict(write):
    write(comparisons=[ROW])
    text = appendix.comparisons({})
    assert appendix.LACKING in text
    assert not any(words in text for words in appendix.VERDICTS.values())


def test_main_claims_carry_the_numbers_of_their_chapter_and_are_corrected_with_it(write):
    write(claims={STEM: ["c1", "absent"]})
    text = appendix.main_claims(ledger())
    assert "5.2 & Claim 1" in text and "& no" in text and "Claim 0" not in text
    assert "p = 0.020" in text  # Holm over both claims of the chapter: 2 × 0.01


@pytest.mark.parametrize("content", [b"{", b'{"comparisons": [}'])
def test_a_broken_file_is_named(write, tmp_path, content):
    (tmp_path / "report/published.json").write_bytes(content)
    with pytest.raises(appendix.BadComparison, match=r"published\.json"):
        appendix.published()


def test_an_unknown_direction_is_named(write):
    write(comparisons=[ROW | {"better": "up"}])
    with pytest.raises(appendix.BadComparison, match="target accuracy: better is 'up'"):
        appendix.comparisons(ledger())


@pytest.mark.parametrize("name", profile.PROFILES)
def test_settings_show_every_knob_with_its_value_and_meaning(name):
    text = appendix.settings(name)
    assert all(f"Chapter {stem[0]}, profile {name}" in text for stem in profile.BUDGET_OF)
    steps = profile.get(name).adaptation.steps
    assert rf"\setting{{steps}}{{{steps}}}{{" in text
    assert "image size" in text and "Side of the networks' square input" in text
