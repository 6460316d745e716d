"""Pages opened from a folder, as a person does who has downloaded them, on paper, and as a PDF."""

import re
from functools import cache

import pytest
import yaml
from pypdf import PdfReader

from tests.browser import checks, pages
from tools import pdf

ROOT = pdf.ROOT
LISTED = pdf.contents(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
PAGES = [name for depth, name in LISTED if depth]
NOTEBOOKS = [name for name in PAGES if name.startswith("notebooks/")]

# What is seen on paper of the theme's frame, of closed solutions, and of figures that are cut.
ON_PAPER = """() => {
  const seen = element => element.checkVisibility() && element.getBoundingClientRect().height > 0;
  const all = selector => [...document.querySelectorAll(selector)];
  const name = element => `${element.tagName}.${element.className}`;
  return {
    frame: all(`.bd-sidebar-primary, .bd-sidebar-secondary, .bd-header, .bd-header-article,
      .prev-next-footer, .bd-footer-content, .headerlink, .copybtn, button`).filter(seen).map(name),
    titles: all("h1").filter(seen).length,
    solutions: all(".solution, .dropdown.admonition").length,
    closed: all(".solution > *, .dropdown.admonition > *")
      .filter(element => element.innerText !== "" && !seen(element)
        && !element.closest(".tag_hide-input details, summary, button")).map(name),
    cut: all("figure img, figure svg, article pre").filter(element =>
      element.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(name),
    lost: all(".eqno").filter(number => {
      const [a, b] = [number, number.parentElement.querySelector(".formula")]
        .map(element => element.getBoundingClientRect());
      return a.top >= b.bottom || b.top >= a.bottom || a.left < b.right - 1;
    }).map(number => number.textContent),
    inks: [...new Set(all("article p, article .highlight span, article li, article h2")
      .map(element => getComputedStyle(element).color))],
  };
}"""


def luminance(colour):
    """Relative luminance of a CSS colour, as WCAG 2 has it: 0 black, 1 white."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.fixture(scope="module")
def opened(browser, html):
    """Return what a page from a folder says in the dark theme, and what it shows on A4 paper."""
    context = browser.new_context(
        viewport={"width": 660, "height": 950}, color_scheme="dark", reduced_motion="reduce"
    )

    @cache
    def look(name):
        page = context.new_page()
        watch = checks.Watch(page, "file:")
        page.goto((html / f"{name}.html").as_uri())
        checks.settle(page)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        seen = page.evaluate(ON_PAPER)
        page.close()
        return watch.messages + watch.failed + watch.elsewhere, seen

    yield look
    context.close()


# The 404 page is a server's, and its links begin at the server's root.
@pytest.mark.parametrize("name", [page for page in pages.PAGES if page != "404"])
def test_page_opens_from_a_folder(opened, name):
    """As it does from a server: without a word, and with all its files."""
    found, _ = opened(name)
    checks.nothing(found)


@pytest.mark.parametrize("name", PAGES)
def test_page_on_paper(opened, name):
    _, seen = opened(name)
    assert seen["frame"] == []
    assert seen["titles"] == 1
    assert seen["closed"] == []
    assert seen["cut"] == []
    assert seen["lost"] == [], "numbers that do not stand at the right of their equation"
    assert [ink for ink in seen["inks"] if luminance(ink) > 0.4] == [], "light ink on white paper"
    if name in NOTEBOOKS:
        assert seen["solutions"] >= 3


# Of each kind a page. The whole book, which `make pdf` prints, takes many times as long.
FEW = [name for name in PAGES if re.search("index$|parts/3|/3-1-|api/spec|notation", name)]
CONTENTS = [(depth, name) for depth, name in LISTED[1:] if name in FEW]


@pytest.fixture(scope="module")
def book(browser, html):
    """Return the PDF of a few pages of the book."""
    return PdfReader(pdf.make(browser, html, html.parent / "pdf", FEW))


def plain(text):
    return re.sub(r"\W+", "", text)


def test_outline_is_the_table_of_contents(book):
    def flat(entries, depth=0):
        for entry in entries:
            if isinstance(entry, list):
                yield from flat(entry, depth + 1)
            else:
                yield depth, plain(entry.title), book.get_destination_page_number(entry)

    outline = list(flat(book.outline))
    at = 0
    for depth, name in CONTENTS:
        title = plain(title_of(name))
        found = [(d, t) for d, t, _ in outline[at:]].index((depth - 1, title))
        at += found + 1


def title_of(name):
    path = ROOT / f"{name}.md"
    text = path.read_text("utf-8") if path.exists() else (ROOT / f"{name}.ipynb").read_text("utf-8")
    return re.search(r"# ([^\n\\]+)", text)[1].replace("`", "").rstrip('"')


def test_page_numbers_of_the_contents_are_right(book):
    contents = book.pages[1].extract_text()
    numbers = pdf.page_numbers(book.stream)
    for _, name in CONTENTS:
        title, number = title_of(name), numbers[pdf.slug(name)]
        assert plain(title) + str(number) in plain(contents)
        assert plain(title) in plain(book.pages[number - 1].extract_text())


def test_every_link_within_the_book_has_a_target(book):
    targets = {name.lstrip("/") for name in book.named_destinations}
    inner = outer = 0
    for page in book.pages:
        for annotation in page.get("/Annots") or ():
            annotation = annotation.get_object()
            if "/Dest" in annotation:
                inner += 1
                assert str(annotation["/Dest"]).lstrip("/") in targets
            elif "/A" in annotation and "/URI" in annotation["/A"]:
                outer += 1
                assert str(annotation["/A"]["/URI"]).startswith(("http", "mailto:"))
    assert inner > 2 * len(FEW) and outer > 0


def test_solutions_are_in_it_and_buttons_are_not(book):
    text = plain("".join(page.extract_text() for page in book.pages))
    assert text.count("Solution") >= 3
    assert "Clicktoshow" not in text and "Showcodecellsource" not in text
