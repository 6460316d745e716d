"""What every NumPy layer offers, and what it checks before any arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion import spec


@dataclass(frozen=True)
class Gradients:
    """Gradients of a scalar loss.

    Attributes
    ----------
    x
        With respect to the input, (T, B, I); 0 past each sequence's length.
    state
        With respect to the initial state, in the form of the run's ``state``.
    parameters
        With respect to the parameters, in the form of the layer's ``parameters``.
    """

    x: np.ndarray
    state: Any
    parameters: Any


class Layer:
    """Base of the NumPy layers: three calls, and checks at their boundary.

    A layer is a cell run over time (:class:`companion.numpy.recurrence.Recurrence`), two
    directions of layers (:class:`companion.numpy.Bidirectional`) or a stack of them
    (:class:`companion.numpy.Stack`).

    Attributes
    ----------
    input_size
        I, the number of features of each step.
    output_size
        The number of outputs of each step: H for a cell.
    dtype
        ``float32`` or ``float64``, of the parameters and of every array given or returned.
    """

    input_size: int
    output_size: int
    dtype: np.dtype

    def forward(self, x, state=None, lengths=None):
        """Run the layer over a batch of sequences.

        Parameters
        ----------
        x
            The input, (T, B, I), in the layer's dtype. NaN is not looked for: it spreads to
            the outputs, as it does in ``torch.nn``.
        state
            The initial state: h, or (h, c), each (B, H); a list of its parts' states for a
            stack or a pair of directions; zeros if ``None``.
        lengths
            The number of valid steps of each sequence, (B,), whole numbers from 0 to T; all T
            if ``None``. A sequence of length 0 keeps its initial state.

        Returns
        -------
        run
            ``run.outputs``, (T, B, output_size), 0 past each sequence's length; ``run.state``,
            the state after each sequence's last valid step (for the reverse direction, after
            its first), in the form of ``state``; and what :meth:`backward` needs.

        Raises
        ------
        ValueError
            If a shape does not fit or a length lies outside 0 to T.
        TypeError
            If an array is not of the layer's dtype, lengths are not whole numbers, or the state
            is not of the layer's form.
        """
        x = self._array("x", x, ("T", "B", self.input_size))
        n_steps, batch, _ = x.shape
        state = self._zero_state(batch) if state is None else self._state("state", state, batch)
        if lengths is not None:
            lengths = checked_lengths(lengths, n_steps, batch)
            # Whatever the padding holds, NaN included, must not reach a gradient.
            x = np.where(valid_steps(lengths, n_steps), x, 0)
        return self._forward(x, state, lengths)

    def backward(self, run, d_outputs, d_state=None) -> Gradients:
        """Backpropagate through time.

        Parameters
        ----------
        run
            What :meth:`forward` returned, with its outputs, ``x`` and the parameters unchanged
            since: they are not copied.
        d_outputs
            Gradient of the loss with respect to ``run.outputs``, in its shape. Past a
            sequence's length it is ignored, since the outputs there are constant.
        d_state
            Gradient with respect to ``run.state``, in its form; zeros if ``None``.

        Raises
        ------
        ValueError
            If a shape does not fit.
        TypeError
            If an array is not of the layer's dtype, or ``run`` is not a run of such a layer.
        """
        if not self._ran(run):
            raise TypeError(
                f"run is {spec.describe(run)}, expected what forward of this layer returned"
            )
        n_steps, batch, _ = run.outputs.shape
        d_outputs = self._array("d_outputs", d_outputs, run.outputs.shape)
        if d_state is None:
            d_state = self._zero_state(batch)
        else:
            d_state = self._state("d_state", d_state, batch)
        if run.lengths is not None:
            d_outputs = np.where(valid_steps(run.lengths, n_steps), d_outputs, 0)
        return self._backward(run, d_outputs, d_state)

    @property
    def parameters(self):
        """The parameters by name, or a list of the parts' parameters.

        The arrays are the layer's own, so an optimizer may update them in place. Assigning
        replaces all of them, copied and cast to the layer's dtype; a wrong name or shape, or a
        value that is not finite, is refused before anything changes.
        """
        raise NotImplementedError

    @parameters.setter
    def parameters(self, new):
        self._replace(self._accepted("parameters", new))

    def _array(self, argument, value, expected):
        array = _array_of(argument, value)
        spec.check_shape(argument, array.shape, expected)
        spec.check_dtype(argument, array.dtype, self.dtype)
        return array

    # What each kind of layer does in its own way.

    def _forward(self, x, state, lengths):
        raise NotImplementedError

    def _backward(self, run, d_outputs, d_state):
        raise NotImplementedError

    def _zero_state(self, batch):
        raise NotImplementedError

    def _state(self, argument, value, batch):
        """Return the state, checked."""
        raise NotImplementedError

    def _accepted(self, argument, new):
        """Return new parameters, checked, copied and cast."""
        raise NotImplementedError

    def _replace(self, accepted):
        raise NotImplementedError

    def _ran(self, run):
        """Whether this layer, or one of its cells and sizes, made the run."""
        raise NotImplementedError

    def _cells(self):
        """Return every cell in the layer."""
        return [self]


class Composite(Layer):
    """A layer made of layers; states, parameters and gradients are lists with an entry a part."""

    def __init__(self, names, parts):
        self._names, self._parts = names, parts
        for k, (name, part) in enumerate(zip(names, parts, strict=True)):
            if not isinstance(part, Layer):
                raise TypeError(
                    f"{name} is {spec.describe(part)}, expected a layer of companion.numpy"
                )
            if set(part._cells()) & {cell for other in parts[:k] for cell in other._cells()}:
                raise ValueError(f"{name} occurs twice, expected a layer of its own")
            spec.check_dtype(name, part.dtype, parts[0].dtype)
        self.dtype = parts[0].dtype

    @property
    def parameters(self):
        """The parts' parameters, in a list. Assigning replaces all of them, or none."""
        return [part.parameters for part in self._parts]

    @parameters.setter
    def parameters(self, new):
        self._replace(self._accepted("parameters", new))

    def _zero_state(self, batch):
        return [part._zero_state(batch) for part in self._parts]

    def _state(self, argument, value, batch):
        spec.check_parts(argument, value, self._names)
        return [
            part._state(f"{argument}[{k}]", value[k], batch) for k, part in enumerate(self._parts)
        ]

    def _accepted(self, argument, new):
        spec.check_parts(argument, new, self._names)
        return [part._accepted(f"{argument}[{k}]", new[k]) for k, part in enumerate(self._parts)]

    def _replace(self, accepted):
        for part, own in zip(self._parts, accepted, strict=True):
            part._replace(own)

    def _ran(self, run):
        return (
            isinstance(run, CompositeRun)
            and len(run.parts) == len(self._parts)
            and run.outputs.shape[2] == self.output_size
            and all(part._ran(own) for part, own in zip(self._parts, run.parts, strict=True))
        )

    def _cells(self):
        return [cell for part in self._parts for cell in part._cells()]


@dataclass(frozen=True)
class CompositeRun:
    """One forward pass of a stack or a pair of directions.

    Attributes
    ----------
    outputs
        (T, B, output_size); 0 past each sequence's length.
    state
        The parts' final states, in a list.
    parts
        The parts' own runs. That of a reverse direction has its steps in the order in which
        they were run: each sequence's last step first.
    """

    outputs: np.ndarray
    state: list
    parts: tuple
    lengths: np.ndarray | None


def check_parameters(argument, new, shapes, dtype) -> dict[str, np.ndarray]:
    """Return the arrays by name, copied and cast, or refuse them by name, shape or value."""
    if not isinstance(new, Mapping):
        raise TypeError(f"{argument} is {spec.describe(new)}, expected names and arrays")
    spec.check_names(argument, new, shapes)
    accepted = {}
    for name, shape in shapes.items():
        given = _array_of(f"{argument}[{name!r}]", new[name])
        spec.check_shape(f"{argument}[{name!r}]", given.shape, shape)
        if given.dtype.kind not in "fiu":
            raise TypeError(f"{argument}[{name!r}] has dtype {given.dtype}, expected {dtype}")
        with np.errstate(over="ignore"):  # too large for the dtype is infinite, and refused below
            accepted[name] = np.array(given, dtype=dtype)
        if not np.isfinite(accepted[name]).all():
            raise ValueError(f"{argument}[{name!r}] has values that are not finite in {dtype}")
    return accepted


def _array_of(argument, value):
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal lengths
        raise ValueError(
            f"{argument} is {spec.describe(value)} of unequal shapes, expected an array"
        ) from None


def checked_lengths(lengths, n_steps, batch):
    """Return lengths as an array of its own, if they are whole numbers from 0 to T, (B,)."""
    lengths = _array_of("lengths", lengths).copy()  # the backward pass needs them as they were
    if not np.issubdtype(lengths.dtype, np.integer):
        raise TypeError(f"lengths has dtype {lengths.dtype}, expected whole numbers")
    spec.check_shape("lengths", lengths.shape, (batch,))
    if batch and (lengths.min() < 0 or lengths.max() > n_steps):
        raise ValueError(
            f"lengths has values from {lengths.min()} to {lengths.max()}, "
            f"expected 0 to {n_steps} (the T of x)"
        )
    return lengths


def valid_steps(lengths, n_steps):
    """Return which steps are valid, (T, B, 1)."""
    return (np.arange(n_steps)[:, None] < lengths)[:, :, None]
