"""What the cells and layers share: their arguments, their checks, products under dropout.

Keras' own classes supply what is not a cell's arithmetic: weights, initializers, dropout masks,
the loop over time, masking, configuration and saving. The two classes here stand before Keras'
own in a cell's and a layer's bases.
"""

import inspect
from numbers import Real

import keras
from keras import ops

from companion import spec


class RecurrentCell:
    """What the cells share.

    Attributes
    ----------
    state_names
        What one step hands to the next, ``("h",)`` or ``("h", "c")``.

    Notes
    -----
    ``dropout=1.0`` drops everything, as in Keras' SimpleRNN; in its LSTM and GRU it drops nothing.
    """

    state_names: tuple[str, ...]

    def __init__(self, *args, **kwargs):
        arguments = _by_name(super().__init__, args, kwargs)
        arguments["units"] = spec.check_size("units", arguments["units"])
        for name in ("dropout", "recurrent_dropout"):
            if name in arguments:  # Keras would clip it
                _check_probability(name, arguments[name])
        super().__init__(**arguments)

    def __call__(self, inputs, states, *args, **kwargs):
        """Check what comes in, then take the step as Keras does, through :meth:`call`."""
        _check_array("inputs", inputs, ("B", self._input_size), self.compute_dtype)
        self._check_state("states", states, inputs.shape[0])
        return super().__call__(inputs, states, *args, **kwargs)

    def get_config(self):
        """Return the constructor's arguments; with ``implementation``, which Keras leaves out."""
        return super().get_config() | _stored(self, "implementation")

    def _under_dropout(self, x, h, training):
        """Return x_t and h_{t-1} as the gates see them, in two lists.

        A list has an entry for each gate, or a single one when all gates see the same.
        """
        x_masks, h_masks = None, None
        if training:
            x_masks, h_masks = self.get_dropout_mask(x), self.get_recurrent_dropout_mask(h)
        return _masked(x, x_masks), _masked(h, h_masks)

    @property
    def _input_size(self):
        return self.kernel.shape[0] if self.built else "I"

    def _check_state(self, argument, value, batch):
        names, expected = self.state_names, ("B" if batch is None else batch, self.units)
        if len(names) == 1 and not isinstance(value, list | tuple):
            _check_array(argument, value, expected, self.compute_dtype)
            return
        spec.check_parts(argument, value, names)
        for k, part in enumerate(value):
            _check_array(f"{argument}[{k}]", part, expected, self.compute_dtype)


class RecurrentLayer:
    """What the layers share: a cell of ours, run over time by ``keras.layers.RNN``.

    Attributes
    ----------
    cell_class, cell_name
        The class of the cell, and the name it goes by in the paths of its weights.
    """

    cell_class: type
    cell_name: str

    def __init__(self, *args, use_cudnn="auto", **kwargs):
        if use_cudnn not in ("auto", False):
            raise ValueError(
                f"use_cudnn is {use_cudnn!r}, expected 'auto' or False: the step is written out"
            )
        # Keras' constructor would make a cell of its own, and a layer goes on tracking whatever
        # layer it was given, so that cell could not be replaced. Its part is done here: the
        # arguments go to our cell and to the loop over time.
        given = _by_name(super().__init__, args, kwargs)
        own = {name: given.pop(name) for name in _cell_arguments(self.cell_class) if name in given}
        both = {name: given[name] for name in ("dtype", "trainable") if name in given}
        cell = self.cell_class(name=self.cell_name, **own, **both)
        keras.layers.RNN.__init__(self, cell, **given)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.use_cudnn = False  # Keras asks for it, in Bidirectional too

    def __call__(self, sequences, initial_state=None, mask=None, **kwargs):
        """Check what comes in, then run over time as Keras does."""
        batch = self.states[0].shape[0] if self.stateful and self.states else "B"
        _check_array(
            "sequences", sequences, (batch, "T", self.cell._input_size), self.compute_dtype
        )
        batch, n_steps, _ = sequences.shape
        if n_steps == 0:
            raise ValueError("sequences has 0 steps, expected at least 1")
        if initial_state is not None:
            self.cell._check_state("initial_state", initial_state, batch)
        if isinstance(mask, list | tuple) and mask:
            mask = mask[0]  # a layer's outputs and states bring a list: the outputs' comes first
        if mask is not None:
            expected = ("B" if batch is None else batch, "T" if n_steps is None else n_steps)
            _check_array("mask", mask, expected)
        return super().__call__(sequences, initial_state=initial_state, mask=mask, **kwargs)

    def build(self, sequences_shape, initial_state_shape=None):
        """Create the weights for sequences of this shape, (B, T, I), of which I must be known."""
        spec.check_shape("sequences", sequences_shape, ("B", "T", "I"))
        super().build(sequences_shape, initial_state_shape)

    def get_config(self):
        """Return the constructor's arguments; with ``seed`` and ``implementation``.

        Keras leaves out the latter, and a SimpleRNN's seed.
        """
        return super().get_config() | _stored(self.cell, "seed", "implementation")


def product(values, weights):
    """Return values times weights, (B, G · H).

    ``values`` is a list of (B, N) with one entry for all gates, or one for each; ``weights`` are
    (N, G · H). The product is written ``@`` because ``keras.ops.matmul`` rounds float64 to
    float32 on the PyTorch backend.
    """
    if len(values) == 1:
        return values[0] @ weights
    each = ops.split(weights, len(values), axis=1)
    return ops.concatenate([v @ W for v, W in zip(values, each, strict=True)], axis=1)


def exact(activation):
    """Return the activation, as a function that keeps float64.

    ``keras.ops.tanh`` rounds it to float32 on the JAX backend, whose own tanh does not.
    """
    if activation is keras.activations.tanh and keras.backend.backend() == "jax":
        from jax import numpy as jnp

        return jnp.tanh
    return activation


def _masked(value, masks):
    if masks is None:
        return [value]
    return [value * mask for mask in (masks if isinstance(masks, list) else [masks])]


def _by_name(constructor, args, kwargs):
    """Return a constructor's arguments as given, all of them by name."""
    given = dict(inspect.signature(constructor).bind(*args, **kwargs).arguments)
    return given.pop("kwargs", {}) | given


def _cell_arguments(cell_class):
    """Return the names of what a cell's constructors take, from ours up to Keras' own."""
    names = {"implementation"}  # which Keras takes from **kwargs
    for base in cell_class.__mro__:
        if base is keras.layers.Layer:
            return names - {"self", "args", "kwargs"}
        if "__init__" in vars(base):
            names |= set(inspect.signature(base.__init__).parameters)


def _stored(cell, *names):
    return {name: getattr(cell, name) for name in names if hasattr(cell, name)}


def _check_probability(argument, got):
    if isinstance(got, bool) or not isinstance(got, Real):
        raise TypeError(f"{argument} is {got!r}, expected a number")
    if not 0 <= got <= 1:
        raise ValueError(f"{argument} is {got!r}, expected a probability from 0 to 1")


def _check_array(argument, value, expected, dtype=None):
    """Refuse what is no array of this shape, or no array of floats if a dtype is expected.

    Floats of another width are left to Keras, which casts them.
    """
    shape = getattr(value, "shape", None)
    if shape is None:
        wanted = ", ".join(map(str, expected))
        raise TypeError(
            f"{argument} is {spec.describe(value)}, expected an array of shape ({wanted})"
        )
    spec.check_shape(argument, shape, expected)
    if dtype is not None:
        try:
            got = keras.backend.standardize_dtype(value.dtype)
        except ValueError:  # NumPy's strings and objects, which Keras has no name for
            got = str(value.dtype)
        if not got.startswith(("float", "bfloat")):
            spec.check_dtype(argument, got, dtype)
