"""Make one PDF of the whole book from the built HTML; `make pdf` calls this after `make book`.

The pages' articles go into one document, in the order of the table of contents, with ids and links
made unique; Chromium prints it twice, the second time with the page numbers of the contents.
"""

import html
import os
import posixpath
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from companion import __version__, diagrams, spec
from tools import browser as browsers

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "_build" / "html"
OUT = ROOT / "_build" / "pdf"
NAME = "lstm-gate-by-gate.pdf"
# What has a use on a screen only. The code of a figure, folded on the page, stays out too.
SCREEN_ONLY = (
    ".headerlink, script, noscript, template, button, input, select, .onlyprint, .screen-only, "
    ".tag_hide-input details.above-input, summary, a.skip-link"
)
PRINTED = {"prefer_css_page_size": True, "print_background": True, "outline": True, "tagged": True}
REFERRING = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "headers")


def contents(toc):
    """Return (depth, page) for each page of a table of contents, and (0, caption) for its parts."""

    def below(entries, depth):
        for entry in entries:
            if "file" in entry:
                yield depth, entry["file"]
                yield from below(entry.get("sections", ()), depth + 1)

    listed = [(1, toc["root"])]
    for part in toc["parts"]:
        listed.append((0, part["caption"]))
        listed += below(part["chapters"], 1)
    return listed


def web_address(config):
    """Return the published book's address, which ends in a slash."""
    return config["sphinx"]["config"]["html_baseurl"].rstrip("/") + "/"


def slug(page):
    return page.replace("/", "-")


class Page:
    """The article of one built page, ready to stand beside the others."""

    def __init__(self, name, depth, pages, address, built):
        text = (built / f"{name}.html").read_text(encoding="utf-8")
        self.soup = BeautifulSoup(text, "html.parser")
        self.name, self.depth = name, depth
        self.article = self.soup.select_one("article.bd-article")
        if self.article is None:
            raise SystemExit(f"{name}.html has no article: is it a page of this book?")
        self.title = self.article.h1.get_text().removesuffix("#").strip()
        for element in self.article.select(SCREEN_ONLY):
            element.decompose()
        for element in self.article.select("details"):
            element["open"] = ""
        for element in self.article.find_all(True):
            if not element.find_parent("svg"):
                self._rename(element)
            self._redirect(element, pages, address)
        # The outline nests pages under their parts; the classes keep the headings' look.
        for heading in self.article.find_all(["h1", "h2", "h3", "h4", "h5"]):
            level = int(heading.name[1])
            heading["class"] = [*heading.get("class", []), f"level-{level}"]
            heading.name = f"h{min(6, level + depth - 1)}"

    def _own(self, identifier):
        return f"{slug(self.name)}--{identifier}"

    def _rename(self, element):
        if element.get("id"):
            element["id"] = self._own(element["id"])
        for attribute in REFERRING:
            if element.get(attribute):
                value = element[attribute]
                names = value if isinstance(value, list) else value.split()
                element[attribute] = " ".join(map(self._own, names))

    def _redirect(self, element, pages, address):
        if element.name == "img":
            element.attrs.pop("loading", None)
            element["src"] = "../html/" + self._resolved(element["src"])
        elif element.name == "a" and element.get("href"):
            parts = urlsplit(element["href"])
            if parts.scheme or parts.netloc:
                return
            target = self._resolved(parts.path) if parts.path else f"{self.name}.html"
            page = target.removesuffix(".html")
            if page in pages:
                element["href"] = f"#{slug(page)}" + f"--{parts.fragment}" * bool(parts.fragment)
            else:  # not in the PDF: the index, a notebook's file
                element["href"] = f"{address}{target}" + f"#{parts.fragment}" * bool(parts.fragment)

    def _resolved(self, path):
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.name), path))

    def html(self):
        return (
            f'<section id="{slug(self.name)}" class="page depth-{self.depth} bd-content">'
            f'<div class="bd-article-container">{self.article.decode()}</div></section>'
        )


def table_of_contents(listed, pages, numbers):
    """Return the contents as HTML, with the page numbers that are known."""
    lines = []
    for depth, name in listed[1:]:
        if depth == 0:
            lines.append(f'<p class="part">{html.escape(name)}</p>')
        else:
            lines.append(
                f'<p class="entry depth-{depth}"><a href="#{slug(name)}">'
                f'<span class="title">{html.escape(pages[name].title)}</span><span class="dots">'
                f'</span><span class="number">{numbers.get(slug(name), "")}</span></a></p>'
            )
    return f'<nav class="book-contents"><h1>Contents</h1>{"".join(lines)}</nav>'


def composed(listed, pages, config, numbers):
    """Return the whole book as one HTML document."""
    first = pages[listed[0][1]]
    styles = [
        posixpath.normpath(posixpath.join("../html/book", link["href"].split("?")[0]))
        for link in first.soup.select('head link[rel="stylesheet"]')
    ]
    links = "".join(f'<link rel="stylesheet" href="{href}">' for href in styles)
    today = date.today()
    title, address = html.escape(config["title"]), html.escape(web_address(config))
    return (
        f'<!DOCTYPE html><html lang="en" data-theme="light" class="book-pdf"><head>'
        f'<meta charset="utf-8"><title>{title}</title>{links}</head><body>'
        f'<section class="title-page"><p class="book-title">{title}</p>'
        f"{diagrams.cell(spec.LSTM)}"
        f"<p>{html.escape(config['author'])}</p>"
        f"<p>Version {__version__}, {today.day} {today:%B %Y}</p>"
        f'<p><a href="{address}">{address}</a></p>'
        f"<p>{html.escape(config['html']['extra_footer'])}</p></section>"
        f"{table_of_contents(listed, pages, numbers)}"
        f"{''.join(pages[name].html() for depth, name in listed if depth)}</body></html>"
    )


def page_numbers(pdf):
    """Return the number of the page that each named destination of a PDF is on, from 1."""
    reader = PdfReader(pdf)
    return {
        name.lstrip("/"): reader.get_destination_page_number(destination) + 1
        for name, destination in reader.named_destinations.items()
    }


def make(browser, built=BUILT, out=OUT, only=None):
    """Compose the book, or `only` these pages, and have the browser print it; return the path.

    The two folders lie side by side: the document that is printed loads figures and styles from
    the built book.
    """
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    listed = contents(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    listed = [(depth, name) for depth, name in listed if not depth or not only or name in only]
    names = {name for depth, name in listed if depth}
    address = web_address(config)
    pages = {name: Page(name, depth, names, address, built) for depth, name in listed if depth}
    out.mkdir(parents=True, exist_ok=True)
    source, pdf = out / "book.html", out / NAME
    part = pdf.with_suffix(".part")
    numbers = {}
    # Without scripts solutions are open and interactive figures show what they show on paper.
    page = browser.new_page(java_script_enabled=False)
    missing = []
    page.on("requestfailed", lambda request: missing.append(request.url))
    for _ in range(3):
        source.write_text(composed(listed, pages, config, numbers), encoding="utf-8")
        page.goto(source.as_uri())
        if missing:
            raise SystemExit(f"The book refers to what is not there: {', '.join(missing)}")
        page.pdf(path=part, **PRINTED)
        before, found = numbers, page_numbers(part)
        numbers = {slug(name): found[slug(name)] for depth, name in listed[1:] if depth}
        if numbers == before:
            break
    else:
        raise SystemExit("The page numbers of the contents do not settle.")
    page.close()
    os.replace(part, pdf)
    return pdf


def main():
    if not (BUILT / "index.html").exists():
        raise SystemExit("There is no built book: `make book` makes it.")
    executable = browsers.find()
    if executable is None:
        raise SystemExit(f"{browsers.MISSING}: {browsers.ADVICE}")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        pdf = make(browser)
        browser.close()
    count = len(PdfReader(pdf).pages)
    size = pdf.stat().st_size / 1e6
    print(f"{count} pages, {size:.1f} MB:\n{pdf.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
