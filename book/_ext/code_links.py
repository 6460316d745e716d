"""Lead from the names in a page's code to the reference, and from there to the pages that use them.

A page's code is read, not run, and nothing is imported: the book is built without any framework.
Names are followed through imports, assignments of the package's own layers (``layer = cnp.LSTM(…)``
makes ``layer.forward`` a link) and the scopes of functions; a name that a page binds itself is
left alone.
"""

import ast
import html
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

PACKAGE = "companion"

_MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)
_BLOCK = re.compile(
    r'(<div class="highlight-i?python3?[^>]*><div class="highlight"><pre>)(.*?)(</pre>)', re.S
)
_PIECE = re.compile(r"<[^>]*>|&[^;]+;|[^<&]+")


class _Names(ast.NodeVisitor):
    """Finds where a page's cells, read one after another, use what the reference documents."""

    def __init__(self, documented):
        self.documented = documented  # full name -> type of object, such as "class"
        self.bound = {}  # name on the page -> full name, and whether it is an instance of it
        self.found = []  # (first line, column, last line, column, full name) of the present cell

    def read(self, source):
        """Return ``(start, end, full name)``, in characters, for every use in one cell."""
        source = _MAGIC.sub(lambda m: m[1] + "0".ljust(len(m[0]) - len(m[1])), source)
        try:
            tree = ast.parse(source)
        except SyntaxError:  # a magic of the whole cell, such as %%bash
            return []
        self.found = []
        self.visit(tree)
        starts, lines = [0], source.split("\n")
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)

        def at(line, column):  # ast counts bytes
            return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

        spans = [(at(a, b), at(c, d), name) for a, b, c, d, name in self.found]
        return sorted(spans)

    def meaning(self, node):
        """Return the full name that an expression stands for, and whether as an instance."""
        if isinstance(node, ast.Name):
            return self.bound.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.meaning(node.value)
            return owner and (f"{owner[0]}.{node.attr}", False)
        if isinstance(node, ast.Call):
            called = self.meaning(node.func)
            if called and not called[1] and self.documented.get(called[0]) == "class":
                return called[0], True
        return None

    def note(self, node, name, start=None):
        if name in self.documented:
            line, column = start or (node.lineno, node.col_offset)
            self.found.append((line, column, node.end_lineno, node.end_col_offset, name))

    def bind(self, name, meaning=None):
        self.bound.pop(name, None)
        if meaning:
            self.bound[name] = meaning

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name.split(".")[0] == PACKAGE:
                known = alias.name if alias.asname else PACKAGE
                self.bind(alias.asname or PACKAGE, (known, False))
                end = alias.col_offset + len(alias.name)
                if alias.name in self.documented:
                    place = (alias.lineno, alias.col_offset, alias.lineno, end)
                    self.found.append((*place, alias.name))
            else:
                self.bind(alias.asname or alias.name.split(".")[0])

    def visit_ImportFrom(self, node):
        module = node.module or ""
        for alias in node.names:
            if module.split(".")[0] == PACKAGE and not node.level:
                name = f"{module}.{alias.name}"
                self.bind(alias.asname or alias.name, (name, False))
                end = alias.col_offset + len(alias.name)
                if name in self.documented:
                    self.found.append((alias.lineno, alias.col_offset, alias.lineno, end, name))
            else:
                self.bind(alias.asname or alias.name)

    def visit_Assign(self, node):
        self.visit(node.value)
        made = self.meaning(node.value)
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Name) and made and made[1]:
                self.bind(target.id, made)

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.bind(node.id)
        elif (meaning := self.meaning(node)) and not meaning[1]:
            if self.documented.get(meaning[0]) != "module":  # at its import it is linked
                self.note(node, meaning[0])

    def visit_Attribute(self, node):
        meaning = self.meaning(node)
        if not meaning or meaning[0] not in self.documented:
            self.visit(node.value)
            return
        inner = node.value
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        plain = isinstance(inner, ast.Name) and not self.bound[inner.id][1]
        if plain:
            self.note(node, meaning[0])
        else:  # a method of an instance: its own name only
            self.visit(node.value)
            column = node.end_col_offset - len(node.attr.encode())
            self.note(node, meaning[0], (node.end_lineno, column))

    def visit_FunctionDef(self, node):
        if not isinstance(node, ast.Lambda):
            self.bind(node.name)
        outside, self.bound = self.bound, dict(self.bound)
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            *filter(None, (arguments.vararg, arguments.kwarg)),
        ):
            self.bind(argument.arg)
        self.generic_visit(node)
        self.bound = outside

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.bind(node.name)
        outside, self.bound = self.bound, dict(self.bound)
        self.generic_visit(node)
        self.bound = outside

    def _comprehension(self, node):
        # The loops come before what they loop over for: their variables are bound first.
        outside, self.bound = self.bound, dict(self.bound)
        for loop in node.generators:
            self.visit(loop)
        self.generic_visit(_without_loops(node))
        self.bound = outside

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension


def _without_loops(node):
    kept = {name: value for name, value in ast.iter_fields(node) if name != "generators"}
    return type(node)(**kept, generators=[])


def read_cells(sources, documented):
    """Return, for each cell of a page, where it uses what; and what the page's names mean."""
    names = _Names(documented)
    found = [names.read(source) for source in sources]
    meanings = {name: meaning[0] for name, meaning in names.bound.items() if not meaning[1]}
    return found, meanings


def linked(block: str, spans, address) -> str:
    """Put links into highlighted code; ``spans`` count the characters that a reader sees."""
    wanted = list(spans)
    done, position, inside = [], 0, None
    for piece in _PIECE.findall(block):
        shown = "" if piece[0] == "<" else html.unescape(piece)
        opening = piece[0] == "<" and not piece.startswith("</")
        if inside and position >= inside and not piece.startswith("</"):
            done.append("</a>")
            inside = None
        # A link begins before the tag that colours its first name.
        if wanted and not inside and position == wanted[0][0] and (opening or shown):
            _, inside, name = wanted.pop(0)
            done.append(f'<a class="code-link" href="{address(name)}" title="{name}">')
        done.append(piece)
        position += len(shown)
    if inside:
        done.append("</a>")
    return "".join(done) if not wanted else block


def text_of(block: str) -> str:
    """Return what a reader sees of highlighted code."""
    return html.unescape(re.sub(r"<[^>]*>", "", block))


def _is_page(name):
    return name.startswith("notebooks/")


def _cells(document):
    for cell in document.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            for source in cell.findall(nodes.container):
                if source.get("nb_element") == "cell_code_source":
                    yield cell, next(iter(source.findall(nodes.literal_block))).astext()


def _anchors(app, document):
    """Give every cell of a page an address."""
    if _is_page(app.env.docname):
        for number, (cell, _) in enumerate(_cells(document), start=1):
            cell["ids"].append(f"code-{number}")


def _collect(app, env):
    """Read all pages; when what they use or what is documented has changed, write anew."""
    objects = env.domaindata["py"]["objects"]
    documented = {
        name: (entry.docname, entry.node_id, entry.objtype)
        for name, entry in objects.items()
        if name.split(".")[0] == PACKAGE
    }
    kinds = {name: entry[2] for name, entry in documented.items()}
    pages = {}
    for page in sorted(filter(_is_page, env.found_docs)):
        sources = [source for _, source in _cells(env.get_doctree(page))]
        spans, meanings = read_cells(sources, kinds)
        pages[page] = {"sources": dict(zip(sources, spans, strict=True)), "names": meanings}
        first = {}
        for number, found in enumerate(spans, start=1):
            for _, _, name in found:
                first.setdefault(name, f"code-{number}")
        pages[page]["first"] = first
    now = (documented, pages)
    changed = now != getattr(env, "code_links", None)
    env.code_links = now
    return env.found_docs if changed else []


class LinkNames(SphinxPostTransform):
    """Link the names in a page's sentences, and list in the reference which pages use what."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs):
        documented, pages = self.env.code_links
        here = self.env.docname
        address = _addresses(self.app, here)
        for description in self.document.findall(addnodes.desc):
            self._used_on(description, pages)
        names, seen = pages.get(here, {}).get("names", {}), set()
        for code in list(self.document.findall(nodes.literal)):
            name = re.sub(r"\(.*\)$", "", code.astext())
            first, dot, rest = name.partition(".")
            name = names.get(first, first) + dot + rest
            if name not in documented or name in seen or documented[name][0] == here:
                continue
            if any(isinstance(p, nodes.reference | nodes.title | nodes.term) for p in _above(code)):
                continue
            seen.add(name)
            link = nodes.reference("", "", internal=True, refuri=address(name))
            link["reftitle"] = name
            code.parent.replace(code, link)
            link += code

    def _used_on(self, description, pages):
        names = [i for s in description.findall(addnodes.desc_signature) for i in s["ids"]][:1]
        content = next(c for c in description.children if isinstance(c, addnodes.desc_content))
        links = []
        for page, used in pages.items():
            if names and names[0] in used["first"]:
                title = self.env.titles[page].astext()
                target = self.app.builder.get_relative_uri(self.env.docname, page)
                uri = f"{target}#{used['first'][names[0]]}"
                number = title.split()[0]
                link = nodes.reference("", number, internal=True, refuri=uri, reftitle=title)
                links += [nodes.Text(", "), link]
        if links:
            said = nodes.paragraph("", "", nodes.Text("Used on "), *links[1:], classes=["used-on"])
            # Before the members that are described inside a class.
            inner = [n for n, c in enumerate(content.children) if isinstance(c, addnodes.desc)]
            content.insert(inner[0] if inner else len(content.children), said)


def _above(node):
    while (node := node.parent) is not None:
        yield node


def _addresses(app, page):
    documented, _ = app.env.code_links

    def address(name):
        where, anchor, _ = documented[name]
        return f"{app.builder.get_relative_uri(page, where)}#{anchor}"

    return address


def _firsts(spans):
    """Keep the first use of each name in a cell: whoever goes from link to link has many keys."""
    seen = set()
    return [span for span in spans if span[2] not in seen and not seen.add(span[2])]


def _link_code(app, page, template, context, document):
    used = getattr(app.env, "code_links", (None, {}))[1].get(page)
    if not used:
        return
    spans = {source.strip("\n"): found for source, found in used["sources"].items()}

    def replace(match):
        found = _firsts(spans.get(text_of(match[2]).strip("\n"), ()))
        body = linked(match[2], found, _addresses(app, page)) if found else match[2]
        return match[1] + body + match[3]

    context["body"] = _BLOCK.sub(replace, context["body"])


def setup(app):
    app.add_post_transform(LinkNames)
    app.connect("doctree-read", _anchors)
    app.connect("env-updated", _collect)
    app.connect("html-page-context", _link_code)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
