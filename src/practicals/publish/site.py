"""Write the sources of the site to ``build/site-source/``: ``python -m practicals.publish.site``.

Hand-written pages lie in ``site/``; the others are made of what is committed: notebooks with their
outputs, ledgers, figures, kept networks and docstrings. Nothing is run. Sphinx makes the pages.
"""

import filecmp
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from practicals import paths
from practicals.publish import captions, cleaning, pages, reference, render, results, times

NOT_PAGES = ("package.json", "package-lock.json", "highlights.json", "titles.json")
MODELS = ("adversarial-plain.onnx", "adversarial-robust.onnx", "adversarial-digits.json")
MODELS += ("gan-conditional.onnx",)
"""What the playgrounds read from ``data/models/``."""
ORT = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
VENDOR = {
    "mathjax/es5/tex-svg.js": "mathjax/tex-svg.js",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/LICENSE": "mathjax/LICENSE",
} | {f"onnxruntime-web/dist/{name}": f"ort/{name}" for name in ORT}
"""Files of npm packages, and where they lie below ``_static/vendor/``."""
SCREEN_DPI = 120
"""Half of ``figures.DPI``, which is in a module that loads matplotlib."""
CHAPTERS, MAIN = "<!-- chapters -->", "<!-- main results -->"


def source_dir() -> Path:
    """Return the folder that Sphinx reads."""
    return paths.root() / "build" / "site-source"


def node_modules() -> Path:
    """Return the folder of npm packages; it is absent where npm is."""
    return paths.root() / "build" / "npm" / "node_modules"


def ledgers() -> dict[str, dict[str, Any]]:
    """Return the published ledgers, stem to content; empty for a notebook that has none yet."""
    folder = paths.generated_dir("full")
    return {stem: render.read_ledger(folder / f"{stem}.json") or {} for stem in render.stems()}


def _chosen(name: str) -> dict[str, Any]:
    """Return what a person chose for the site in a file that may be absent."""
    file = paths.root() / "site" / name
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def highlights() -> dict[str, dict[str, Any]]:
    """Return which figure and claims of a chapter stand on the front page; both may be absent."""
    return _chosen("highlights.json")


def table_captions(stem: str, kept: Mapping[str, dict[str, Any]]) -> dict[str, captions.Caption]:
    """Return the report's captions of a chapter's tables, by the name of the table's file.

    ``site/titles.json`` has titles for captions that begin with none.
    """
    chapter = paths.report_dir() / "chapters" / f"{stem}.tex"
    if not chapter.is_file():
        return {}
    drawn = {f"{stem}-{name}": results.words(name) for name in kept[stem].get("figures", {})}
    values = {other: ledger.get("values", {}) for other, ledger in kept.items()}
    # The appendix has what is too long for a chapter.
    files = (chapter, chapter.with_name("appendix.tex"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    return captions.of_chapter(text, values, drawn, _chosen("titles.json"))


def assemble(folder: Path) -> list[str]:
    """Write all sources into the empty ``folder``; return what a reader of them will miss."""
    ignore = shutil.ignore_patterns(*NOT_PAGES, "__pycache__", ".*")
    shutil.copytree(paths.root() / "site", folder, ignore=ignore, dirs_exist_ok=True)
    kept, notes = ledgers(), []
    notebooks = {
        stem: cleaning.read(paths.notebooks_dir() / f"{stem}.ipynb") for stem in render.stems()
    }
    titles = {stem: pages.title_of(nb) for stem, nb in notebooks.items()}
    for stem, nb in notebooks.items():
        notes += pages.write(stem, nb, folder)
    widths = figures(kept, folder / "_static" / "figures")
    _write(folder / "times.md", times.page(notebooks, titles))
    _write(folder / "claims.md", results.claims_page(kept, titles))
    _write(folder / "results" / "index.md", results.index(kept, titles))
    for stem, ledger in kept.items():
        said = table_captions(stem, kept)
        tables = paths.generated_dir("full")
        text = results.page(stem, titles[stem], ledger, tables, said, widths)
        _write(folder / "results" / f"{stem}.md", text)
    _front(folder / "index.md", kept, titles)
    notes += _others(folder)
    for name, text in reference.pages(paths.root() / "src" / "practicals").items():
        _write(folder / "api" / f"{name}.md", text)
    return notes + vendor(folder / "_static")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _front(path: Path, kept: Mapping[str, dict[str, Any]], titles: Mapping[str, str]) -> None:
    text, chosen = path.read_text(encoding="utf-8"), highlights()
    text = text.replace(CHAPTERS, results.cards(kept, titles, chosen))
    path.write_text(text.replace(MAIN, results.main_results(kept, chosen)), encoding="utf-8")


def _others(folder: Path) -> list[str]:
    """Add the data page and the report; return what is missing."""
    text = (paths.root() / "data" / "README.md").read_text(encoding="utf-8")
    _write(folder / "data.md", pages.relinked(text, "data", [])[0])
    pdf = paths.report_dir() / "report.pdf"
    if not pdf.is_file():
        return ["report/report.pdf is not there: links to it say so"]
    shutil.copyfile(pdf, folder / "_static" / "report.pdf")
    return []


def figures(kept: Mapping[str, dict[str, Any]], folder: Path) -> dict[str, int]:
    """Copy the figures that ledgers vouch for, in the form that a browser shows; return widths."""
    folder.mkdir(parents=True, exist_ok=True)
    widths = {}
    for ledger in kept.values():
        for name in results.shown_files(ledger).values():
            source = paths.figures_dir("full") / name
            if source.is_file():
                shutil.copyfile(source, folder / name)
                if width := width_of(source):
                    widths[name] = width
    return widths


def width_of(picture: Path) -> int | None:
    """Return the width in CSS pixels at which a notebook shows a figure; None for an animation."""
    from PIL import Image

    with Image.open(picture) as opened:
        dots = opened.info.get("dpi")
        return round(opened.width / float(dots[0]) * SCREEN_DPI) if dots else None


def vendor(static: Path) -> list[str]:
    """Copy kept networks and npm's files; return why formulas or playgrounds will not work."""
    (static / "models").mkdir(parents=True, exist_ok=True)
    there = [name for name in MODELS if (paths.root() / "data" / "models" / name).is_file()]
    for name in there:
        shutil.copyfile(paths.root() / "data" / "models" / name, static / "models" / name)
    packed = all((node_modules() / name).exists() for name in VENDOR)
    for source, target in VENDOR.items() if packed else ():
        final = static / "vendor" / target
        final.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (node_modules() / source).is_dir() else shutil.copyfile
        copy(node_modules() / source, final)
    facts = {"runtime": packed, "files": there}
    _write(static / "models" / "models.json", json.dumps(facts) + "\n")
    notes = [f"data/models/{name} is not there yet" for name in MODELS if name not in there]
    if not packed:
        notes.append("npm's packages are not there: no playgrounds, and formulas as TeX")
    return notes


def synchronise(made: Path, final: Path) -> None:
    """Make ``final`` equal to ``made``; files that are equal keep their time, for Sphinx's sake."""
    wanted = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for path in [p for p in final.rglob("*") if p.is_file()]:
        if path.relative_to(final) not in wanted:
            path.unlink()
    for name in wanted:
        old, new = final / name, made / name
        if not (old.is_file() and filecmp.cmp(old, new, shallow=False)):
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new, old)


def _print(notes: Iterable[str]) -> None:
    for note in dict.fromkeys(notes):
        print(f"site: note: {note}")


def main() -> int:
    """Write the sources, print what is missing, and return the exit status."""
    try:
        (paths.root() / "build").mkdir(exist_ok=True)
        with TemporaryDirectory(dir=paths.root() / "build", prefix=".site-") as name:
            _print(assemble(Path(name)))
            synchronise(Path(name), source_dir())
    except (cleaning.Unreadable, ValueError, OSError) as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    print(f"site: sources in {source_dir().relative_to(paths.root())}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
