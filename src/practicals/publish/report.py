"""Make the PDF: ``python -m practicals.publish.report``; with ``--setup``, see that LaTeX is there.

LaTeX finds figures, numbers and tables of a profile through its search path, so that the sources
name no profile; everything it writes goes below ``build/``, and only a finished PDF leaves it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from practicals import paths, profile
from practicals.paths import atomic_path
from practicals.publish import appendix, front, latex, numerals, render
from practicals.publish.vouched import hash_of

COMMENT = re.compile(r"(?<!\\)%.*")
MACRO = re.compile(r"\\(res|respm|resn|claim)\{([^{}\\]+)\}\{([^{}\\]+)\}")
GRAPHICS = re.compile(r"\\(?:includegraphics|mapsheet)\s*(?:\[[^\]]*\])?\{([^{}\\#]+)\}")
INPUT = re.compile(r"\\input\{([^{}\\#]+)\}")
CITE = re.compile(r"\\cite[a-zA-Z]*\*?(?:\[[^\]]*\])*\{([^{}\\#]+)\}")
FACT = re.compile(r"^([a-z-]+): *\"?([^\"\n]+)\"?$", re.M)
ENTRY = re.compile(r"^\s*@(?!comment|string|preamble)\w+\{\s*([^,\s]+)\s*,", re.I | re.M)


@dataclass(frozen=True)
class Use:
    """One use of a macro, picture, table or citation, and the file that holds it."""

    name: str
    file: str
    macro: str = ""
    stem: str = ""


def sources() -> list[Path]:
    """Return the report's main file and its chapters."""
    folder = paths.report_dir()
    return [folder / "main.tex", *sorted((folder / "chapters").glob("*.tex"))]


def _texts() -> dict[str, str]:
    files = (path for path in sources() if path.exists())
    return {path.name: COMMENT.sub("", _text(path)) for path in files}


def _text(path: Path) -> str:
    """Read a source; a byte that is not UTF-8 is LaTeX's to complain of, with its line."""
    return path.read_text(encoding="utf-8", errors="replace")


def numbers() -> list[Use]:
    """Return the uses of ledger numbers: ``name`` is the key, ``macro`` one of res, respm, resn."""
    found = ((file, use) for file, text in _texts().items() for use in MACRO.findall(text))
    return [Use(key, file, macro, stem) for file, (macro, stem, key) in found]


def _names(pattern: re.Pattern[str]) -> list[Use]:
    found = ((file, group) for file, text in _texts().items() for group in pattern.findall(text))
    return [Use(name.strip(), file) for file, group in found for name in group.split(",")]


def pictures() -> list[Use]:
    r"""Return the pictures of ``\includegraphics`` and ``\mapsheet``, without folder and suffix."""
    return [Use(Path(use.name).stem, use.file) for use in _names(GRAPHICS)]


def inputs() -> list[Use]:
    r"""Return the files of ``\input``, without folder and suffix."""
    return [Use(Path(use.name).name.removesuffix(".tex"), use.file) for use in _names(INPUT)]


def citations() -> list[Use]:
    """Return the keys cited."""
    return _names(CITE) + [Use(key, "published.json") for key in appendix.cited()]


def bibliography() -> set[str]:
    """Return the keys of ``references.bib``."""
    path = paths.report_dir() / "references.bib"
    return set(ENTRY.findall(_text(path))) if path.exists() else set()


def printed_inputs(profile: str) -> list[Path]:
    """Return the files that the PDF is made from: sources, generated files, figures shown."""
    report = paths.report_dir()
    files = [*sources(), report / "practicals.sty", report / "references.bib"]
    files += sorted(paths.generated_dir(profile).glob("*.tex"))
    for use in pictures():
        found = (paths.figures_dir(profile) / f"{use.name}.{s}" for s in ("pdf", "png", "jpg"))
        files += [path for path in found if path.exists()][:1]
    return [path for path in dict.fromkeys(files) if path.exists()]


def input_hashes(profile: str) -> dict[str, str]:
    """Return the sha256 of each file the PDF is made from, by its path below the root."""
    root = paths.root()
    files = {p.relative_to(root).as_posix(): hash_of(p) for p in printed_inputs(profile)}
    written = {name: sha256(text.encode()).hexdigest() for name, text in written_here(profile)}
    return files | written


def ledgers_of(profile: str) -> dict[str, dict]:
    """Return the ledgers of a profile that can be read, by stem."""
    read = {
        stem: render.read_ledger(paths.generated_dir(profile) / f"{stem}.json")
        for stem in render.stems()
    }
    return {stem: ledger for stem, ledger in read.items() if ledger}


def written_here(profile: str) -> list[tuple[str, str]]:
    """Return the files that are written for the PDF alone, name and text: title and appendix."""
    title = f"\\def\\profilename{{{profile}}}\n" + _title()
    return [("profile.tex", title), *appendix.texts(profile, ledgers_of(profile)).items()]


def _title() -> str:
    """Return version, date and address of CITATION.cff as macros."""
    path = paths.root() / "CITATION.cff"
    facts = dict(FACT.findall(_text(path))) if path.exists() else {}
    names = {"version": "version", "date-released": "date", "repository-code": "address"}
    lines = (
        rf"\def\practicals{macro}{{{numerals.to_tex(facts.get(key, ''))}}}"
        for key, macro in names.items()
    )
    return "\n".join([*lines, ""])


def pdf_path(profile: str) -> Path:
    """Return where the PDF of a profile goes."""
    folder = paths.report_dir() if profile == "full" else paths.output_dir(profile)
    return folder / "report.pdf"


def record_path(profile: str) -> Path:
    """Return the file that says what a profile's PDF was made from."""
    return paths.generated_dir(profile) / "report.json"


def recorded(profile: str) -> dict:
    """Return what the PDF was made from: ``{"inputs": {path: sha256}, "pdf": sha256}``, or {}."""
    try:
        return json.loads(record_path(profile).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


class NotTypeset(RuntimeError):
    """Raised where no PDF could be made; the message is for the user."""


def is_current(name: str) -> bool:
    """Return whether the profile's PDF was made from the sources and outputs as they are."""
    pdf, record = pdf_path(name), recorded(name)
    return (
        pdf.exists()
        and record.get("inputs") == input_hashes(name)
        and record.get("pdf") == hash_of(pdf)
    )


def _environment(name: str, build: Path) -> dict[str, str]:
    folders = [build, paths.generated_dir(name), paths.figures_dir(name)]
    search = os.pathsep.join([".", *map(str, folders), ""])
    lookup = os.pathsep.join([str(paths.report_dir()), ""])
    # Long lines: LaTeX would else cut file names in its log.
    wide = {"max_print_line": "1000", "error_line": "254", "half_error_line": "238"}
    return {**os.environ, **wide, "TEXINPUTS": search, "BIBINPUTS": lookup}


def _latexmk(name: str, build: Path, kept: Path) -> Path:
    options = "-pdf -g -silent -interaction=nonstopmode -halt-on-error -file-line-error"
    command = ["latexmk", *options.split(), f"-outdir={build}", "-jobname=report", "main.tex"]
    run = subprocess.run(
        command,
        cwd=paths.report_dir(),
        env=_environment(name, build),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    log = build / "report.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    kept.write_text(text, encoding="utf-8")
    where = kept.relative_to(paths.root())
    if run.returncode:
        lines = latex.errors_in(text) or run.stderr.decode(errors="replace").splitlines()[-15:]
        raise NotTypeset("\n".join([*lines, f"report: LaTeX failed; the whole log is {where}"]))
    if lines := latex.undefined_in(text):
        raise NotTypeset("\n".join([*lines, f"report: undefined names; the whole log is {where}"]))
    if name == "full" and (lines := latex.overfull_in(text)):
        raise NotTypeset("\n".join([*lines, f"report: boxes run over; the whole log is {where}"]))
    return build / "report.pdf"


def typeset(name: str) -> Path:
    """Make the PDF of the profile ``name`` and record its inputs; raise NotTypeset."""
    if lacking := latex.missing():
        raise NotTypeset(f"report: {latex.advice(lacking)}")
    inputs = input_hashes(name)
    final, logs = pdf_path(name), paths.root() / "build" / "latex"
    logs.mkdir(parents=True, exist_ok=True)
    paths.sweep(logs, ".run-*")
    # A fresh folder: what a killed run left, or another run writes, cannot spoil this one.
    with TemporaryDirectory(dir=logs, prefix=".run-") as folder:
        build = Path(folder)
        for file, text in written_here(name):
            (build / file).write_text(text, encoding="utf-8")
        made = _latexmk(name, build, logs / f"{name}.log")
        with atomic_path(final) as partial:
            shutil.copyfile(made, partial)
    record = {"profile": name, "pdf": hash_of(final), "inputs": inputs}
    record_path(name).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(record_path(name)) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return final


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m practicals.publish.report", description=__doc__
    )
    parser.add_argument("--setup", action="store_true", help="see that LaTeX is installed")
    if parser.parse_args(arguments).setup:
        return latex.setup()
    try:
        name = profile.current().name
        if not sources()[1:]:
            print("report: nothing to do: report/chapters/ holds no chapter")
            return 0
        if name == "full" and front.write(ledgers_of(name)):
            print("report: the table of main results in README.md is new")
        if is_current(name):
            print("report: up to date")
            return 0
        print(f"report: typesetting ({name})", flush=True)
        print(f"report: {typeset(name).relative_to(paths.root())}")
    except (profile.UnknownProfile, NotTypeset) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: the older PDF is untouched", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
