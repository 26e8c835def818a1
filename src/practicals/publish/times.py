"""How long notebooks take, from what committed notebooks say; nobody types a time."""

import re
from collections.abc import Mapping

from nbformat import NotebookNode

from practicals.publish import results

CLOSING = re.compile(r"; ([\d.]+) minutes'?$")
OPENING = re.compile(r"\*\*Time on two cores:\*\* *(.+?) *$", re.M)
HEADER = ("notebook", "published run", "on", "what its opening announces, on two cores")
ABOUT = """\
*Published run* is the time of the run that is committed, profile `full`, as its last cell says.
Costly steps whose code had not changed came from their cache, so that a first run takes longer;
what else the machine did counts, too. Runs of the profiles `sample` and `lab` are not committed,
so that for them there is only what each notebook's opening announces. Memory is not recorded.
"""


def minutes(nb: NotebookNode) -> str | None:
    """Return the minutes that the last cell of a notebook says; None where it did not run."""
    outputs = next((c.outputs for c in reversed(nb.cells) if c.cell_type == "code"), [])
    texts = ("".join(output.get("data", {}).get("text/plain", "")) for output in outputs)
    return next((found.group(1) for text in texts if (found := CLOSING.search(text))), None)


def announced(nb: NotebookNode) -> str:
    """Return the sentence on time of a notebook's opening, or a dash."""
    texts = (cell.source for cell in nb.cells if cell.cell_type == "markdown")
    return next((found.group(1) for text in texts if (found := OPENING.search(text))), "–")


def first_run(nb: NotebookNode, profile: str) -> str:
    """Return how long a notebook's opening says that a profile takes, or a dash."""
    said = re.search(rf"\b{profile}(?: profile)? (.+?)(?=,| the first time|;|\.|$)", announced(nb))
    if not said:
        return "–"
    return said[1] if re.search("minute|hour", said[1]) else f"{said[1]} minutes"


def _machine(nb: NotebookNode) -> str:
    facts = nb.metadata.get("practicals", {})
    if not facts:
        return "–"
    return f"{facts['device']}, {facts['precision']}, {facts['threads']} threads"


def page(notebooks: Mapping[str, NotebookNode], titles: Mapping[str, str]) -> str:
    """Return the table of times of all notebooks, with what it means."""
    rows = []
    for stem, nb in notebooks.items():
        took = minutes(nb)
        shown = f"{took} minutes" if took else "is due"
        title = results.md(titles[stem].partition(":")[0])
        rows.append((title, shown, results.md(_machine(nb)), results.md(announced(nb))))
    return f"{ABOUT}\n{results.table(HEADER, rows, 'times')}"
