"""Finding one's way: glossary, notation, index, run times, openers, links from code and back."""

import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from bs4 import BeautifulSoup

from companion import claims, spec
from companion.plots import SYMBOL_COLOURS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import claims_on_trial  # noqa: E402
import code_links  # noqa: E402
import glossary_links  # noqa: E402
import run_times  # noqa: E402

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
EVERYDAY = CONFIG["sphinx"]["config"]["glossary_links_everyday"]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def in_toc():
    """All pages in the order of the contents."""
    pages = [TOC["root"]]
    for part in TOC["parts"]:
        for chapter in part["chapters"]:
            pages += [chapter["file"], *(s["file"] for s in chapter.get("sections", ()))]
    return pages


PAGES = [page for page in in_toc() if page.startswith("notebooks/")]
OPENERS = [page for page in in_toc() if page.startswith("book/parts/")]


@pytest.fixture(scope="module")
def soup(html):
    """Read a built page, each once."""
    read = {}

    def parsed(page):
        if page not in read:
            text = (html / f"{page}.html").read_text(encoding="utf-8")
            read[page] = BeautifulSoup(text, "html.parser")
        return read[page]

    return parsed


def article(soup, page):
    return soup(page).select_one("article")


def leads_to(soup, page, href):
    """Whether a link of a page leads to something on a page of the book."""
    path, _, anchor = unquote(href).partition("#")
    there = Path(page).parent.joinpath(path).as_posix() if path else f"{page}.html"
    parts = []
    for part in there.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    found = soup("/".join(parts).removesuffix(".html"))
    return found.find(id=anchor) if anchor else found


# --- Glossary


def entries():
    """Names and definition of each entry, as written."""
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    body = text.split("```{glossary}\n")[1].split("```")[0].strip("\n")
    found = []
    for entry in body.split("\n\n"):
        lines = entry.split("\n")
        names = [line for line in lines if not line.startswith("  ")]
        found.append((names, " ".join(line.strip() for line in lines[len(names) :])))
    return found


def test_every_entry_has_english_chinese_and_a_definition():
    found = entries()
    assert len(found) >= 60
    for names, definition in found:
        chinese = [name for name in names if name.endswith(" : 中文")]
        assert len(chinese) == 1 and chinese == names[-1:], names
        assert len(names) >= 2 and not CHINESE.search("".join(names[:-1])), names
        sentences = re.sub(r" \[[\d.]+\]\([^)]*\)$", "", definition)
        assert sentences.endswith((".", "?")) and not CHINESE.search(sentences), names
        assert len(re.findall(r"[.?](?: |$)", sentences)) <= 3, names


def test_entries_are_sorted_and_their_names_differ():
    firsts = [names[0].lower() for names, _ in entries()]
    assert firsts == sorted(firsts)
    names = [name for names, _ in entries() for name in names]
    assert len(set(names)) == len(names)


def test_the_number_at_the_end_of_an_entry_is_the_page_it_leads_to():
    links = [re.findall(r"\[([\d.]+)\]\(\.\./([^)]*)\)", text) for _, text in entries()]
    links = [link for found in links for link in found]
    assert len(links) > 40
    for number, file in links:
        assert (ROOT / file).exists()
        assert Path(file).name.startswith(number.replace(".", "-") + "-")


def test_words_of_everyday_meaning_are_in_the_glossary():
    assert set(EVERYDAY) <= {name for names, _ in entries() for name in names}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the forget gate of", ["forget gate"]),
        ("Forget gates and a gate", ["Forget gates", "gate"]),
        ("a forget-gate bias", ["forget-gate"]),
        ("the hidden-state", ["hidden-state"]),
        ("gated, delegate", []),
        ("central differences", ["central differences"]),
        ("LSTMs, an LSTM's, lstm", ["LSTMs", "LSTM"]),
        ("two long-term dependencies", ["long-term dependencies"]),
        ("the loss and losses", ["loss", "losses"]),
        ("forget\ngate", ["forget\ngate"]),
    ],
)
def test_forms_of_a_term(text, found):
    terms = ["long-term dependency", "central difference", "hidden state", "forget gate"]
    terms += ["loss", "LSTM", "gate"]
    assert [m[0] for m in glossary_links.pattern(terms).finditer(text)] == found


@pytest.mark.parametrize("page", PAGES)
def test_terms_are_linked_once_and_where_they_first_occur(soup, page):
    links = article(soup, page).select("a.term")
    assert len(links) >= 5
    targets = [link["href"] for link in links]
    assert len(set(targets)) == len(targets)
    prose = [text for text in article(soup, page).find_all(string=True) if _prose(text)]
    definitions = {d["id"]: d.find_next("dd") for d in soup("book/glossary").select("dt[id]")}
    for link in links:
        anchor = link["href"].split("#")[1]
        definition = definitions[anchor]
        if not definition.find("math"):  # a formula is another text there
            text = " ".join(definition.get_text().split())
            assert re.sub(r" [\d.]+$", "", text) == link["title"]
        assert not link.find_parents(["h1", "h2", "h3", "pre", "code", "figcaption"])
        assert len(link.find_parents("a")) == 0
        earlier = prose[: next(n for n, text in enumerate(prose) if text is link.string)]
        form = re.compile(rf"(?<![\w-]){glossary_links.form(link.get_text())}(?![\w-])")
        if " " in link.get_text():  # a shorter term may be part of a longer one
            assert not [t for t in earlier if not t.find_parent("a") and form.search(t)], link


def _prose(text):
    kinds = {"h1", "h2", "h3", "pre", "code", "figcaption", "script", "style", "math", "nav"}
    boxes = {"cell", "admonition-title"}
    return not any(
        above.name in kinds or boxes & set(above.get("class", ())) for above in text.parents
    )


def test_known_terms_are_linked(soup):
    linked = {
        link["href"].split("#")[1]
        for link in article(soup, "notebooks/3-algorithms/3-1-forward").select("a.term")
    }
    assert {"term-forget-gate", "term-cell-state", "term-hidden-state"} <= linked
    assert not {f"term-{word}" for word in EVERYDAY} & linked


def test_chinese_names_say_their_language(soup):
    terms = soup("book/glossary").select("dl.glossary dt")
    chinese = [term for term in terms if CHINESE.search(term.get_text())]
    assert len(chinese) == len(entries())
    assert all(term.get("lang") == "zh-Hans" for term in chinese)


def test_a_changed_glossary_changes_the_pages_that_link_to_it(tmp_path):
    from sphinx.application import Sphinx

    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "conf.py").write_text("extensions = ['glossary_links']\n")
    (source / "index.rst").write_text(
        "Title\n=====\n\n.. toctree::\n\n   glossary\n\nTwo gates, a gate.\n"
    )

    def build(definition):
        text = f"Words\n=====\n\n.. glossary::\n\n   gate\n      {definition}\n"
        (source / "glossary.rst").write_text(text)
        app = Sphinx(source, source, out, tmp_path / "trees", "html", status=None, warning=None)
        app.build()
        return BeautifulSoup((out / "index.html").read_text(), "html.parser").select("a.term")

    [link] = build("A door.")
    assert (link.get_text(), link["title"]) == ("gates", "A door.")
    [link] = build("Lets through.")  # index.rst is as it was
    assert link["title"] == "Lets through."


# --- Notation


def tables():
    """The rows of each table of the notation page, by the heading above."""
    found, heading = {}, ""
    text = (ROOT / "book" / "notation.md").read_text(encoding="utf-8").replace("\u00a0", " ")
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.lstrip().startswith("|") and "---" not in line:
            cells = [cell.strip() for cell in line.strip().strip("|").split(" |")]
            found.setdefault(heading, []).append([cell.strip("| ") for cell in cells])
    return {heading: rows[1:] for heading, rows in found.items()}


def test_parameters_have_the_shapes_of_the_package():
    # Sizes that tell each other apart.
    sizes = {"I": 5, "H": 7, "G": 4, "3": 3}
    shapes = {
        **spec.GRU_RESET_AFTER.shapes(5, 7),
        **spec.PEEPHOLE_LSTM.shapes(5, 7),
    }
    rows = {row[1].strip("`"): row[2] for row in tables()["Parameters"]}
    assert rows.keys() == shapes.keys()
    for name, shape in rows.items():
        assert tuple(sizes[size] for size in re.findall(r"\w", shape)) == shapes[name], name


def test_cells_have_the_gates_of_the_package():
    rows = {row[0]: row[1:] for row in tables()["Conventions"]}
    wanted = {name: cell for name, cell in spec.CELLS.items() if name != "RNN (ReLU)"}
    assert rows.keys() == wanted.keys()
    for name, cell in wanted.items():
        listed = [tuple(text.split(", ")) for text in rows[name]]
        assert listed == [cell.gates, cell.states, tuple(cell.shapes(1, 1))], name


def numbered_equations():
    """All numbered equations of the book, (number, body, page), in order."""
    for page in PAGES:
        cells = json.loads((ROOT / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        for body, tag in re.findall(r"\$\$\n((?:(?!\$\$).)*?)\\tag\{([\d.]+)\}", text, re.DOTALL):
            yield tag, body, f"{page}.ipynb"


def test_symbols_are_where_the_notation_says():
    """The equation named is the first of the book that holds the symbol."""
    link = re.compile(r"\[\(([\d.]+)\)\]\(\.\./([^)]*)\)")
    rows = [row for rows in tables().values() for row in rows]
    linked = [(row[0], *match) for row in rows for match in link.findall(row[-1])]
    assert len(linked) >= 20
    equations = list(numbered_equations())
    for symbol, number, file in linked:
        start = symbol.split("$")[1]
        start = start.removesuffix(" v_t").removesuffix(" v")
        start = re.sub(r"_k$", "_", re.sub(r"_\{k,t\}$", "_", start)).removeprefix("^")
        holding = [(tag, page) for tag, body, page in equations if start in body]
        assert holding, symbol
        assert (number, file) == holding[0], (symbol, number, holding[0])


def test_colours_are_those_of_the_figures(soup):
    table = soup("book/notation").select_one("table.symbol-colours")
    rows = table.select("tbody tr")
    assert len(rows) == len(SYMBOL_COLOURS["light"])
    for row, (name, light) in zip(rows, SYMBOL_COLOURS["light"].items(), strict=True):
        assert row.td.get_text() == f"{name}t" and f"sym-{name}" in row.td["class"]
        assert f"--gbg-{name}" in row.select_one(".swatch")["style"]
        assert [c.get_text() for c in row.select("code")] == [light, SYMBOL_COLOURS["dark"][name]]


# --- Index


def test_index_is_in_the_contents_and_holds_terms_and_names(soup):
    for page in ("book/index", PAGES[0]):
        links = soup(page).select("nav a[href$='genindex.html']")
        assert [link.get_text(strip=True) for link in links] == ["Index"]
    index = article(soup, "genindex")
    assert "forget gate" in [link.get_text() for link in index.select("a strong")]
    [name] = index.select("a[href$='#companion.numpy.LSTM']")
    assert name.get_text() == "(class in companion.numpy)"
    assert name.find_parent("ul").find_parent("li").a.get_text() == "LSTM"
    groups = [heading.get_text() for heading in index.select("h2")]
    assert groups[-1] == "中文" and not [g for g in groups[:-1] if CHINESE.search(g)]
    for link in index.select("a[href*='.html#']"):
        assert leads_to(soup, "genindex", link["href"]), link


# --- Run times


def test_run_times_are_those_stored(soup):
    rows = soup("book/status").select("table.run-times tbody tr")
    records = {page: run_times.record(ROOT / f"{page}.ipynb") for page in PAGES}
    assert len(rows) == len(PAGES) + 1
    for row, (page, stored) in zip(rows, records.items(), strict=False):
        texts = [cell.get_text(strip=True) for cell in row.select("td")]
        title = soup(page).h1.find(string=True).strip()
        assert texts[0] == title
        assert leads_to(soup, "book/status", row.a["href"]) is soup(page)
        assert (float(texts[1]), int(texts[2])) == (stored["seconds"], stored["peak_memory_mb"])
        assert texts[3].startswith(stored["processor"]) and texts[5] == stored["date"]
        assert all(f"{name} {version}" in texts[4] for name, version in stored["versions"].items())
    last = [cell.get_text(strip=True) for cell in rows[-1].select("td")]
    assert float(last[1]) == pytest.approx(sum(s["seconds"] for s in records.values()), abs=0.06)
    assert last[2].split()[0] == str(max(s["peak_memory_mb"] for s in records.values()))


def test_pages_are_counted_not_spelled():
    pages = ["notebooks/10-x/10-1-a", "notebooks/9-x/9-10-b", "notebooks/9-x/9-2-c"]
    assert run_times.in_order(pages) == pages[::-1]


# --- Claims on trial


def test_every_claim_is_listed_with_its_verdicts_and_its_gaps(soup):
    trials = {}
    for page in PAGES:
        number = claims_on_trial.number_of(page)
        notebook = json.loads((ROOT / f"{page}.ipynb").read_text(encoding="utf-8"))
        for record in claims.records(notebook):
            trials[record.claim, number] = page, record
    assert trials, "no page has a verdict"
    assert len(article(soup, "book/claims").select("dl.claims > dt")) == len(claims.CLAIMS)
    for name, claim in claims.CLAIMS.items():
        [term] = soup("book/claims").select(f"dt#claim-{name.lower()}")
        assert " ".join(term.get_text().split()).startswith(f"{name} {claim.words}")
        # The builder sets typographic apostrophes.
        said = BeautifulSoup(str(term.find_next_sibling("dd")).replace("’", "'"), "html.parser")
        gaps = " ".join(p.get_text() for p in said.select("p.gap"))
        links = {link.get_text(): link["href"] for link in said.select("a[href*='claim-']")}
        for number in claim.pages:
            assert (number in gaps) == ((name, number) not in trials)
            if number not in gaps:
                page, record = trials[name, number]
                there = leads_to(soup, "book/claims", links.pop(f"page {number}"))
                assert record.because in there.get_text() and claim.words in there.get_text()
                assert record.sentence in said.get_text() and record.evidence in said.get_text()
        assert not links


def test_claims_are_counted():
    verdicts = [("B1", "holds"), ("B1", "does not hold"), ("C2", "holds")]
    assert "2 have been tried so far, in 3 trials: 2 “holds”, 1 “does not hold”." in (
        claims_on_trial.count(verdicts)
    )
    assert "None of" in claims_on_trial.count([])


# --- Openers, previous and next


@pytest.mark.parametrize("opener", OPENERS)
def test_an_opener_answers_and_leads_to_its_pages(opener):
    text = (ROOT / f"{opener}.md").read_text(encoding="utf-8")
    for label in ("What this part answers", "How it hangs together", "What you can skip"):
        assert f"**{label}.**" in text
    chapters = [c for part in TOC["parts"] for c in part["chapters"] if c["file"] == opener]
    for section in chapters[0]["sections"]:
        assert f"(../../{section['file']}.ipynb)" in text
        cell = json.loads((ROOT / f"{section['file']}.ipynb").read_text())["cells"][0]
        title = "".join(cell["source"]).split("\n")[0].removeprefix("# ")
        assert f"- [{title}]" in text, "the list names a page by its title"


def test_previous_and_next_have_titles(soup):
    order = in_toc()
    for before, page, after in zip(order, order[1:], order[2:], strict=False):
        for direction, wanted in (("left-prev", before), ("right-next", after)):
            link = soup(page).select_one(f"a.{direction}")
            assert leads_to(soup, page, link["href"]) is soup(wanted), page
            title = link.select_one(".prev-next-title").get_text()
            heading = soup(wanted).h1.get_text().rstrip("#")
            assert title.split() == heading.split(), page


# --- Code and reference

KINDS = {
    "companion.numpy": "module",
    "companion.plots": "module",
    "companion.numpy.LSTM": "class",
    "companion.numpy.LSTM.forward": "method",
    "companion.numpy.sigmoid": "function",
    "companion.plots.show": "function",
}


@pytest.mark.parametrize(
    ("cells", "uses"),
    [
        (["import companion.numpy as cnp\ncnp.LSTM(1, 2)"], ["companion.numpy", "cnp.LSTM"]),
        (
            ["import companion.numpy\ncompanion.numpy.LSTM"],
            ["companion.numpy", "companion.numpy.LSTM"],
        ),
        (["from companion import plots as p", "p.show(1)"], ["plots", "p.show"]),
        (["from companion.numpy import sigmoid", "sigmoid(sigmoid(1))"], ["sigmoid"] * 3),
        (["from companion.numpy import sigmoid\ndef sigmoid(a): pass", "sigmoid(1)"], ["sigmoid"]),
        (["from companion.numpy import sigmoid\nsigmoid = 3\nsigmoid"], ["sigmoid"]),
        (["from companion.numpy import sigmoid\nlambda sigmoid: sigmoid(1)"], ["sigmoid"]),
        (["from companion.numpy import sigmoid\n[sigmoid for sigmoid in x]"], ["sigmoid"]),
        (["from companion import plots\n[plots.show(f) for f in x]"], ["plots", "plots.show"]),
        (
            ["from companion import plots\ndef f(plots):\n  plots.show()\nplots.show()"],
            ["plots", "plots.show"],
        ),
        (
            ["import companion.numpy as cnp\nl = cnp.LSTM(1, 2)", "l.forward(x); l"],
            ["companion.numpy", "cnp.LSTM", "forward"],
        ),
        (
            ["import companion.numpy as cnp\ncnp.LSTM(1).forward(x)"],
            ["companion.numpy", "cnp.LSTM", "forward"],
        ),
        (["from companion.numpy import sigmoid\nδc = 'é' + sigmoid(δc)"], ["sigmoid", "sigmoid"]),
        (
            ["if c:\n    %pip install x\nfrom companion import plots\nplots.show(1)"],
            ["plots", "plots.show"],
        ),
        (["%%bash\nls", "from companion import plots"], ["plots"]),
        (["from companion import plots\nplots.no_such_thing"], ["plots"]),
        (["from other import plots\nplots.show(1)"], []),
    ],
)
def test_names_are_followed_through_a_page(cells, uses):
    found, _ = code_links.read_cells(cells, KINDS)
    seen = [cell[a:b] for cell, spans in zip(cells, found, strict=True) for a, b, _ in spans]
    assert seen == uses


def test_links_go_around_what_a_reader_sees():
    block = (
        '<span></span><span class="n">a</span> <span class="n">p</span><span class="o">.</span>'
        '<span class="n">show</span><span class="p">(</span>&lt;'
    )
    assert code_links.text_of(block) == "a p.show(<"
    marked = code_links.linked(block, [(2, 8, "companion.plots.show")], lambda name: "there")
    link = BeautifulSoup(marked, "html.parser").select_one("a")
    assert (link.get_text(), link["href"]) == ("p.show", "there")
    assert code_links.text_of(marked) == code_links.text_of(block)


@pytest.mark.parametrize("page", PAGES)
def test_code_leads_to_the_reference(soup, page):
    links = article(soup, page).select("pre a.code-link")
    assert links
    for link in links:
        assert leads_to(soup, page, link["href"]), link
        # What is written is an end of the full name, once the alias is gone.
        assert link["title"].split(".")[-1] == link.get_text().split(".")[-1]


def test_reference_and_pages_agree_on_who_uses_what(soup):
    forth = set()
    for page in PAGES:
        for link in article(soup, page).select("pre a.code-link"):
            described = leads_to(soup, page, link["href"])
            if described.name == "dt":
                forth.add((described["id"], page))
    back = set()
    for reference in (page for page in in_toc() if page.startswith("book/api/")):
        for said in article(soup, reference).select("p.used-on"):
            name = said.find_parent("dl").find("dt")["id"]
            for link in said.select("a"):
                cell = leads_to(soup, reference, link["href"])
                assert "cell" in cell["class"]
                assert cell.select(f'a.code-link[title="{name}"]'), (name, link)
                page = next(p for p in PAGES if link["href"].split("#")[0].endswith(f"{p}.html"))
                assert link.get_text() == soup(page).h1.get_text().split()[0]
                back.add((name, page))
    assert forth == back
    assert ("companion.numpy.LSTM", "notebooks/3-algorithms/3-1-forward") in back
    assert {page for name, page in back if name == "companion.pages.glue"} == set(PAGES)
    assert any(name == "companion.numpy.LSTM.backward" for name, _ in back)


def test_names_in_sentences_lead_to_the_reference(soup):
    page = "notebooks/5-code/5-4-one-set-of-weights-three-frameworks"
    links = [a for a in article(soup, page).select("p a, li a") if a.find("code", recursive=False)]
    named = {link.get_text(): link["href"].split("#")[-1] for link in links}
    assert named["interchange.load_parameters"] == "companion.interchange.load_parameters"


# --- Bibliography


def test_bibliography_lists_what_is_cited_without_numbers(soup):
    entries = soup("book/bibliography").select("div.citation")
    cited = set()
    for page in PAGES:
        for keys in re.findall(r"\{cite:\w+\}`([^`]*)`", (ROOT / f"{page}.ipynb").read_text()):
            cited |= set(keys.split(","))
    assert len(entries) == len(cited)
    assert not soup("book/bibliography").select(".label")
    assert {entry["role"] for entry in entries} == {"listitem"}
    for page in PAGES:
        links = article(soup, page).select("a[href*='bibliography.html#']")
        assert links and all(leads_to(soup, page, link["href"]) for link in links)
