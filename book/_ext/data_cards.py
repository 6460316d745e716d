"""``{data-cards} bundled``: a section for each data set, from the loaders' own records.

``{data-cards} downloaded`` has those that are downloaded; ``{data-cards}`` alone is a table of
all. A card's label is ``data-`` and the set's name, with hyphens: ``[taxis](#data-nyc-taxi)``.
"""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from companion.datasets.records import RECORDS, Package, Record, Repository, size_in_words

KINDS = {"bundled": Package, "downloaded": Repository}
#: Above this, a card names the list of the files in place of the files.
MANY = 20


def label(name: str) -> str:
    """Return the anchor of a set's card."""
    return "data-" + name.replace("_", "-")


def size(count: int) -> str:
    """Say a number of bytes as people read it, on one line."""
    return size_in_words(count).replace(" ", "\N{NO-BREAK SPACE}")


def licence(known: Record) -> str:
    """Return the licence's name with a link to its text, or say that none is stated."""
    words = known.licence[0].upper() + known.licence[1:]
    if known.licence == "none stated":
        return f"{words}: this book does not pass the data on ([publisher]({known.licence_url}))"
    return f"[{words}]({known.licence_url})"


def origin(known: Record) -> str:
    """Say where the loader takes the data from."""
    where = known.origin
    if isinstance(where, Package):
        return f"comes with {where.name}, as `{where.module}`; about {size(where.size)}"
    page = f"https://github.com/{where.name}/tree/{where.commit}"
    count = "1 file" if len(where.files) == 1 else f"{len(where.files)} files"
    return f"[{where.name}]({page}) at commit `{where.commit[:10]}`; {count}, {size(where.size)}"


class DataCards(SphinxDirective):
    """Cards of one kind, or the table of all."""

    optional_arguments = 1

    def run(self):
        self.env.note_dependency(__file__)
        if not self.arguments:
            return [self._table()]
        kind = KINDS.get(self.arguments[0])
        if kind is None:
            raise self.error(f"{self.arguments[0]!r} is none of {', '.join(KINDS)}")
        return [self._card(known) for known in RECORDS.values() if isinstance(known.origin, kind)]

    def _inline(self, text):
        found, messages = self.parse_inline(text)
        return [*found, *messages]

    def _card(self, known):
        section = nodes.section("", nodes.title("", known.title), ids=[label(known.name)])
        section["classes"].append("data-card")
        self.env.get_domain("std").note_hyperlink_target(
            label(known.name), self.env.docname, label(known.name), known.title
        )
        section += nodes.paragraph("", "", *self._inline(known.about))
        loader = f"{{py:func}}`datasets.{known.name}() <companion.datasets.{known.name}>`"
        lines = {
            "Loader": loader,
            "Holds": known.holds,
            "Split": known.split,
            "Beware": known.caution,
            "Licence": licence(known),
            "Credit": f"{known.credit} ([source]({known.source}))",
            "From": origin(known),
        }
        fields = nodes.field_list()
        for name, text in lines.items():
            if text:
                body = nodes.field_body("", nodes.paragraph("", "", *self._inline(text)))
                fields += nodes.field("", nodes.field_name("", name), body)
        if isinstance(known.origin, Repository):
            fields += nodes.field("", nodes.field_name("", "SHA-256"), self._files(known))
        section += fields
        return section

    def _files(self, known):
        files = known.origin.files
        if len(files) > MANY:
            words = f"of each of the {len(files)} files in `companion/datasets/{known.name}.sha256`"
            return nodes.field_body("", nodes.paragraph("", "", *self._inline(words)))
        items = [
            nodes.list_item(
                "",
                nodes.paragraph("", "", *self._inline(f"`{file.path}`: `{file.sha256}`")),
            )
            for file in files
        ]
        return nodes.field_body("", nodes.bullet_list("", *items))

    def _table(self):
        heads = ("name", "what it is", "size", "licence")
        rows = [self._row(heads)]
        for known in RECORDS.values():
            name = f"[`{known.name}`](#{label(known.name)})"
            rows.append(self._row((name, known.title, size(known.size), known.licence)))
        group = nodes.tgroup("", cols=len(heads))
        group += [nodes.colspec(colwidth=1) for _ in heads]
        group += nodes.thead("", rows[0])
        group += nodes.tbody("", *rows[1:])
        return nodes.table("", group, classes=["data-sets"])

    def _row(self, texts):
        entries = [nodes.entry("", nodes.paragraph("", "", *self._inline(text))) for text in texts]
        return nodes.row("", *entries)


def setup(app):
    app.add_directive("data-cards", DataCards)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
