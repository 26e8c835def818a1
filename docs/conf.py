"""Sphinx's settings: the notebooks as committed, the package's docstrings, and two playgrounds.

``make site`` copies pages, notebooks and figures to ``build/site-source/`` and builds from there,
so that nothing generated lies beside what is written by hand. Nothing is run.
"""

import json
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))  # for pages.py
NPM, EXPORTED, MADE = (ROOT / "build" / name for name in ("npm", "playground", "site-static"))
ORT = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
VENDOR = {
    "mathjax/es5/tex-svg.js": "mathjax/tex-svg.js",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/LICENSE": "mathjax/LICENSE",
} | {f"onnxruntime-web/dist/{name}": f"ort/{name}" for name in ORT}
"""Files of npm packages, and where they lie below ``_static/vendor/``."""

project = html_title = "Deep learning applications"
author = 'The authors of "Deep learning applications"'
project_copyright = "the authors, MIT licence"
language = "en"

extensions = ["myst_nb", "autodoc2"]
nb_execution_mode = "off"
nb_custom_formats = {".ipynb": "pages.read_notebook"}
nb_merge_streams = True
nb_output_stderr = "remove"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3

autodoc2_packages = [
    f"../../src/{file.parent.name}" for file in sorted(ROOT.glob("src/*/__init__.py"))
]
autodoc2_output_dir = "api"
# Not merged with what a library says of __init__, which is no Markdown.
autodoc2_class_docstring = "both"
autodoc2_hidden_objects = ["dunder", "inherited", "private", "undoc"]
autodoc2_render_plugin = "pages.Renderer"
autodoc2_index_template = """API reference
=============

What the notebooks import, from its docstrings.

.. toctree::
   :titlesonly:
{% for package in top_level %}
   {{ package }}
{%- endfor %}
"""
autodoc2_docstring_parser_regexes = [(".*", "pages")]
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries = False
# lexing: cells may hold lines that are not Python. ref.python: two chapters may name a type alike.
suppress_warnings = ["misc.highlighting_failure", "ref.python"]

html_theme = "furo"
html_static_path = ["_static", str(MADE)]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "_static/icon.svg"
html_sourcelink_suffix = ""
html_show_sourcelink = html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
# SVG needs no font files, so that formulas show without a network and from a folder as well.
mathjax_path = "vendor/mathjax/tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "global"}}


def setup(app: Sphinx) -> None:
    """Gather what runs in the browser before Sphinx copies it."""
    shutil.rmtree(MADE, ignore_errors=True)
    modules = NPM / "node_modules"
    packed = all((modules / name).exists() for name in VENDOR)
    for source, target in VENDOR.items() if packed else ():
        final = MADE / "vendor" / target
        final.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (modules / source).is_dir() else shutil.copyfile
        copy(modules / source, final)
    if not packed:  # formulas stay TeX
        (MADE / "vendor" / "mathjax").mkdir(parents=True)
        (MADE / "vendor" / "mathjax" / "tex-svg.js").write_text("// npm was missing\n")
    shutil.copytree(EXPORTED, MADE / "models", ignore=shutil.ignore_patterns(".*"))
    facts = {"runtime": packed, "files": sorted(path.name for path in EXPORTED.glob("[!.]*"))}
    (MADE / "models" / "models.json").write_text(json.dumps(facts) + "\n")
    app.connect("html-page-context", _finish, priority=900)  # after the theme's own


def _finish(app: Sphinx, name: str, template: str, context: dict, tree: object) -> None:
    """Offer a notebook's file, and mend two attributes over which screen readers stumble."""
    menu = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = menu.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )
    body = context.get("body", "").replace(' aria-label="Toggle hidden content"', "")
    if name.startswith("notebooks/"):
        file = f"../_sources/{name}.ipynb"
        link = f'</h1>\n<p><a href="{file}" download>Download this notebook</a></p>'
        body = body.replace("</h1>", link, 1)
    context["body"] = body
