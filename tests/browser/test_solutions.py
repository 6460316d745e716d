"""Solutions are closed until the reader opens them, by mouse or by keyboard."""

import pytest

from tests.browser.pages import LISTED

NOTEBOOKS = [page for page in LISTED if page.startswith("notebooks/")]
WAYS = {
    "click": lambda button: button.click(),
    "Enter": lambda button: button.press("Enter"),
    "Space": lambda button: button.press("Space"),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_solutions_open_and_close(browser, site, name):
    page = browser.new_page()
    page.goto(f"{site}{name}.html")
    solutions = page.locator("main .solution.dropdown")
    assert solutions.count() >= 3
    for solution in solutions.all():
        button = solution.get_by_role("button").first
        content = solution.locator("section").first
        for way, use in WAYS.items():
            assert not content.is_visible(), way
            use(button)
            assert content.is_visible(), f"{way} does not open it"
            use(button)
    page.close()
