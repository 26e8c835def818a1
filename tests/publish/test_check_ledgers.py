"""What does not agree with the ledgers is named: numbers, tables, figures, networks, claims."""

import json

import pytest
from tests.publish.small import (
    LEDGER,
    STEM,
    add,
    blame,
    chapter,
    edit,
    edit_ledger,
    remove,
    write_ledger,
)

from practicals.publish import check_ledgers, report


def edit_claim(root, **changes):
    path = root / f"report/generated/{STEM}.json"
    ledger = json.loads(path.read_text())
    ledger["claims"]["better"] |= changes
    path.write_text(json.dumps(ledger))


FIGURE, TABLE = f"figures/{STEM}-curve.pdf", f"report/generated/{STEM}-layers.tex"
COMPARISON = {
    "chapter": STEM, "ours": "none", "what": "a", "value": 1, "shown": "1", "cite": "a2020",
    "protocol": "b", "better": "",
}  # fmt: skip
BREAKS = {
    "comparison without a number": (
        add("report/published.json", json.dumps({"comparisons": [COMPARISON]}).encode()),
        f"{STEM}: none", "not among the values"),
    "main claim that is gone": (
        add("report/published.json", b'{"claims": {"5-domain-adaptation": ["gone"]}}'),
        f"{STEM}: gone", "not among the claims"),
    "network gone": (remove("data/models/net.pt"), "data/models/net.pt", "is missing"),
    "network altered": (add("data/models/net.pt"), "data/models/net.pt", "not the file"),
    "network of nobody": (add("data/models/other.pt"), "data/models/other.pt", "orphan"),
    "another seed": (lambda r: edit_ledger(r, seed=7), LEDGER, "comes from seed 7"),
    "figure gone": (remove(FIGURE), FIGURE, "is missing"),
    "figure repainted": (add(FIGURE), FIGURE, "not the file"),
    "picture empty": (add(f"figures/{STEM}-curve.png", b""), f"{STEM}-curve.png", "not the file"),
    "picture swapped": (add(f"figures/{STEM}-curve.png"), f"{STEM}-curve.png", "not the file"),
    "claim that fails": (
        lambda r: write_ledger(r, -1.0), f"{STEM}: claim better", "does not hold"),
    "claim edited by hand": (
        lambda r: edit_claim(r, p_holm=0.5), f"{STEM}: claim better", "edited by hand"),
    "unknown claim": (
        chapter("{better}", "{worse}"), f"\\claim{{{STEM}}}{{worse}}", "not in the ledger"),
    "orphan figure": (add("figures/old.png"), "figures/old.png", "orphan"),
    "figure not shown": (chapter("includegraphics", "phantom"), f"figure {STEM}-curve", "not show"),
    "unknown figure": (
        chapter("\\input", "\\includegraphics{typo}\\input"),
        "\\includegraphics{typo}", "no notebook draws it"),
    "unknown sheet": (
        chapter("\\input", "\\mapsheet{typo}\\input"),
        "\\includegraphics{typo}", "no notebook draws it"),
    "ledger gone": (remove(LEDGER), LEDGER, "missing or unreadable"),
    "ledger cut": (add(LEDGER, b'{"values":'), LEDGER, "missing or unreadable"),
    "no ledger": (add(LEDGER, b"[]"), LEDGER, "missing or unreadable"),
    "Latin-1 ledger": (add(LEDGER, b'{"values": "\xe9"}'), LEDGER, "missing or unreadable"),
    "sample ledger": (lambda r: edit_ledger(r, profile="sample"), LEDGER, "profile 'sample'"),
    "stale ledger": (lambda r: edit_ledger(r, code="0"), LEDGER, "is stale"),
    "number edited": (
        lambda r: edit(r / f"report/generated/{STEM}.tex", "93.0", "95.0"),
        f"report/generated/{STEM}.tex", "edited by hand"),
    "Latin-1 numbers": (
        add(f"report/generated/{STEM}.tex", b"\xe9"), f"report/generated/{STEM}.tex", "by hand"),
    "table edited": (lambda r: edit(r / TABLE, "5", "6"), TABLE, "edited by hand"),
    "table gone": (remove(TABLE), TABLE, "is missing"),
    "table not shown": (chapter("\\input", "\\phantom"), f"table {STEM}-layers", "not show"),
    "unknown table": (chapter("-layers", "-typo"), f"\\input{{{STEM}-typo}}", "no ledger"),
    "orphan table": (add("report/generated/old.tex"), "report/generated/old.tex", "orphan"),
    "unknown number": (
        chapter("{best}", "{worst}"), f"\\res{{{STEM}}}{{worst}}", "not in the ledger"),
    "no spread": (
        chapter("\\input", f"\\respm{{{STEM}}}{{images}}\\input"),
        f"\\respm{{{STEM}}}{{images}}", "not in the ledger"),
    "unused number": (chapter("{best}", "{images}"), f"{STEM}: best", "never uses it"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_ledger_fails_and_names_the_culprit(repository, capsys, name):
    damage, culprit, what = BREAKS[name]
    damage(repository)
    blame(capsys, culprit, what)


def test_a_chapter_that_waits_for_its_first_run_is_not_read():
    uses = [report.Use("one", f"{STEM}.tex"), report.Use("two", "main.tex")]
    assert check_ledgers._uses(uses, {}, ()) == uses
    assert check_ledgers._uses(uses, {}, [STEM]) == uses[1:]
    assert check_ledgers._uses(uses, {STEM: {}}, [STEM]) == uses, "its numbers must be right"
    assert not list(check_ledgers.of_ledger(STEM, {}, "0", [STEM]))
    found = check_ledgers.of_ledger(STEM, {}, "0", ())
    assert [problem.what for problem in found] == ["is missing or unreadable"]
