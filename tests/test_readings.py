"""What the notebooks found out does not stand in the hand-out: no reading, no claim, no caption."""

import json
import re

import pytest

from practicals import paths
from provenance import handout

STUB = r"\*\*(Reading|Answer[^*]*)\.\*\*\n\*Your answer here \(\d+ points?( together)?\)\.\*"


@pytest.fixture(scope="module")
def handed_out():
    """Return the text of each notebook as students get it."""
    given = {stem: handout.without_answers(nb) for stem, nb in handout.sources().items()}
    return {stem: "\n\n".join(cell.source for cell in nb.cells) for stem, nb in given.items()}


def test_readings_and_answers_are_left_to_the_student(handed_out):
    for stem, text in handed_out.items():
        labels = [m.start() for m in re.finditer(r"^\*\*(Reading|Answer)\b", text, re.M)]
        told = [text[at : at + 60] for at in labels if not re.match(STUB, text[at:])]
        assert labels and not told, (stem, told)


def test_what_was_published_is_not_told(handed_out):
    for stem, text in handed_out.items():
        ledger = json.loads((paths.generated_dir("full") / f"{stem}.json").read_text("utf-8"))
        claims = ledger["claims"]
        moved = [c for c in ledger.get("captions", {}).values() if "alt" in c]
        figures = [*ledger.get("figures", {}).values(), *moved]
        told = [c["sentence"] for c in (claims.values() if isinstance(claims, dict) else claims)]
        for figure in figures:
            _, *found = handout.SENTENCE.split(figure["caption"])
            told += [figure["alt"], *map(str.strip, found)]
        assert claims and not [words for words in told if len(words) > 12 and words in text], stem
