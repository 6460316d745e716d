"""The rules that every page obeys. ``book/page-rules.md`` says them in prose.

A rule is a function that takes a page and yields its violations: each names the cell, what is
wrong there and what was expected. The rules read the stored notebook and execute nothing.
"""

import ast
import dataclasses
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import yaml
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from companion.claims import CLAIMS, RECORD, records
from tools.notebooks import MAX_SECONDS, RUN_TIME, run_time_paragraph

MAX_BYTES = 1_000_000
MIN_ALT = 40
MAX_SUMMARY_SENTENCES = 5
MAX_QUESTION_SENTENCES = 2
MIN_EXERCISES = 3
EXERCISES = ("Recall", "Calculate", "Build")
LAST_SECTIONS = ["Check", "Where it breaks", "Exercises", "Summary", "Sources"]
OPENING = ["The question.", "You will need.", "Run time."]

GLUE_PREFIX = "application/papermill.record/"
IMAGE_TYPES = {"image/svg+xml", "image/png", "image/jpeg"}

#: Stands in a paragraph's text for what is not prose: code, mathematics, a role.
OBJECT = "\N{OBJECT REPLACEMENT CHARACTER}"

_CONFIGURATION = Path(__file__).parents[2] / "_config.yml"
#: Reads Markdown as the book does.
_PARSER = create_md_parser(
    MdParserConfig(
        enable_extensions=yaml.safe_load(_CONFIGURATION.read_text("utf-8"))["parse"][
            "myst_enable_extensions"
        ]
    ),
    RendererHTML,
)


@dataclasses.dataclass(frozen=True)
class Violation:
    """Something on a page that a rule forbids; ``cell`` counts from 1, 0 is the whole page."""

    page: str
    cell: int
    cell_id: str
    wrong: str
    expected: str

    def __str__(self):
        where = f"cell {self.cell} ({self.cell_id})" if self.cell else "the page as a whole"
        return f"{self.page}, {where}: {self.wrong}; expected {self.expected}"


@dataclasses.dataclass
class Part:
    """A block of a page: a paragraph, a heading, a directive, a code cell and so on."""

    kind: str  # heading, prose, math, directive, html, block of code ("fence"), code cell ("code")
    text: str = ""
    level: int = 0
    lead: str = ""  # the bold words that open a paragraph
    quoted: bool = False
    formulas: list = dataclasses.field(default_factory=list)
    roles: list = dataclasses.field(default_factory=list)  # (name, content)
    images: list = dataclasses.field(default_factory=list)  # alt texts
    html: str = ""
    name: str = ""  # of a directive
    options: dict = dataclasses.field(default_factory=dict)
    # Where the block stands:
    cell: int = 0
    section: str = ""
    inside: str = ""  # "exercise", "solution" or nothing


class Page:
    """A notebook, read as it is stored, and its blocks in order."""

    def __init__(self, path, root):
        self.path = Path(path)
        self.root = Path(root)
        raw = self.path.read_bytes()
        self.size = len(raw)
        # nbformat.read would give repeated or missing cell ids new ones.
        self.notebook = nbformat.v4.reads(raw.decode("utf-8"))
        self.cells = self.notebook.cells
        self.name = self.path.stem
        match = re.match(r"(\d+)-(\d+)-", self.name)
        self.number = f"{match[1]}.{match[2]}" if match else ""
        self.parts = list(self._parts())

    def _parts(self):
        section = inside = ""
        for number, cell in enumerate(self.cells, start=1):
            if cell.cell_type == "code":
                yield Part("code", cell.source, cell=number, section=section, inside=inside)
            elif cell.cell_type == "markdown":
                for part in _blocks(cell.source):
                    if part.level == 2:
                        section = part.text
                    if part.name in ("exercise-start", "solution-start"):
                        inside = part.name.removesuffix("-start")
                    part.cell, part.section, part.inside = number, section, inside
                    yield part
                    if part.name in ("exercise-end", "solution-end"):
                        inside = ""

    def violation(self, cell, wrong, expected):
        """Return a violation of the cell with this number."""
        if cell > len(self.cells):  # what a page without cells should have in its first
            cell = 0
        cell_id = self.cells[cell - 1].get("id") if cell else ""
        return Violation(self.path.name, cell, cell_id, wrong, expected)

    def section(self, title):
        """Return the blocks of a section, without its heading."""
        return [part for part in self.parts if part.section == title and part.level != 2]

    def code_cells(self):
        """Return (number, cell) of the code cells that hold code."""
        return [
            (number, cell)
            for number, cell in enumerate(self.cells, start=1)
            if cell.cell_type == "code" and cell.source.strip()
        ]

    def setup_cell(self):
        """Return the number of the set-up cell, or 0."""
        return next((n for n, cell in self.code_cells() if "setup" in _tags(cell)), 0)

    def literals(self):
        """Return all numbers that stand in the page's code."""
        return {
            float(node.value)
            for _, cell in self.code_cells()
            for node in ast.walk(_tree(cell.source))
            if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        }


# Reading Markdown


def _blocks(markdown):
    """Yield the blocks of a Markdown text, and those inside its directives."""
    level = quotes = 0
    for token in _PARSER.parse(markdown):
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
            case "heading_close":
                level = 0
            case "blockquote_open":
                quotes += 1
            case "blockquote_close":
                quotes -= 1
            case "inline":
                kind = "heading" if level else "prose"
                yield _inline(token.children, kind, level, quotes > 0)
            case "fence" | "colon_fence" if token.info.startswith("{"):
                yield from _directive(token)
            case "fence" | "colon_fence" | "code_block":
                yield Part("fence", token.content)
            case "math_block" | "math_block_label" | "amsmath":
                yield Part("math", formulas=[token.content])
            case "html_block":
                yield Part("html", _text_of_html(token.content), html=token.content)


def _inline(tokens, kind, level=0, quoted=False):
    part = Part(kind, level=level, quoted=quoted)
    text, strong, target = [], None, None
    for token in tokens:
        match token.type:
            case "text" | "text_special":
                text.append(token.content)
            case "softbreak" | "hardbreak":
                text.append(" ")
            case "strong_open":
                strong = len(text)
            case "strong_close":
                if not "".join(text[:strong]).strip():
                    part.lead = "".join(text)
            case "link_open":
                target = len(text), token.attrs.get("href", ""), token.info == "auto"
            case "link_close":
                start, href, automatic = target
                words = "".join(text[start:])
                text[start:] = [OBJECT if automatic else _without_page_number(words, href)]
            case "math_inline" | "math_inline_double":
                part.formulas.append(token.content)
                text.append(OBJECT)
            case "myst_role":
                name = token.meta["name"]
                if name == "math":
                    part.formulas.append(token.content)
                else:
                    part.roles.append((name, token.content))
                text.append(OBJECT)
            case "image":
                part.images.append(token.content)
            case "html_inline":
                part.html += token.content
            case "code_inline" | "footnote_ref":
                text.append(OBJECT)
    part.text = "".join(text).strip()
    return part


def _without_page_number(words, href):
    """Blank, in a link's words, the number of the page that it leads to."""
    file = re.search(r"(\d+)-(\d+)-[^/]*$", href)
    return words.replace(f"{file[1]}.{file[2]}", OBJECT) if file else words


_CODE_DIRECTIVES = {"code", "code-block"}


def _directive(token):
    name, argument = re.match(r"\{([^}]*)\}\s*(.*)", token.info, re.DOTALL).groups()
    lines = token.content.split("\n")
    options = {}
    while match := re.match(r":([\w-]+):\s*(.*)", lines[0] if lines else ""):
        options[match[1]] = match[2].strip()
        del lines[0]
    body = "\n".join(lines)
    if name == "math":
        yield Part("math", formulas=[f"{argument}\n{body}"])
    elif name in _CODE_DIRECTIVES:
        yield Part("fence", body)
    else:
        yield Part("directive", argument.strip(), name=name, options=options)
        yield from _blocks(body)


def _text_of_html(html):
    html = re.sub(r"(?s)<(script|style|svg)\b.*?</\1>|<!--.*?-->", " ", html)
    return re.sub(r"(?s)<[^>]*>", " ", html)


# Reading code and outputs


def _tags(cell):
    return cell.metadata.get("tags", [])


def _caption_and_alt_text(cell):
    metadata = cell.metadata.get("mystnb", {})
    return metadata.get("figure", {}).get("caption", ""), metadata.get("image", {}).get("alt", "")


def _tree(source):
    """Return the syntax tree of a cell, with IPython's magics left out."""
    plain = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)
    try:
        return ast.parse(plain)
    except SyntaxError:  # the cell cannot have run, which is another rule's matter
        return ast.Module([], [])


def _asserts(source):
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if ".testing." in f".{name}" or name.rpartition(".")[2].startswith("assert_"):
                return True
    return False


def _texts(output):
    """Yield what an output says, in every form in which it says it."""
    if output.output_type == "stream":
        yield output.text
    else:
        for kind, data in output.data.items():
            if kind.removeprefix(GLUE_PREFIX) not in ("image/png", "image/jpeg"):
                text = data if isinstance(data, str) else json.dumps(data)
                # A script that an output brings along is source code, not what the run has said.
                yield re.sub(r"(?s)<script\b.*?</script>", " ", text) if "html" in kind else text


_VOID = set("area base br col embed hr img input link meta source track wbr".split())


class _HTMLFigures(HTMLParser):
    """Collects the pictures of a piece of HTML, as [tag, what stands for it when unseen].

    What ``aria-hidden`` takes from readers who do not see is decoration, and not collected.
    """

    def __init__(self, html):
        super().__init__()
        self.figures = []
        self.caption = "<figcaption" in html
        self._open = []  # the tags inside an <svg>, and the <svg> itself
        self._hidden = []  # the tags inside what is hidden, and its own
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if self._hidden or attributes.get("aria-hidden") == "true":
            if tag not in _VOID:
                self._hidden.append(tag)
            return
        if not self._open and tag in ("img", "canvas", "svg"):
            alt = attributes.get("alt" if tag == "img" else "aria-label")
            self.figures.append([tag, alt or ""])
        if self._open or tag == "svg":
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._hidden:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open == ["svg", "title"]:
            self.figures[-1][1] += data.strip()


# The rules

RULES = {}


def rule(function):
    """Enter a function into RULES, under its name with hyphens."""
    RULES[function.__name__.replace("_", "-")] = function
    return function


@rule
def title(page):
    """The title's number is that of the file and of its folder, and is the page's only title."""
    if not re.fullmatch(r"\d+-\d+-[a-z0-9]+(-[a-z0-9]+)*", page.name):
        yield page.violation(0, f"the file is called {page.path.name}", "n-m-some-words.ipynb")
        return
    part = page.number.partition(".")[0]
    if page.path.parent.name.partition("-")[0] != part:
        yield page.violation(
            0, f"the page is in folder {page.path.parent.name}", f"a folder named {part}-…"
        )
    first = next(iter(page.parts), Part("nothing"))
    if first.level != 1:
        yield page.violation(
            1, "the page does not begin with a title", f"'# {page.number} Some words'"
        )
        return
    if not re.match(rf"{re.escape(page.number)} \S", first.text):
        yield page.violation(1, f"the title is {first.text!r}", f"'{page.number} Some words'")
    for part in page.parts[1:]:
        if part.level == 1:
            yield page.violation(part.cell, f"a second title, {part.text!r}", "'## …'")


@rule
def opening(page):
    """The first cell holds the question, what the reader needs and the run time, in this order."""
    leads = [part for part in page.parts if part.cell == 1 and part.lead in OPENING]
    if [part.lead for part in leads] != OPENING:
        found = ", ".join(part.lead for part in leads) or "none"
        yield page.violation(
            1,
            f"of the three opening paragraphs it has: {found}",
            "paragraphs that begin with " + ", ".join(f"**{lead}**" for lead in OPENING),
        )
        return
    for part in leads:
        if not part.text.removeprefix(part.lead).strip():
            yield page.violation(1, f"nothing follows **{part.lead}**", "some words")
    question = _sentences(leads[0].text.removeprefix(leads[0].lead))
    if question > MAX_QUESTION_SENTENCES:
        yield page.violation(
            1, f"the question has {question} sentences", f"at most {MAX_QUESTION_SENTENCES}"
        )


@rule
def set_up(page):
    """The first code cell, and no other, has the tag ``setup``."""
    for place, (number, cell) in enumerate(page.code_cells()):
        if place == 0 and "setup" not in _tags(cell):
            yield page.violation(number, "the first code cell is not tagged", "the tag setup")
        if place > 0 and "setup" in _tags(cell):
            yield page.violation(number, "a later cell is tagged setup", "one set-up cell, first")


@rule
def sections(page):
    """The page has statements for headings, then the five closing sections, none of them empty."""
    headings = [part for part in page.parts if part.level == 2]
    titles = [part.text for part in headings]
    if titles[-len(LAST_SECTIONS) :] != LAST_SECTIONS:
        yield page.violation(
            headings[-1].cell if headings else 0,
            f"the page ends with the sections {', '.join(titles[-len(LAST_SECTIONS) :]) or 'none'}",
            ", ".join(LAST_SECTIONS),
        )
        return
    own = headings[: -len(LAST_SECTIONS)]
    if not any(part.cell > page.setup_cell() for part in own):
        yield page.violation(0, "no section between set-up and Check", "at least one '## …'")
    for part in own:
        if len(part.text.split()) < 3:
            yield page.violation(part.cell, f"the heading {part.text!r}", "a statement")
    for part in headings:
        if not page.section(part.text):
            yield page.violation(part.cell, f"the section {part.text!r} is empty", "some content")


@rule
def headings(page):
    """Heading levels do not skip."""
    level = 0
    for part in page.parts:
        if part.level:
            if part.level > level + 1:
                yield page.violation(
                    part.cell,
                    f"heading {part.text!r} of level {part.level} after level {level}",
                    f"level {level + 1} at most",
                )
            level = part.level


@rule
def equations(page):
    r"""No ``\\`` stands beside a ``\tag``: Sphinx would split the line, where a tag is an error."""
    for part in page.parts:
        for formula in part.formulas:
            if r"\tag" in formula and "\\\\" in formula:
                yield page.violation(
                    part.cell,
                    rf"'\\' beside \tag in {formula.strip()[:40]!r}",
                    r"\cr for a new line, or a number for each equation",
                )


@rule
def predict(page):
    """The reader is asked to predict, at least once, before the experiment runs."""
    asked = [
        part.cell
        for part in page.parts
        if part.quoted and part.lead == "Predict." and part.section not in LAST_SECTIONS
    ]
    experiments = [
        part.cell
        for part in page.parts
        if part.kind == "code" and part.section not in LAST_SECTIONS
    ]
    if not asked:
        yield page.violation(0, "no prediction is asked for", "a quote: '> **Predict.** …'")
    elif not any(number > asked[0] for number in experiments):
        yield page.violation(asked[0], "no code follows the prediction", "the experiment after it")


@rule
def check(page):
    """The Check section asserts what the page says."""
    parts = page.section("Check")
    if parts and not any(part.kind == "code" and _asserts(part.text) for part in parts):
        yield page.violation(
            parts[0].cell, "the Check section asserts nothing", "a code cell with an assert"
        )


@rule
def exercises(page):
    """There are three exercises or more, each with one solution; at least one runs code."""
    expected_label = f"ex-{page.number.replace('.', '-')}-…"
    labels = {}  # label -> cell of the exercise
    solved = Counter()
    opened = None
    filled = has_code = False
    for part in page.parts:
        gate = part.name
        if gate in ("exercise", "solution"):
            yield page.violation(
                part.cell, f"an ungated {gate}", f"{gate}-start and {gate}-end, for code cells"
            )
        elif gate in ("exercise-start", "solution-start"):
            if opened:
                yield page.violation(
                    opened.cell, f"{opened.name} is not closed", f"{opened.name[:-6]}-end"
                )
            if part.section != "Exercises":
                yield page.violation(
                    part.cell, f"{gate} in section {part.section!r}", "the section Exercises"
                )
            opened, filled = part, False
            if gate == "exercise-start":
                label = part.options.get("label", "")
                if not re.fullmatch(rf"{re.escape(expected_label[:-1])}[a-z0-9-]+", label):
                    yield page.violation(
                        part.cell, f"the exercise's label is {label!r}", expected_label
                    )
                if label in labels:
                    yield page.violation(
                        part.cell, f"a second exercise with label {label!r}", "labels that differ"
                    )
                labels[label] = part.cell
            else:
                if part.text not in labels:
                    yield page.violation(
                        part.cell,
                        f"the solution is for {part.text!r}",
                        "the label of an exercise above it",
                    )
                solved[part.text] += 1
                if solved[part.text] > 1:
                    yield page.violation(
                        part.cell, f"a second solution for {part.text!r}", "one an exercise"
                    )
                if "dropdown" not in part.options.get("class", "").split():
                    yield page.violation(
                        part.cell, "the solution is in plain sight", "':class: dropdown'"
                    )
        elif gate in ("exercise-end", "solution-end"):
            if opened is None or opened.name[:-6] != gate[:-4]:
                yield page.violation(part.cell, f"{gate} closes nothing", f"{gate[:-4]}-start")
            elif not filled:
                yield page.violation(part.cell, f"the {gate[:-4]} is empty", "some content")
            opened = None
        else:
            filled = True
            if part.inside == "solution" and part.kind == "code" and _asserts(part.text):
                has_code = True
    if opened:
        yield page.violation(opened.cell, f"{opened.name} is not closed", f"{opened.name[:-6]}-end")
    for label, cell in labels.items():
        if not solved[label]:
            yield page.violation(cell, f"exercise {label!r} has no solution", "one solution")
    place = next((part.cell for part in page.parts if part.section == "Exercises"), 0)
    if len(labels) < MIN_EXERCISES:
        yield page.violation(place, f"{len(labels)} exercises", f"at least {MIN_EXERCISES}")
    elif not has_code:
        yield page.violation(
            place, "no solution runs code", "a code cell with an assert in at least one"
        )


@rule
def kinds_of_exercises(page):
    """Exercises say what they ask: to recall, calculate or build; one asks for a prediction."""
    titles = [(part.cell, part.text) for part in page.parts if part.name == "exercise-start"]
    if len(titles) < MIN_EXERCISES:
        return  # the rule above says so
    place = next(part.cell for part in page.parts if part.section == "Exercises")
    kinds = [title.split(":")[0] for _, title in titles]
    unknown = [given for given, kind in zip(titles, kinds, strict=True) if kind not in EXERCISES]
    expected = ", ".join(f"'{kind}: …'" for kind in EXERCISES)
    for cell, title in unknown:
        yield page.violation(cell, f"the exercise {title!r}", expected)
    if not unknown and set(kinds) != set(EXERCISES):
        yield page.violation(place, f"exercises of the kinds {kinds}", expected)
    source = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    statements = re.findall(r"(?s)\{exercise-start\}(.*?)\{exercise-end\}", source)
    if not any("**Predict" in statement for statement in statements):
        yield page.violation(place, "no exercise asks for a prediction", "**Predict** in one")


@rule
def claims(page):
    """A page tries the claims that name it, and shows each verdict as it is recorded."""
    tried = set()
    for number, cell in page.code_cells():
        for output in cell.outputs:
            if RECORD not in output.get("data", {}):
                continue
            [record] = records({"cells": [{"outputs": [output]}]})
            tried.add(record.claim)
            if page.number not in CLAIMS[record.claim].pages:
                yield page.violation(
                    number, f"a verdict on {record.claim}", "this page in companion.claims.CLAIMS"
                )
            elif "".join(output["data"]["text/html"]) != record.html():
                yield page.violation(
                    number, f"another text of {record.claim}", "the present one: run it again"
                )
    for name, claim in CLAIMS.items():
        if page.number in claim.pages and name not in tried:
            yield page.violation(0, f"no verdict on {name}", "claims.verdict, as CLAIMS names it")


@rule
def next_page(page):
    """The summary ends with the question that the next page answers, and leads there."""
    listed = [file for file in contents(page.root) if file.startswith("notebooks/")]
    here = page.path.relative_to(page.root).with_suffix("").as_posix()
    following = listed[listed.index(here) + 1 :] if here in listed else []
    parts = page.section("Summary")
    if not following or not parts:
        return
    target = Path(page.root, f"{following[0]}.ipynb")
    place = parts[0].cell
    paragraph = re.search(r"(?m)^Next: (.+)$", page.cells[place - 1].source)
    if not paragraph or "?" not in paragraph[1]:
        yield page.violation(place, "no question leads on", "a paragraph 'Next: …?'")
        return
    links = re.findall(r"\]\(([^)#]+)\)", paragraph[1])
    if not links or (page.path.parent / links[0]).resolve() != target.resolve():
        led = links[0] if links else "nowhere"
        yield page.violation(place, f"the first link after Next: leads to {led}", target.name)


@rule
def summary(page):
    """The summary has at most five sentences; a pointer to the next page is not one of them."""
    parts = [part for part in page.section("Summary") if not part.text.startswith("Next:")]
    count = sum(_sentences(part.text) for part in parts)
    if count > MAX_SUMMARY_SENTENCES:
        yield page.violation(
            parts[0].cell,
            f"the summary has {count} sentences",
            f"at most {MAX_SUMMARY_SENTENCES}",
        )


def _sentences(text):
    text = re.sub(r"\b(e\.g|i\.e|et al|vs|cf|approx|Fig|Eq|No)\.", r"\1", text)
    return sum(bool(piece.strip()) for piece in re.split(r"[.!?][\"”’)]*(?:\s+|$)", text))


@rule
def sources(page):
    """Sources cites the bibliography, and every citation on the page is in it."""
    file = page.root / "book" / "references.bib"
    known = set(re.findall(r"(?m)^\s*@\w+\s*\{\s*([^,\s]+)\s*,", file.read_text("utf-8")))
    for part in page.parts:
        for key in _cited(part):
            if key not in known:
                yield page.violation(part.cell, f"{key!r} is cited", "a key of book/references.bib")
    parts = page.section("Sources")
    if parts and not any(_cited(part) for part in parts):
        yield page.violation(
            parts[0].cell, "Sources cites nothing", "{cite:t}`key` or {cite:p}`key`"
        )


def _cited(part):
    return [
        key.strip()
        for name, content in part.roles
        if name == "cite" or name.startswith("cite:")
        for key in content.split(",")
    ]


@rule
def figures(page):
    """Every figure has a caption, and an alt text that gives its finding in sentences."""
    for number, cell in page.code_cells():
        caption, alt = _caption_and_alt_text(cell)
        images = 0
        for output in cell.outputs:
            data = output.get("data", {})
            kinds = {kind.removeprefix(GLUE_PREFIX) for kind in data}
            if kinds & IMAGE_TYPES:
                images += 1
                yield from _alt_text(page, number, alt, "mystnb.image.alt in the cell's metadata")
                if not caption:
                    yield page.violation(
                        number, "no caption", "mystnb.figure.caption in the cell's metadata"
                    )
            elif "text/html" in kinds:
                html = _HTMLFigures(next(data[kind] for kind in data if kind.endswith("text/html")))
                for tag, text in html.figures:
                    yield from _alt_text(page, number, text or alt, f"alt or aria-label of <{tag}>")
                if html.figures and not (caption or html.caption):
                    yield page.violation(number, "no caption", "a <figcaption>")
        if images > 1:
            yield page.violation(number, f"{images} figures", "one a cell, as alt text is a cell's")
    for part in page.parts:
        for alt in part.images:
            yield from _alt_text(page, part.cell, alt, "![alt text](…)")
        for tag, alt in _HTMLFigures(part.html).figures:
            yield from _alt_text(page, part.cell, alt, f"alt or aria-label of <{tag}>")
        if part.name in ("figure", "image"):
            yield from _alt_text(page, part.cell, part.options.get("alt", ""), "':alt: …'")


def _alt_text(page, cell, alt, where):
    alt = alt.strip()
    if not alt:
        yield page.violation(cell, "a figure without alt text", where)
    elif len(alt) < MIN_ALT:
        yield page.violation(
            cell,
            f"alt text {alt!r} of {len(alt)} characters",
            f"at least {MIN_ALT}, in full sentences, giving the finding",
        )
    elif alt[-1] not in ".!?":
        yield page.violation(cell, f"alt text that ends {alt[-15:]!r}", "a full sentence")


@rule
def outputs(page):
    """No stored output holds a warning, an error, or a trace of the machine that made it."""
    forbidden = {
        "a traceback": re.compile(r"Traceback \(most recent call last\)"),
        "a warning": re.compile(r"\w*warning\w*", re.IGNORECASE),
        "a path of a machine": re.compile(
            r"(?<![\w.])/(?:home|root|Users|tmp|var|private|opt|mnt|content|workspaces?"
            r"|usr/(?:lib|local|share))(?![\w-])[^\s'\"<>]*"
            r"|(?<!\w)[A-Za-z]:\\+[^\s'\"<>]+"
            r"|\S*(?:site|dist)-packages\S*"
            r"|ipykernel_\d+|<ipython-input\S*"
        ),
        "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
    }
    for number, cell in page.code_cells():
        for output in cell.outputs:
            if output.output_type == "error":
                yield page.violation(number, f"the error {output.ename}", "a cell that runs")
                continue
            if output.output_type == "stream" and output.name == "stderr":
                yield page.violation(
                    number, f"something on stderr: {output.text[:80]!r}", "its cause to be mended"
                )
                continue
            for text in _texts(output):
                for what, pattern in forbidden.items():
                    if match := pattern.search(text):
                        yield page.violation(
                            number, f"{what} in an output: {match[0][:80]!r}", "none"
                        )


@rule
def nothing_hidden(page):
    """Nothing that a page runs is hidden, skipped, or kept from saying what is wrong."""
    tags = re.compile(r"(nbval-)?(raises-exception|skip)|remove-.*|skip-execution")
    silencers = re.compile(
        r"filterwarnings|simplefilter|catch_warnings|disable_warnings|logging\.disable"
        r"|%%capture|redirect_stderr|2>\s*(?:/dev/null|&1)"
    )
    for number, cell in page.code_cells():
        for tag in filter(tags.fullmatch, _tags(cell)):
            yield page.violation(number, f"the tag {tag}", "a cell that readers see and tests run")
        if match := silencers.search(cell.source):
            yield page.violation(
                number, f"{match[0]!r} hides what goes wrong", "the cause to be mended"
            )


@rule
def execution(page):
    """All code cells were executed, once, from top to bottom."""
    for expected, (number, cell) in enumerate(page.code_cells(), start=1):
        if cell.execution_count != expected:
            found = cell.execution_count
            yield page.violation(
                number,
                "the cell was not executed" if found is None else f"it was executed as [{found}]",
                f"[{expected}]: run 'make notebooks PAGE={page.name}'",
            )
            return


@rule
def cells(page):
    """Cells are Markdown or code, not empty, and have ids that differ; the file is valid."""
    seen = set()
    for number, cell in enumerate(page.cells, start=1):
        if cell.cell_type not in ("markdown", "code"):
            yield page.violation(number, f"a {cell.cell_type} cell", "Markdown or code")
        if not cell.source.strip():
            yield page.violation(number, "the cell is empty", "some content, or no cell")
        if cell.get("id") in seen:
            yield page.violation(number, "the id of an earlier cell", "ids that differ")
        seen.add(cell.get("id"))
    for error in nbformat.validator.iter_validate(page.notebook):
        yield page.violation(0, f"not a valid notebook: {error.message[:200]}", "nbformat 4.5")
        return


@rule
def size(page):
    """The stored notebook has at most 1 MB."""
    if page.size > MAX_BYTES:
        yield page.violation(
            0, f"the notebook has {page.size / 1e6:.2f} MB", f"at most {MAX_BYTES / 1e6:.0f} MB"
        )


@rule
def run_time(page):
    """The page has a record of its run, took at most 60 s, and says so at its head."""
    record = page.notebook.metadata.get("companion", {})
    kinds = {
        "cores": int,
        "date": str,
        "peak_memory_mb": int,
        "processor": str,
        "seconds": (int, float),
        "versions": dict,
    }
    for key, kind in kinds.items():
        if not record.get(key) or not isinstance(record[key], kind):
            yield page.violation(
                0,
                f"companion.{key} in the metadata is {record.get(key)!r}",
                f"what 'make notebooks PAGE={page.name}' measures",
            )
            return
    if record["seconds"] > MAX_SECONDS:
        yield page.violation(0, f"it took {record['seconds']} s", f"at most {MAX_SECONDS} s")
    expected = run_time_paragraph(record)
    stated = RUN_TIME.search(page.cells[0].source) if page.cells else None
    if stated and stated[0].strip() != expected:
        yield page.violation(1, f"the page says {stated[0]!r}", repr(expected))


@rule
def glued(page):
    """Every number that the prose quotes was glued on this page, once, with a format."""
    values = {}
    for number, cell in page.code_cells():
        for output in cell.outputs:
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is None:
                continue
            if name in values:
                yield page.violation(number, f"{name!r} is glued again", "names that differ")
            values[name] = output
            prefix = output.metadata.scrapbook.get("mime_prefix", "")
            text = str(output.data.get(f"{prefix}text/plain", ""))
            if re.search(r"\d\.\d{7}", text):
                yield page.violation(
                    number, f"{name!r} is glued as {text[:30]}", "a format, as in glue(…, '.2f')"
                )
    quoted = [(part.cell, role) for part in page.parts for role in part.roles]
    quoted += [
        (part.cell, (part.name, part.text)) for part in page.parts if part.name.startswith("glue")
    ]
    for number, cell in page.code_cells():
        caption, _ = _caption_and_alt_text(cell)
        quoted += [(number, role) for part in _blocks(caption) for role in part.roles]
    for number, (role, content) in quoted:
        if role != "glue" and not role.startswith("glue:"):
            continue
        name, _, format_spec = content.partition(":")
        if "::" in content:
            yield page.violation(number, f"{content!r} is another page's", "a value of this page")
        elif name not in values:
            yield page.violation(
                number,
                f"{name!r} is quoted, and no cell glues it",
                f"a cell with glue({name!r}, …)",
            )
        elif format_spec:
            yield page.violation(
                number, f"the format {format_spec!r} in the prose", f"it in glue({name!r}, …)"
            )


# Typed numbers

_COUNTED = r"(?!\s+(?!(?:is|was|has|as|its|this|does)\b)[a-z-]+s\b)(?!\s*(?:%|°|×))"
_NUMBER = r"\(?[1-9]\d*(?:\.[1-9]\d*){0,2}(?!\.?\d)\)?(?!\s*[%°×])"
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_LABELLED = (
    "page|part|chapter|section|equation|figure|table|claim|exercise"
    "|appendix|example|line|row|column"
)
_SOFTWARE = (
    "Python|NumPy|SciPy|pandas|PyTorch|TensorFlow|Keras|CUDA|Matplotlib|scikit-learn|statsmodels"
    "|ONNX|ONNX Runtime|Jupyter Book|JupyterLab|Ubuntu|Windows|version|opset|CC BY|IEEE|ISO|PEP|RFC"
)

#: What a number in prose may be without being glued. The order matters: longer forms first.
ALLOWED = [
    # pages 3.1 to 3.3, equations (3.1.4) and (3.1.5)
    re.compile(
        rf"\b(?:{_LABELLED})s\s+{_NUMBER}(?:\s*(?:,|–|,?\s*and|,?\s*or|to)\s*{_NUMBER})*",
        re.IGNORECASE,
    ),
    # page 3.1, equation (3.1.4)
    re.compile(rf"\b(?:{_LABELLED}|eq\.|fig\.)\s+{_NUMBER}", re.IGNORECASE),
    # step 3, but not step 300
    re.compile(r"\bsteps?\s+\d(?![\d.,]*\d)(?:\s*(?:and|to|–)\s*\d(?![\d.,]*\d))?", re.IGNORECASE),
    # (3.1.4), the number of an equation
    re.compile(r"\(\d+\.\d+\.\d+\)"),
    # Python 3.11 to 3.13, CC BY 4.0
    re.compile(rf"\b(?:{_SOFTWARE})\s+\d+(?:\.\d+)*(?:\s+(?:to|and|or)\s+\d+(?:\.\d+)*)?"),
    # 21 November 2026, November 2026
    re.compile(rf"\b(?:\d{{1,2}}\s+)?{_MONTH}(?:\s+(?:1[89]|20)\d\d)?\b"),
    # 1997, 1950–2010, the 1990s; but not 2000 steps
    re.compile(rf"(?<![\w.,])(?:1[89]|20)\d\d(?:s\b|(?![\w,.]*\d)(?!\w){_COUNTED})"),
    # 64-bit, 32 bits: the widths of numbers
    re.compile(r"(?<![\w.])(?:8|16|32|64)(?:-bit| bits)\b"),
    # 1-D, 3D
    re.compile(r"(?<![\w.])[1-4]-?[Dd]\b"),
    # float64, H200, LSTM-2, seq2seq
    re.compile(r"(?<![\w.])[A-Za-z][A-Za-z_]*-?\d+[A-Za-z0-9]*(?![\w%]|\.\d)"),
]

_TYPED = re.compile(r"\d+(?:[.,\u00a0\u202f ]\d+)*(?:\s?(?:%|×|°C|percent|per cent))?")


@rule
def typed_numbers(page):
    """No result is typed by hand: the cell that computed it glues it into the prose."""
    literals = page.literals()
    for cell, text, formulas in _prose(page):
        typed = [*_typed_in_prose(text)]
        for formula in formulas:
            typed += _typed_in_formula(formula, literals)
        for number in typed:
            yield page.violation(
                cell,
                f"the number {number} is typed",
                "{glue:text}, a word, or one of the exceptions in book/page-rules.md",
            )


def _prose(page):
    """Yield (cell number, text, formulas) for all that the rule on typed numbers reads."""
    for part in page.parts:
        if part.inside == "exercise" or (part.cell == 1 and part.lead == "Run time."):
            continue
        text = part.text
        if part.kind in ("code", "fence") or part.name in ("figure", "image", "solution-start"):
            text = ""
        elif part.level == 1:
            text = re.sub(r"^\d+\.\d+ ", "", text)
        yield part.cell, text, part.formulas
        for alt in (*part.images, part.options.get("alt", "")):
            yield part.cell, alt, []
    for number, cell in page.code_cells():
        caption, alt = _caption_and_alt_text(cell)
        yield number, alt, []
        for part in _blocks(caption):
            yield number, part.text, part.formulas


def _typed_in_prose(text):
    rest = text
    for pattern in ALLOWED:
        rest = pattern.sub(lambda match: OBJECT * len(match[0]), rest)
    for match in _TYPED.finditer(rest):
        around = text[max(0, match.start() - 25) : match.end() + 15].replace(OBJECT, "…")
        yield f"{match[0]!r} in {around!r}"


_NOT_VALUES = re.compile(
    r"\\(?:tag|label|ref|eqref|hspace|vspace)\*?\{[^}]*\}"  # names and lengths
    r"|\[?\s*-?\d*\.?\d+\s*(?:em|ex|pt|mu)\b\]?"
    r"|\d+\.\d+\.\d+"
)


def _typed_in_formula(formula, literals):
    """Yield the results in a formula, whose other numbers are definitions.

    A decimal is a result unless the same number stands in the page's code: then it is a setting
    or an asserted bound, and whoever changes it there is told here.
    """
    plain = _NOT_VALUES.sub(" ", formula).strip()
    plain = re.sub(r"\\[,;:!]|\{,\}", "", plain)
    if match := re.search(r"[\d.]+\s*\\?%", plain):
        yield f"{match[0]!r} in ${formula.strip()}$"
    elif match := re.search(r"\\(?:approx|simeq|sim)\s*[-+]?\d[\d.]*", plain):
        yield f"{match[0]!r} in ${formula.strip()}$"
    elif match := re.fullmatch(r"[-+]?10\^\{?([-+]?\d+)\}?", plain):
        if float(f"1e{match[1]}") not in literals:
            yield f"${formula.strip()}$"
    elif re.fullmatch(r"[-+]?\d+(\.\d+)?\s*(\\times)?", plain):
        if plain.lstrip("+-") not in ("0", "1"):
            yield f"${formula.strip()}$"
    else:
        for number in re.findall(r"(?<![\w.])\d+\.\d+", plain):
            if float(number) not in literals:
                yield f"{number} in ${' '.join(formula.split())[:60]}$"


# The book as a whole


def find_pages(root):
    """Return the paths of the book's notebooks, in the order of the book."""
    paths = [
        path
        for path in Path(root, "notebooks").glob("**/*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    ]
    return sorted(paths, key=lambda path: [int(n) for n in re.findall(r"\d+", path.stem)[:2]])


def repeated_labels(pages):
    """Yield a violation for every page number and exercise label that is on two pages."""
    seen = {}
    for page in pages:
        names = [(0, f"number {page.number}")] + [
            (part.cell, f"label {part.options.get('label')}")
            for part in page.parts
            if part.name == "exercise-start"
        ]
        for cell, name in names:
            if seen.setdefault(name, page) is not page:
                yield page.violation(cell, f"the {name} is {seen[name].name}'s", "another")


def contents(root):
    """Return the documents that the table of contents lists, in its order."""

    def documents(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("root", "file"):
                    yield value
                else:
                    yield from documents(value)
        elif isinstance(node, list):
            for value in node:
                yield from documents(value)

    return list(documents(yaml.safe_load(Path(root, "_toc.yml").read_text(encoding="utf-8"))))
