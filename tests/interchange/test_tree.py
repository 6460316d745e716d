"""What canonical parameters may be."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from companion import spec
from companion.interchange import Parameters, Parts

I, H = 2, 4  # noqa: E741


def one(cell=spec.LSTM, input_size=I, hidden_size=H):
    shapes = cell.shapes(input_size, hidden_size)
    return Parameters(cell, {name: np.ones(shape) for name, shape in shapes.items()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": np.zeros((3, H))}, "arrays has the names"),
        ({"U": np.zeros((4, H, H + 1))}, r"arrays\['U'\] has shape \(4, 4, 5\), expected"),
        ({"b": np.zeros(4 * H)}, r"arrays\['b'\] has shape \(16,\), expected \(4, 4\)"),
        ({"W": np.zeros((4 * H, I))}, r"arrays\['W'\] is missing or not \(G, H, I\)"),
        ({"W": np.zeros((4, H, 0))}, r"the input size of arrays\['W'\] is 0, expected"),
        ({"W": np.zeros((4, 0, I))}, r"the hidden size of arrays\['W'\] is 0, expected"),
        ({"W": np.zeros((3, H, I))}, r"arrays\['W'\] has shape \(3, 4, 2\), expected \(4, 4, 2\)"),
    ],
)
def test_parameters_fit_their_cell(change, message):
    with pytest.raises(ValueError, match=message):
        Parameters(spec.LSTM, dict(one()) | change)


@pytest.mark.parametrize("dtype", ["complex128", "bool", "U3", "object", "longdouble"])
def test_parameters_are_real_numbers(dtype):
    b = np.zeros((4, H)).astype(dtype)
    with pytest.raises(TypeError, match=r"arrays\['b'\] has dtype .*, expected float32 or float64"):
        Parameters(spec.LSTM, dict(one()) | {"b": b})


@pytest.mark.parametrize(
    ("given", "kept"),
    [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4"), ("i2", "f8"), ("u8", "f8")],
)
def test_parameters_are_kept_in_a_dtype_that_holds_them(given, kept):
    b = np.arange(4 * H).reshape(4, H).astype(given)
    parameters = Parameters(spec.LSTM, dict(one()) | {"b": b})
    assert parameters["b"].dtype == np.dtype(kept)
    np.testing.assert_array_equal(parameters["b"], b)
    assert (parameters["b"] is b) == (given in ("f4", "f8"))


def test_parameters_are_a_mapping_with_sizes():
    parameters = one(spec.PEEPHOLE_LSTM)
    assert list(parameters) == ["W", "U", "b", "V"] and len(parameters) == 4
    assert (parameters.input_size, parameters.hidden_size, parameters.output_size) == (I, H, H)


def test_parameters_are_equal_when_cell_and_numbers_are():
    arrays = {name: np.ones(shape) for name, shape in spec.LSTM.shapes(2, 3).items()}
    one, same = Parameters(spec.LSTM, arrays), Parameters(spec.LSTM, dict(arrays))
    other = Parameters(spec.LSTM, arrays | {"b": np.zeros((4, 3))})
    assert one == same and one != other and one != dict(arrays)
    pair = [Parts("bidirectional", (one, each)) for each in (same, one, other)]
    assert pair[0] == pair[1] != pair[2]


def test_what_is_no_cell_or_no_mapping_is_refused():
    with pytest.raises(TypeError, match="spec is str, expected a CellSpec"):
        Parameters("LSTM", {})
    with pytest.raises(TypeError, match="arrays is NoneType, expected names and arrays"):
        Parameters(spec.LSTM, None)


def test_parameters_do_not_change_with_the_mapping_they_were_made_from():
    arrays = dict(one())
    parameters = Parameters(spec.LSTM, arrays)
    arrays["b"] = None
    assert parameters["b"].shape == (4, H)
    with pytest.raises(dataclasses.FrozenInstanceError):
        parameters.spec = spec.GRU


def test_parts_are_a_sequence_with_sizes():
    pair = Parts("bidirectional", [one(), one(spec.GRU, I, 3)])
    stack = Parts("stack", [pair, one(spec.RNN, 7, 5)])
    assert isinstance(stack.parts, tuple)
    assert len(stack) == 2 and stack[0] is pair and list(stack) == [pair, stack[1]]
    assert (pair.input_size, pair.output_size) == (I, 7)
    assert (stack.input_size, stack.output_size) == (I, 5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stack.kind = "bidirectional"


def nested(depth):
    tree = one()
    for _ in range(depth):
        tree = Parts("stack", [tree])
    return tree


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (ValueError, "^kind is 'pile', expected one of 'stack'", lambda: Parts("pile", [one()])),
        (ValueError, "^parts is empty, expected at least one", lambda: Parts("stack", [])),
        (
            ValueError,
            "^parts is a tuple of 3, expected two directions",
            lambda: Parts("bidirectional", [one()] * 3),
        ),
        (
            ValueError,
            r"^parts\[1\] has input_size 3, expected 2, that of parts\[0\]",
            lambda: Parts("bidirectional", [one(), one(input_size=3)]),
        ),
        (
            ValueError,
            r"^parts\[2\] has input_size 3, expected 4, the output_size of parts\[1\]",
            lambda: Parts("stack", [one(), one(input_size=H), one(input_size=3)]),
        ),
        (
            TypeError,
            r"^parts\[1\] is dict, expected Parameters or Parts",
            lambda: Parts("stack", [one(), {}]),
        ),
        (ValueError, "^parts lie 33 deep, expected at most 32", lambda: nested(33)),
    ],
)
def test_parts_fit_together(error, message, make):
    with pytest.raises(error, match=message):
        make()


def test_parts_may_lie_as_deep_as_they_say():
    assert nested(32).output_size == H


# Imports


@pytest.mark.parametrize("module", ["companion", "companion.interchange", "companion.numpy"])
def test_importing_it_loads_no_framework(module):
    code = (
        f"import sys, {module}; sys.exit(bool({{'torch', 'keras', 'tensorflow', 'onnx', 'jax', "
        "'ml_dtypes', 'safetensors'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_numpy_weights_move_and_are_saved_without_loading_a_framework(tmp_path):
    code = (
        "import sys, companion.numpy as cnp; from companion import interchange; "
        "a, b = cnp.LSTM(2, 3), cnp.LSTM(2, 3); "
        "interchange.save(sys.argv[1], a); "
        "interchange.load_parameters(b, interchange.load(sys.argv[1])); "
        "assert (a.parameters['W'] == b.parameters['W']).all(); "
        "sys.exit(bool({'torch', 'keras', 'tensorflow', 'onnx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lstm.safetensors")]
    assert subprocess.run(command).returncode == 0
