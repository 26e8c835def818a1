"""What ledgers vouch for as pages in Markdown: claims, tables, numbers, and the front page's."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from practicals.publish import claims, numerals
from practicals.publish.captions import Caption
from practicals.publish.claims import Claim

Ledger = Mapping[str, Any]
SPECIAL = re.compile(r"([\\`*_{}\[\]<>|$#~^])")
SHOWN = ("gif", "png", "jpg")
"""Forms of a figure that a browser shows, the preferred one first."""
HEADER = ("", "claim", "effect [95 % interval]", "n", "test", "p (Holm)", "published", "holds")
MOST = 3
"""Claims of a chapter on the front page."""
_COMMAND = {tex: sign for sign, tex in numerals._MATHS.items()}
_RAISED = re.compile(r"\\ensuremath\{\^\{([-0-9]+)\}\}")
_SYMBOL = re.compile(r"\\ensuremath\{([^{}]+)\}")
_BOLD = re.compile(r"\\textbf\{((?:[^{}]|\{[^{}]*\}|\\[{}])*)\}")
_NAMED = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^"}


def md(text: str) -> str:
    """Return plain text with Markdown's special characters escaped, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def untex(text: str) -> str:
    """Return the plain text that ``numerals.to_tex`` turned into LaTeX."""
    text = _RAISED.sub(lambda m: m.group(1).translate(numerals._SUPERSCRIPT), text)
    text = _SYMBOL.sub(lambda m: _COMMAND.get(m.group(1), m.group(1)), text)
    text = re.sub(r"(?<!\\)~", "\u00a0", text).replace(r"\,", numerals.THIN)
    for tex, sign in _NAMED.items():
        text = text.replace(tex, sign)
    return re.sub(r"\\([&%$#_{}])", r"\1", text)


def tabular(tex: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table that ``tables.Table.tex`` wrote; bold cells as Markdown.

    Raise ValueError for another text.
    """
    if not tex.startswith(r"\begin{tabular}"):
        raise ValueError("expected a table that a ledger wrote")
    lines = [line[: -len(r" \\")] for line in tex.splitlines() if line.endswith(r" \\")]
    rows = [[_cell(part) for part in re.split(r"(?<!\\) ?& ?", line)] for line in lines]
    return rows[0], rows[1:]


def _cell(tex: str) -> str:
    bold = _BOLD.fullmatch(tex.strip())
    text = md(untex(bold.group(1) if bold else tex))
    return f"**{text}**" if bold else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str) -> str:
    """Return a Markdown table of cells that are Markdown already, in MyST's directive."""
    lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
    return "\n".join([":::{table}", f":class: {kind}", "", *lines, ":::", ""])


def claims_of(ledger: Ledger) -> list[tuple[Claim, bool]]:
    """Return a ledger's claims, corrected together, and whether the ledger says that each holds."""
    kept = ledger.get("claims", {})
    made = claims.corrected(claims.from_entry(*item) for item in kept.items())
    return [(claim, bool(kept[claim.key]["holds"])) for claim in made]


def evidence(claim: Claim) -> tuple[str, str, str, str]:
    """Return effect with interval, n, test and corrected p of a claim, as text."""
    if claim.test is None:
        return "checked on every case", "–", "–", "–"
    test, p = claim.test, claim.test.p if claim.p_holm is None else claim.p_holm
    low, high = numerals.significant(test.low), numerals.significant(test.high)
    shown = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return f"{numerals.significant(test.effect)} [{low}, {high}]", str(test.n), test.name, shown


def claims_page(kept: Mapping[str, Ledger], titles: Mapping[str, str]) -> str:
    """Return the page of all claims of all chapters."""
    found = {stem: claims_of(ledger) for stem, ledger in kept.items()}
    every = [holds for rows in found.values() for _, holds in rows]
    lines = [
        "# Claims", "",
        "A conclusion is recorded where it is drawn, with the test it stands on. There are "
        f"{len(every)} claims, and {sum(every)} hold. *Effect* is in the unit of its sentence "
        "(rates and differences of rates as fractions; where it names a threshold, the distance "
        "from it). *p* is corrected by Holm's method over the chapter, except where the sentence "
        "says that the data do not decide. *Published* is what the literature reports for the same "
        "question. A claim that did not hold would stand here, too, and `make check` would fail.",
        "",
    ]  # fmt: skip
    for stem, rows in found.items():
        lines += [f"## {titles[stem]}", "", f"[The notebook](notebooks/{stem}.ipynb)", ""]
        made = [_claim_row(f"{stem[0]}.{i}", *row) for i, row in enumerate(rows, 1)]
        lines.append(table(HEADER, made, "claims") if made else "No claims are published yet.\n")
    return "\n".join(lines)


def _claim_row(number: str, claim: Claim, holds: bool) -> list[str]:
    cells = (claim.sentence, *evidence(claim), claim.published or "–", "yes" if holds else "no")
    return [number, *map(md, cells)]


def shown_files(ledger: Ledger) -> dict[str, str]:
    """Return the file of each figure that a browser shows, by the figure's name."""
    found = {}
    for name, figure in ledger.get("figures", {}).items():
        files = {file.rpartition(".")[2]: file for file in figure.get("files", {})}
        best = next((files[suffix] for suffix in SHOWN if suffix in files), None)
        if best:
            found[name] = best
    return found


def index(kept: Mapping[str, Ledger], titles: Mapping[str, str]) -> str:
    """Return the page that leads to the results of each chapter."""
    about = "All tables, figures and numbers that the notebooks' ledgers keep, as published."
    lines = ["# Results", "", about, "", "```{toctree}", ":maxdepth: 1", ""]
    return "\n".join([*lines, *(f"{titles[stem]} <{stem}>" for stem in kept), "```", ""])


def page(
    stem: str,
    title: str,
    ledger: Ledger,
    generated: Path,
    captions: Mapping[str, Caption],
    widths: Mapping[str, int],
) -> str:
    """Return the page of a chapter's results: tables, figures, and every recorded number.

    ``captions`` are the report's, by the name of a table's file; a table that the report leaves
    out has the ledger's name for it as a title. ``widths`` are those of figures, in CSS pixels.
    """
    lines = [f"# Results: {title}", "", f"[The notebook](../notebooks/{stem}.ipynb) says what they "
             "mean.", ""]  # fmt: skip
    if not ledger:
        return "\n".join([*lines, "Its published run is due: there are no results yet.", ""])
    lines += [_origin(ledger), "", "## Tables", ""]
    for name in ledger.get("tables", {}):
        file = generated / f"{stem}-{name}.tex"
        if name != "claims" and file.is_file():
            header, rows = tabular(file.read_text(encoding="utf-8"))
            said = captions.get(file.stem, Caption("", words(name)))
            lines += [f"### {md(said.title)}", "", md(said.below), "",
                      table(header, rows, "results")]  # fmt: skip
    if files := shown_files(ledger):
        lines += ["## Figures", ""]
        for name, file in files.items():
            facts = ledger["figures"][name]
            width = [f":width: {widths[file]}px"] if file in widths else []
            lines += [f"### {words(name)}", "", f"```{{figure}} ../_static/figures/{file}",
                      f":alt: {md(facts['alt'])}", *width, "", md(facts["caption"]), "```",
                      ""]  # fmt: skip
    return "\n".join([*lines, *_numbers(ledger.get("values", {}))])


def words(name: str) -> str:
    """Return a ledger's name for a table or figure as a title: ``Learning curve``."""
    text = name.replace("-", " ").replace("_", " ")
    return text[:1].upper() + text[1:]


def _origin(ledger: Ledger) -> str:
    device = ledger.get("device", {})
    machine = f"{device.get('device', 'unknown device')}, {device.get('precision', '')}"
    return f"Profile {ledger['profile']}, seed {ledger['seed']}, {machine}."


def _numbers(values: Mapping[str, dict[str, Any]]) -> list[str]:
    rows = []
    for key, entry in values.items():
        seeds = entry.get("seeds", "–")
        spread = entry.get("spread", "–")
        shown = numerals.respm(entry) or numerals.res(entry)
        n = numerals.resn(entry) or "–"
        rows.append([f"`{key}`", md(shown), md(str(spread)), n, md(str(seeds))])
    header = ("key", "value", "spread", "n", "seeds")
    return ["## Every number", "", f"The ledger keeps {len(rows)} numbers.", "",
            "<details><summary>Show them</summary>", "",
            table(header, rows, "numbers"), "</details>", ""]  # fmt: skip


def cards(
    kept: Mapping[str, Ledger], titles: Mapping[str, str], chosen: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the front page's cards: a picture of each chapter and its question."""
    made = []
    for stem, ledger in kept.items():
        head, _, question = titles[stem].partition(":")
        files = shown_files(ledger)
        wanted = chosen.get(stem, {}).get("figure")
        file = files.get(wanted) or next(iter(files.values()), None)
        why = "pictures: see the notebook" if ledger else "published run is due"
        picture = f'<span class="due">{why}</span>'
        if file:
            picture = f'<img src="_static/figures/{file}" alt="" loading="lazy">'
        text = f"<strong>{html.escape(head)}</strong>"
        text += f"<span>{html.escape(question.strip())}</span>" if question.strip() else ""
        made.append(f'<a class="card" href="notebooks/{stem}.html">{picture}{text}</a>')
    return "\n".join(['<div class="cards">', *made, "</div>"])


def main_results(kept: Mapping[str, Ledger], chosen: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the front page's table: up to three claims of each chapter that hold.

    Those that ``chosen`` names come first, then those with a published value, then the others.
    """
    rows = []
    for stem, ledger in kept.items():
        wanted = list(chosen.get(stem, {}).get("claims", []))
        found = [(claim, i) for i, (claim, holds) in enumerate(claims_of(ledger), 1) if holds]

        def rank(pair: tuple[Claim, int], wanted: list[str] = wanted) -> tuple[int, bool, int]:
            claim, place = pair
            at = wanted.index(claim.key) if claim.key in wanted else len(wanted)
            return at, not (claim.published and claim.test), place

        for claim, place in sorted(found, key=rank)[:MOST]:
            effect, n, *_ = evidence(claim)
            cells = (claim.sentence, effect, n, claim.published or "–")
            rows.append([f"{stem[0]}.{place}", *map(md, cells)])
    header = ("claim", "what was found", "effect [95 % interval]", "n", "published")
    return table(header, rows, "main") if rows else "No claims are published yet.\n"
