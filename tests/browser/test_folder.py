"""Every page opens from a folder as it does from a server."""

import pytest

from tests.browser import checks
from tests.browser.pages import PAGES


@pytest.fixture(scope="module")
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


# The 404 page is a server's, and its links begin at the server's root.
@pytest.mark.parametrize("name", [page for page in PAGES if page != "404"])
def test_page_opens_from_a_folder(context, html, name):
    page = context.new_page()
    watch = checks.Watch(page, "file:")
    page.goto((html / f"{name}.html").as_uri())
    checks.settle(page)
    page.close()
    checks.nothing(watch.messages + watch.failed + watch.elsewhere)
