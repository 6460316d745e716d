import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.numpy import activations, sigmoid, tanh

QUICK = settings(database=None, deadline=None, derandomize=True, max_examples=100)


@QUICK
@given(st.floats(-700, 700))
def test_sigmoid_and_tanh_are_the_textbook_functions(a):
    assert sigmoid(np.float64(a)) == pytest.approx(1 / (1 + math.exp(-a)), abs=1e-15)
    assert tanh(np.float64(a)) == pytest.approx(math.tanh(a), abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_values_saturate_without_overflow(dtype):
    # A warning would be an error here: see pyproject.toml.
    a = np.array([-np.inf, -1e30, -1000, 0, 1000, 1e30, np.inf], dtype)
    np.testing.assert_array_equal(sigmoid(a), np.array([0, 0, 0, 0.5, 1, 1, 1], dtype))
    assert sigmoid(a).dtype == tanh(a).dtype == dtype


def test_integers_are_taken_as_float64():
    assert sigmoid(np.array([[0, 1]])).dtype == np.float64
    np.testing.assert_allclose(sigmoid(np.array([[0, 1]])), [[0.5, 1 / (1 + math.exp(-1))]])


def test_nan_stays_nan():
    assert np.isnan(sigmoid(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (sigmoid, activations.sigmoid_slope),
        (tanh, activations.tanh_slope),
        (activations.relu, activations.relu_slope),
    ],
)
def test_slopes_are_the_derivatives(function, slope):
    a = np.linspace(-8, 8, 200)  # without 0, where ReLU has no derivative
    numeric = (function(a + 1e-5) - function(a - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope(function(a)), numeric, rtol=0, atol=1e-10)
