"""One cell run over time: parameters, the loop over steps, and back.

A cell adds its own equations, as ``_step`` and ``_step_back``; what it does with them at every
step, and with sequences that end early, is the same for all cells and stands here.
"""

import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from companion import spec
from companion.numpy.layer import Gradients, Layer, check_parameters, valid_steps

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class Run:
    """One forward pass of a cell: its results, and what the backward pass needs of it.

    Attributes
    ----------
    outputs
        h_t for every step, (T, B, H); 0 past each sequence's length.
    state
        The state after each sequence's last valid step: h, or ``(h, c)`` for an LSTM, each
        (B, H).
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
    cell: spec.CellSpec = field(repr=False)
    x: np.ndarray = field(repr=False)
    a: np.ndarray = field(repr=False)  # (T, B, G · H), of which the gates are views
    lengths: np.ndarray | None = field(repr=False)


class Recurrence(Layer):
    """Base of the NumPy cells.

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
        If ``dtype`` is not a float of 32 or 64 bits, or ``rng`` is no generator.
    """

    spec: spec.CellSpec

    def __init__(self, input_size, hidden_size, dtype=np.float64, rng=None):
        self.input_size = spec.check_size("input_size", input_size)
        self.hidden_size = self.output_size = spec.check_size("hidden_size", hidden_size)
        self.dtype = _float(dtype)
        rng = np.random.default_rng() if rng is None else rng
        if not isinstance(rng, np.random.Generator | np.random.RandomState):
            raise TypeError(f"rng is {rng!r}, expected a numpy.random.Generator")
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
        self._replace(self._accepted("parameters", new))

    def _step(self, a, before, after):
        """Take step t of the cell.

        ``a`` (B, G · H) comes in as W x_t + b and is left as the gates' values. ``before`` are
        the states of step t - 1; the new ones are written into ``after``, each (B, H).
        """
        raise NotImplementedError

    def _step_back(self, d_a, a, before, after, d_state):
        """Take step t back.

        ``a``, ``before`` and ``after`` are as :meth:`_step` left them, ``d_state`` the gradients
        of ``after``. The gradient of the gates' sums is written into ``d_a`` (B, G · H); what is
        returned are the gradients of ``before``.
        """
        raise NotImplementedError

    def _weight_gradients(self, d_a, run):
        """Return the gradients of all parameters from ``d_a`` (T, B, G · H), by name.

        Each weight is used at every step, so its gradient is a sum over steps: one product.
        """
        return {
            "W": product(d_a, run.x),  # (4.3.10)
            "U": product(d_a, run.states["h"][:-1]),  # (4.3.11)
            "b": d_a.sum(axis=(0, 1)),  # (4.3.12)
        }

    def _forward(self, x, state, lengths):
        n_steps, batch, _ = x.shape
        # W x_t + b waits for nothing, so it is one product over all steps; U h_{t-1} cannot be.
        a = x.reshape(-1, self.input_size) @ self._stacked("W").T
        a += self._stacked("b")
        a = a.reshape(n_steps, batch, a.shape[1])
        states = [np.empty((n_steps + 1, batch, self.hidden_size), self.dtype) for _ in state]
        for over_time, initial in zip(states, state, strict=True):
            over_time[0] = initial
        ended = self._ended(lengths, n_steps)

        for t in range(n_steps):
            before, after = [s[t] for s in states], [s[t + 1] for s in states]
            self._step(a[t], before, after)
            if ended is not None:  # past its end a sequence keeps its state
                for old, new in zip(before, after, strict=True):
                    np.copyto(new, old, where=ended[t])

        h = states[0][1:]
        return Run(
            outputs=h if ended is None else np.where(ended, 0, h),
            # Copies: whoever carries a state on may change it before the backward pass.
            state=self._form([s[-1].copy() for s in states]),
            gates=dict(zip(self.spec.gates, self._split(a), strict=True)),
            states=dict(zip(self.spec.states, states, strict=True)),
            cell=self.spec,
            x=x,
            a=a,
            lengths=lengths,
        )

    def _backward(self, run, d_outputs, d_state):
        n_steps, batch, _ = run.x.shape
        states = list(run.states.values())
        d_a = np.empty_like(run.a)
        ended = self._ended(run.lengths, n_steps)

        for t in reversed(range(n_steps)):
            before, after = [s[t] for s in states], [s[t + 1] for s in states]
            later = d_state
            d_h = later[0] + d_outputs[t]  # (4.3.1)
            d_state = self._step_back(d_a[t], run.a[t], before, after, [d_h, *later[1:]])
            if ended is not None:  # past its end a sequence only hands its state on
                np.copyto(d_a[t], 0, where=ended[t])
                for d, d_later in zip(d_state, later, strict=True):
                    np.copyto(d, d_later, where=ended[t])

        d_x = d_a.reshape(-1, d_a.shape[2]) @ self._stacked("W")  # (4.3.9)
        gradients = self._weight_gradients(d_a, run)
        return Gradients(
            x=d_x.reshape(run.x.shape),
            state=self._form(d_state),
            parameters={name: gradients[name].reshape(s) for name, s in self.shapes.items()},
        )

    def _stacked(self, name):
        """Return W as (G · H, I), U as (G · H, H) or b as (G · H,): one gate below the other."""
        array = self._parameters[name]
        return array.reshape(-1, *array.shape[2:])

    def _split(self, a):
        """Return views of the gates, each (…, H), in the order of ``spec.gates``."""
        size = self.hidden_size
        return [a[..., k * size : (k + 1) * size] for k in range(len(self.spec.gates))]

    @staticmethod
    def _ended(lengths, n_steps):
        """Return which steps lie past a sequence's end, (T, B, 1), or None when none do."""
        if lengths is None:
            return None
        return ~valid_steps(lengths, n_steps)

    def _zero_state(self, batch):
        return [np.zeros((batch, self.hidden_size), self.dtype) for _ in self.spec.states]

    def _state(self, argument, value, batch):
        names, expected = self.spec.states, (batch, self.hidden_size)
        if len(names) == 1:
            return [self._array(argument, value, expected)]
        spec.check_parts(argument, value, names)
        return [self._array(f"{argument}[{k}]", part, expected) for k, part in enumerate(value)]

    def _form(self, states):
        return tuple(states) if len(states) > 1 else states[0]

    def _accepted(self, argument, new):
        return check_parameters(argument, new, self.shapes, self.dtype)

    def _replace(self, accepted):
        self._parameters = accepted

    def _ran(self, run):
        sizes = (self.input_size, self.hidden_size)
        return (
            isinstance(run, Run)
            and (run.cell, run.x.dtype) == (self.spec, self.dtype)
            and (run.x.shape[2], run.outputs.shape[2]) == sizes
        )


def _float(dtype):
    with contextlib.suppress(TypeError):  # what NumPy has no dtype for
        if np.dtype(dtype) in FLOATS:
            return np.dtype(dtype)
        dtype = np.dtype(dtype)
    raise TypeError(f"dtype is {dtype}, expected float32 or float64")


def product(d_a, inputs):
    """Return Σ_t δa_t inputs_tᵀ, summed over the batch too: (T, B, M) and (T, B, N) to (M, N)."""
    return d_a.reshape(-1, d_a.shape[2]).T @ inputs.reshape(-1, inputs.shape[2])
