"""What all NumPy layers share: parameters, checks at the boundary, and unequal lengths.

A layer only adds its own arithmetic, as ``_forward`` and ``_backward``.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from companion import spec

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class Run:
    """One forward pass: its results, and what the backward pass needs of it.

    Attributes
    ----------
    outputs
        h_t for every step, (T, B, H); 0 past each sequence's length.
    state
        The state after each sequence's last valid step: ``(h, c)``, each (B, H), for an LSTM.
    gates
        Every gate's value, by name, each (T, B, H).
    states
        Every state over time, by name, each (T + 1, B, H); index 0 is the initial state, so
        ``states["c"][t]`` is what step t starts from.
    """

    outputs: np.ndarray
    state: Any
    gates: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    x: np.ndarray = field(repr=False)
    valid: np.ndarray | None = field(repr=False)


@dataclass(frozen=True)
class Gradients:
    """Gradients of a scalar loss.

    Attributes
    ----------
    x
        With respect to the input, (T, B, I).
    state
        With respect to the initial state, in the form of ``Run.state``.
    parameters
        With respect to each parameter, by name, in its shape.
    """

    x: np.ndarray
    state: Any
    parameters: dict[str, np.ndarray]


class Layer:
    """Base of the NumPy layers.

    Parameters
    ----------
    input_size
        I, the number of features of each step.
    hidden_size
        H, the number of hidden units.
    dtype
        ``float32`` or ``float64``; every input is expected in it.
    rng
        Source of the initial weights, drawn uniformly from (-1/√H, 1/√H), as ``torch.nn`` does.
        Without one, a fresh unseeded generator is used.

    Raises
    ------
    ValueError
        If a size is not a positive whole number.
    TypeError
        If ``dtype`` is not a float of 32 or 64 bits.
    """

    spec: spec.CellSpec

    def __init__(self, input_size, hidden_size, dtype=np.float64, rng=None):
        self.input_size = spec.check_size("input_size", input_size)
        self.hidden_size = spec.check_size("hidden_size", hidden_size)
        self.dtype = np.dtype(dtype)
        if self.dtype not in FLOATS:
            raise TypeError(f"dtype is {self.dtype}, expected float32 or float64")
        rng = np.random.default_rng() if rng is None else rng
        bound = 1.0 / np.sqrt(self.hidden_size)
        self._parameters = {
            name: rng.uniform(-bound, bound, shape).astype(self.dtype)
            for name, shape in self.shapes.items()
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter, by name."""
        return self.spec.shapes(self.input_size, self.hidden_size)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name (see :mod:`companion.spec`).

        The arrays are the layer's own, so an optimizer may update them in place. Assigning a
        mapping replaces all of them, copied and cast to the layer's dtype; a wrong name or
        shape, or a value that is not finite, is refused before anything changes.
        """
        return dict(self._parameters)

    @parameters.setter
    def parameters(self, new):
        spec.check_names("parameters", new, self.shapes)
        accepted = {}
        for name, shape in self.shapes.items():
            array = np.array(new[name], dtype=self.dtype)
            spec.check_shape(f"parameters[{name!r}]", array.shape, shape)
            if not np.isfinite(array).all():
                raise ValueError(f"parameters[{name!r}] has values that are not finite")
            accepted[name] = array
        self._parameters = accepted

    def forward(self, x, state=None, lengths=None) -> Run:
        """Run the layer over a batch of sequences.

        Parameters
        ----------
        x
            The input, (T, B, I), in the layer's dtype. NaN is not looked for: it spreads to
            the outputs, as it does in ``torch.nn``.
        state
            The initial state, each part (B, H); zeros if ``None``.
        lengths
            The number of valid steps of each sequence, (B,), whole numbers from 0 to T; all T
            if ``None``. A sequence of length 0 keeps its initial state.

        Raises
        ------
        ValueError
            If a shape does not fit or a length lies outside 0 to T.
        TypeError
            If an array is not of the layer's dtype, or lengths are not whole numbers.
        """
        x = self._array("x", x, ("T", "B", self.input_size))
        n_steps, batch, _ = x.shape
        if state is None:
            zeros = np.zeros((batch, self.hidden_size), self.dtype)
            state = {name: zeros for name in self.spec.states}
        else:
            state = self._state("state", state, batch)
        valid = self._valid(lengths, n_steps, batch)
        if valid is not None:  # whatever the padding holds, NaN included, must not reach a gradient
            x = np.where(valid, x, 0)
        return self._forward(x, state, valid)

    def backward(self, run: Run, d_outputs, d_state=None) -> Gradients:
        """Backpropagate through time.

        Parameters
        ----------
        run
            What :meth:`forward` returned, with the parameters unchanged since.
        d_outputs
            Gradient of the loss with respect to ``run.outputs``, (T, B, H). Past a sequence's
            length it is ignored, since the outputs there are constant.
        d_state
            Gradient with respect to ``run.state``, in its form; zeros if ``None``.

        Raises
        ------
        ValueError
            If a shape does not fit.
        TypeError
            If an array is not of the layer's dtype.
        """
        n_steps, batch, _ = run.x.shape
        d_outputs = self._array("d_outputs", d_outputs, (n_steps, batch, self.hidden_size))
        if d_state is None:
            zeros = np.zeros((batch, self.hidden_size), self.dtype)
            d_state = {name: zeros for name in self.spec.states}
        else:
            d_state = self._state("d_state", d_state, batch)
        if run.valid is not None:
            d_outputs = np.where(run.valid, d_outputs, 0)
        return self._backward(run, d_outputs, d_state)

    def _forward(self, x, state, valid) -> Run:
        raise NotImplementedError

    def _backward(self, run, d_outputs, d_state) -> Gradients:
        raise NotImplementedError

    def _array(self, argument, value, expected):
        array = np.asarray(value)
        if array.dtype != self.dtype:
            raise TypeError(f"{argument} has dtype {array.dtype}, expected {self.dtype}")
        spec.check_shape(argument, array.shape, expected)
        return array

    def _state(self, argument, value, batch):
        names = self.spec.states
        expected = (batch, self.hidden_size)
        if len(names) == 1:
            return {names[0]: self._array(argument, value, expected)}
        if not isinstance(value, tuple | list) or len(value) != len(names):
            raise ValueError(
                f"{argument} is {_describe(value)}, expected a tuple ({', '.join(names)}), "
                f"each of shape {expected}"
            )
        return {
            name: self._array(f"{argument}[{k}]", part, expected)
            for k, (name, part) in enumerate(zip(names, value, strict=True))
        }

    def _valid(self, lengths, n_steps, batch):
        """Return which steps are valid, (T, B, 1), or None when all are."""
        if lengths is None:
            return None
        lengths = np.asarray(lengths)
        if not np.issubdtype(lengths.dtype, np.integer):
            raise TypeError(f"lengths has dtype {lengths.dtype}, expected whole numbers")
        spec.check_shape("lengths", lengths.shape, (batch,))
        if batch and (lengths.min() < 0 or lengths.max() > n_steps):
            raise ValueError(
                f"lengths has values from {lengths.min()} to {lengths.max()}, "
                f"expected 0 to {n_steps} (the T of x)"
            )
        return (np.arange(n_steps)[:, None] < lengths)[:, :, None]


def _describe(value):
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"an array of shape {tuple(shape)}"
