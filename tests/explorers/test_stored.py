"""The explorers that pages have stored are those that the package makes now."""

import ast
from pathlib import Path

import nbformat
import pytest

from companion import explorers

ROOT = Path(__file__).parents[2]


def stored():
    """Page, the call that ends a cell, and the HTML that it has put out."""
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", ()):
                html = output.get("data", {}).get("text/html", "")
                if "gbg-explorer" in html:
                    call = ast.parse(cell.source).body[-1].value
                    yield pytest.param(call, html, id=f"{path.stem} {ast.unparse(call)}")


@pytest.mark.parametrize(("call", "html"), list(stored()))
def test_a_page_shows_the_present_explorer(call, html):
    """If not: execute the page again, with `make notebooks`."""
    make = getattr(explorers, call.func.attr)
    arguments = [ast.literal_eval(argument) for argument in call.args]
    named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert make(*arguments, **named).html == html


def test_pages_that_are_to_have_one_have_it():
    pages = [parameter.id.split("-")[:2] for parameter in stored()]
    assert [["1", "3"], ["2", "2"], ["4", "4"]] == pages
