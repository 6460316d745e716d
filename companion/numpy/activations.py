"""The two squashing functions of every gate, and their derivatives in terms of their outputs."""

import numpy as np


def sigmoid(a: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-a)) elementwise, any shape, without overflow.

    Written as (1 + tanh(a / 2)) / 2, which is the same function and never exponentiates a
    large number. An integer array is taken as float64.
    """
    return 0.5 * (1.0 + np.tanh(0.5 * a))


def tanh(a: np.ndarray) -> np.ndarray:
    """Return tanh(a) elementwise, any shape."""
    return np.tanh(a)


def sigmoid_slope(s: np.ndarray) -> np.ndarray:
    """Return σ'(a) from s = σ(a): s (1 - s)."""
    return s * (1.0 - s)


def tanh_slope(y: np.ndarray) -> np.ndarray:
    """Return tanh'(a) from y = tanh(a): 1 - y²."""
    return 1.0 - y * y


def relu(a: np.ndarray) -> np.ndarray:
    """Return max(a, 0) elementwise, any shape."""
    return np.maximum(a, 0)


def relu_slope(y: np.ndarray) -> np.ndarray:
    """Return the slope of ReLU from y = max(a, 0): 1 where y > 0, else 0."""
    return (y > 0).astype(y.dtype)
