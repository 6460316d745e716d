"""Link the terms of the glossary where they first occur on a page.

The pages are plain Markdown, so they read well on Colab. When a page is written as HTML, the
first occurrence of each term in its prose becomes a link to the glossary, with the definition as
its title. Plurals count, the longest term wins, and an entry with several names is linked once.
"""

import re
from fnmatch import fnmatch

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

#: Where a link would be in the way: what is code, is a link already, or heads something.
_NOT_PROSE = (
    nodes.title,
    nodes.subtitle,
    nodes.rubric,
    nodes.caption,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.citation,
    addnodes.glossary,
    addnodes.desc_signature,
    addnodes.toctree,
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LATEX = {r"\sigma": "σ", r"\eta": "η", r"\tanh": "tanh"}


def form(term: str) -> str:
    """Return a pattern for a term and its plural; only abbreviations keep their case."""
    plural = r"[\s-]+".join(map(re.escape, re.split("[ -]", term)))
    plural = re.sub(r"(?<=[^aeiou])y$", "(?:y|ies)", plural)
    if plural.endswith(("s", "x", "ch")):
        plural += "(?:es)?"
    elif not plural.endswith("ies)"):
        plural += "s?"
    abbreviation = sum(letter.isupper() for letter in term) > 1
    return plural if abbreviation else f"(?i:{plural})"


def pattern(terms) -> re.Pattern:
    """Return a pattern for any of the terms, longest first; group k + 1 is the k-th term."""
    alternatives = "|".join(f"({form(term)})" for term in terms)
    return re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w-])")


def in_plain_words(node: nodes.Element) -> str:
    """Return a node's text as one line, with its formulas as one would type them."""
    node = node.deepcopy()
    for formula in list(node.findall(nodes.math)):
        text = formula.astext()
        for latex, plain in _LATEX.items():
            text = text.replace(latex, plain)
        formula.parent.replace(formula, nodes.Text(re.sub(r"[{}\\]", "", text)))
    return " ".join(node.astext().split())


def hint(definition: nodes.Element) -> str:
    """Return a definition as one line of text, without the number of the page at its end."""
    definition = definition.deepcopy()
    for link in list(definition.findall(addnodes.pending_xref)):
        link.parent.remove(link)
    return in_plain_words(definition)


def entries(glossary: nodes.document) -> list[tuple[str, list[str], str]]:
    """Return anchor, names and definition of every entry of a glossary's page."""
    found = []
    for item in glossary.findall(nodes.definition_list_item):
        terms = [child for child in item.children if isinstance(child, nodes.term)]
        names = [term.astext() for term in terms if not _CHINESE.search(term.astext())]
        found.append((terms[0]["ids"][0], names, hint(item.children[-1])))
    return found


class LinkTerms(SphinxPostTransform):
    """Link the terms of one page when it is written as HTML."""

    default_priority = 500  # after references are resolved
    formats = ("html",)

    def run(self, **kwargs):
        page = self.env.docname
        if not any(fnmatch(page, chosen) for chosen in self.config.glossary_links_pages):
            return
        everyday = self.config.glossary_links_everyday
        targets = {
            name: (anchor, definition)
            for anchor, names, definition in self.env.glossary_entries
            for name in names
            if name not in everyday
        }
        names = sorted(targets, key=len, reverse=True)
        anywhere = pattern(names)
        address = self.app.builder.get_relative_uri(page, self.config.glossary_links_glossary)
        linked = set()
        for text in list(self.document.findall(nodes.Text)):
            if not _is_prose(text):
                continue
            done, parts = 0, []
            for match in anywhere.finditer(text):
                anchor, definition = targets[names[match.lastindex - 1]]
                if anchor in linked:
                    continue
                linked.add(anchor)
                link = nodes.reference(
                    "",
                    match[0],
                    internal=True,
                    refuri=f"{address}#{anchor}",
                    reftitle=definition,
                    classes=["term"],
                )
                parts += [nodes.Text(text[done : match.start()]), link]
                done = match.end()
            if parts:
                text.parent.replace(text, [*parts, nodes.Text(text[done:])])


def _is_prose(node: nodes.Node) -> bool:
    while (node := node.parent) is not None:
        # What a cell printed or drew is in a container of its own.
        if isinstance(node, _NOT_PROSE) or "cell" in node["classes"]:
            return False
        if isinstance(node, nodes.document):
            return True
    return False  # put there without a parent, as an equation's coloured symbols are


def _language(app, document):
    """Say which names of the glossary are Chinese, for whoever reads the page aloud."""
    for term in document.findall(nodes.term):
        if isinstance(term.parent.parent.parent, addnodes.glossary) and _CHINESE.search(
            term.astext()
        ):
            term["classes"].append("language-zh-Hans")


def _collect(app, env):
    """Read the glossary; when it has changed, all pages are written again."""
    before = getattr(env, "glossary_entries", None)
    env.glossary_entries = entries(env.get_doctree(app.config.glossary_links_glossary))
    return env.found_docs if env.glossary_entries != before else []


def setup(app):
    app.add_config_value("glossary_links_glossary", "glossary", "env", str)
    app.add_config_value("glossary_links_pages", ["*"], "html", list)
    app.add_config_value("glossary_links_everyday", [], "html", list)
    app.add_post_transform(LinkTerms)
    app.connect("doctree-read", _language)
    app.connect("env-updated", _collect)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
