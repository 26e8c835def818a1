"""The ledger: what it refuses, what it writes and where, and what it vouches for."""

import json
from hashlib import sha256

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from practicals import profile, runtime, stats
from practicals.publish import ledger as ledgers
from practicals.publish import numerals, refusals
from practicals.publish.ledger import Ledger, LedgerError

THIN = numerals.THIN
STEM = "3-adversarial"
WORDS = {"caption": "Error over λ", "alt": "A curve that falls"}


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    """An empty repository, no rendering, and a machine that describes itself at once."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROVENANCE_ROOT", str(tmp_path))
    lines = ('package = "practicals"', 'profiles = ["sample", "lab", "full"]')
    (tmp_path / "pyproject.toml").write_text("\n".join(["[tool.provenance]", *lines]))
    monkeypatch.setenv("PROFILE", "full")
    monkeypatch.delenv("PROVENANCE_STAGING", raising=False)
    monkeypatch.setattr(runtime, "describe", lambda: {"device": "cpu", "torch": "2"})
    ledgers.published.cache_clear()
    yield tmp_path
    plt.close("all")


@pytest.fixture
def rendering(monkeypatch, tmp_path):
    """The folder that a rendering names."""
    monkeypatch.setenv("PROVENANCE_STAGING", str(tmp_path / "staging"))
    return tmp_path / "staging"


def filled(**kwargs):
    made = Ledger(STEM, **kwargs)
    made.record("best_accuracy", np.float64(0.9312), std=0.0049, n=2985, seeds=range(3))
    made.record("images", 2985, unit="count")
    made.record("gain", -0.0123, unit="points", note="against the published value")
    return made


@pytest.fixture
def ledger():
    return filled()


def draw(scale=1):
    fig, ax = plt.subplots(figsize=(1, 1))
    ax.plot([0, scale])
    return fig


def a_test(effect=0.5, p=0.01):
    return stats.Test("sign-flip permutation", effect, effect - 0.1, effect + 0.1, 30, p)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def content(base):
    return json.loads((base / f"report/generated/{STEM}.json").read_text())


# What is refused


@pytest.mark.parametrize(
    ("key", "value", "options", "message"),
    [
        ("Best-accuracy", 0.5, {}, "expected only characters"),
        ("", 0.5, {}, "expected only characters"),
        ("x", float("nan"), {}, "finite"),
        ("x", 0.5, {"std": float("inf")}, "finite"),
        ("x", 0.5, {"se": float("nan")}, "finite"),
        ("x", 0.5, {"std": -0.1}, "cannot be negative"),
        ("x", True, {}, "must be a number"),
        ("x", "0.5", {}, "must be a number"),
        ("x", 91.2, {}, "outside"),
        ("x", -0.1, {"unit": "seconds"}, "outside"),
        ("x", 1.2, {"unit": "points"}, "outside"),
        ("x", 1.5, {"unit": "count"}, "whole number"),
        ("x", 1, {"unit": "metres"}, "expected one of"),
        ("x", 0.5, {"std": 0.1, "spread": "std"}, "expected one of .*sd over seeds"),
    ],
)
def test_record_refuses(ledger, key, value, options, message):
    with pytest.raises(LedgerError, match=message):
        ledger.record(key, value, **options)
    assert set(ledger.values) == {"best_accuracy", "images", "gain"}


@pytest.mark.parametrize("spread", refusals.SPREADS)
def test_a_spread_says_what_it_is(ledger, spread):
    ledger.record("x", 0.5, std=0.1, spread=spread)
    assert ledger.values["x"] == {"value": 0.5, "std": 0.1, "spread": spread, "unit": "fraction"}


def test_a_table_refuses_what_the_ledger_does_not_know(ledger):
    with pytest.raises(LedgerError, match="record it before"):
        ledger.cell("typo")
    with pytest.raises(LedgerError, match="no spread"):
        ledger.cell("images", "pm")
    with pytest.raises(LedgerError, match="expected one of"):
        ledger.cell("images", "percent")
    with pytest.raises(LedgerError, match="neither text nor"):
        ledger.table("t", ["a", "b"], [["x", 0.93]])
    with pytest.raises(LedgerError, match="row 1: 1 cells, expected 2"):
        ledger.table("t", ["a", "b"], [["x"]])
    with pytest.raises(LedgerError, match="align"):
        ledger.table("t", ["a", "b"], [], align="lrr")
    with pytest.raises(LedgerError, match="expected only characters"):
        ledger.table("t_x", ["a"], [])


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_a_figure_without_its_words_is_refused(ledger, missing):
    words = WORDS | {missing: " "}
    with pytest.raises(LedgerError, match=r"what it shows \(caption\)"):
        ledger.figure("curve", draw(), **words)
    with pytest.raises(LedgerError, match="what it shows"):
        ledger.animation("film", [np.zeros((4, 4, 3), np.uint8)] * 2, **words)
    assert not ledger.figures


def everything(ledger):
    return {
        "record": lambda: ledger.record("images", 3, unit="count"),
        "table": lambda: ledger.table("layers", ["a"], [["x"]]),
        "figure": lambda: ledger.figure("curve", draw(), **WORDS),
        "claim": lambda: ledger.claim("better", "A is better", a_test()),
    }


@pytest.mark.parametrize("kind", ["record", "table", "figure", "claim"])
def test_a_key_names_one_thing_while_rendering_and_is_overwritten_otherwise(
    ledger, monkeypatch, tmp_path, kind
):
    again = everything(ledger)[kind]
    again(), again()
    monkeypatch.setenv("PROVENANCE_STAGING", str(tmp_path / "staging"))
    with pytest.raises(LedgerError, match="already recorded"):
        again()


def test_what_is_overwritten_is_gone(ledger, root):
    ledger.record("images", 3, unit="count")
    ledger.figure("curve", draw(), **WORDS)
    ledger.figure("curve", draw(2), **WORDS | {"alt": "Another"})
    ledger.claim("better", "A is better", a_test())
    ledger.claim("better", "B is better", a_test(-0.5))
    found = content(ledger.save())
    assert found["values"]["images"]["value"] == 3
    assert found["figures"]["curve"]["alt"] == "Another"
    assert found["claims"]["better"]["sentence"] == "B is better"


# Where it goes, and what it vouches for


def test_values_are_written_with_their_origin(ledger, rendering):
    found = content(ledger.save())
    assert found["stem"] == STEM and found["profile"] == "full" and found["seed"] == 0
    assert found["code"] == "unknown", "this repository has no notebook"
    assert found["device"] == {"device": "cpu", "torch": "2"}
    best = found["values"]["best_accuracy"]
    assert best == {"value": 0.9312, "std": 0.0049, "n": 2985, "seeds": [0, 1, 2],
                    "unit": "fraction"}  # fmt: skip
    assert found["values"]["gain"]["note"] == "against the published value"
    macros = (rendering / f"report/generated/{STEM}.tex").read_text()
    assert macros == numerals.definitions(STEM, found["values"])


def test_a_sample_keeps_mean_deviation_and_error():
    made = Ledger(STEM)
    made.sample("score", [1.0, 2.0, 3.0, 6.0], seeds=0)
    entry = made.values["score"]
    assert entry["value"] == 3.0 and entry["n"] == 4 and entry["spread"] == "sd over pictures"
    assert entry["std"] == pytest.approx(np.std([1, 2, 3, 6], ddof=1))
    assert entry["se"] == pytest.approx(entry["std"] / 2) and entry["seeds"] == 0
    made.sample("rate", [0.5, 0.7], unit="fraction", spread="sd over seeds")
    assert made.values["rate"]["spread"] == "sd over seeds"


@pytest.mark.parametrize(
    ("name", "folder"),
    [("full", "build/interactive"), ("lab", "build/lab"), ("sample", "build/sample")],
)
def test_a_session_never_writes_over_what_is_published(root, name, folder):
    published = filled()
    published.figure("curve", draw(), **WORDS)
    published.table("layers", ["a"], [["x"]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENANCE_STAGING", str(root))
        published.save()
    before = {name: (root / name).read_bytes() for name in names(root)}
    assert len(before) == 6, "with the settings of the project"
    tried = filled(of=profile.get(name))
    tried.record("images", 1, unit="count")
    tried.figure("curve", draw(2), **WORDS)
    tried.table("layers", ["a"], [["y"]])
    assert tried.save() == root / folder
    assert len(names(root / folder)) == 5
    assert {name: (root / name).read_bytes() for name in before} == before


def test_a_rendering_writes_below_its_own_folder(ledger, root, rendering):
    ledger.figure("curve", draw(), **WORDS)
    ledger.figure("maps", draw(), raster=True, **WORDS)
    ledger.animation("film", [np.full((4, 4, 3), v, np.uint8) for v in (0, 255)], **WORDS)
    ledger.table("layers", ["a"], [["x"]])
    assert ledger.save() == rendering
    assert names(root)[1:] == sorted(f"staging/{name}" for name in (
        *(f"figures/{STEM}-{f}" for f in ("curve.pdf", "curve.png", "maps.jpg", "film.gif")),
        *(f"report/generated/{STEM}{f}" for f in (".json", ".tex", "-layers.tex")),
    ))  # fmt: skip
    vouched = content(rendering)["figures"]
    assert vouched["curve"]["caption"] == WORDS["caption"] and vouched["film"]["alt"]
    for figure in vouched.values():
        for file, digest in figure["files"].items():
            assert sha256((rendering / "figures" / file).read_bytes()).hexdigest() == digest
    tex = (rendering / f"report/generated/{STEM}-layers.tex").read_bytes()
    assert content(rendering)["tables"]["layers"]["sha256"] == sha256(tex).hexdigest()


def test_a_figure_is_closed_and_marked_outside_full(ledger):
    full = ledger.figure("curve", draw(), **WORDS)
    lab = Ledger(STEM, profile.get("lab")).figure("curve", draw(), **WORDS)
    assert plt.get_fignums() == [] and full.content != lab.content


def test_a_failed_save_leaves_the_older_ledger(ledger, rendering, monkeypatch):
    ledger.save()
    before = (rendering / f"report/generated/{STEM}.json").read_bytes()
    other = filled()
    other.record("late", 1, unit="count")
    write, written = ledgers.project.write, []

    def full_disk(path, data):
        written.append(path.name)
        if path.suffix == ".json":
            raise OSError("no space")
        write(path, data)

    monkeypatch.setattr(ledgers.project, "write", full_disk)
    with pytest.raises(OSError, match="no space"):
        other.save()
    assert written[-1] == f"{STEM}.json", "the ledger is written last"
    assert (rendering / f"report/generated/{STEM}.json").read_bytes() == before


def test_a_picture_shows_itself_with_caption_and_alternative_text(ledger):
    from PIL import Image

    figure = ledger.figure("curve", draw(), **WORDS)
    shown = figure._picture()
    data, facts = shown._repr_mimebundle_()
    assert set(data) == {"image/png"} and facts["image/png"]["width"] == 120
    assert shown.alt == WORDS["alt"]
    film = ledger.animation("film", [np.full((4, 8, 3), v, np.uint8) for v in (0, 9)], **WORDS)
    assert film._picture().width == 8 and film.suffix == "gif"
    assert Image.MIME["PNG"] == "image/png"


# Tables of the ledger


def test_a_table_is_the_same_in_latex_and_in_the_notebook(ledger, rendering):
    rows = [
        ["SqueezeNet & co", ledger.cell("best_accuracy", "pm", bold=True)],
        None,
        ["images", ledger.cell("images")],
    ]
    table = ledger.table("layers", ["Network", "Accuracy"], rows, caption="Layers")
    ledger.save()
    tex = (rendering / f"report/generated/{STEM}-layers.tex").read_text()
    assert tex.splitlines()[0] == r"\begin{tabular}{lr}"
    assert r"SqueezeNet \& co & \textbf{93.1 \ensuremath{\pm} 0.5\,\%} \\" in tex
    assert f"<b>93.1 ± 0.5{THIN}%</b>" in table._repr_html_()
    assert content(rendering)["tables"]["layers"]["keys"] == ["best_accuracy", "images"]


def test_a_grid_leaves_a_gap_for_what_was_not_recorded():
    made = Ledger(STEM)
    for key in ("a_top", "a_five", "b_top"):
        made.record(key, 0.5)
    table = made.grid(
        "nets", ["net", "top-1", "top-5"], {"a": "A", "b": "B"}, ["{}_top", "{}_five"],
        last=[None, ("n",)], align="lrr",
    )  # fmt: skip
    shown = [row and tuple(getattr(cell, "key", cell) for cell in row) for row in table.rows]
    assert shown == [("A", "a_top", "a_five"), ("B", "b_top", ""), None, ("n", "", "")]


@pytest.mark.parametrize("name", ["sample", "lab", "full"])
def test_outside_full_a_table_shows_the_published_numbers_as_well(root, rendering, name):
    folder = root / "report/generated"
    folder.mkdir(parents=True)
    entry = {"value": 0.5, "unit": "fraction"}
    (folder / f"{STEM}.json").write_text(json.dumps({"values": {"best_accuracy": entry}}))
    made = filled(of=profile.get(name))
    shown = made.table("t", ["a", "b"], [["x", made.cell("best_accuracy")]])
    assert (f"50.0{THIN}%" in shown._repr_html_()) is (name != "full")
    made.save()
    tex = (rendering / f"report/generated/{STEM}-t.tex").read_text()
    assert "50.0" not in tex and "93.1" in tex, "the report's table is the run's own"


@pytest.mark.parametrize("text", ['{"values": ', "<<<<<<< HEAD", ""])
def test_a_broken_published_ledger_costs_the_column_only(root, text):
    folder = root / "report/generated"
    folder.mkdir(parents=True)
    (folder / f"{STEM}.json").write_text(text)
    made = filled(of=profile.get("sample"))
    assert len(made.table("t", ["a", "b"], [["x", made.cell("images")]]).header) == 2


# Claims of the ledger


def test_claims_are_corrected_together_and_listed(ledger, rendering):
    p = [0.03, 0.001, 0.04]
    for number, value in enumerate(p):
        ledger.claim(f"c{number}", f"Claim {number} is so", a_test(p=value))
    ledger.claim("open", "The data do not decide", a_test(p=0.2), expect="undecided")
    ledger.claim("sure", "The check holds", True, expect="true", published="so in the paper")
    found = content(ledger.save())["claims"]
    assert [found[f"c{i}"]["p_holm"] for i in range(3)] == pytest.approx(list(stats.holm(p)))
    assert [claim["holds"] for claim in found.values()] == [False, True, False, True, True]
    rows = ledger.claims_table().rows
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row[-1] for row in rows] == ["no", "yes", "no", "yes", "yes"]
    assert [row[-2] for row in rows] == ["–"] * 4 + ["so in the paper"]
    tex = (rendering / f"report/generated/{STEM}-claims.tex").read_text()
    assert "Claim 1 is so" in tex and "p = 0.060" in tex
    macros = (rendering / f"report/generated/{STEM}.tex").read_text()
    assert rf"\practicalsdefine{{claim}}{{{STEM}}}{{sure}}{{3.5}}" in macros
    assert content(rendering)["tables"]["claims"]["sha256"] == sha256(tex.encode()).hexdigest()


def test_a_claim_is_shown_where_it_is_drawn(ledger):
    ledger.claim("a", "A is better", a_test(p=0.03))
    second = ledger.claim("b", "B is better", a_test(p=0.04))
    assert second.key == "b" and second.holds and "before the correction" in second.evidence()
    table = repr(ledger.claims_table())
    assert "p = 0.060" in table and "before" not in table and "| no" in table
    with pytest.raises(ValueError, match="full stop"):
        ledger.claim("c", "C is better.", a_test())
    with pytest.raises(LedgerError, match="expected only characters"):
        ledger.claim("c d", "C is better", a_test())
    assert set(ledger.claims) == {"a", "b"}


def test_without_claims_there_is_no_table_of_them(ledger, rendering):
    assert content(ledger.save())["tables"] == {}
