"""Every page opens from a folder as it does from a server."""

import pytest

from tests.browser import checks
from tests.browser.pages import PAGES


@pytest.fixture(scope="module")
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_from_a_folder(context, html, name):
    page = context.new_page()
    watch = checks.Watch(page, "file:")
    page.goto((html / f"{name}.html").as_uri())
    checks.settle(page)
    assert watch.messages + watch.failed + watch.elsewhere == []
    page.close()
