"""Each rule for pages fires: one small good page, spoilt in one way at a time."""

import copy
import dataclasses
import json
import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion.claims import RECORD, Verdict
from tests.book import page_rules
from tests.book.page_rules import RULES, Page

ROOT = Path(__file__).parents[2]

ALT = "The error of the forecast rises with the lead time and stays below that of persistence."


def markdown(cell_id, source):
    return new_markdown_cell(source, id=cell_id)


def code(cell_id, source, *outputs, tags=(), **metadata):
    if tags:
        metadata["tags"] = list(tags)
    return new_code_cell(source, id=cell_id, outputs=list(outputs), metadata=metadata)


def glued(name, text):
    return new_output(
        "display_data",
        {"text/plain": f"{name} = {text}", "application/papermill.record/text/plain": text},
        metadata={
            "scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"},
        },
    )


def exercise(letter):
    kind = {"a": "Recall", "b": "Calculate", "c": "Build"}[letter]
    return markdown(
        f"exercise-{letter}",
        f"```{{exercise-start}} {kind}: Half of it\n:label: ex-3-1-{letter}\n```\n\n"
        "**Predict.** Let $x = 0.37$ and the width be 12. What is half of $x$, in %?\n\n"
        "```{exercise-end}\n```",
    )


def solution(letter, text="Half of it."):
    return markdown(
        f"solution-{letter}",
        f"```{{solution-start}} ex-3-1-{letter}\n:class: dropdown\n```\n\n{text}\n\n"
        "```{solution-end}\n```",
    )


def good_page():
    """Return a page that breaks no rule and touches the edge of several."""
    figure = new_output("display_data", {"image/svg+xml": "<svg/>", "text/plain": "<SVG object>"})
    notebook = new_notebook(
        cells=[
            markdown(
                "head",
                "# 3.1 Forward\n\n**The question.** What are the two halves? Are they equal?\n\n"
                "**You will need.** [1.1 Sequences](../1-background/1-1-sequences.ipynb)\n\n"
                "**Run time.** About 60 s on two CPU cores.",
            ),
            code("set-up", "import sys\nrate, steps = 0.25, 1000", tags=["setup"]),
            markdown(
                "section",
                "## Halves are equal\n\n> **Predict.** Which is larger?\n\n"
                "In 1997 the LSTM of equation (3.1.4), in `float64` or float32 on an H200, "
                "see page 4.3 and equations 3.1.4 and 3.1.5, ran on Python 3.11 to 3.13. "
                "With $T = 12$ and $r = 0.25$ we get $0$ or\n\n"
                "$$ a = 0.25 b \\tag{3.1.4} $$\n\nIt is {glue:text}`half` °C.",
            ),
            code("run", "print('half')", glued("half", "0.50"), new_output("stream", text="half")),
            code(
                "draw",
                "show()",
                figure,
                mystnb={
                    "figure": {"caption": "The halves: {glue:text}`half` each."},
                    "image": {"alt": ALT},
                },
            ),
            markdown("check", "## Check\n\nBoth are the same."),
            code("claims", "%precision 3\nassert rate < 1"),
            markdown("limits", "## Where it breaks\n\nAt odd numbers."),
            markdown("exercises", "## Exercises"),
            exercise("a"),
            solution("a"),
            exercise("b"),
            solution("b"),
            exercise("c"),
            markdown("open-c", "```{solution-start} ex-3-1-c\n:class: dropdown\n```\n\nSee:"),
            code("solve-c", "import numpy as np\nnp.testing.assert_allclose(1, 1)"),
            markdown("close-c", "```{solution-end}\n```"),
            markdown(
                "summary",
                "## Summary\n\nOne. Two, e.g. this. Three.\n\n* Four.\n* Five.\n\n"
                "Next: six? [On](3-2-on.ipynb).",
            ),
            markdown("sources", "## Sources\n\n{cite:t}`gers2000,hochreiter1997`."),
        ],
        metadata={
            "companion": {
                "cores": 2,
                "date": "2026-11-21",
                "peak_memory_mb": 120,
                "processor": "some",
                "seconds": 60.0,
                "versions": {"python": "3.11"},
            },
        },
    )
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    return notebook


@pytest.fixture
def read(tmp_path):
    """Return a function that stores a notebook as page 3.1 of a small book and reads it."""
    bibliography = tmp_path / "book" / "references.bib"
    bibliography.parent.mkdir()
    bibliography.write_text("@article{gers2000,\n}\n@article{hochreiter1997,\n}\n")
    toc = "root: book/index\nchapters:\n"
    for page in ("3-1-forward", "3-2-on"):
        toc += f"  - file: notebooks/3-algorithms/{page}\n"
    (tmp_path / "_toc.yml").write_text(toc)

    def store(notebook, name="3-1-forward", folder="3-algorithms"):
        path = tmp_path / "notebooks" / folder / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not nbformat.write: it would repair what some of these pages have wrong.
        path.write_text(json.dumps(notebook))
        return Page(path, tmp_path)

    return store


def violations(page):
    return [(name, found) for name, rule in RULES.items() for found in rule(page)]


def test_the_good_page_breaks_no_rule(read):
    assert [str(found) for _, found in violations(read(good_page()))] == []


# How to spoil the page: rule, cell that is named (0: the page), words of the message, and how.
BAD = []


def bad(rule, cell, words):
    def enter(spoil):
        BAD.append(pytest.param(rule, cell, words, spoil, id=f"{rule}: {spoil.__name__}"))
        return spoil

    return enter


def replace(cell_id, old, new, rule, where, words, name):
    """Enter a page in which some words of a cell are others."""

    def spoil(notebook):
        found = by_id(notebook, cell_id)
        assert old in found.source
        found.source = found.source.replace(old, new)

    spoil.__name__ = name
    bad(rule, where, words)(spoil)


def by_id(notebook, cell_id):
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def drop(notebook, *cell_ids):
    notebook.cells = [cell for cell in notebook.cells if cell.id not in cell_ids]


def insert_after(notebook, cell_id, new):
    notebook.cells.insert(notebook.cells.index(by_id(notebook, cell_id)) + 1, new)
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count


replace("head", "# 3.1 F", "# 3.2 F", "title", 1, "'3.2 Forward'", "other_number")
replace("head", "# 3.1", "Hello.\n\n# 3.1", "title", 1, "does not begin", "title_not_first")
replace("check", "Both", "# Both\n\n", "title", 6, "second title", "two_titles")
replace("head", "**The question.** What", "What", "opening", 1, "You will need", "no_question")
replace("head", "**You will need.**", "Needs:", "opening", 1, "The question.", "no_needs")
replace("head", "**Run time.** About 60 s", "Some", "opening", 1, "Run time.", "no_run_time")
replace("head", "Are they", "Why? Are they", "opening", 1, "3 sentences", "long_question")


@bad("opening", 1, "nothing follows")
def empty_need(notebook):
    cell = notebook.cells[0]
    cell.source = re.sub(r"(\*\*You will need\.\*\*).*", r"\1", cell.source)


@bad("set-up", 2, "not tagged")
def untagged_set_up(notebook):
    del by_id(notebook, "set-up").metadata["tags"]


@bad("set-up", 4, "later cell")
def second_set_up(notebook):
    by_id(notebook, "run").metadata["tags"] = ["setup"]


replace("section", "## Halves are equal", "", "sections", 0, "set-up and Check", "no_sections")
replace("section", "are equal", "first", "sections", 3, "statement", "topic_heading")
replace("check", "## Check", "## Test it now", "sections", 19, "Where it breaks", "no_check")
replace("limits", "\n\nAt odd numbers.", "", "sections", 8, "empty", "empty_limits")
replace("summary", "Summary", "In short", "sections", 19, "In short", "no_summary")


@bad("sections", 18, "ends with")
def no_sources(notebook):
    drop(notebook, "sources")


@bad("sections", 19, "Summary, Exercises")
def wrong_order(notebook):
    summary = by_id(notebook, "summary")
    drop(notebook, "summary")
    insert_after(notebook, "limits", summary)


replace("check", "Both", "#### Both\n\nBoth", "headings", 6, "level 4", "skipped_level")
replace(
    "section",
    "## Halves",
    "$$a \\\\\\\\ b \\tag{1}$$\n\n## Halves",
    "equations",
    3,
    "beside",
    "split_tag",
)
replace("section", "**Predict.**", "Predict.", "predict", 0, "prediction", "no_prediction")
replace("section", "> **Pre", "**Pre", "predict", 0, "prediction", "prediction_not_set_off")
replace("claims", "assert", "print(", "check", 6, "asserts nothing", "no_assert")

replace("exercise-a", ":label: ex-3-1-a", ":label: ex-3-2-a", "exercises", 10, "ex-3-1", "label")
replace("exercise-b", "-1-b", "-1-a", "exercises", 12, "second exercise", "label_repeated")
replace("solution-b", "-1-b", "-1-d", "exercises", 13, "ex-3-1-d", "solution_of_nothing")
replace("solution-b", "-1-b", "-1-a", "exercises", 13, "second solution", "two_solutions")
replace("solution-a", ":class: dropdown\n", "", "exercises", 11, "plain sight", "open_solution")
replace("solution-a", "Half of it.", "", "exercises", 11, "empty", "empty_solution")
replace("solution-a", "```{solution-end}\n```", "", "exercises", 11, "not closed", "no_end")
replace("close-c", "```{solution-end}\n```", "Done.", "exercises", 15, "not closed", "no_last_end")
replace("exercise-a", "{exercise-end}", "{solution-end}", "exercises", 10, "nothing", "wrong_end")
replace("solve-c", "np.testing.assert_allclose", "print", "exercises", 9, "runs code", "no_code")
replace("check", "Both", "```{exercise} More\n:label: x\n```", "exercises", 6, "ungated", "ungated")
replace("check", "Both", "```{solution-end}\n```", "exercises", 6, "closes nothing", "end_only")


@bad("predict", 6, "no code follows")
def prediction_too_late(notebook):
    found = by_id(notebook, "section")
    found.source = found.source.replace("> **Predict.** Which is larger?", "")
    insert_after(notebook, "draw", markdown("late", "> **Predict.** Which is larger?"))


@bad("exercises", 9, "2 exercises")
def too_few_exercises(notebook):
    drop(notebook, "exercise-a", "solution-a")


@bad("exercises", 10, "no solution")
def unsolved(notebook):
    drop(notebook, "solution-a")


@bad("exercises", 8, "'Where it breaks'")
def exercise_elsewhere(notebook):
    pair = [by_id(notebook, "exercise-a"), by_id(notebook, "solution-a")]
    joined = "\n\n".join(cell.source for cell in pair)
    drop(notebook, *(cell.id for cell in pair))
    by_id(notebook, "limits").source += f"\n\n{joined}"


replace("exercise-a", "} Recall: H", "} H", "kinds-of-exercises", 10, "'Half of", "no_kind")
replace(
    "exercise-b", "Calculate", "Recall", "kinds-of-exercises", 9, "'Recall', 'Recall'", "two_kinds"
)


@bad("kinds-of-exercises", 9, "prediction")
def nothing_to_predict(notebook):
    for letter in "abc":
        cell = by_id(notebook, f"exercise-{letter}")
        cell.source = cell.source.replace("**Predict.** ", "")


replace("summary", "\n\nNext: six? [On](3-2-on.ipynb).", "", "next-page", 18, "leads on", "no_next")
replace("summary", "six?", "six.", "next-page", 18, "leads on", "no_question_on")
replace("summary", "3-2-on", "3-3-off", "next-page", 18, "3-3-off.ipynb", "other_next")
replace("summary", "(3-2-on.ipynb)", "", "next-page", 18, "nowhere", "next_without_link")


def verdict(name):
    record = Verdict(name, "holds", "it does", "1 of 1", 5)
    return new_output(
        "display_data", {"text/html": record.html(), RECORD: dataclasses.asdict(record)}
    )


@bad("claims", 4, "a verdict on C2")
def verdict_of_another_page(notebook):
    by_id(notebook, "run").outputs.append(verdict("C2"))


def as_page_of_c2(read, *outputs):
    notebook = good_page()
    by_id(notebook, "run").outputs.extend(outputs)
    return read(notebook, name="2-1-cell-state", folder="2-concepts")


def test_a_page_tries_the_claims_that_name_it(read):
    assert not list(RULES["claims"](as_page_of_c2(read, verdict("C2"))))
    [missing] = RULES["claims"](as_page_of_c2(read))
    assert "no verdict on C2" in str(missing)
    old = verdict("C2")
    old["data"]["text/html"] = old["data"]["text/html"].replace("conveyor", "moving")
    [changed] = RULES["claims"](as_page_of_c2(read, old))
    assert "another text of C2" in str(changed)


replace("summary", "* Five.", "* Five. Six.", "summary", 18, "6 sentences", "long_summary")
replace("sources", "gers2000", "nobody2000", "sources", 19, "'nobody2000'", "unknown_source")
replace("sources", "{cite:t}`gers2000,hochreiter1997`", "Gers", "sources", 19, "nothing", "uncited")


@bad("exercises", 9, "runs code")
def assert_beside_the_solutions(notebook):
    by_id(notebook, "solve-c").source = "print(1)"
    insert_after(notebook, "close-c", code("aside", "assert rate < 1"))


@bad("figures", 5, "without alt text")
def no_alt(notebook):
    del by_id(notebook, "draw").metadata.mystnb["image"]


@bad("figures", 5, "39 characters")
def short_alt(notebook):
    by_id(notebook, "draw").metadata.mystnb["image"]["alt"] = ALT[:38] + "."


@bad("figures", 5, "full sentence")
def unfinished_alt(notebook):
    by_id(notebook, "draw").metadata.mystnb["image"]["alt"] = ALT[:-1]


@bad("figures", 5, "no caption")
def no_caption(notebook):
    del by_id(notebook, "draw").metadata.mystnb["figure"]


@bad("figures", 5, "without alt text")
def no_alt_for_a_png(notebook):
    cell = by_id(notebook, "draw")
    del cell.metadata.mystnb["image"]
    cell.outputs = [new_output("execute_result", {"image/png": "iVBO"}, execution_count=3)]


@bad("figures", 5, "without alt text")
def no_alt_for_a_photograph(notebook):
    cell = by_id(notebook, "draw")
    del cell.metadata.mystnb["image"]
    cell.outputs = [new_output("display_data", {"image/jpeg": "iVBO"})]


@bad("figures", 5, "2 figures")
def two_figures(notebook):
    cell = by_id(notebook, "draw")
    cell.outputs = cell.outputs * 2


@bad("figures", 4, "<svg>")
def inline_svg(notebook):
    html = f"<p><svg><svg><title>{ALT}</title></svg></svg><img alt='{ALT}'><figcaption></p>"
    by_id(notebook, "run").outputs.append(new_output("display_data", {"text/html": html}))


@bad("figures", 4, "<img>")
def image_after_others(notebook):
    html = f"<p><img alt='{ALT}'><svg aria-label='{ALT}'><a></svg></p><img><figcaption>"
    by_id(notebook, "run").outputs.append(new_output("display_data", {"text/html": html}))


@bad("figures", 4, "<img>")
def glued_html(notebook):
    html = {"application/papermill.record/text/html": "<img><figcaption>"}
    by_id(notebook, "run").outputs.append(new_output("display_data", html))


@bad("figures", 4, "<figcaption>")
def html_without_caption(notebook):
    html = f"<svg role='img'><title>{ALT}</title></svg> <canvas aria-label='{ALT}'></canvas>"
    by_id(notebook, "run").outputs.append(new_output("display_data", {"text/html": html}))


@bad("figures", 4, "<svg>")
def svg_after_hidden_ones(notebook):
    html = (
        "<div aria-hidden='true'><br><svg></svg></div><svg aria-hidden='false'></svg><figcaption>"
    )
    by_id(notebook, "run").outputs.append(new_output("display_data", {"text/html": html}))


replace("check", "Both", "![](a.svg) Both", "figures", 6, "alt text", "markdown_image")
replace("check", "Both", "```{raw} html\n<img>\n```", "figures", 6, "<img>", "raw_html")
replace("check", "Both", "<canvas></canvas> Both", "figures", 6, "<canvas>", "canvas")
replace("check", "Both", "<img src='a.svg'> Both", "figures", 6, "<img>", "html_image")
replace("check", "Both", "<svg>\n</svg>\n\nBoth", "figures", 6, "<svg>", "svg_in_markdown")
replace("check", "Both", "```{figure} a.svg\nIt.\n```", "figures", 6, ":alt:", "figure_directive")


def says(text, words, name, kind="text/plain"):
    """Enter a page on which an output says this."""

    def spoil(notebook):
        outputs = by_id(notebook, "run").outputs
        if kind in ("stdout", "stderr"):
            outputs.append(new_output("stream", name=kind, text=text))
        else:
            outputs.append(new_output("display_data", {kind: text}))

    spoil.__name__ = name
    bad("outputs", 4, words)(spoil)


says("10 %|##   |", "stderr", "progress_bar", "stderr")
says("UserWarning: low", "a warning", "warning_printed", "stdout")
says("WARNING:tensorflow: low", "a warning", "warning_logged")
says("Traceback (most recent call last)", "a traceback", "traceback_printed", "stdout")
says("<p>at 0x7f3a5c0d1e80", "a memory address", "address", "text/html")
says({"path": "/tmp/tmp3"}, "'/tmp/tmp3'", "path_in_json", "application/json")
says("in /tmp/tmp3", "'/tmp/tmp3'", "temporary_path", "stdout")
says("/home/me/x", "'/home/me/x'", "linux_path")
says("/root", "'/root'", "root_path")
says("file:///Users/me", "'/Users/me'", "mac_path", "text/html")
says("C:\\Users\\me", "Users", "windows_path")
says("/usr/lib/python3.11/re.py", "python3.11", "system_path")
says("/content/data", "'/content/data'", "colab_path")
says("lib/site-packages/numpy", "site-packages", "package_path")
says("at ipykernel_17", "ipykernel_17", "kernel_path")


@bad("outputs", 4, "the error ValueError")
def stored_error(notebook):
    error = new_output("error", ename="ValueError", evalue="no", traceback=["Traceback"])
    by_id(notebook, "run").outputs.append(error)


def tagged(tag):
    """Enter a page with this tag on a cell."""

    def spoil(notebook):
        by_id(notebook, "run").metadata["tags"] = ["hide-input", tag]

    spoil.__name__ = tag
    bad("nothing-hidden", 4, f"the tag {tag};")(spoil)


tagged("nbval-skip")
tagged("nbval-raises-exception")
tagged("raises-exception")
tagged("skip-execution")
tagged("remove-cell")
tagged("remove-input")
tagged("remove-stderr")


replace(
    "set-up",
    "import sys",
    "warnings.filterwarnings('ignore')",
    "nothing-hidden",
    2,
    "filter",
    "silenced",
)  # noqa: E501


@bad("execution", 4, "not executed")
def not_executed(notebook):
    by_id(notebook, "run").execution_count = None


@bad("execution", 4, "executed as [7]")
def out_of_order(notebook):
    by_id(notebook, "run").execution_count = 7


@bad("execution", 2, "executed as [2]")
def not_from_the_top(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count += 1


@bad("cells", 9, "empty")
def empty_cell(notebook):
    insert_after(notebook, "limits", code("more", "  "))
    by_id(notebook, "more").execution_count = None
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.strip():
            cell.execution_count = (count := count + 1)


@bad("cells", 8, "raw")
def raw_cell(notebook):
    by_id(notebook, "limits").cell_type = "raw"
    insert_after(notebook, "limits", markdown("limits-2", "## Where it breaks\n\nAt odd numbers."))


@bad("cells", 7, "earlier cell")
def repeated_id(notebook):
    by_id(notebook, "claims")["id"] = "check"


@bad("cells", 0, "not a valid notebook")
def invalid(notebook):
    by_id(notebook, "claims")["surprise"] = True


@bad("size", 0, "1.20 MB")
def large(notebook):
    by_id(notebook, "run").outputs[-1].text = "half " * 239_000


@bad("run-time", 0, "companion.cores")
def no_record(notebook):
    del notebook.metadata["companion"]


def unrecorded(key):
    """Enter a page whose record lacks this."""

    def spoil(notebook):
        del notebook.metadata.companion[key]

    spoil.__name__ = f"no_{key}"
    bad("run-time", 0, f"companion.{key} in the metadata is None")(spoil)


for key in ("cores", "date", "peak_memory_mb", "processor", "seconds", "versions"):
    unrecorded(key)


@bad("run-time", 0, "took 60.5 s")
def slow(notebook):
    notebook.metadata.companion["seconds"] = 60.5
    notebook.cells[0].source = notebook.cells[0].source.replace("60 s", "65 s")


replace("head", "60 s", "10 s", "run-time", 1, "10 s", "other_time")

replace("section", "`half`", "`third`", "glued", 3, "'third'", "never_glued")
replace("section", "`half`", "`half:.1f`", "glued", 3, "'.1f'", "format_in_prose")
replace("section", "`half`", "`1-1::half`", "glued", 3, "another page", "glued_elsewhere")
replace("section", "glue:text}`half`", "glue}`third`", "glued", 3, "'third'", "other_role")
replace("check", "Both", "```{glue:figure} third\n```", "glued", 6, "'third'", "glue_directive")


@bad("glued", 5, "'quarter'")
def caption_quotes_nothing(notebook):
    by_id(notebook, "draw").metadata.mystnb["figure"]["caption"] = "A {glue:text}`quarter`."


@bad("glued", 4, "a format")
def no_format(notebook):
    by_id(notebook, "run").outputs[0] = glued("half", "0.50000000001")


@bad("glued", 4, "glued again")
def glued_twice(notebook):
    by_id(notebook, "run").outputs.append(glued("half", "0.51"))


@bad("title", 0, "4-equations")
def other_folder(notebook):
    return {"folder": "4-equations"}


@bad("title", 0, "3-1-Forward.ipynb")
def other_file_name(notebook):
    return {"name": "3-1-Forward"}


@pytest.mark.parametrize(("rule", "cell", "words", "spoil"), BAD)
def test_a_bad_page_breaks_one_rule_and_names_the_cell(read, rule, cell, words, spoil):
    notebook = good_page()
    where = spoil(notebook) or {}
    page = read(notebook, **where)
    found = violations(page)
    assert {name for name, _ in found} == {rule}, [str(violation) for _, violation in found]
    # One wrong label is wrong for the exercise and for its solution.
    assert len(found) == 1 or rule == "exercises", [str(violation) for _, violation in found]
    messages = [str(violation) for _, violation in found if words in str(violation)]
    assert messages, [str(violation) for _, violation in found]
    if cell:
        named = f"{page.path.name}, cell {cell} ({notebook.cells[cell - 1]['id']}): "
    else:
        named = f"{page.path.name}, the page as a whole: "
    assert messages[0].startswith(named)
    assert "; expected " in messages[0]


TYPED = {
    "The error falls by 43 %.": "43 %",
    "The error falls by 43%.": "43%",
    "The error is 0.42 °C.": "0.42",
    "It is 3.5× faster.": "3.5×",
    "There are 12 months.": "12",
    "It needs 2000 steps.": "2000",
    "It needs 1,950 windows.": "1,950",
    "It has 10 000 weights.": "10 000",
    "It reaches an RMSE of 1.": "1",
    "It takes step 300.": "300",
    "In equation 4, 43 % of the error goes.": "43 %",
    "The figure 43 % is high.": "43 %",
    "The figures 0.43 and 0.51 are high.": "0.51",
    "By equations 1, 2 and 43 %.": "43 %",
    "Until step 3.5 it fell.": "3.5",
    "Steps 3 and 300 differ.": "300",
    "They took 1950.5 s.": "1950.5",
    "It is 2000%.": "2000%",
    "It is 2000 °C there.": "2000",
    "RMSE0.43 is it.": "43",
    "The error is $0.43$.": "0.43",
    "The error is $e = 0.43$.": "0.43",
    "The error is $0.25$.": "0.25",  # also in code, but nothing says that it is the same thing
    "The error falls by $43\\,\\%$.": "43",
    "The error falls by $43$ percent.": "43",
    "It is $12\\times$ faster.": "12",
    "It vanishes by $t \\approx 37$.": "37",
    "They agree to $10^{-9}$.": "10^{-9}",
    "$$\ne = 0.43 \\tag{3.1.7}\n$$": "0.43",
    "```{math}\ne = 0.43\n```": "0.43",
    "{math}`0.43` is it.": "0.43",
    "It is **0.43**.": "0.43",
    "* It is 43.": "43",
    "> It is 43.": "43",
    "### It falls by 43 % there": "43 %",
    "### 2.50 is the error": "2.50",
    "```{raw} html\n<p>0.43</p>\n```": "0.43",
    "{glue:text}`half` of $0.43$": "0.43",
    "| a |\n|---|\n| 0.43 |": "0.43",
    "[the 43 pages](../1-background/1-1-sequences.ipynb)": "43",
    "```{note}\nIt is 0.43.\n```": "0.43",
    ":::{admonition} It is 0.43\nYes.\n:::": "0.43",
    "<p>It is <b>0.43</b>.</p>": "0.43",
    f"![{ALT} It is 43 %.](a.svg)": "43 %",
    f"```{{figure}} a.svg\n:alt: {ALT}\n\nIt is 43 %.\n```": "43 %",
}


@pytest.mark.parametrize("text", TYPED)
def test_a_typed_number_is_found(read, text):
    notebook = good_page()
    by_id(notebook, "limits").source += f"\n\n{text}"
    found = violations(read(notebook))
    assert {name for name, _ in found} == {"typed-numbers"}
    assert str(found[0][1]).startswith("3-1-forward.ipynb, cell 8 (limits): the number ")
    assert TYPED[text] in str(found[-1][1])


def test_a_typed_number_is_found_after_an_exercise(read):
    notebook = good_page()
    by_id(notebook, "exercise-b").source += "\n\nHalf of it is 0.43."
    assert [(name, v.cell) for name, v in violations(read(notebook))] == [("typed-numbers", 12)]


def test_a_typed_number_is_found_in_a_solution_but_not_in_its_exercise(read):
    notebook = good_page()  # whose exercises hold numbers
    by_id(notebook, "solution-b").source = solution("b", "It is 0.43.").source
    assert [(name, v.cell) for name, v in violations(read(notebook))] == [("typed-numbers", 13)]


@pytest.mark.parametrize("place", ["figure", "image"])
def test_a_typed_number_is_found_in_a_caption_and_in_an_alt_text(read, place):
    notebook = good_page()
    metadata = by_id(notebook, "draw").metadata.mystnb[place]
    for key in metadata:
        metadata[key] += " It falls by 43 %."
    assert [(name, v.cell) for name, v in violations(read(notebook))] == [("typed-numbers", 5)]


@pytest.mark.parametrize(
    "text",
    [
        "It has three gates and a half-life of twelve steps.",
        "Hochreiter wrote in 1991, Gers in 2000; the series covers 1950–2010, the 1990s too.",
        "In 1997 it was new (1997).",
        "See page 4.3, pages 1.1 to 1.4, part 3, section 2.1 and equation (4.3.2).",
        "By (4.3.2) and step 3, figure 2 shows it; claims B2 and T1 say so.",
        "An array of 64-bit numbers is more precise than one of 32 bits.",
        "A 1-D array in float64, an LSTM-2, seq2seq, word2vec, UTF-8, CO2 and an H200.",
        "Python 3.11, PyTorch 2.13 and Keras 3, under CC BY 4.0.",
        "On 21 November 2026.",
        "From $x_1 = 3$ and $h_0 = 0$ with $T = 12$, $2 + 2 = 4$ and $2^{10}$.",
        "The rate is $\\eta = 0.25$, with $10^3$ steps.",
        f"```{{figure}} a-0.43.svg\n:alt: {ALT}\n\nIt.\n```",
        f"```{{image}} a-0.43.svg\n:alt: {ALT}\n```",
        "$$\nh_1 = 2 h_0 \\quad [0.5em] \\hspace{1.5em} \\tag{3.1.12}\n$$",
        "Its value is {glue:text}`half`, code `x[0.3]`, and $1$ is the bound.",
        "1. First\n2. Second",
        "[1.1 Sequences](../1-background/1-1-sequences.ipynb) and <https://example.org/3.14>.",
        "```python\nx = 0.43\n```",
        "```{code-block} python\n:caption: Some\nx = 0.43\n```",
        "```{code}\nx = 0.43\n```",
        "```{math}\nx = 2 y\n```",
        "[the page](https://example.org/3.14)",
        "<p style='width: 43%'>Wide.</p>",
        f"![{ALT}](a-0.43.svg)",
        "(label-4)=\n% 0.43 in a comment",
    ],
)
def test_ordinary_prose_is_left_alone(read, text):
    notebook = good_page()
    by_id(notebook, "limits").source += f"\n\n{text}"
    assert [str(found) for _, found in violations(read(notebook))] == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/plain", "the home/office ratio, and/or /tmpx"),
        ("text/html", "<a href='https://example.org/home/x'>0x1F</a><td>C: 3</td>"),
        ("text/html", "<script>const word = 0x6d2b79f5; // no warning</script>"),
        ("image/png", "iVBO/tmp/warning"),
    ],
)
def test_ordinary_output_is_left_alone(read, kind, text):
    notebook = good_page()
    cell = by_id(notebook, "draw")
    if kind == "image/png":
        cell.outputs = []
    cell.outputs.append(new_output("display_data", {kind: text}))
    assert [str(found) for _, found in violations(read(notebook))] == []


def test_hidden_decoration_needs_no_alt_text(read):
    notebook = good_page()
    hidden = (
        "<div aria-hidden='true'><p><svg><g/></svg></p><img></div><svg aria-hidden='true'></svg>"
    )
    html = f"{hidden}<svg aria-label='{ALT}'></svg><figcaption>"
    by_id(notebook, "run").outputs.append(new_output("display_data", {"text/html": html}))
    assert [str(found) for _, found in violations(read(notebook))] == []


def test_a_title_is_of_level_one(read):
    notebook = good_page()
    notebook.cells[0].source = f"#{notebook.cells[0].source}"
    assert "does not begin with a title" in str([*RULES["title"](read(notebook))][0])


def test_a_file_without_a_number_breaks_rules_and_no_test(read):
    assert "title" in {name for name, _ in violations(read(good_page(), name="notes"))}


def test_a_notebook_without_cells_breaks_rules_and_no_test(read):
    broken = {name for name, _ in violations(read(new_notebook()))}
    assert {"title", "opening", "sections", "predict", "exercises", "run-time"} <= broken


def test_every_rule_is_shown_to_fire():
    shown = {case.values[0] for case in BAD} | {"typed-numbers"}
    assert shown == set(RULES)


def test_every_rule_is_documented():
    text = (ROOT / "book" / "page-rules.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\*\*([a-z-]+)\*\*", text) == list(RULES)


def test_labels_and_numbers_are_one_pages_own(read):
    other = copy.deepcopy(good_page())
    pages = [read(good_page()), read(other, name="3-1-again")]
    found = [str(violation) for violation in page_rules.repeated_labels(pages)]
    assert "3-1-again.ipynb, the page as a whole: the number 3.1 is 3-1-forward's" in found[0]
    assert "cell 10 (exercise-a): the label ex-3-1-a is 3-1-forward's" in found[1]
    assert list(page_rules.repeated_labels(pages[:1])) == []


def test_pages_are_found_in_the_order_of_the_book(read, tmp_path):
    names = ["3-10-last", "3-2-middle", "2-1-first"]
    for name in names:
        read(good_page(), name=name, folder=f"{name[0]}-part")
    read(good_page(), folder="3-part/.ipynb_checkpoints")
    assert [path.stem for path in page_rules.find_pages(tmp_path)] == names[::-1]


def test_the_contents_list_documents_at_every_depth(tmp_path):
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n- caption: One\n  chapters:\n"
        "  - file: notebooks/1-a/1-1-a\n    sections:\n    - file: notebooks/1-a/1-2-b\n"
        "  - url: https://example.org\n"
    )
    assert page_rules.contents(tmp_path) == [
        "book/index",
        "notebooks/1-a/1-1-a",
        "notebooks/1-a/1-2-b",
    ]
