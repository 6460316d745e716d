"""What pages say of themselves to whoever shares, finds or cites them, and to whoever is lost.

In the head: description, preview and citation; at the foot: how to cite the page; beside the
pages: ``sitemap.xml``, ``robots.txt``, ``404.html``, and an ``index.html`` that leads to the front
page. The address is ``html_baseurl``, who wrote what and when is in ``CITATION.cff``.
"""

import html
import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import yaml
from docutils import nodes
from glossary_links import in_plain_words

#: The picture that a shared link shows, below ``_static``, and what is in it.
PREVIEW = "preview.png"
PREVIEW_SIZE = (1200, 630)
PREVIEW_ALT = "One step of an LSTM: four gates act on the cell state that runs straight through."

#: Longer descriptions are cut where they are shown, so they are cut here, after a word.
LENGTH = 300
_LABEL = re.compile(r"^(The question|What this part answers)\.\s+")
_RELATIVE = re.compile(
    r'(\b(?:href|src|action|data-content_root)=")(?![a-z][a-z+.-]*:|/|#|")(?:\./)?([^"]*)"'
)


def description(document: nodes.document) -> str:
    """Return the question of a page, or its first paragraph where it asks none."""
    for paragraph in document.findall(nodes.paragraph):
        text = _LABEL.sub("", in_plain_words(paragraph))
        if text and not isinstance(paragraph.parent, nodes.entry | nodes.list_item):
            break
    else:
        return ""
    if len(text) > LENGTH:
        text = text[:LENGTH].rsplit(" ", 1)[0].rstrip(",;: ") + " …"
    return text


def citation(about: dict, page: str, title: str, url: str) -> dict[str, str]:
    """Return a page's citation as a sentence and as BibTeX."""
    authors = [_name(author) for author in about["authors"]]
    book, version = about["title"], about["version"]
    year = str(about["date-released"])[:4]
    whole = title == book
    # Whoever does not know the title needs a key that says which book.
    key = re.sub(r"[^a-z0-9]+", "-", (book if whole else f"{book}-{page}").lower()).strip("-")
    fields = {
        "author": " and ".join(f"{{{author}}}" for author in authors),
        "title": f"{{{title}}}",
        "booktitle": "" if whole else f"{{{book}}}",
        "year": year,
        "note": f"Version {version}",
        "url": url,
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    where = "" if whole else f" In {book}."
    stop = "" if title.endswith(("?", "!")) else "."
    return {
        "plain": f"{', '.join(authors)} ({year}). {title}{stop}{where} Version {version}. {url}",
        "bibtex": f"@{'book' if whole else 'incollection'}{{{key},\n{lines}}}",
    }


def _name(author: dict) -> str:
    """Return how CITATION.cff names a person or a group."""
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def tags(title, said, url, site, image, kind) -> str:
    """Return the elements of a head by which other programs show a link to the page."""
    width, height = PREVIEW_SIZE
    properties = {
        "og:title": title,
        "og:type": kind,
        "og:url": url,
        "og:site_name": site,
        "og:description": said,
        "og:image": image,
        "og:image:width": width,
        "og:image:height": height,
        "og:image:alt": PREVIEW_ALT,
    }
    names = {"description": said, "twitter:card": "summary_large_image"}
    return "\n".join(
        f'<meta {key}="{name}" content="{html.escape(str(value))}" />'
        for key, named in (("name", names), ("property", properties))
        for name, value in named.items()
    )


def _citation_tags(about, title, url):
    named = [
        ("citation_title", title),
        *(("citation_author", _name(author)) for author in about["authors"]),
        ("citation_publication_date", str(about["date-released"]).replace("-", "/")),
        ("citation_inbook_title", about["title"]),
        ("citation_fulltext_html_url", url),
    ]
    return "\n".join(
        f'<meta name="{name}" content="{html.escape(value)}" />' for name, value in named
    )


def _about(app):
    return yaml.safe_load(Path(app.srcdir, "CITATION.cff").read_text(encoding="utf-8"))


def _describe(app, page, template, context, document):
    if document is None:
        if page == "404":  # it has no address of its own
            context["pageurl"] = None
            context["metatags"] = '<meta name="robots" content="noindex" />'
        return
    about = app.about_the_book
    whole = page == app.config.root_doc
    title = about["title"] if whole else app.env.titles[page].astext()
    url = app.config.html_baseurl + app.builder.get_target_uri(page)
    context["citation"] = citation(about, page.split("/")[-1], title, url)
    said = description(app.env.get_doctree(page))
    image = f"{app.config.html_baseurl}_static/{PREVIEW}"
    kind = "website" if whole else "article"
    context["metatags"] += "\n" + tags(title, said, url, app.config.html_title, image, kind)
    if page.startswith("notebooks/"):
        context["metatags"] += "\n" + _citation_tags(about, title, url)


def sitemap(addresses) -> str:
    """Return the list of all pages for search engines."""
    urls = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'


def rooted(page: str, base: str) -> str:
    """Let a page's own links begin at the site's root: it is shown under every wrong address."""
    root = urlsplit(base).path
    return _RELATIVE.sub(lambda m: f'{m[1]}{root}{m[2]}"', page)


def _front(app) -> str:
    """Return the page at the site's root, which leads to the front page at once."""
    first = app.builder.get_target_uri(app.config.root_doc)
    url, title = app.config.html_baseurl + first, html.escape(app.config.html_title)
    said = description(app.env.get_doctree(app.config.root_doc))
    image = f"{app.config.html_baseurl}_static/{PREVIEW}"
    head = tags(app.config.html_title, said, url, app.config.html_title, image, "website")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n'
        f'<title>{title}</title>\n<meta http-equiv="refresh" content="0; url={first}" />\n'
        f'<link rel="canonical" href="{url}" />\n{head}\n</head>\n'
        f'<body><p><a href="{first}">{title}</a></p></body>\n</html>\n'
    )


def _lost(app):
    """Make ``404.html``, from ``_templates/404.html``."""
    return [("404", {"title": "Page not found", "pagetitle": "Page not found"}, "404.html")]


def _write(app, exception):
    if exception or app.builder.format != "html":
        return
    out, base = Path(app.outdir), app.config.html_baseurl
    pages = sorted(app.env.found_docs) + ["genindex"]
    addresses = [base + app.builder.get_target_uri(page) for page in pages]
    (out / "sitemap.xml").write_text(sitemap(addresses), encoding="utf-8")
    robots = f"User-agent: *\nAllow: /\n\nSitemap: {base}sitemap.xml\n"
    (out / "robots.txt").write_text(robots, encoding="utf-8")
    (out / "index.html").write_text(_front(app), encoding="utf-8")
    lost = out / "404.html"
    lost.write_text(rooted(lost.read_text(encoding="utf-8"), base), encoding="utf-8")


def _load(app):
    app.about_the_book = _about(app)


def setup(app):
    app.connect("builder-inited", _load)
    app.connect("html-page-context", _describe)
    app.connect("html-collect-pages", _lost)
    app.connect("build-finished", _write, priority=400)  # before a bare index.html is put there
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
