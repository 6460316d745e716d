"""The layers of ``keras.layers`` and ``companion.keras``; the latter are subclasses of the former.

A layer is read and written through its cells; its own arguments only decide what is refused.
"""

import sys

import keras
import ml_dtypes
import numpy as np
from keras import layers

from companion import spec
from companion.interchange.places import Layout, Place, Places, Write, stacked, unstacked
from companion.interchange.tree import rounded

CELLS = (layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell, layers.StackedRNNCells)
LAYERS = (layers.RNN, layers.Bidirectional, keras.Sequential)


def layout(layer) -> Layout | None:
    """Return the layout of a layer or cell of Keras, or ``None`` if it is none of ours."""
    if isinstance(layer, CELLS):
        places, steps = _places_of_cell("layer", layer), ()
    elif isinstance(layer, LAYERS):
        places, steps = _places("layer", layer), (None,)
    else:
        return None

    def prepare(input_size):
        if not all(place.built for place in _all(places)):
            layer.build((None, *steps, input_size))

    return Layout(
        places, prepare=prepare, runs_backwards=bool(getattr(layer, "go_backwards", False))
    )


def _places(name, layer):
    if isinstance(layer, layers.RNN):
        if layer.stateful and not layer.built:
            raise ValueError(
                f"{name} is stateful and has not been built, so its batch size is not known: "
                "build it"
            )
        own = isinstance(layer, layers.SimpleRNN | layers.LSTM | layers.GRU)
        return _places_of_cell(name if own else f"{name}.cell", layer.cell)
    if isinstance(layer, layers.Bidirectional):
        if layer.merge_mode != "concat":
            raise ValueError(
                f"{name} has merge_mode={layer.merge_mode!r}, expected 'concat': "
                "no other layer puts its directions together otherwise"
            )
        _check_ahead(f"{name}.forward_layer", layer.forward_layer)
        sides = {side: getattr(layer, side) for side in ("forward_layer", "backward_layer")}
        return Places(
            "bidirectional", tuple(_places(f"{name}.{side}", own) for side, own in sides.items())
        )
    if isinstance(layer, keras.Sequential):
        if not layer.layers:
            raise ValueError(f"{name} has no layers")
        parts = []
        for k, part in enumerate(layer.layers):
            own = f"{name}.layers[{k}]"
            _check_ahead(own, part)
            if k < len(layer.layers) - 1 and not getattr(part, "return_sequences", True):
                raise ValueError(
                    f"{own} has return_sequences=False, expected True: "
                    "in a stack, each layer reads every step of the one below"
                )
            parts.append(_places(own, part))
        return Places("stack", tuple(parts))
    raise TypeError(f"{name} is {_kind(layer)}, expected a recurrent layer")


def _places_of_cell(name, cell):
    if isinstance(cell, layers.StackedRNNCells):
        parts = enumerate(cell.cells)
        return Places(
            "stack", tuple(_places_of_cell(f"{name}.cells[{k}]", part) for k, part in parts)
        )
    return _Place(name, cell)


def _check_ahead(name, layer):
    if getattr(layer, "go_backwards", False):
        raise ValueError(
            f"{name} has go_backwards=True, expected False: its outputs come last step first"
        )


def _all(places):
    if isinstance(places, Place):
        return [places]
    return [place for part in places.parts for place in _all(part)]


def _kind(layer):
    return f"{type(layer).__module__}.{type(layer).__qualname__}"


def _cell(name, cell):
    """Return the spec of a cell whose activations are those of the book, or refuse it."""
    if isinstance(cell, layers.SimpleRNNCell):
        for own in (spec.RNN, spec.RNN_RELU):
            if cell.activation is getattr(keras.activations, own.activation):
                return own
        raise ValueError(
            f"{name} has another activation than tanh or relu: "
            "no other layer has an exact equivalent"
        )
    if not isinstance(cell, layers.LSTMCell | layers.GRUCell):
        raise TypeError(
            f"{name} is {_kind(cell)}, expected a cell of companion.keras or keras.layers"
        )
    for argument, needed in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        if getattr(cell, argument) is not getattr(keras.activations, needed):
            raise ValueError(
                f"{name} has another {argument} than {needed}: "
                "no other layer has an exact equivalent"
            )
    if isinstance(cell, layers.GRUCell):
        return spec.GRU_RESET_AFTER if cell.reset_after else spec.GRU
    if "companion.keras" in sys.modules:
        from companion.keras import PeepholeLSTMCell

        if isinstance(cell, PeepholeLSTMCell):
            return spec.PEEPHOLE_LSTM
    return spec.LSTM


class _Place(Place):
    def __init__(self, name, cell):
        self.name, self.spec, self._cell = name, _cell(name, cell), cell
        gates = self.spec.gates
        self._order = ("z", "r", "n") if gates == spec.GRU.gates else gates
        self.built = cell.built
        self.input_size = cell.kernel.shape[0] if cell.built else None
        self.hidden_size, self.has_bias = cell.units, cell.use_bias
        self.dtype = cell.variable_dtype
        if self.dtype == "float64":  # of which JAX may make float32
            one = cell.kernel.value if cell.built else keras.ops.convert_to_tensor(np.ones(1))
            self.dtype = keras.backend.standardize_dtype(one.dtype)

    def read(self):
        if not self.built:
            raise ValueError(
                f"{self.name} has not been built, so it has no weights: call it or build it"
            )
        W, U = _in_numpy(self._cell.kernel).T, _in_numpy(self._cell.recurrent_kernel).T
        biases = ()
        if self.has_bias:
            b = _in_numpy(self._cell.bias)
            biases = b if self.spec.reset_after else (b,)
        arrays = unstacked(self.spec, self._order, W, U, *biases)
        if self.spec.peepholes:
            arrays["V"] = _in_numpy(self._cell.peephole_kernel).copy()
        return {name: np.ascontiguousarray(array) for name, array in arrays.items()}

    def rounded(self, array):
        kind = np.dtype(ml_dtypes.bfloat16 if self.dtype == "bfloat16" else self.dtype)
        array = rounded(array, kind)
        return array.astype(np.float32) if kind.itemsize == 2 else array

    def writes(self, arrays):
        W, U, b, b_recurrent = stacked(arrays, self.spec, self._order)
        own = {"kernel": W.T, "recurrent_kernel": U.T}
        if self.has_bias:
            own["bias"] = np.stack([b, b_recurrent]) if self.spec.reset_after else b
        if self.spec.peepholes:
            own["peephole_kernel"] = arrays["V"]

        def write(name, array):
            # Looked up when it is written: until then the cell may have no weights.
            return Write(
                (id(self._cell), name), array, lambda: getattr(self._cell, name).assign(array)
            )

        return [write(name, array) for name, array in own.items()]


def _in_numpy(variable):
    # np.array(variable) would ask __array__ for a copy, which Keras' does not know of.
    array = np.asarray(variable.__array__())
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
