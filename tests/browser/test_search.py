"""The search finds every page by words of its prose, on a server and from a folder."""

import html as entities
import re
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests.browser import checks
from tests.browser.pages import FRONT, LISTED

ARTICLE = re.compile(r"<article\b.*?</article>", re.S)
PARAGRAPH = re.compile(r"<p\b[^>]*>(.*?)</p>", re.S)
WORDS = re.compile(r"(?<![\w-])[a-z]{4,}(?: [a-z]{4,}){1,}(?![\w-])")


@cache
def phrases(folder: Path) -> dict[str, str]:
    """For each page up to three words in a row, as rare in the rest of the book as can be."""
    found = {}
    for page in LISTED:
        article = ARTICLE.search((folder / f"{page}.html").read_text(encoding="utf-8"))[0]
        prose = (entities.unescape(re.sub(r"<[^>]+>", "#", p)) for p in PARAGRAPH.findall(article))
        runs = chain.from_iterable(WORDS.findall(" ".join(text.split())) for text in prose)
        found[page] = [
            words[i : i + 3]
            for words in map(str.split, runs)
            for i in range(max(1, len(words) - 2))
        ]
    pages = Counter(
        word for windows in found.values() for word in set(chain.from_iterable(windows))
    )
    return {
        page: " ".join(min(windows, key=lambda words: sorted(pages[word] for word in words)))
        for page, windows in found.items()
    }


@pytest.fixture(scope="module")
def page(browser, site):
    """A page that has its searches and their results behind it."""
    page = browser.new_page()
    yield page
    page.close()


def results(page, start: str, phrase: str) -> dict[str, str]:
    """Search on the search page at `start`; the title of each result by its address."""
    page.goto(f"{start}search.html")
    field = page.locator("main").get_by_role("searchbox").or_(page.locator("main input[name=q]"))
    field.first.fill(phrase)
    field.first.press("Enter")
    page.locator("#search-results .search-summary").filter(has_text="found").wait_for()
    links = page.locator("#search-results li a")
    addresses = links.evaluate_all("links => links.map(link => link.href.split(/[?#]/)[0])")
    return dict(zip(addresses, links.all_inner_texts(), strict=True))


# What the search page does with the text in its field, less the list that it shows.
FIND = """phrases => phrases.map(
  phrase => Search._performSearch(...Search._parseQuery(phrase)).map(result => result[0]))"""


def test_a_phrase_of_every_page_finds_it(page, site, html):
    page.goto(f"{site}search.html")
    page.wait_for_function("Search.hasIndex()")
    found = dict(zip(LISTED, page.evaluate(FIND, list(phrases(html).values())), strict=True))
    lost = [name for name, files in found.items() if name not in files]
    checks.nothing([f"{phrases(html)[name]!r} finds {found[name]}, not {name}" for name in lost])


@pytest.mark.parametrize("name", [FRONT, LISTED[-1]])
def test_a_result_leads_to_its_page(page, site, html, name):
    phrase, address = phrases(html)[name], f"{site}{name}.html"
    found = results(page, site, phrase)
    assert address in found, f"{phrase!r} finds {list(found)}"
    page.locator(f'#search-results a[href*="{name}.html"]').first.click()
    page.wait_for_url(lambda url: url.split("?")[0].split("#")[0] == address)
    assert phrase.split()[0] in page.locator("main").inner_text().lower()


def test_the_keyboard_opens_the_search(page, site, html):
    page.goto(f"{site}{FRONT}.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(phrases(html)[FRONT])
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.locator(f'#search-results a[href*="{FRONT}.html"]').first.wait_for()


def test_the_search_works_from_a_folder(browser, html):
    page = browser.new_page()
    watch = checks.Watch(page, "file:")
    start = f"{html.as_uri()}/"
    found = results(page, start, phrases(html)[FRONT])
    assert f"{start}{FRONT}.html" in found
    page.close()
    checks.nothing(watch.messages + watch.failed + watch.elsewhere)
