"""List the index among the reference pages: Sphinx makes it, so `_toc.yml` has no file to name."""

from sphinx import addnodes

PART = "Reference"


def _add(app, document):
    if app.env.docname != app.config.root_doc:
        return
    for contents in document.findall(addnodes.toctree):
        if contents["caption"] == PART:
            contents["entries"].append((None, "genindex"))


def setup(app):
    app.connect("doctree-read", _add, priority=900)  # after the contents are read from _toc.yml
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
