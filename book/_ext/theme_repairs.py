"""What pages lack for a screen reader, a keyboard or a folder, put in as they are written."""

import re

# The theme puts tables of Markdown into a box that scrolls; tables that a cell printed as HTML
# have none. Both need one that the keyboard reaches.
_TABLE = re.compile(
    r'(?:<div class="pst-scrollable-table-container">\s*)?(<table\b.*?</table>)(\s*</div>)?', re.S
)
_BOX = '<div class="pst-scrollable-table-container" role="group" aria-label="Table" tabindex="0">'

_SAME = re.compile(r'(?<=<section) id="(?:exercise|solution)-content"')


def name_folds(app, pagename, templatename, context, doctree):
    """Name each arrow of the sidebar, a button without a text, after the page that it unfolds."""
    make = context.get("generate_toctree_html")

    def named(*arguments, **options):
        tree = make(*arguments, **options)
        for button in tree.select("a + details > summary") if tree else ():
            title = button.parent.find_previous_sibling("a").get_text(strip=True)
            button["aria-label"] = f"Pages of: {title}"
        return tree

    if make:
        context["generate_toctree_html"] = named


def repair_body(app, pagename, templatename, context, doctree):
    """Let the keyboard scroll tables, and a screen reader count the bibliography's entries."""
    if "body" in context:
        body = _TABLE.sub(_boxed, context["body"])
        # A role that browsers have dropped, and that a list may not hold.
        body = body.replace('role="doc-biblioentry"', 'role="listitem"')
        # Every exercise of a page has the same anchor, and nothing leads to it.
        context["body"] = _SAME.sub("", body)


def _boxed(match):
    boxed = match[0].startswith("<div")
    return _BOX + match[1] + (match[2] or "" if boxed else "</div>" + (match[2] or ""))


def search_from_a_folder(app, pagename, templatename, context, doctree):
    """Leave the summaries out of the search's results where browsers refuse to fetch pages."""
    if pagename == "search":
        option = "DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY"
        app.add_js_file(None, body=f'if (location.protocol === "file:") {option} = false;')


def setup(app):
    # After the theme's own function, which it replaces.
    app.connect("html-page-context", name_folds, priority=900)
    app.connect("html-page-context", repair_body, priority=900)
    app.connect("html-page-context", search_from_a_folder)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
