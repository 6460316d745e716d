"""Every page obeys every rule of ``page_rules``; a failure names the page, the rule and the cell.

To run one page's rules: ``pytest tests/book/test_pages.py -k 3-1``.
"""

from functools import cache
from pathlib import Path

import pytest

from tests.book.page_rules import RULES, Page, contents, find_pages, repeated_labels

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path for path in find_pages(ROOT)}


@cache
def page(name):
    return Page(PAGES[name], ROOT)


def test_there_are_pages():
    assert PAGES, "notebooks/ holds no page"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", PAGES)
def test_page(name, rule):
    found = [str(violation) for violation in RULES[rule](page(name))]
    assert not found, "\n".join(found)


def test_labels_are_unique_over_the_book():
    found = [str(violation) for violation in repeated_labels(map(page, PAGES))]
    assert not found, "\n".join(found)


def test_the_contents_list_the_pages_that_exist():
    listed = [file for file in contents(ROOT) if file.startswith("notebooks/")]
    assert listed == [path.relative_to(ROOT).with_suffix("").as_posix() for path in PAGES.values()]
