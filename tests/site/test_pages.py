"""Every page of the built site in a browser: nothing missing, nothing broken, readable by all."""

import html.parser
import re
from urllib.parse import unquote, urldefrag, urljoin

import nbformat
import pytest

from practicals import paths

pytestmark = pytest.mark.site
AXE = paths.root() / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def names():
    """Return the pages of the site, so that each is a test of its own."""
    folder = paths.root() / "build" / "site"
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.html")
                  if "_static" not in p.parts)  # fmt: skip


def scrolled(page):
    """Walk down the page once, since pictures load when they come near."""
    page.evaluate(
        """async () => {
          for (const picture of document.images) picture.loading = 'eager';
          await Promise.all([...document.images].map((p) => p.complete ? 0 : new Promise((done) => {
            p.onload = p.onerror = done; })));
        }"""
    )


@pytest.mark.parametrize("name", names())
def test_a_page_is_whole_narrow_enough_and_accessible(name, page, address):
    page.goto(f"{address}/{name}", wait_until="load")
    scrolled(page)
    assert page.complaints == []
    lost = "[...document.images].filter((p) => p.getAttribute('src') && !p.naturalWidth)"
    assert page.evaluate(f"{lost}.map((p) => p.src)") == []
    assert page.title()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, widest(page)
    if not AXE.is_file():
        return  # test_accessibility_was_checked says so
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [rule for rule in found if rule["impact"] in SERIOUS]
    assert not serious, [
        (rule["id"], len(rule["nodes"]), [node["html"][:150] for node in rule["nodes"][:3]])
        for rule in serious
    ]


def widest(page):
    """Return what reaches beyond the page's right edge, for the message of a failing test."""
    return page.evaluate(
        """[...document.querySelectorAll('article *')]
           .filter((e) => e.getBoundingClientRect().right > 391)
           .slice(0, 5).map((e) => e.outerHTML.slice(0, 150))"""
    )


def test_accessibility_was_checked():
    if not AXE.is_file():
        pytest.skip("axe-core is missing (npm): no page was checked for accessibility")


class Links(html.parser.HTMLParser):
    """Gathers the links and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        if tag == "a" and facts.get("href"):
            self.links.add(facts["href"])
        self.anchors |= {facts[key] for key in ("id", "name") if facts.get(key)}


def test_internal_links_lead_somewhere(site):
    found = {name: Links((site / name).read_text(encoding="utf-8")) for name in names()}
    lost, here = [], "http://site/"  # urljoin joins what it knows to be an address
    for name, page in found.items():
        for link in page.links:
            whole, anchor = urldefrag(urljoin(here + name, link))
            if not whole.startswith(here):
                continue
            target = unquote(whole.removeprefix(here))
            if not (site / target).is_file():
                lost.append(f"{name}: {link}")
            elif anchor and target in found and unquote(anchor) not in found[target].anchors:
                lost.append(f"{name}: {link} (no such place)")
    assert lost == []


def test_nothing_comes_from_another_machine(site):
    outside = re.compile(
        r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*>"""
    )
    found = {name: outside.findall((site / name).read_text(encoding="utf-8")) for name in names()}
    assert {name: tags for name, tags in found.items() if tags} == {}


def test_formulas_show_without_a_network(page, address, site):
    if not (site / "_static" / "vendor" / "mathjax").is_dir():
        pytest.skip("MathJax is missing (npm): formulas stay TeX")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/notebooks/3-adversarial.html", wait_until="load")
    page.wait_for_selector("mjx-container svg")
    assert page.locator("mjx-container [data-mml-node=merror]").count() == 0
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_search_finds_a_term(page, address):
    page.goto(f"{address}/search.html?q=SmoothGrad")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").evaluate_all("all => all.map((a) => a.href)")
    assert any("notebooks/2-saliency.html" in link for link in found)


def test_every_notebook_and_every_module_has_a_page(site):
    found = set(names())
    stems = [path.stem for path in paths.notebooks_dir().glob("*.ipynb")]
    assert stems and {f"notebooks/{stem}.html" for stem in stems} <= found
    assert all((site / "_sources" / "notebooks" / f"{stem}.ipynb").is_file() for stem in stems)
    for package in (paths.root() / "src").glob("*/__init__.py"):
        parts = [p.relative_to(package.parents[1]).with_suffix("").parts
                 for p in package.parent.rglob("[!_]*.py")]  # fmt: skip
        assert parts
        assert {f"api/{p[0]}/{'.'.join(p)}.html" for p in parts} <= found


def test_a_notebook_shows_what_is_committed(page, address):
    page.goto(f"{address}/notebooks/2-saliency.html", wait_until="load")
    code = page.locator("article div.highlight").all_inner_texts()
    assert not any("BEGIN SOLUTION" in text for text in code)
    tests = page.locator("details:has-text('Show the test')")
    nb = nbformat.read(paths.notebooks_dir() / "2-saliency.ipynb", as_version=4)
    marked = [c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade")]
    graded = [c for c in marked if c.cell_type == "code"]
    assert tests.count() == len(graded) > 0
    told = [f["alt"] for c in nb.cells for o in c.get("outputs", [])
            for f in o.get("metadata", {}).values() if "alt" in f]  # fmt: skip
    heard = page.locator("article img").evaluate_all("all => all.map((p) => p.alt)")
    assert told and set(told) <= set(heard) and "" not in heard


def test_dark_mode_changes_the_colours(browser, address):
    seen = []
    for scheme in ("light", "dark"):
        made = browser.new_page(color_scheme=scheme)
        made.goto(f"{address}/index.html")
        seen.append(made.evaluate("getComputedStyle(document.body).backgroundColor"))
        made.close()
    assert seen[0] != seen[1]
