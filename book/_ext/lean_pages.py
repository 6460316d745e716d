"""Pages load no more than they use, and know the size of their figures before these arrive."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

# What extensions add to every page, and no page uses: live code in the page, Graphviz.
UNUSED = ("thebe", "graphviz")

# Classes of code that have the colour of code anyway: names, punctuation, white space. A page with
# much code is a third of its size without them.
_PLAIN = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')
_IMAGE = re.compile(r'<img\b[^>]*?\bsrc="(?P<source>[^"]+\.svg)"[^>]*?>')


def drop_unused(app, pagename, templatename, context, doctree):
    """Leave scripts and styles that no page uses out of its head."""
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not _unused(asset)]


def _unused(asset):
    text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', {}).get('body', '')}"
    return any(word in text.lower() for word in UNUSED)


def unwrap_plain_code(app, pagename, templatename, context, doctree):
    """Leave out what Pygments wraps around words that get no colour from it."""
    if "body" in context:
        context["body"] = _PLAIN.sub(r"\1", context["body"])


def size_images(app, pagename, templatename, context, doctree):
    """Give every SVG of a page its width and height, so that nothing moves when it arrives."""
    if "body" in context:
        sources = {Path(name).name: uri for uri, name in app.builder.images.items()}
        context["body"] = _IMAGE.sub(lambda match: _sized(match, app, sources), context["body"])


def _sized(match, app, sources):
    tag, name = match[0], Path(unquote(match["source"])).name
    if "width=" in tag or name not in sources:
        return tag
    size = svg_size(Path(app.srcdir, sources[name]))
    # The first figure of a page may be in view; those far below can wait until they are needed.
    return tag.replace("<img", f'<img width="{size[0]}" height="{size[1]}" loading="lazy"', 1)


def svg_size(path):
    """Return width and height of an SVG in CSS pixels."""
    root = ET.parse(path).getroot()
    return tuple(round(_pixels(root.get(side))) for side in ("width", "height"))


def _pixels(length):
    number, unit = re.fullmatch(r"([\d.]+)(pt|px|)", length).groups()
    return float(number) * (4 / 3 if unit == "pt" else 1)


def setup(app):
    app.connect("html-page-context", drop_unused, priority=900)
    app.connect("html-page-context", size_images, priority=900)
    app.connect("html-page-context", unwrap_plain_code, priority=900)  # after names became links
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
