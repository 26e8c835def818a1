"""The forms of a recorded number and its macros; provenance.format has tests of its own."""

from practicals.publish import numerals

THIN = numerals.THIN


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
