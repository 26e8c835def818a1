"""Numbers as readers see them, text for LaTeX, and macros."""

import pytest

from practicals.publish import numerals

THIN = numerals.THIN


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


def test_text_for_html():
    assert numerals.to_html("run `a < b`") == "run <code>a &lt; b</code>"
    assert numerals.to_html('a < b & "c"') == 'a &lt; b &amp; "c"'


ENTRIES = {
    "best": {"value": 0.9312, "std": 0.0049, "se": 0.001, "n": 2985, "unit": "fraction"},
    "images": {"value": 2985.4, "unit": "count"},
}


def test_every_form_of_a_number_is_there_or_none():
    best, images = ENTRIES.values()
    assert numerals.res(best) == f"93.1{THIN}%" and numerals.resint(images) == "2,985"
    assert numerals.respm(best) == f"93.1 ± 0.5{THIN}%" and numerals.respm(images) is None
    assert numerals.resse(best) == f"93.1 ± 0.1{THIN}%" and numerals.resse(images) is None
    assert numerals.resn(best) == "2,985" and numerals.resn(images) is None


def test_macros_are_defined_for_what_is_recorded_and_no_more():
    lines = numerals.definitions("2-x", ENTRIES, ["a-first", "second"]).splitlines()
    define = r"\practicalsdefine"
    assert lines[1:] == [
        rf"{define}{{res}}{{2-x}}{{best}}{{93.1\,\%}}",
        rf"{define}{{respm}}{{2-x}}{{best}}{{93.1 \ensuremath{{\pm}} 0.5\,\%}}",
        rf"{define}{{resn}}{{2-x}}{{best}}{{2,985}}",
        rf"{define}{{res}}{{2-x}}{{images}}{{2,985}}",
        rf"{define}{{claim}}{{2-x}}{{a-first}}{{2.1}}",
        rf"{define}{{claim}}{{2-x}}{{second}}{{2.2}}",
    ]
    assert set(numerals.defined(ENTRIES)) == {
        ("res", "best"), ("respm", "best"), ("resn", "best"), ("res", "images")
    }  # fmt: skip
