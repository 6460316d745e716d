"""A browser, and the built book on a server: what the tests of pages in a browser share."""

import http.server
import os
import re
import threading
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tools import browser as browsers
from tools import repository

# The published book lies in a folder of its host, so here it does too: a link from the root shows.
PREFIX = "/" + repository.slug(repository.configured()).split("/")[1] + "/"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the book as GitHub Pages does: in a folder, with its 404 page, uncompressed."""

    protocol_version = "HTTP/1.1"
    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".woff2": "font/woff2",
    }

    def translate_path(self, path):
        """Outside of the book's folder nothing is found."""
        if not path.startswith(PREFIX):
            return os.path.join(self.directory, "outside of the book")
        return super().translate_path("/" + path[len(PREFIX) :])

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory, "404.html")
        if code != 404 or not page.exists():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def log_message(self, *args):
        """Say nothing: what fails is seen in the browser."""


class Server(http.server.ThreadingHTTPServer):
    """A server that is not troubled by a page closed while it still loads."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing, see above."""


@pytest.fixture(scope="session")
def site(html):
    """Address of the book on a server of this machine; ends in a slash."""
    with Server(("127.0.0.1", 0), partial(Handler, directory=html)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """Path of Chromium; without one the tests are skipped, or fail under REQUIRE_BROWSER=1."""
    path = browsers.find()
    if path is None:
        (pytest.fail if browsers.required() else pytest.skip)(
            f"{browsers.MISSING}: {browsers.ADVICE}"
        )
    return path


@pytest.fixture(scope="module")
def browser(chromium):
    """Chromium, which reaches this machine only: any other host is unknown to it.

    Of a module, not of the session: while it is open, Playwright's event loop runs in this
    thread, and the tests of notebooks, which come to the same worker, want their own.
    """
    arguments = [
        "--no-sandbox",  # root has to, and only our own pages are opened
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Open a document in a window of its own; a script's error fails the test."""
    contexts, errors = [], []

    def open_page(html, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)[:300]))
        page.on("console", lambda message: errors.append(message.text[:300]))
        page.set_content(html)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of the page of a test that failed, and say where it is."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    page = arguments.get("page") or getattr(arguments.get("visit"), "page", None)
    if report.when == "call" and report.failed and page and not page.is_closed():
        file = browsers.SCREENSHOTS / (re.sub(r"[^\w.-]+", "-", item.name).strip("-") + ".png")
        page.screenshot(path=file, full_page=True)
        report.sections.append(("screenshot", str(file)))
    return report
