"""Links, anchors and files of every built page, read from its HTML."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest

from tests.browser import checks
from tests.browser.pages import MADE, PAGES
from tools import repository

OWNER, NAME = repository.slug(repository.configured()).split("/")
PUBLISHED = f"https://{OWNER}.github.io/{NAME}/"  # where the pages will be
# Attributes by which a page refers to something, of any element.
REFERENCES = ("href", "src", "data", "poster", "content")


class Reader(HTMLParser):
    """What a page refers to, and the anchors that it has."""

    def __init__(self, text: str):
        super().__init__()
        self.references, self.anchors = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors += [values[key] for key in ("id",) if values.get(key)]
        if tag == "a" and values.get("name"):
            self.anchors.append(values["name"])
        for key in REFERENCES:
            value = values.get(key)
            # The address of a preview image stands in a meta element's content, as does prose.
            if value and (key != "content" or value.startswith(PUBLISHED)):
                self.references.append(value)

    handle_startendtag = handle_starttag


@cache
def read(file: Path) -> Reader:
    return Reader(file.read_text(encoding="utf-8"))


def dead(file: Path, html: Path) -> list[str]:
    """What a page refers to inside of the book that is not there."""
    own = PUBLISHED + file.relative_to(html).as_posix()
    found = []
    for reference in read(file).references:
        address, anchor = urldefrag(urljoin(own, reference))
        if not address.startswith(PUBLISHED):
            if not re.match(r"[a-z]+:", reference) and not reference.startswith("//"):
                found.append(f"{reference}: leads out of the book")
            continue
        path = html / unquote(address.removeprefix(PUBLISHED)).split("?")[0]
        target = path / "index.html" if path.is_dir() else path
        if not target.is_file():
            found.append(f"{reference}: no such file")
        elif anchor and target.suffix == ".html" and unquote(anchor) not in read(target).anchors:
            found.append(f"{reference}: no such anchor")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_resolve(html, page):
    assert read(html / f"{page}.html").references
    checks.nothing(dead(html / f"{page}.html", html))


@pytest.mark.parametrize("page", PAGES)
def test_no_anchor_is_there_twice(html, page):
    anchors = read(html / f"{page}.html").anchors
    if page == "search":  # the theme's field is there twice, and nothing leads to it
        anchors.remove("search-input")
    assert sorted({anchor for anchor in anchors if anchors.count(anchor) > 1}) == []


def test_all_built_pages_are_known(html):
    built = {
        path.relative_to(html).with_suffix("").as_posix()
        for path in html.rglob("*.html")
        if "_static" not in path.parts
    }
    assert built - {"index"} == set(PAGES)
    assert set(MADE) <= built


def test_the_root_leads_to_the_front_page(html):
    text = (html / "index.html").read_text(encoding="utf-8")
    [target] = re.findall(r"url=([^\"']+)", text)
    assert (html / target).is_file()
