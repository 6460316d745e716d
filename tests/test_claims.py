"""A verdict is well-founded or refused, and its record survives the notebook that stores it."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion import claims
from companion.claims import CLAIMS, RECORD, VERDICTS, Verdict

GIVEN = {
    "claim": "C2",
    "verdict": "holds when",
    "because": "gates are open",
    "measured": "half-life 3 to 5",
    "seeds": 5,
}


def pronounce(capsys, **changes):
    claims.verdict(**GIVEN | changes)
    return capsys.readouterr().out


@pytest.mark.parametrize("verdict", VERDICTS)
def test_says_claim_verdict_reason_and_numbers(capsys, verdict):
    out = pronounce(capsys, verdict=verdict, seeds=0 if verdict == "cannot be tested here" else 7)
    first, second, third = out.splitlines()
    assert CLAIMS["C2"].words in first and "C2" in first
    assert second.startswith(verdict.capitalize()) and second.endswith("gates are open.")
    assert "half-life 3 to 5" in third
    assert ("7 seeds" in third) == (verdict != "cannot be tested here")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claim": "C9"}, "claim is 'C9', expected one of .*'C2'"),
        ({"verdict": "Holds"}, "verdict is 'Holds', expected one of"),
        ({"because": " . "}, "because is ' . ', expected some words"),
        ({"measured": ""}, "measured is '', expected some words"),
        ({"measured": "a lot"}, "measured is 'a lot', expected the numbers"),
        ({"seeds": 4}, "seeds is 4, expected a whole number, 5 or more"),
        ({"seeds": True}, "seeds is .*, expected a whole number"),
        ({"seeds": 6.0}, "seeds is .*, expected a whole number"),
        ({"verdict": "cannot be tested here"}, "seeds is 5, expected 0"),
    ],
)
def test_what_is_not_well_founded_is_refused(capsys, changes, message):
    with pytest.raises(ValueError, match=message):
        pronounce(capsys, **changes)
    assert capsys.readouterr().out == ""


def test_html_shows_the_same_and_escapes_it():
    shown = Verdict("C2", "does not hold", "f < 1 & h", "3 < 5", 5).html()
    assert 'id="claim-c2"' in shown
    assert "<b>Does not hold</b>: f &lt; 1 &amp; h.</p>" in shown
    assert "Measured: 3 &lt; 5 (5 seeds)." in shown


def test_records_are_read_back_from_a_stored_page(tmp_path):
    """Through the kernel's own formatter, nbformat's writer, and its reader."""
    from IPython.core.formatters import DisplayFormatter

    given = [Verdict(**GIVEN), Verdict("B4", "holds", "it does", "2 of 5", 5)]
    outputs = [
        new_output("display_data", DisplayFormatter().format(verdict)[0]) for verdict in given
    ]
    path = tmp_path / "page.ipynb"
    page = new_notebook(
        cells=[
            new_markdown_cell("# 2.1 A page"),
            new_code_cell("1", outputs=[*outputs, new_output("stream", text="no record")]),
        ]
    )
    nbformat.write(page, path)
    assert list(claims.records(nbformat.read(path, as_version=4))) == given
    assert RECORD in page.cells[1].outputs[0].data
