"""What LaTeX prints for the new macros, asked of LaTeX itself."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from tests.provenance.small import Result

from provenance import chapter
from provenance.chapter import Chapter
from provenance.format import Estimate

STYLE = Path(__file__).parents[2] / "report" / "practicals.sty"
pytestmark = pytest.mark.skipif(
    not shutil.which("latexmk"), reason="latexmk is missing: what LaTeX prints is NOT tested"
)

FRAME = pd.DataFrame(
    {
        "SqueezeNet": [Estimate(0.5 + i / 100, 0.013, "SD", 1200, "fraction") for i in range(7)],
        "ε ± 8/255": [Estimate(float(i + 10)) for i in range(7)],
    },
    index=pd.Index(
        ["Grad-CAM", "integrated gradients", "a_b", "A & B", "ε", "±1", "Café 5 % #2 ~x"], name="m"
    ),
)
BOXES = [
    (r"\val{t/noise/Grad-CAM/SqueezeNet}", "50.0±1.3%"),
    (r"\mean{t/noise/Grad-CAM/SqueezeNet}", "50.0%"),
    (r"\n{t/noise/Grad-CAM/SqueezeNet}", "1,200"),
    (r"\val{t/noise/integrated gradients/SqueezeNet}", "51.0±1.3%"),
    ("\\val{t/noise/integrated\n  gradients/SqueezeNet}", "51.0±1.3%"),
    (r"\mean{t/noise/a_b/SqueezeNet}", "52.0%"),
    (r"\mean{t/noise/A & B/SqueezeNet}", "53.0%"),
    (r"\mean{t/noise/ε/SqueezeNet}", "54.0%"),
    (r"\mean{t/noise/±1/SqueezeNet}", "55.0%"),
    (r"\mean{t/noise/Café 5 2 x/SqueezeNet}", "56.0%"),
    (r"\val{t/noise/ε/ε ± 8/255}", "14.0"),
    (r"\val{t/lone}", "−0.250"),
    (r"\claim{t/first}{supported}", "(claimt.1)"),
    (r"\claim{old}{key}", "(claim9.9)"),
    (r"\res{old}{n_1}", "7"),
]
SIGNS = {r"\OMS/cmsy/m/n/10 ^^F": "±", r"\OMS/cmsy/m/n/10 ^^@": "−"}
SIGNS |= {r"\OMS/lmsy/m/n/10 ^^F": "±", r"\OMS/lmsy/m/n/10 ^^@": "−"}


@pytest.fixture
def latex(root, monkeypatch):
    """Return a function that typesets a body with a chapter's numbers and returns status, log."""
    monkeypatch.setattr(chapter, "_open", {})
    monkeypatch.setenv(chapter.STAGING, str(root))
    book = Chapter("t", "full")
    book.table("noise", FRAME, "c")
    book.value("lone", -0.25)
    book.claim("first", "A & B differ by 5 % in `x_1`", Result())
    book.claim("second", "C is higher", Result(effect=-0.1, p=0.2))
    book.close()
    shutil.copy(STYLE, root)

    def run(body, profile="full"):
        (root / "profile.tex").write_text(f"\\def\\profilename{{{profile}}}\n")
        (root / "report.tex").write_text(
            "\\documentclass{report}\n\\usepackage{practicals}\n\\practicalsnumbers{t}\n"
            "\\practicalsdefine{claim}{old}{key}{9.9}\\practicalsdefine{res}{old}{n_1}{7}\n"
            f"\\begin{{document}}\n{body}\n\\end{{document}}\n",
            encoding="utf-8",
        )
        generated = f"{root / 'report' / 'generated'}{os.pathsep}"
        environment = {**os.environ, "TEXINPUTS": f".{os.pathsep}{generated}"}
        environment["max_print_line"] = "9999"
        command = ["latexmk", "-pdf", "-silent", "-interaction=nonstopmode", "report.tex"]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=False)
        log = (root / "report.log").read_text(encoding="utf-8", errors="replace")
        return done.returncode, log

    return run


def boxes(log):
    """Return what each box that was shown holds, letter by letter."""
    found = []
    for box in re.split(r"^> \\box\d+=$", log, flags=re.M)[1:]:
        lines = re.findall(r"^\.+(\\\S+/\S+ \S+)", box.partition("\n\n")[0], re.M)
        found.append("".join(SIGNS.get(line, line.rpartition(" ")[2]) for line in lines))
    return found


def test_numbers_and_claims_are_printed_whatever_their_keys(latex, root):
    shows = "\n".join(f"\\setbox0\\hbox{{{body}}}\\showbox0" for body, _ in BOXES)
    page = (
        "\\showboxbreadth=99\\showboxdepth=99\n" + shows + "\n"
        "\\begin{table}\\caption{At \\val{t/noise/A & B/SqueezeNet}.}\n"
        "\\begin{tabular}{ll}\\val{t/noise/A & B/SqueezeNet} & x\\end{tabular}\\end{table}\n"
        "\\listoftables\\input{t-noise}\n\\claimsof{t}{The claims.\\label{tab:c}}\n"
        "\\claim{t/second}{undecided}"
    )
    _, log = latex(page)
    assert [error for error in re.findall(r"^! (.*)", log, re.M) if error != "OK."] == []
    assert boxes(log) == [text for _, text in BOXES]
    assert "Overfull" not in log
    relied = (root / "report.uses").read_text().splitlines()
    assert relied == ["t/first supported", "t/second undecided"]


def test_an_unknown_number_is_an_error_and_a_grey_word_in_the_sample(latex):
    body = r"\val{t/noise/A & C/SqueezeNet} \n{t/lone} \claim{t/third}{supported}"
    status, log = latex(body)
    wanted = [r"\val{t/noise/A & C/SqueezeNet}", r"\n{t/lone}", r"\claim{t/third}{supported}"]
    errors = re.findall(r"^! Package practicals Error: No number (.*)\.$", log, re.M)
    assert status and errors == wanted
    status, log = latex(body, profile="sample")
    assert status == 0 and "! " not in log
