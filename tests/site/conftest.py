"""The built site behind a server of its own, and a headless browser; both or a loud skip."""

import functools
import http.server
import os
import shutil
import threading

import pytest

from practicals import paths

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def site():
    """Return the folder of the built site."""
    folder = paths.root() / "build" / "site"
    if not (folder / "index.html").is_file():
        pytest.skip("the site is not built: make site")
    return folder


@pytest.fixture(scope="session")
def address(site):
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright: make site installs it")
    wanted = os.environ.get("CHROMIUM")
    found = wanted or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        pytest.skip("no Chromium: apt-get install chromium, or name one in CHROMIUM")
    with sync.sync_playwright() as started:
        # Root may not use Chromium's sandbox, and containers have a small /dev/shm.
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        running = started.chromium.launch(executable_path=found, args=flags)
        yield running
        running.close()


@pytest.fixture
def page(browser):
    """Return a narrow page; ``page.complaints`` gathers errors and files that did not come."""
    made = browser.new_page(viewport={"width": 390, "height": 844})
    made.complaints = []
    made.set_default_timeout(60_000)

    def heard(message):
        if message.type == "error":
            made.complaints.append(message.text)

    made.on("console", heard)
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.on("requestfailed", lambda r: made.complaints.append(f"{r.url}: {r.failure}"))
    made.on(
        "response", lambda r: r.status >= 400 and made.complaints.append(f"{r.url}: {r.status}")
    )
    yield made
    made.close()
