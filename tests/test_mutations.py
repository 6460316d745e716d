"""``make faults``: every fault still applies, and what the script says is so."""

import ast

import pytest

from tools import mutations
from tools.mutations import FAULTS, Fault, caught_by, main, planted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.what}")
def test_every_fault_applies_and_is_code(fault):
    text = (mutations.ROOT / fault.file).read_text(encoding="utf-8")
    faulty = planted(fault)
    if fault.file.endswith(".py"):
        assert ast.dump(ast.parse(faulty)) != ast.dump(ast.parse(text))
    else:  # Chromium reads it: a test that names a cell fails, not one that waits for the script
        assert faulty != text
    assert (mutations.ROOT / fault.tests).exists()


def test_no_fault_is_planted_twice():
    assert len({planted(fault) for fault in FAULTS}) == len(FAULTS) >= 12


@pytest.mark.parametrize("line", ["no such line", "import"])
def test_a_line_that_is_not_there_once_is_refused(line):
    with pytest.raises(ValueError, match=r"companion/numpy/lstm.py holds .* times, expected once"):
        planted(Fault("", "companion/numpy/lstm.py", line, "", ""))


SLOPES = "tests/numpy/test_activations.py"


def test_a_fault_is_caught_and_none_is_not():
    fault = next(fault for fault in FAULTS if fault.file.endswith("numpy/activations.py"))
    assert caught_by(fault, SLOPES).startswith(f"{SLOPES}::test_slopes_are_the_derivatives")
    assert caught_by(None, SLOPES) is None


def test_a_missed_fault_is_said(capsys, monkeypatch):
    harmless = Fault(
        "nothing", "companion/numpy/activations.py", "1.0 + np.tanh", "1.00 + np.tanh", SLOPES
    )
    monkeypatch.setattr(mutations, "FAULTS", [harmless])
    assert main([]) == 1
    output = capsys.readouterr().out
    assert "[MISSED] companion/numpy/activations.py: nothing" in output
    assert output.endswith("0 of 1 faults are caught.\n")


def test_tests_that_do_not_run_are_no_catch():
    with pytest.raises(RuntimeError, match="the tests did not run"):
        caught_by(None, "tests/no_such_folder")


def test_a_word_that_names_nothing(capsys):
    assert main(["no such fault"]) == 2
    assert "no fault has no such fault" in capsys.readouterr().out
