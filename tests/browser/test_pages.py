"""Every built page, on a screen and on a phone, in light and in dark."""

import pytest

from tests.browser import checks
from tests.browser.pages import PAGES

# In this order a page is opened twice and changes its theme twice, once each way: each width and
# each theme has a page that was opened so.
LOOKS = ((1280, "light"), (1280, "dark"), (360, "dark"), (360, "light"))
HEIGHTS = {1280: 800, 360: 740}


class Visits:
    """One open page at a time, in a context for each width; what is cached stays cached."""

    def __init__(self, browser, site):
        self.browser, self.site = browser, site
        self.contexts, self.now, self.page, self.watch = {}, None, None, None

    def open(self, name: str, width: int, theme: str):
        """Open a page, or change the theme of the one that is open."""
        if self.now != (name, width):
            self.close()
            if width not in self.contexts:
                viewport = {"width": width, "height": HEIGHTS[width]}
                self.contexts[width] = self.browser.new_context(viewport=viewport)
            self.page = self.contexts[width].new_page()
            self.page.emulate_media(color_scheme=theme)
            self.watch = checks.Watch(self.page, checks.origin(self.site))
            self.page.goto(f"{self.site}{name}.html")
            self.now = name, width
        self.page.emulate_media(color_scheme=theme)
        self.page.wait_for_selector(f"html[data-theme={theme}]")
        checks.settle(self.page)
        return self.page

    def close(self):
        """Close the page that is open."""
        if self.page:
            self.page.close()
        self.page = self.now = None


@pytest.fixture(scope="module")
def visits(browser, site):
    """See `Visits`."""
    visits = Visits(browser, site)
    yield visits
    visits.close()
    for context in visits.contexts.values():
        context.close()


@pytest.fixture(
    scope="module",
    params=[(page, *look) for page in PAGES for look in LOOKS],
    ids=lambda visit: "{} {} {}".format(*visit),
)
def visit(request, visits):
    """The visits with one page open, in one look."""
    visits.open(*request.param)
    return visits


def test_silent(visit):
    """No error and no warning on the console, nothing thrown."""
    checks.nothing(visit.watch.messages)


def test_every_request_is_answered(visit):
    checks.nothing(visit.watch.failed)


def test_nothing_is_asked_of_another_server(visit):
    own = checks.origin(visit.site)
    checks.nothing(visit.watch.elsewhere + checks.connections(visit.page, own))


def test_no_sideways_scroll(visit):
    """Wide equations, tables and code scroll inside themselves."""
    checks.nothing(checks.sideways(visit.page))


def test_pictures_have_alternative_texts(visit):
    checks.nothing(checks.unnamed_pictures(visit.page))


def test_accessible(visit):
    """No violation that axe-core calls serious or critical."""
    checks.nothing(checks.accessibility(visit.page))
