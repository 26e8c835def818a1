"""What the PDF prints by the new way is what the old way printed, number by number."""

import json
import re
from pathlib import Path

import pytest

from provenance import format
from provenance.format import Estimate

GENERATED = Path(__file__).parents[2] / "report" / "generated"
OLD = [
    path
    for path in sorted(GENERATED.glob("?-*.json"))
    if not isinstance(json.loads(path.read_text(encoding="utf-8"))["claims"], list)
]
MACRO = re.compile(r"\\practicalsdefine\{(\w+)\}\{[^}]*\}\{([^}]*)\}\{(.*)\}$", re.M)
NEW = re.compile(r"\\provenancedefine\{(\w+)\}\{x/([^}]*)\}\{(.*)\}$", re.M)


def estimate(entry, spread="std"):
    found = entry.get(spread)
    named = None if found is None else spread
    return Estimate(entry["value"], found, named, entry.get("n"), entry["unit"])


def values_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["values"]


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_each_macro_prints_what_the_old_one_printed(path):
    old = MACRO.findall(path.with_suffix(".tex").read_text(encoding="utf-8"))
    printed = {(macro, key): words for macro, key, words in old if macro != "claim"}
    values = values_of(path)
    lines = format.macros("x", {key: estimate(entry) for key, entry in values.items()}, {})
    new = {(form, key): words for form, key, words in NEW.findall(lines)}
    # Without a spread the old \res stands for both \val and \mean.
    names = {"res": "mean", "respm": "val", "resn": "n"}
    assert {macro for macro, _ in printed} <= set(names) and len(printed) > len(values)
    assert {key for _, key in printed} == set(values)
    again = {(macro, key): new[names[macro], key] for macro, key in printed}
    assert again == printed
    assert all(new["val", key] == new["mean", key] for key, e in values.items() if "std" not in e)


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_each_cell_of_the_old_tables_is_one_of_the_new_forms(path):
    facts = json.loads(path.read_text(encoding="utf-8"))
    values, cells = facts["values"], 0
    for name, table in facts["tables"].items():
        page = (GENERATED / f"{path.stem}-{name}.tex").read_text(encoding="utf-8")
        found = [c.strip().removesuffix(r"\\").strip() for c in re.split(r" & |\n", page)]
        found = [re.sub(r"^\\textbf\{(.*)\}$", r"\1", cell) for cell in found]
        for key in table["keys"]:
            new = [estimate(values[key]), estimate(values[key], "se")]
            forms = [*map(str, new), format.shown(new[0].value, new[0].unit)]
            forms += [format.bare(new[0].value, "count")]
            forms += [] if new[0].n is None else [format.bare(new[0].n, "count")]
            assert any(format.to_tex(form) in found for form in forms), (name, key, forms)
            cells += 1
    assert cells


def test_what_was_compared_is_all_there_is():
    old = [path for path in sorted(GENERATED.glob("?-*.json")) if path in OLD]
    if len(old) == 6:
        assert sum(len(values_of(path)) for path in old) == 1746
