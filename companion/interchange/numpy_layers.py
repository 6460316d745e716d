"""The layers of ``companion.numpy``, whose parameters are the canonical ones."""

import numpy as np

import companion.numpy as cnp
from companion.interchange.places import Layout, Place, Places, Write
from companion.interchange.tree import rounded
from companion.numpy.recurrence import Recurrence


def layout(layer) -> Layout | None:
    """Return the layout of a layer of ``companion.numpy``, or ``None`` if it is none."""
    if not isinstance(layer, Recurrence | cnp.Stack | cnp.Bidirectional):
        return None
    return Layout(_places("layer", layer))


def _places(name, layer):
    if isinstance(layer, Recurrence):
        return _Place(name, layer)
    if isinstance(layer, cnp.Stack):
        parts = {f"layers[{k}]": part for k, part in enumerate(layer.layers)}
        kind = "stack"
    else:
        parts = {side: getattr(layer, side) for side in ("forward_layer", "backward_layer")}
        kind = "bidirectional"
    return Places(kind, tuple(_places(f"{name}.{own}", part) for own, part in parts.items()))


class _Place(Place):
    has_bias = True

    def __init__(self, name, layer):
        self.name, self.spec, self._layer = name, layer.spec, layer
        self.input_size, self.hidden_size = layer.input_size, layer.hidden_size
        self.dtype = str(layer.dtype)

    def read(self):
        return {name: array.copy() for name, array in self._layer.parameters.items()}

    def rounded(self, array):
        return rounded(array, self._layer.dtype)

    def writes(self, arrays):
        own = self._layer.parameters
        return [
            Write(
                (id(self._layer), name),
                array,
                lambda name=name, array=array: np.copyto(own[name], array),
            )
            for name, array in arrays.items()
        ]
