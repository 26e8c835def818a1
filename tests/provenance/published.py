"""A small project that was really rendered and typeset, and ways to break a copy of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

SOURCE = Path(__file__).parents[2] / "src"
STEM = "1-maps"
CELLS = (
    "from matplotlib import pyplot as plt\nimport pandas as pd\nfrom lesson import maps\n"
    "from provenance.chapter import Chapter\nfrom provenance.format import Estimate",
    f"book = Chapter('{STEM}')\nbook",
    "frame = pd.DataFrame({'net': ['A', 'B'], 'score': [Estimate(0.912, 0.01, 'SD over seeds', 3,"
    " 'fraction'), Estimate(0.5)]})\nbook.table('scores', frame, 'Scores of two networks.')",
    "fig, ax = plt.subplots(figsize=(2, 1))\nax.plot([0, 1])\n"
    "book.figure('curve', fig, 'A line.', 'It rises.')",
    "class Test:\n    name, effect, low, high, n, p = 't', 1.0, 0.5, 1.5, 9, 0.001\n"
    "    direction, unit, margin = 'higher', 'networks', None",
    "book.claim('better', 'A is better than B', Test())",
    "(book.models / 'net.pt').write_bytes(b'weights')\nmaps.heat(3)",
)
PROSE = "The score is 91.2 %, with $0.123$ and `0.456`. [Doe (2019)](x) says 77.7 %."
MAIN = r"""
\documentclass{article}\textwidth=600pt\usepackage{graphicx,booktabs}\input{profile}
\newcommand{\provenancedefine}[3]{\expandafter\gdef\csname p@#1@\detokenize{#2}\endcsname{#3}}
\newwrite\uses\immediate\openout\uses=\jobname.uses
\newcommand{\claim}[2]{\immediate\write\uses{#1 #2}}
\input{1-maps}
\begin{document}
\csname p@val@\detokenize{1-maps/scores/A/score}\endcsname
\par\input{1-maps-scores}\par\input{1-maps-claims}\par
\includegraphics{1-maps-curve} \claim{1-maps/better}{supported}
\end{document}
"""


def build(root, cells=CELLS):
    """Write a small project below ``root``: settings, package, one notebook, a report."""
    for name, text in {
        "pyproject.toml": '[tool.provenance]\npackage = "lesson"\nprofiles = ["sample", "full"]\n',
        "src/lesson/__init__.py": "",
        "src/lesson/maps.py": "def heat(x):\n    return 2 * x\n",
        "report/main.tex": MAIN,
        "requirements.lock": "numpy==2\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_notebook(root, cells)
    return root


def write_notebook(root, cells=CELLS, stem=STEM):
    made = [nbformat.v4.new_markdown_cell("# Title, 12.5 %\n\n" + PROSE, id="text")]
    made += [nbformat.v4.new_code_cell(cell, id=f"c{i}") for i, cell in enumerate(cells)]
    made[-1].metadata["nbgrader"] = {"grade_id": "heat", "points": 2}
    (root / "notebooks").mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=made), root / f"notebooks/{stem}.ipynb")


def run(root, module, *arguments, profile="full"):
    """Run a command line of provenance in ``root``; return its exit status and what it said."""
    path = os.pathsep.join([str(SOURCE), str(root / "src")])
    own = {"PYTHONPATH": path, "PROFILE": profile, "PROVENANCE_ROOT": str(root)}
    command = [sys.executable, "-m", f"provenance.{module}", *arguments]
    found = subprocess.run(
        command, cwd=root, env=os.environ | own, capture_output=True, text=True, check=False
    )
    return found.returncode, found.stdout + found.stderr


def edit(root, name, old, new):
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))


def edit_json(root, name, change):
    content = json.loads((root / name).read_text())
    change(content)
    (root / name).write_text(json.dumps(content))


def copied(source, target):
    shutil.copytree(source, target)
    return target
