"""What a notebook hands over, what of it is written, and what is shown."""

import importlib
import io
import json
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from tests.provenance.small import Result

from provenance import chapter, format
from provenance.chapter import Chapter
from provenance.format import Estimate
from provenance.project import ProvenanceError

FRAME = pd.DataFrame(
    {"Squeeze": [Estimate(0.69, 0.1, "SD", 50), Estimate(0.985, 0.019, "SD", 50)]},
    index=pd.Index(["gradient", "Grad-CAM"], name="method"),
)


@pytest.fixture
def book(root, monkeypatch):
    """A chapter of the published profile, as ``render`` runs it."""
    monkeypatch.setattr(chapter, "_open", {})
    monkeypatch.setenv("PROFILE", "full")
    monkeypatch.setenv(chapter.STAGING, str(root / "staging"))
    return Chapter("2-maps")


def shown(output, monkeypatch):
    """Return what a notebook would display, by MIME type of each output."""
    found = []

    def display(item, raw=False):
        found.append(item if raw else item._repr_mimebundle_()[0])

    monkeypatch.setattr("IPython.display.display", display)
    output._ipython_display_()
    return found


def facts(folder, stem="2-maps"):
    return json.loads((folder / f"report/generated/{stem}.json").read_text(encoding="utf-8"))


def lines(seed=0):
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot(np.random.default_rng(seed).random(20))
    return fig


def photograph():
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.imshow(np.random.default_rng(0).random((8, 8, 3)))
    return fig


def hand_over(book):
    book.table("noise", FRAME, "Rank correlation.")
    book.value("pictures", 50, unit="count")
    book.value("best", 0.9, n=3, spread=0.1, spread_of="SE", unit="fraction")
    book.claim("first", "A beats B", Result(p=0.03), "the paper")
    book.claim("second", "C is below D", Result(direction="lower"))
    book.figure("curve", lines(), "A curve.", "Ups and downs.")
    book.figure("dog", photograph(), "A dog.", "A dog on grass.")


def test_close_writes_what_was_handed_over(book, root):
    hand_over(book)
    assert book.close(strict=True) == "4 numbers, 2 tables, 2 figures, 2 claims"
    found = facts(root / "staging")
    assert (found["stem"], found["profile"], found["code"]) == ("2-maps", "full", "unknown")
    best = {"value": 0.9, "spread": 0.1, "spread_of": "SE", "n": 3, "unit": "fraction"}
    assert found["values"]["best"] == best and set(found["values"]) == {"best", "pictures"}
    cell = {"value": 0.985, "spread": 0.019, "spread_of": "SD", "n": 50, "unit": "number"}
    assert found["cells"]["noise/Grad-CAM/Squeeze"] == cell and len(found["cells"]) == 2
    first, second = found["claims"]
    assert (first["name"], first["outcome"], first["published"]) == (
        "first",
        "supported",
        "the paper",
    )
    assert (second["outcome"], second["p_corrected"]) == ("refuted", 0.002)
    assert found["captions"]["dog"] == {"caption": "A dog.", "alt": "A dog on grass."}


def test_the_manifest_has_each_file_and_its_hash(book, root):
    (root / "requirements.lock").write_text("numpy==1\n")
    (book.models / "net.pth").write_bytes(b"weights")
    hand_over(book)
    book.close()
    manifest = facts(root / "staging")["manifest"]
    generated = "report/generated/2-maps"
    assert set(manifest) == {
        f"{generated}.tex", f"{generated}-noise.tex", f"{generated}-claims.tex",
        "figures/2-maps-curve.pdf", "figures/2-maps-dog.jpg", "data/models/net.pth",
        "requirements.lock",
    }  # fmt: skip
    for name, digest in manifest.items():
        folder = root if name == "requirements.lock" else root / "staging"
        assert sha256((folder / name).read_bytes()).hexdigest() == digest, name
    files = {p.name for p in (root / "staging").rglob("*") if p.is_file()}
    assert files == {name.rpartition("/")[2] for name in manifest} - {"requirements.lock"} | {
        "2-maps.json"
    }


def test_the_table_of_claims(book, root):
    book.claim("first", "A & B differ", Result(p=0.03))
    book.close()
    page = (root / "staging/report/generated/2-maps-claims.tex").read_text(encoding="utf-8")
    assert r"\begin{tabular}{rp{" in page and r" & claim & evidence & outcome \\" in page
    assert r"2.1 & A \& B differ & 0.300 [0.200, 0.400], n = 50 pictures" in page
    assert r"p = 0.030 & supported \\" in page  # after the correction, and without a word on it
    macros = (root / "staging/report/generated/2-maps.tex").read_text(encoding="utf-8")
    assert r"\provenancedefine{claim}{2-maps/first}{2.1}" in macros


def test_a_cell_that_runs_again_overwrites(book, root):
    book.table("noise", FRAME, "Old.")
    book.figure("curve", photograph(), "Old.", "Old.")
    book.table("noise", FRAME.iloc[:1], "New.")
    book.figure("curve", lines(), "New.", "New.")
    book.value("best", 1)
    book.value("best", 2)
    book.close()
    found = facts(root / "staging")
    assert (
        list(found["cells"]) == ["noise/gradient/Squeeze"] and found["values"]["best"]["value"] == 2
    )
    assert found["captions"]["curve"]["caption"] == "New."
    assert [path.name for path in (root / "staging/figures").iterdir()] == ["2-maps-curve.pdf"]


def test_a_frame_that_changes_later_does_not_change_the_table(book):
    frame = FRAME.copy()
    book.table("noise", frame, "c")
    frame.iloc[0, 0] = None
    assert isinstance(book.tables["noise"].iloc[0, 0], Estimate)


def test_rendering_refuses_a_name_that_two_cells_use(book, root):
    book.table("noise", FRAME, "Rank correlation.")
    book.value("noise", 2.0)
    with pytest.raises(ProvenanceError, match=r"2-maps.*\['noise'\]"):
        chapter.close_all()
    assert not (root / "staging").exists()


def test_a_session_never_writes_over_what_is_published(book, root, monkeypatch):
    monkeypatch.delenv(chapter.STAGING)
    for profile, folder in (("full", "interactive"), ("sample", "sample")):
        mine = Chapter("2-maps", profile)
        hand_over(mine)
        (mine.models / "net.pth").write_bytes(b"mine")
        mine.close()
        assert facts(root / "build" / folder)["profile"] == profile
        assert not any((root / name).exists() for name in ("figures", "report", "data"))


def test_nothing_is_written_before_close_and_nothing_at_all_if_it_fails(book, root):
    hand_over(book)
    assert not (root / "staging").exists()
    book.tables["broken"] = pd.DataFrame({"x": [1.0, 1.0]}, index=["a", "a"])
    with pytest.raises(ProvenanceError, match="broken/a/x"):
        book.close()
    assert not (root / "staging").exists()


def test_the_table_shown_outside_the_published_profile_has_the_published_numbers(
    book, root, monkeypatch
):
    wide = FRAME.assign(Alex=[Estimate(0.5), 2], Late=[1.0, 2.0])
    assert "published" not in book.table("noise", wide.drop(columns="Late"), "c").html
    book.close()
    (root / "staging/report").rename(root / "report")
    monkeypatch.delenv(chapter.STAGING)
    small = Chapter("2-maps", "sample")
    here = wide.astype(object).map(lambda cell: Estimate(0.1))
    here.loc["Grad-CAM"] = ["not at hand", None, None]
    found = small.table("noise", here, "c")
    rows = found.html.split("<tr>")[2:]
    assert "0.69 ± 0.10 / 0.500" in rows[0] and "0.985 ± 0.019 / 2" in rows[1]
    assert "published" in found.text and "published" not in small.tables["noise"].columns
    small.close()
    assert "published" not in (root / "build/sample/report/generated/2-maps-noise.tex").read_text()
    assert "published" not in small.table("other", here, "c").html  # nothing published: no column
    columns = pd.MultiIndex.from_tuples([("A", "p")])
    pair = pd.DataFrame([[1.0]], pd.Index(["x"], name="m"), columns)
    monkeypatch.setattr(chapter, "published", lambda stem: {"cells": {"two/x/A/p": {"value": 3.5}}})
    assert "3.50" in small.table("two", pair, "c").html


def test_what_is_published_may_be_absent_or_unreadable(root):
    assert chapter.published("2-maps") == {}
    path = root / "report/generated/2-maps.json"
    path.parent.mkdir(parents=True)
    for text in ("{", "[]", "\udcff"):
        path.write_bytes(text.encode(errors="surrogateescape"))
        assert chapter.published("2-maps") == {}


def test_the_first_cell_says_which_profile_runs(book):
    assert repr(book).startswith("Profile full") and "Note" not in repr(book)
    assert "describe the published run" in repr(Chapter("2-maps", "sample"))


def test_a_table_is_shown_with_its_caption(book, monkeypatch):
    (output,) = shown(book.table("noise", FRAME, "Rank < 1."), monkeypatch)
    assert "<caption>Rank &lt; 1.</caption>" in output["text/html"]
    assert "0.985 ± 0.019" in output["text/html"] and "0.985 ± 0.019" in output["text/plain"]


def test_lines_are_kept_as_pdf_and_shown_as_png(book, monkeypatch):
    fig = lines()
    picture, caption = shown(book.figure("curve", fig, "Up & down.", "Ups."), monkeypatch)
    name, data = book.figures["curve"]
    assert name == "figures/2-maps-curve.pdf" and data.startswith(b"%PDF") and b"Date" not in data
    png = book.figure("curve", lines(), "c", "Ups.").picture
    pixels = Image.open(io.BytesIO(png["data"]))
    assert (pixels.format, pixels.mode, pixels.size) == ("PNG", "P", (720, 480))
    assert (png["width"], png["alt"], png["format"]) == (360, "Ups.", "png")
    assert "image/png" in picture and "Up &amp; down." in caption["text/html"]
    assert not plt.fignum_exists(fig.number)


def test_photographs_are_kept_and_shown_as_jpeg_with_whole_colours(book):
    shown = book.figure("dog", photograph(), "A dog.", "A dog.").picture
    name, data = book.figures["dog"]
    pixels = Image.open(io.BytesIO(data))
    assert name.endswith("dog.jpg") and data == shown["data"] and shown["width"] == 360
    assert pixels.format == "JPEG" and pixels.size == (450, 300)
    assert {layer[1:3] for layer in pixels.layer} == {(1, 1)}  # no colour is halved


def test_a_map_with_its_colour_bar_is_a_photograph_one_with_a_curve_is_not(book):
    fig = photograph()
    fig.colorbar(fig.axes[0].images[0])
    assert chapter.drawn(fig)[0] == "jpg"
    fig = photograph()
    fig.axes[0].plot([0, 7], [0, 7])
    assert chapter.drawn(fig)[0] == "pdf"
    assert chapter.drawn(plt.figure())[0] == "pdf"


@pytest.mark.parametrize("make", [lines, photograph])
def test_a_figure_gives_the_same_bytes_twice(make):
    fig = make()
    (kind, data, shown), again, other = (chapter.drawn(f) for f in (fig, fig, make()))
    assert (kind, data, shown["data"]) == (*again[:2], again[2]["data"])
    assert (data, shown["data"]) == (other[1], other[2]["data"])


def test_the_mark_of_a_profile_stands_in_the_corner_and_leaves_the_figure(root):
    fig = lines()
    plain = Image.open(io.BytesIO(chapter.drawn(fig)[2]["data"])).convert("L")
    shown = Chapter("2-maps", "sample").figure("curve", fig, "c", "a").picture
    marked = Image.open(io.BytesIO(shown["data"])).convert("L")
    changed = np.argwhere(np.abs(np.asarray(plain, int) - np.asarray(marked, int)) > 40)
    assert len(changed) and (changed.min(0) > (455, 600)).all()  # of 480 rows and 720 columns
    assert fig.texts == []


def test_frames_are_kept_as_an_animation_of_all_their_frames(book):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    frames = [np.stack([np.roll(ramp, 3 * i)] * 48)[..., None].repeat(3, 2) for i in range(24)]
    shown = book.figure("climb", frames, "c", "a").picture
    name, data = book.figures["climb"]
    movie = Image.open(io.BytesIO(data))
    assert (movie.format, movie.n_frames, movie.info["loop"]) == ("WEBP", 24, 0)
    assert name.endswith(".webp") and shown["data"] == data and shown["format"] == "webp"
    for i in (0, 11, 23):
        movie.seek(i)
        found = np.asarray(movie.convert("RGB"), int)
        assert np.abs(found - frames[i].astype(int)).mean() < 4
        assert len(np.unique(found[..., 0])) > 50  # no posters of few colours


def test_an_animation_is_displayed(book, monkeypatch):
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    picture, _ = shown(book.figure("climb", frames, "c", "a"), monkeypatch)
    assert set(picture) == {"image/webp"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda book: book.table("Noise", FRAME, "c"), "'Noise': expected a-z"),
        (lambda book: book.table("claims", FRAME, "c"), "not 'claims'"),
        (lambda book: book.value("a--b", 1), "a--b': expected a-z"),
        (lambda book: book.value("a_", 1), "expected a-z"),
        (lambda book: book.table("noise", FRAME, " "), "caption"),
        (lambda book: book.table("noise", FRAME.iloc[:0], "c"), "no rows"),
        (lambda book: book.table("noise", pd.DataFrame({"x": [1, 2]}, index=["a", "a"]), "c"),
         "'noise/a/x'"),
        (lambda book: book.figure("curve", lines(), "c", ""), "alt"),
        (lambda book: book.figure("curve", [], "c", "a"), "uint8"),
        (lambda book: book.figure("curve", [np.zeros((4, 4, 3))], "c", "a"), "uint8"),
        (lambda book: book.figure("curve", [np.zeros((4, 4), np.uint8)], "c", "a"), "uint8"),
        (lambda book: book.value("rate", 91.2, unit="fraction"), "91.2"),
        (lambda book: book.value("rate", float("nan")), "nan"),
        (lambda book: book.claim("first", "A beats B.", Result()), "full stop"),
        (lambda book: Chapter("2-maps", "smaple"), "sample"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_nothing_is_kept(book, call, says):
    with pytest.raises(ProvenanceError, match=says):
        call(book)
    assert not (book.tables or book.values or book.claims or book.figures or book.captions)
    assert book.close(strict=True).startswith("0 numbers")


def test_the_hash_of_the_code_is_the_notebooks(book, root, notebook):
    notebook("x = 1", stem="2-maps")
    codehash = importlib.import_module("provenance.codehash")
    expected = codehash.notebook_hash(root / "notebooks/2-maps.ipynb", "full")
    assert chapter.code_of("2-maps", "full") == expected != "unknown"


def test_a_number_is_returned_to_be_shown(book):
    assert str(book.value("best", 0.912, unit="fraction")) == f"91.2{format.THIN}%"
    given = Estimate(2.0, n=3)
    assert book.value("other", given) is given
