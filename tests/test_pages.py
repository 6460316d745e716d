"""``companion.pages.glue`` speaks MyST-NB's format, which is what puts numbers into the prose."""

import IPython.display
import pytest

from companion.pages import glue


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(
        IPython.display, "display", lambda data, **keywords: calls.append((data, keywords))
    )
    return calls


def test_record_is_the_one_myst_nb_reads(shown):
    from myst_nb.ext.glue import extract_glue_data_cell
    from nbformat.v4 import new_code_cell, new_output

    glue("error", 0.5, ".2f")
    data, keywords = shown[0]
    output = new_output("display_data", data=data, metadata=keywords["metadata"])
    cell = new_code_cell("glue(…)", outputs=[output])
    [(name, record)] = extract_glue_data_cell(cell)
    assert name == "error"
    assert record["data"]["text/plain"] == "'0.50'"  # a literal: the trailing zero must stay
    assert cell.outputs == []  # the book shows the number in the prose, not below the cell


def test_live_notebook_shows_name_and_value(shown):
    glue("error", 0.5, ".2f")
    assert shown[0][0]["text/plain"] == "error = 0.50"


def test_wrong_format_is_refused(shown):
    with pytest.raises(ValueError, match="format"):
        glue("error", 0.5, "d")
    assert shown == []
