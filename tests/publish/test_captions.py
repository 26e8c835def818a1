"""Captions of the report as titles on the site: plain text, numbers from the ledger alone."""

import json
import re

import pytest

from practicals import paths
from practicals.publish import captions, render, results, site

TEX = r"""
\begin{figure}\includegraphics[width=\linewidth]{1-x-curve}
  \caption{A curve}\label{fig:curve}\end{figure}
\begin{table}
  \centering\fitted{\input{1-x-costs}}
  \caption{Cost of \emph{all} features (\%): on \resn{1-x}{speed} pictures \citep{a2000}, of
    side $112\times112$ within $L_\infty$; as in figure~\ref{fig:curve} and
    table~\ref{tab:rest}, mean $\pm$ deviation.}\label{tab:costs}
\end{table}
\begin{table*}\input{1-x-rest}\caption{The rest, \res{1-x}{gone}.}\label{tab:rest}\end{table*}
\begin{table}\input{1-x-bare}\end{table}
\input{1-x-loose}
"""
VALUES = {"1-x": {"speed": {"value": 0.5, "n": 1048, "unit": "seconds"}}}


def test_a_caption_becomes_plain_text_and_a_title():
    found = captions.of_chapter(TEX, VALUES, {"1-x-curve": "The curve"}, {"1-x-rest": "Others"})
    assert set(found) == {"1-x-costs", "1-x-rest"}
    costs, rest = found["1-x-costs"], found["1-x-rest"]
    assert costs.title == "Cost of all features"
    assert costs.text == (
        "Cost of all features (%): on 1,048 pictures, of side 112×112 within L∞; as in the figure "
        "“The curve” and the table “Others”, mean ± deviation."
    )
    assert (rest.title, rest.text) == ("Others", "The rest, –.")


def test_tables_in_halves_and_beside_text_have_their_own_captions():
    tex = r"""
    \begin{table}
      \begin{half}{table}{0.4}\input{1-x-left}\caption{The left: one.}\end{half}\hfill
      \begin{half}{table}{0.5}\columns{lr}{\input{1-x-right}}\caption{The right.}\end{half}
    \end{table}
    \beside{0.5}{table}{\input{1-x-narrow}
      \caption{A narrow one \emph{here}.}}{Text, \input{1-x-no}.}
    \begin{half}{table}{1}\input{1-x-still}\caption{Keeps its place.}\end{half}\par
    """
    found = captions.of_chapter(tex, VALUES, {}, {})
    assert {name: caption.title for name, caption in found.items()} == {
        "1-x-left": "The left", "1-x-right": "The right", "1-x-narrow": "A narrow one here",
        "1-x-still": "Keeps its place",
    }  # fmt: skip


def test_a_caption_may_begin_with_its_title():
    own = captions.of_chapter(TEX, VALUES, {}, {})
    assert own["1-x-rest"].title == "The rest"
    assert "the table “The rest”" in own["1-x-costs"].text
    assert "the figure of the report" in own["1-x-costs"].text


def test_the_page_shows_title_and_caption(tmp_path):
    tex = "\\begin{tabular}{l}\n\\toprule\na \\\\\n\\midrule\nb \\\\\n\\end{tabular}\n"
    for name in ("1-x-costs", "1-x-by-size"):
        (tmp_path / f"{name}.tex").write_text(tex)
    ledger = {"profile": "full", "seed": 0, "tables": {"costs": {}, "by-size": {}}}
    said = {"1-x-costs": captions.Caption("Cost of a_b: all.", "Cost of a_b")}
    text = results.page("1-x", "One", ledger, tmp_path, said, {})
    assert "### Cost of a\\_b\n\nAll.\n\n:::{table}\n" in text
    assert "### By size" in text


def test_a_caption_is_not_said_twice():
    below = [captions.Caption(text, "A title").below for text in ("A title.", "A title, n = 3.")]
    assert below == ["", "A title, n = 3."]


@pytest.mark.parametrize("stem", render.stems())
def test_every_published_table_has_a_readable_title(stem):
    kept = site.ledgers()
    said = site.table_captions(stem, kept)
    for name in set(kept[stem].get("tables", {})) - {"claims"}:
        caption = said[f"{stem}-{name}"]
        assert re.match(r"[A-Z].*[a-z]", caption.title) and len(caption.title) < 110
        assert not re.search(r"[\\${}~]|^The (same|means of)", caption.title), caption
        assert not re.search(r"[\\${}~]| –|of the report", caption.text), caption
    titles = [said[f"{stem}-{name}"].title for name in kept[stem].get("tables", {})]
    assert len(set(titles)) == len(titles)


def test_chosen_titles_belong_to_a_table_and_hold_no_number():
    chosen = json.loads((paths.root() / "site" / "titles.json").read_text(encoding="utf-8"))
    chapters = (paths.report_dir() / "chapters").glob("*.tex")
    text = "".join(path.read_text(encoding="utf-8") for path in chapters)
    for name, title in chosen.items():
        assert rf"\input{{{name}}}" in text, name
        assert not re.search(r"\d", title), title
