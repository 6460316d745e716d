"""What pages say of themselves: description, preview, address, citation; sitemap and 404."""

import json
import re
import struct
import sys
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes

import companion
from tools import preview, repository

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import sharing  # noqa: E402

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
BASE = CONFIG["sphinx"]["config"]["html_baseurl"]
MADE = {"404", "genindex", "index", "py-modindex", "search"}


@pytest.fixture(scope="module")
def pages(html):
    """All pages that somebody wrote, read."""
    found = {}
    for file in sorted(html.rglob("*.html")):
        name = file.relative_to(html).with_suffix("").as_posix()
        if name not in MADE and not name.startswith("_"):
            found[name] = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
    return found


def meta(page):
    named = page.select("head meta[content]")
    pairs = [(tag.get("name") or tag.get("property"), tag["content"]) for tag in named]
    return dict(pairs)


def test_address_is_that_of_the_repository():
    owner, name = repository.slug(repository.configured()).split("/")
    assert BASE == f"https://{owner}.github.io/{name}/"
    there, count = repository.renamed(BASE.encode(), f"{owner}/{name}", "some-one/thing")
    assert (there, count) == (b"https://some-one.github.io/thing/", 1)


def test_every_page_describes_itself(pages):
    assert len(pages) > 15
    said = {name: meta(page)["description"] for name, page in pages.items()}
    assert all(len(text) >= 40 for text in said.values())
    assert all(len(text) <= sharing.LENGTH + 2 for text in said.values())
    assert len(set(said.values())) == len(said)
    for name, page in pages.items():
        tags = meta(page)
        assert tags["og:description"] == said[name]
        assert tags["og:url"] == f"{BASE}{name}.html"
        assert tags["og:title"] and tags["og:site_name"] == CONFIG["title"]
        assert tags["og:image"] == f"{BASE}_static/preview.png" and tags["og:image:alt"]
        assert tags["twitter:card"] == "summary_large_image"
        [canonical] = page.select("link[rel=canonical]")
        assert canonical["href"] == f"{BASE}{name}.html"


def test_description_of_a_page_is_its_question(pages):
    notebooks = [name for name in pages if name.startswith("notebooks/")]
    assert notebooks
    for name in notebooks:
        cell = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"][0]
        question = re.search(r"\*\*The question\.\*\* (.+)", "".join(cell["source"]))[1]
        said = meta(pages[name])["description"].removesuffix(" …")
        said = said.translate(str.maketrans("’“”", '\'""'))
        assert re.sub(r"[*`$]", "", question).startswith(said)


def test_preview_is_there_and_drawn_from_what_the_book_draws(html):
    png = (html / "_static" / "preview.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == sharing.PREVIEW_SIZE
    assert len(png) < 300_000
    stored = preview.stored_text(png, preview.KEY)
    assert stored == preview.source(), "draw it again: python tools/preview.py"


# --- Citations


def document(*paragraphs):
    made = [nodes.paragraph("", text) for text in paragraphs]
    return nodes.document(None, None, "", nodes.section("", *made))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The question. Who asks? And why?", "Who asks? And why?"),
        ("What this part answers. Who asks?", "Who asks?"),
        ("A first paragraph.", "A first paragraph."),
        ("word " * 100, ("word " * 60).strip() + " …"),
    ],
)
def test_description(text, said):
    assert sharing.description(document(text, "Another.")) == said


def test_citation_of_a_page():
    about = {
        "title": "A Book",
        "version": "1.2.3",
        "date-released": "2031-05-06",
        "authors": [{"given-names": "Ada", "family-names": "Byron"}, {"name": "The Others"}],
    }
    made = sharing.citation(about, "3-1-forward", "3.1 Forward", "https://x.org/3-1.html")
    assert made["plain"] == (
        "Ada Byron, The Others (2031). 3.1 Forward. In A Book. Version 1.2.3. "
        "https://x.org/3-1.html"
    )
    assert made["bibtex"].startswith("@incollection{a-book-3-1-forward,\n")
    assert "  author = {{Ada Byron} and {The Others}},\n" in made["bibtex"]
    whole = sharing.citation(about, "index", "A Book", "https://x.org/")
    assert whole["plain"].startswith("Ada Byron, The Others (2031). A Book. Version")
    assert whole["bibtex"].startswith("@book{a-book,\n") and "booktitle" not in whole["bibtex"]


def test_every_page_can_be_cited(pages):
    from pybtex.database import parse_string

    keys = set()
    for name, page in pages.items():
        [box] = page.select("footer details.cite-page")
        assert box.summary.get_text() == "Cite this page"
        plain, code = box.p.get_text(), box.select_one("div.highlight > pre").get_text()
        [(key, entry)] = parse_string(code, "bibtex").entries.items()
        keys.add(key)
        assert entry.fields["url"] == f"{BASE}{name}.html" and entry.fields["url"] in plain
        assert entry.fields["note"] == f"Version {companion.__version__}"
        assert entry.fields["year"] == CITATION["date-released"][:4]
        authors = [author["name"] for author in CITATION["authors"]]
        assert [str(person) for person in entry.persons["author"]] == [f"{{{a}}}" for a in authors]
        assert entry.fields["title"].strip("{}") in plain
    assert len(keys) == len(pages)


def test_scholars_find_author_and_title(pages):
    for name, page in pages.items():
        if name.startswith("notebooks/"):
            tags = meta(page)
            heading = page.h1.get_text().rstrip("#").strip()
            assert tags["citation_title"] == tags["og:title"] == heading
            assert tags["citation_author"] == CITATION["authors"][0]["name"]
            assert tags["citation_publication_date"] == CITATION["date-released"].replace("-", "/")


# --- Sitemap, root and 404


def test_sitemap_lists_every_page(html, pages):
    root = ElementTree.fromstring((html / "sitemap.xml").read_text(encoding="utf-8"))
    listed = [url.text for url in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert sorted(listed) == sorted(f"{BASE}{name}.html" for name in [*pages, "genindex"])
    assert f"Sitemap: {BASE}sitemap.xml" in (html / "robots.txt").read_text().splitlines()


def test_root_leads_to_the_front_page(html):
    page = BeautifulSoup((html / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert page.html["lang"] == "en" and page.title.get_text() == CONFIG["title"]
    address = page.select_one("meta[http-equiv=refresh]")["content"].split("url=")[1]
    assert (html / address).exists() and page.a["href"] == address
    assert page.select_one("link[rel=canonical]")["href"] == BASE + address
    assert meta(page)["og:image"] == f"{BASE}_static/preview.png"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ('<a href="book/x.html#y">', '<a href="/b/book/x.html#y">'),
        ('<script src="_static/x.js">', '<script src="/b/_static/x.js">'),
        ('<html data-content_root="./">', '<html data-content_root="/b/">'),
        ('<a href="#main">', '<a href="#main">'),
        ('<a href="https://x.org/">', '<a href="https://x.org/">'),
        ('<img src="data:image/png,x">', '<img src="data:image/png,x">'),
        ('<a href="mailto:a@x.org">', '<a href="mailto:a@x.org">'),
    ],
)
def test_links_begin_at_the_root(given, made):
    assert sharing.rooted(given, "https://a.org/b/") == made


def test_404_works_at_any_depth(html):
    text = (html / "404.html").read_text(encoding="utf-8")
    page, root = BeautifulSoup(text, "html.parser"), urlsplit(BASE).path
    addresses = [
        (tag[name], tag)
        for name in ("href", "src", "action")
        for tag in page.find_all(attrs={name: True})
        if not re.match(r"https?:|#|data:", tag[name])
    ]
    assert len(addresses) > 30
    for address, tag in addresses:
        assert address.startswith(root), tag
        assert (html / address.removeprefix(root).split("?")[0].split("#")[0]).exists(), tag
    assert page.html["data-content_root"] == root
    assert page.select_one("form.search-the-book input[name=q]")
    assert page.select_one("meta[name=robots]")["content"] == "noindex"
    assert not page.select("link[rel=canonical]")
    assert page.select_one("article h1").get_text() == "Page not found" and not page.select(
        "details.cite-page"
    )
