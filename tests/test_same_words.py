"""Bad input is refused in the same words in all three frameworks, but for the arguments' names."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import numpy as np
import pytest
import torch

import companion.keras as ck
import companion.numpy as cnp
import companion.torch as ct

T, B, I, H = 5, 3, 2, 4  # noqa: E741
CELLS = {
    "RNN": (cnp.RNN, ct.RNN, ck.SimpleRNN),
    "LSTM": (cnp.LSTM, ct.LSTM, ck.LSTM),
    "PeepholeLSTM": (cnp.PeepholeLSTM, ct.PeepholeLSTM, ck.PeepholeLSTM),
    "GRU": (cnp.GRU, ct.GRU, ck.GRU),
}
TWO_STATES = ("LSTM", "PeepholeLSTM")


def in_numpy(kind, x, state=None):
    """Called as it is: time first, the state a part each."""
    return kind(I, H, np.float32).forward(x, state)


def in_torch(kind, x, state=None):
    """States have an axis for layers, which is put in front."""

    def given(part):
        return torch.tensor(part)[None] if isinstance(part, np.ndarray) else part

    if isinstance(state, tuple):
        state = tuple(map(given, state))
    return kind(I, H)(torch.tensor(x), given(state))


def in_keras(kind, x, state=None):
    """Batch first."""
    layer = kind(H)
    layer.build((B, T, I))
    return layer(x.swapaxes(0, 1), initial_state=state)


FRAMEWORKS = {"x": in_numpy, "input": in_torch, "sequences": in_keras}
STATES = {"x": "state", "input": "hx", "sequences": "initial_state"}


def refusals(cell, error, *given):
    """What each framework says, with the arguments under NumPy's names."""
    said = []
    for (argument, run), kind in zip(FRAMEWORKS.items(), CELLS[cell], strict=True):
        with pytest.raises(error) as refusal:
            run(kind, *given)
        text = str(refusal.value).replace(argument, "x").replace(STATES[argument], "state")
        said.append(text.replace("torch.", ""))
    return said


def x(*shape, dtype="float32"):
    return np.zeros(shape or (T, B, I), dtype)


@pytest.mark.parametrize("cell", CELLS)
def test_the_wrong_number_of_features(cell):
    numpy, torch_, keras_ = refusals(cell, ValueError, x(T, B, 3))
    assert numpy == torch_ == "x has shape (5, 3, 3), expected (T, B, 2)"
    assert keras_ == "x has shape (3, 5, 3), expected (B, T, 2)"


@pytest.mark.parametrize("cell", CELLS)
def test_the_wrong_rank(cell):
    numpy, torch_, keras_ = refusals(cell, ValueError, x(T, B, I, 1))
    assert numpy == torch_ == "x has shape (5, 3, 2, 1), expected (T, B, 2)"
    assert keras_ == "x has shape (3, 5, 2, 1), expected (B, T, 2)"


@pytest.mark.parametrize("cell", CELLS)
def test_the_wrong_dtype(cell):
    said = refusals(cell, TypeError, x(dtype="int64"))
    assert said == ["x has dtype int64, expected float32"] * 3


@pytest.mark.parametrize("cell", TWO_STATES)
def test_a_state_of_the_wrong_form(cell):
    said = refusals(cell, TypeError, x(), (x(B, H),))
    assert said == ["state is a tuple of 1, expected a tuple (h, c)"] * 3


@pytest.mark.parametrize("cell", TWO_STATES)
def test_a_state_of_the_wrong_size(cell):
    numpy, torch_, keras_ = refusals(cell, ValueError, x(), (x(B, H), x(B, 5)))
    assert numpy == keras_ == "state[1] has shape (3, 5), expected (3, 4)"
    assert torch_ == "state[1] has shape (1, 3, 5), expected (1, 3, 4)"


@pytest.mark.parametrize("cell", ["RNN", "GRU"])
def test_one_state_of_the_wrong_size(cell):
    numpy, torch_, keras_ = refusals(cell, ValueError, x(), x(B, 5))
    assert numpy == keras_ == "state has shape (3, 5), expected (3, 4)"
    assert torch_ == "state has shape (1, 3, 5), expected (1, 3, 4)"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_a_size_that_is_none(cell, size):
    numpy, torch_, keras_ = CELLS[cell]
    for make in (lambda: numpy(I, size), lambda: torch_(I, size), lambda: keras_(size)):
        with pytest.raises(ValueError) as refusal:
            make()
        text = str(refusal.value).replace("units", "hidden_size")
        assert text == f"hidden_size is {size}, expected a whole number of at least 1"
