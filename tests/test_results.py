"""The ledger: what it refuses, what it writes, and how numbers look."""

import json

import numpy as np
import pytest

from practicals import macros, numerals, results

THIN = numerals.THIN


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROFILE", "full")
    made = results.Ledger("9-x")
    made.record("best_accuracy", np.float64(0.9312), std=0.0049, n=2985, seeds=range(3))
    made.record("images", 2985, unit="count")
    made.record("gain", -0.0123, unit="points", note="against the published value")
    return made


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
    assert numerals.shown(value, unit) == text


@pytest.mark.parametrize(
    ("value", "std", "unit", "text"),
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
def test_spreads_as_readers_see_them(value, std, unit, text):
    assert numerals.shown_pm(value, std, unit) == text


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b & 5 % $x$ #1 {~^\\", r"a\_b \& 5 \% \$x\$ \#1 \{\textasciitilde{}"
         r"\textasciicircum{}\textbackslash{}"),
        ("±1 λ ≥ 10⁻¹²", r"\ensuremath{\pm}1 \ensuremath{\lambda} \ensuremath{\geq} "
         r"10\ensuremath{^{-12}}"),
        ("plain é", "plain é"),
    ],
)  # fmt: skip
def test_text_for_latex(text, tex):
    assert numerals.to_tex(text) == tex


@pytest.mark.parametrize(
    ("key", "value", "options", "message"),
    [
        ("Best-accuracy", 0.5, {}, "lower-case"),
        ("images", 0.5, {}, "already recorded"),
        ("x", float("nan"), {}, "finite"),
        ("x", 0.5, {"std": float("inf")}, "finite"),
        ("x", True, {}, "must be a number"),
        ("x", "0.5", {}, "must be a number"),
        ("x", 91.2, {}, "outside"),
        ("x", 1.2, {"unit": "points"}, "outside"),
        ("x", 1.5, {"unit": "count"}, "whole number"),
        ("x", 1, {"unit": "metres"}, "expected one of"),
    ],
)
def test_record_refuses(ledger, key, value, options, message):
    with pytest.raises(results.LedgerError, match=message):
        ledger.record(key, value, **options)


def test_save_writes_values_with_their_origin(ledger, tmp_path):
    ledger.save()
    content = json.loads((tmp_path / "report/generated/9-x.json").read_text())
    assert content["stem"] == "9-x" and content["profile"] == "full" and content["seed"] == 0
    assert content["code"] == "unknown", "this repository has no notebook"
    assert set(content["device"]) >= {"device", "torch"}
    best = content["values"]["best_accuracy"]
    assert best == {"value": 0.9312, "std": 0.0049, "n": 2985, "seeds": [0, 1, 2],
                    "unit": "fraction"}  # fmt: skip


def test_save_writes_macros(ledger, tmp_path):
    ledger.save()
    lines = (tmp_path / "report/generated/9-x.tex").read_text().splitlines()
    define = r"\practicalsdefine"
    assert rf"{define}{{res}}{{9-x}}{{best_accuracy}}{{93.1\,\%}}" in lines
    assert rf"{define}{{respm}}{{9-x}}{{best_accuracy}}{{93.1 \ensuremath{{\pm}} 0.5\,\%}}" in lines
    assert rf"{define}{{resn}}{{9-x}}{{best_accuracy}}{{2,985}}" in lines
    assert ("respm", "images") not in macros.defined(ledger.values)


def test_table_is_the_same_in_latex_and_in_the_notebook(ledger, tmp_path):
    rows = [
        ["SqueezeNet & co", ledger.cell("best_accuracy", "pm", bold=True)],
        None,
        ["images", ledger.cell("images")],
    ]
    table = ledger.table("layers", ["Network", "Accuracy"], rows, caption="Layers")
    ledger.save()
    tex = (tmp_path / "report/generated/9-x-layers.tex").read_text()
    assert tex.splitlines()[0] == r"\begin{tabular}{lr}"
    assert r"SqueezeNet \& co & \textbf{93.1 \ensuremath{\pm} 0.5\,\%} \\" in tex
    assert tex.count(r"\midrule") == 2
    html = table._repr_html_()
    assert "SqueezeNet &amp; co" in html and f"<b>93.1 ± 0.5{THIN}%</b>" in html
    content = json.loads((tmp_path / "report/generated/9-x.json").read_text())
    assert content["tables"]["layers"]["keys"] == ["best_accuracy", "images"]
    assert content["tables"]["layers"]["sha256"] == results.text_hash(tex)


def test_table_refuses_what_the_ledger_does_not_know(ledger):
    with pytest.raises(results.LedgerError, match="record it before"):
        ledger.cell("typo")
    with pytest.raises(results.LedgerError, match="no spread"):
        ledger.cell("images", "pm")
    with pytest.raises(results.LedgerError, match="neither text nor"):
        ledger.table("t", ["a", "b"], [["x", 0.93]])
    with pytest.raises(results.LedgerError, match="row 1: 1 cells, expected 2"):
        ledger.table("t", ["a", "b"], [["x"]])
    with pytest.raises(results.LedgerError, match="align"):
        ledger.table("t", ["a", "b"], [], align="lrr")


def test_a_second_save_removes_the_tables_that_are_gone(ledger, tmp_path):
    ledger.table("old", ["a"], [["x"]])
    ledger.save()
    fresh = results.Ledger("9-x")
    fresh.save()
    names = sorted(f.name for f in (tmp_path / "report/generated").iterdir())
    assert names == ["9-x.json", "9-x.tex"]


def test_sample_profile_writes_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.delenv("PROFILE", raising=False)
    results.Ledger("9-x").save()
    assert (tmp_path / "build/sample/generated/9-x.json").exists()
    assert not (tmp_path / "report").exists()
