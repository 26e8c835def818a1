"""What the report prints about all chapters at once: comparisons, main claims, settings, machines.

``report/published.json`` names the published values, each with its source, its protocol and the
number of ours that stands beside it, and the claims that the conclusion repeats. Everything else
comes from the ledgers and from the budgets.
"""

import ast
import dataclasses
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from practicals import paths, profile
from practicals.publish import claims, numerals
from provenance import project

Ledgers = Mapping[str, Mapping[str, Any]]
LACKING = r"\emph{\footnotesize not in this profile}"
VERDICTS = {"better": "ours is better", "worse": "ours is worse", "other": "not comparable"}
BETTER = ("higher", "lower", "")
OPENING = re.compile(r"\*\*Time on two cores:\*\* *(.+?) *$", re.M)


class BadComparison(ValueError):
    """Raised for an entry of ``published.json`` that cannot be printed; the message says which."""


def published() -> dict[str, Any]:
    """Return what ``report/published.json`` holds, empty where there is no such file."""
    path = paths.report_dir() / "published.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadComparison(f"report/published.json is no JSON: {error}") from None


def cited() -> list[str]:
    """Return the bibliography's keys that the comparisons cite."""
    return [row["cite"] for row in published().get("comparisons", [])]


def uses() -> list[tuple[str, str]]:
    """Return stem and key of every number of ours that stands beside a published one."""
    return [(row["chapter"], row["ours"]) for row in published().get("comparisons", [])]


def verdict(row: Mapping[str, Any], ours: float) -> str:
    """Return how our value compares, ``other`` where the protocols do not allow it.

    ``row["better"]`` is ``higher``, ``lower`` or empty; ``row["value"]`` is the published number.
    """
    if row["better"] not in BETTER:
        raise BadComparison(f"{row['what']}: better is {row['better']!r}, expected one of {BETTER}")
    if not row["better"]:
        return VERDICTS["other"]
    above = ours > row["value"]
    return VERDICTS["better" if above == (row["better"] == "higher") else "worse"]


def tabular(
    align: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
) -> str:
    """Return a table of LaTeX text that may run over pages; ``caption`` holds its label, too."""
    above = [rf"\caption{{{caption}}}\\"] if caption else []
    lines = [rf"\begin{{longtable}}{{{align}}}", *above, r"\toprule"]
    lines += [" & ".join(header) + r" \\", r"\midrule", r"\endhead"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])


def comparisons(ledgers: Ledgers) -> str:
    """Return the table of our values beside published ones, losses shown."""
    rows = []
    for row in published().get("comparisons", []):
        values = ledgers.get(row["chapter"], {}).get("values", {})
        entry = values.get(row["ours"])
        ours = LACKING if entry is None else numerals.to_tex(numerals.res(entry))
        found = "" if entry is None else verdict(row, entry["value"])
        said = numerals.to_tex(row["shown"]) + rf" \citep{{{row['cite']}}}"
        facts = [row["chapter"][0], numerals.to_tex(row["what"]), ours, said]
        rows.append([*facts, numerals.to_tex(row["protocol"]), found])
    header = ("", "quantity", "ours", "published", "how the protocols differ", "verdict")
    p = [rf"L{{{w}\linewidth}}" for w in (0.19, 0.07, 0.16, 0.32, 0.13)]
    caption = r"Our values beside published ones.\label{tab:published}"
    return tabular("r" + "".join(p), header, rows, caption)


def main_claims(ledgers: Ledgers) -> str:
    """Return the table of the claims that the conclusion repeats, with their numbers."""
    rows = []
    for stem, keys in published().get("claims", {}).items():
        known = list(ledgers.get(stem, {}).get("claims", {}).items())
        numbers = {key: number for number, (key, _) in enumerate(known, 1)}
        kept = claims.corrected(claims.from_entry(*item) for item in known)
        for key in keys:
            if key in numbers:
                claim = kept[numbers[key] - 1]
                facts = (claim.sentence, claim.evidence(), "yes" if claim.holds else "no")
                rows.append([f"{stem[0]}.{numbers[key]}", *map(numerals.to_tex, facts)])
    header = ("", "claim", "evidence", "holds")
    caption = r"The claims that this report rests on first.\label{tab:main-claims}"
    return tabular(r"rL{0.49\linewidth}L{0.36\linewidth}l", header, rows, caption)


def _docs(kind: type) -> dict[str, str]:
    """Return the text under each field of a dataclass, by the field's name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body
    found = {}
    for field, text in itertools.pairwise(body):
        value = text.value if isinstance(text, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(value, ast.Constant):
            found[field.target.id] = inspect.cleandoc(value.value).partition("\n\n")[0]
    return found


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings(name: str) -> str:
    """Return every budget of a profile, chapter by chapter, with what it means."""
    whole = profile.get(name)
    parts = []
    for stem in profile.BUDGET_OF:
        budget = profile.budget(stem, whole)
        docs = _docs(type(budget))
        rows = []
        for field in dataclasses.fields(budget):
            title = field.name.replace("_", " ")
            facts = (title, _value(getattr(budget, field.name)), docs.get(field.name, ""))
            rows.append(r"\setting" + "".join(f"{{{numerals.to_tex(fact)}}}" for fact in facts))
        title = numerals.to_tex(f"Chapter {stem[0]}, profile {name}, seed {whole.seed}")
        parts.append("\n".join([rf"\settingsof{{{title}}}", *rows, ""]))
    return "\n".join(parts)


def _announced(stem: str, name: str) -> str:
    """Return how long a notebook's opening says that a first run of a profile takes, or a dash."""
    text = (paths.notebooks_dir() / f"{stem}.ipynb").read_text(encoding="utf-8")
    cells = (cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")
    told = next(filter(None, (OPENING.search("".join(c["source"])) for c in cells)), None)
    said = told and re.search(
        rf"\b{name}(?: profile)? (.+?)(?=,| the first time|;|\.|$)", told.group(1)
    )
    if not said:
        return "–"
    return said[1] if re.search("minute|hour", said[1]) else f"{said[1]} minutes"


def machines(ledgers: Ledgers, name: str) -> str:
    """Return where each chapter's numbers were computed, in what time, and what is vouched for.

    The time is what the notebook's opening announces for a first run of the profile ``name``.
    """
    rows = []
    for stem, ledger in ledgers.items():
        device, time = ledger["device"], _announced(stem, name)
        facts = [stem[0], device["device"], device["threads"], device["precision"]]
        facts += [device["torch"].partition("+")[0], device["python"], str(ledger["seed"])]
        facts += [time]
        counts = [str(len(ledger.get(kind, {}))) for kind in ("values", "tables", "figures")]
        held = [entry["holds"] for entry in ledger.get("claims", {}).values()]
        rows.append([*map(numerals.to_tex, facts), *counts, f"{sum(held)}/{len(held)}"])
    header = ("", "device", "threads", "precision", "PyTorch", "Python", "seed")
    header += ("time", "numbers", "tables", "figures", "claims")
    caption = (
        r"The machine of each chapter, the time of a first run on two cores, and what its ledger "
        r"vouches for.\label{tab:machines}"
    )
    return tabular("@{}rlrlllrlrrrr@{}", header, rows, caption)


def of_profile(name: str) -> dict[str, str]:
    """Return the appendix's files for a profile, name to LaTeX text, from the ledgers at hand."""
    ledgers: dict[str, dict[str, Any]] = {}
    for stem in project.current().stems():
        path = project.current().generated(name) / f"{stem}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            # A chapter that has moved to provenance hands over a list of claims.
            ledgers |= {stem: found} if isinstance(found.get("claims"), dict) else {}
    return {
        "appendix-comparisons.tex": comparisons(ledgers),
        "appendix-claims.tex": main_claims(ledgers),
        "appendix-settings.tex": settings(name),
        "appendix-machines.tex": machines(ledgers, name),
    }
