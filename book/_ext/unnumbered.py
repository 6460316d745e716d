"""Entries of the bibliography without a number: the pages cite author and year."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class DropLabels(SphinxPostTransform):
    """Take the labels out once all citations are resolved."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs):
        for entry in self.document.findall(nodes.citation):
            for label in list(entry.findall(nodes.label)):
                entry.remove(label)


def _as_list(app, page, template, context, document):
    # docutils writes a list whose items have a role that a list may not hold.
    if "citation-list" in context.get("body", ""):
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    app.add_post_transform(DropLabels)
    app.connect("html-page-context", _as_list)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
