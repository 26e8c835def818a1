r"""What the report's LaTeX sources use: numbers, tables, figures, citations."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from practicals import paths

COMMENT = re.compile(r"(?<!\\)%.*")
MACRO = re.compile(r"\\(res|respm|resn)\{([^{}\\]+)\}\{([^{}\\]+)\}")
GRAPHICS = re.compile(r"\\includegraphics\s*(?:\[[^\]]*\])?\{([^{}\\#]+)\}")
INPUT = re.compile(r"\\input\{([^{}\\#]+)\}")
CITE = re.compile(r"\\cite[a-zA-Z]*\*?(?:\[[^\]]*\])*\{([^{}\\#]+)\}")
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
    return {path.name: COMMENT.sub("", path.read_text(encoding="utf-8")) for path in files}


def numbers() -> list[Use]:
    """Return the uses of ledger numbers: ``name`` is the key, ``macro`` one of res, respm, resn."""
    found = ((file, use) for file, text in _texts().items() for use in MACRO.findall(text))
    return [Use(key, file, macro, stem) for file, (macro, stem, key) in found]


def _names(pattern: re.Pattern[str]) -> list[Use]:
    found = ((file, group) for file, text in _texts().items() for group in pattern.findall(text))
    return [Use(name.strip(), file) for file, group in found for name in group.split(",")]


def pictures() -> list[Use]:
    r"""Return the pictures of ``\includegraphics``, without folder and suffix."""
    return [Use(Path(use.name).stem, use.file) for use in _names(GRAPHICS)]


def inputs() -> list[Use]:
    r"""Return the files of ``\input``, without folder and suffix."""
    return [Use(Path(use.name).name.removesuffix(".tex"), use.file) for use in _names(INPUT)]


def citations() -> list[Use]:
    """Return the keys cited."""
    return _names(CITE)


def bibliography() -> set[str]:
    """Return the keys of ``references.bib``."""
    path = paths.report_dir() / "references.bib"
    return set(ENTRY.findall(path.read_text(encoding="utf-8"))) if path.exists() else set()


def printed_inputs(profile: str) -> list[Path]:
    """Return the files that the PDF is made from: sources, generated files, figures shown."""
    report = paths.report_dir()
    files = [*sources(), report / "practicals.sty", report / "references.bib"]
    files += sorted(paths.generated_dir(profile).glob("*.tex"))
    for use in pictures():
        found = (paths.figures_dir(profile) / f"{use.name}.{s}" for s in ("pdf", "png"))
        files += [path for path in found if path.exists()][:1]
    return [path for path in dict.fromkeys(files) if path.exists()]


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def input_hashes(profile: str) -> dict[str, str]:
    """Return the sha256 of each file the PDF is made from, by its path below the root."""
    root = paths.root()
    return {p.relative_to(root).as_posix(): sha256_of(p) for p in printed_inputs(profile)}


def pdf_path(profile: str) -> Path:
    """Return where the PDF of a profile goes."""
    folder = paths.report_dir() if profile == "full" else paths.output_dir(profile)
    return folder / "report.pdf"


def record_path(profile: str) -> Path:
    """Return the file that says what a profile's PDF was made from."""
    return paths.generated_dir(profile) / "report.json"


def recorded(profile: str) -> dict:
    """Return what the PDF was made from: ``{"inputs": {path: sha256}, "pdf": sha256}``, or {}."""
    path = record_path(profile)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
