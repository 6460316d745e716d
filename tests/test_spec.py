import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from companion import spec


@pytest.mark.parametrize(
    ("cell", "gates", "states", "shapes"),
    [
        (spec.RNN, "h", "h", {"W": (1, 3, 2), "U": (1, 3, 3), "b": (1, 3)}),
        (spec.LSTM, "ifgo", "hc", {"W": (4, 3, 2), "U": (4, 3, 3), "b": (4, 3)}),
        (spec.GRU, "rzn", "h", {"W": (3, 3, 2), "U": (3, 3, 3), "b": (3, 3)}),
        (
            spec.PEEPHOLE_LSTM,
            "ifgo",
            "hc",
            {"W": (4, 3, 2), "U": (4, 3, 3), "b": (4, 3), "V": (3, 3)},
        ),
        (
            spec.GRU_RESET_AFTER,
            "rzn",
            "h",
            {"W": (3, 3, 2), "U": (3, 3, 3), "b": (3, 3), "b_u": (3,)},
        ),
    ],
)
def test_gates_states_and_shapes(cell, gates, states, shapes):
    assert "".join(cell.gates) == gates
    assert "".join(cell.states) == states
    assert cell.shapes(input_size=2, hidden_size=3) == shapes


def test_every_cell_has_a_name_of_its_own():
    cells = [value for value in vars(spec).values() if isinstance(value, spec.CellSpec)]
    assert list(spec.CELLS.values()) == cells and len(cells) == 6
    assert all(cell.name == name for name, cell in spec.CELLS.items())


def test_a_spec_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        spec.LSTM.gates = ("f", "i", "g", "o")


@pytest.mark.parametrize("expected", [(2, 3), ("T", 3), (2, "I"), ("T", "I")])
@pytest.mark.parametrize("got", [(2, 3), (None, 3), (2, None)])
def test_a_fitting_shape_is_accepted(got, expected):
    spec.check_shape("x", got, expected)


@pytest.mark.parametrize(
    ("got", "expected", "message"),
    [
        ((2, 4), (2, 3), "x has shape (2, 4), expected (2, 3)"),
        ((2, 4), ("T", 3), "x has shape (2, 4), expected (T, 3)"),
        ((2, 3, 1), ("T", 3), "x has shape (2, 3, 1), expected (T, 3)"),
        ((), (3,), "x has shape (), expected (3,)"),
    ],
)
def test_another_shape_is_refused_with_both_shapes(got, expected, message):
    with pytest.raises(ValueError) as refusal:
        spec.check_shape("x", got, expected)
    assert str(refusal.value) == message


def test_names_must_be_exactly_the_expected():
    expected = {"W": 0, "U": 0, "b": 0}
    spec.check_names("arrays", {"b": 1, "U": 1, "W": 1}, expected)
    for got in ({"W": 1, "U": 1}, {**expected, "V": 1}, {**expected, 1: 1}):
        with pytest.raises(ValueError, match=r"arrays has the names .* expected \['U', 'W', 'b'\]"):
            spec.check_names("arrays", got, expected)


def test_a_size_comes_back_as_an_int():
    assert type(spec.check_size("hidden_size", np.int64(3))) is int


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None, "3"])
def test_another_size_is_refused(size):
    with pytest.raises(ValueError, match=f"hidden_size is {size!r}, expected a whole number"):
        spec.check_size("hidden_size", size)


@pytest.mark.parametrize(
    ("error", "message", "check"),
    [
        (TypeError, "x has dtype int8, expected float32",
         lambda: spec.check_dtype("x", "int8", "float32")),
        (TypeError, "state is a list of 1, expected a tuple (h, c)",
         lambda: spec.check_parts("state", [0], ("h", "c"))),
        (TypeError, "state is an array of shape (2, 3), expected a tuple (h, c)",
         lambda: spec.check_parts("state", np.zeros((2, 3)), ("h", "c"))),
        (TypeError, "state is dict, expected a tuple (h, c)",
         lambda: spec.check_parts("state", {"h": 0, "c": 0}, ("h", "c"))),
        (ValueError, "cell is 'SRU', expected one of 'GRU', 'LSTM'",
         lambda: spec.check_choice("cell", "SRU", ("GRU", "LSTM"))),
        (TypeError, "bias is 1, expected True or False", lambda: spec.check_flag("bias", 1)),
    ],
)  # fmt: skip
def test_refusals_name_argument_got_and_expected(error, message, check):
    with pytest.raises(error) as refusal:
        check()
    assert str(refusal.value) == message


def test_what_fits_is_accepted():
    spec.check_dtype("x", "float32", "float32")
    spec.check_parts("state", (0, 0), ("h", "c"))
    spec.check_parts("state", [0, 0], ("h", "c"))
    spec.check_choice("cell", "GRU", ("GRU", "LSTM"))
    assert spec.check_flag("bias", False) is False


def test_importing_the_spec_loads_nothing_else():
    code = "import sys, companion.spec; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
