"""Sphinx's settings. The sources are written by ``python -m practicals.publish.site``."""

from pathlib import Path

HERE = Path(__file__).parent
HAS_MATHJAX = (HERE / "_static" / "vendor" / "mathjax" / "tex-svg.js").is_file()

project = "Deep learning applications"
author = 'The authors of "Deep learning applications"'
project_copyright = "the authors, MIT licence"
version = release = "0.1.0"
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_dmath_double_inline = True
exclude_patterns = ["_static", "times.md"]
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
# One kind of warning is no fault here. lexing: nbclient's cells may hold lines that are not Python.
# ref.python: two chapters may name a type alike.
suppress_warnings = ["misc.highlighting_failure", "ref.python"]

html_theme = "furo"
html_title = "Deep learning applications"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "_static/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"sidebar_hide_name": False, "top_of_page_buttons": []}
templates_path: list[str] = []


def setup(app):  # noqa: ANN001, ANN201 (Sphinx's own signature)
    """Show formulas by the MathJax of npm, or as TeX where npm is missing."""
    app.connect("html-page-context", _accessible, priority=900)  # after the theme's own
    if HAS_MATHJAX:
        app.setup_extension("sphinx.ext.mathjax")
        return
    app.add_html_math_renderer("tex", (_inline, None), (_displayed, None))
    app.config.html_math_renderer = "tex"


def _accessible(app, name, template, context, tree):  # noqa: ANN001, ANN202
    """Mend two attributes that Sphinx and MyST-NB write and screen readers stumble over."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )
    if "body" in context:
        context["body"] = context["body"].replace(' aria-label="Toggle hidden content"', "")


def _inline(writer, node):  # noqa: ANN001, ANN202
    from docutils import nodes

    writer.body.append(f"<code>{writer.encode(node.astext())}</code>")
    raise nodes.SkipNode


def _displayed(writer, node):  # noqa: ANN001, ANN202
    from docutils import nodes

    writer.body.append(f"<pre>{writer.encode(node.astext())}</pre>")
    raise nodes.SkipNode


# SVG needs no font files, so that formulas show without a network and from a folder as well.
mathjax_path = "vendor/mathjax/tex-svg.js"
mathjax3_config = {
    "options": {"enableMenu": False},
    "svg": {"fontCache": "global"},
}
