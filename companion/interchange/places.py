"""Where a layer keeps each cell's numbers: what the adapters of the frameworks have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion import spec


@dataclass(frozen=True)
class Write:
    """One array on its way into a layer.

    Attributes
    ----------
    target
        What tells its place from all others.
    array
        The numbers, rounded to the layer's dtype, in the layer's own shape.
    put
        Called without arguments, writes them.
    """

    target: Any
    array: np.ndarray
    put: Callable[[], None]


class Place:
    """Where one cell's numbers stand in a layer.

    Attributes
    ----------
    name
        How the place is reached, for error messages: ``layer.forward_layer``.
    spec
        The cell.
    input_size, hidden_size
        I, which is ``None`` while a Keras layer has not been built, and H.
    has_bias
        Whether ``b`` and ``b_u`` have somewhere to stand.
    dtype
        The name of the dtype that numbers are rounded to.
    """

    name: str
    spec: spec.CellSpec
    input_size: int | None
    hidden_size: int
    has_bias: bool
    dtype: str

    def read(self) -> dict[str, np.ndarray]:
        """Return copies of the numbers in canonical form, in ``float32`` or ``float64``."""
        raise NotImplementedError

    def rounded(self, array) -> np.ndarray:
        """Return the numbers as the layer would hold them, in ``float32`` or ``float64``."""
        raise NotImplementedError

    def writes(self, arrays) -> list[Write]:
        """Return what has to be done to load canonical arrays; nothing is done yet."""
        raise NotImplementedError


@dataclass(frozen=True)
class Places:
    """The places of a layer that is made of others; see :class:`companion.interchange.Parts`."""

    kind: str
    parts: tuple


@dataclass(frozen=True)
class Layout:
    """All that is to be known about a layer.

    Attributes
    ----------
    places
        A :class:`Place` or :class:`Places`.
    check_form
        Called with a tree of parameters, refuses a form that the layer cannot take, in words of
        its framework.
    prepare
        Called with the input size before anything is written, builds a layer that is not built.
    runs_backwards
        Whether the layer gives its outputs from the last step to the first.
    """

    places: Place | Places
    check_form: Callable[[Any], None] = lambda tree: None
    prepare: Callable[[int], None] = lambda input_size: None
    runs_backwards: bool = False


def stacked(arrays, cell, order):
    """Return W, U and both biases as frameworks keep them, gate below gate.

    Parameters
    ----------
    arrays
        A cell's canonical arrays.
    cell
        Their cell.
    order
        The framework's order of the gates.

    Returns
    -------
    W, U, b, b_recurrent
        (G H, I), (G H, H), (G H,) and (G H,). The last is 0 but for n of a GRU that resets after.
    """
    rows = [cell.gates.index(gate) for gate in order]

    def one(array):
        array = _z_turned(array.copy(), cell)[rows]
        return array.reshape(-1, *array.shape[2:])

    b_recurrent = np.zeros_like(arrays["b"])
    if cell.reset_after:
        b_recurrent[cell.gates.index("n")] = arrays["b_u"]
    return *(one(arrays[name]) for name in "WUb"), b_recurrent[rows].ravel()


def unstacked(cell, order, W, U, b=None, b_recurrent=None):
    """Return canonical arrays, all of them copies; the inverse of :func:`stacked`.

    A bias of ``None`` is 0.
    """
    rows = [order.index(gate) for gate in cell.gates]
    shape = (len(rows), len(W) // len(rows))

    def one(array):
        if array is None:
            return np.zeros(shape, W.dtype)
        return array.reshape(*shape, *array.shape[1:])[rows]

    arrays = {"W": _z_turned(one(W), cell), "U": _z_turned(one(U), cell)}
    inner, b_u = one(b_recurrent), {}
    if cell.reset_after:
        n = cell.gates.index("n")
        b_u = {"b_u": inner[n].copy()}
        inner[n] = 0
    if b is None and b_recurrent is None:
        arrays["b"] = inner
    else:
        arrays["b"] = _z_turned(_sum(one(b), inner), cell)
    return arrays | b_u


def _z_turned(array, cell):
    """Turn the sign of z's part, in place: 1 - σ(a) = σ(-a)."""
    if "z" in cell.gates:
        z = cell.gates.index("z")
        array[z] = -array[z]
    return array


def _sum(b, b_recurrent):
    """Add two biases; one that is 0 leaves the other as it is, to the sign of a zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(b_recurrent == 0, b, b + b_recurrent)
