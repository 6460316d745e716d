"""From a layer to canonical parameters and back."""

import sys

import numpy as np

from companion import spec
from companion.interchange.places import Layout, Place, Places
from companion.interchange.tree import Parameters, Parts, check_finite


def parameters_of(layer) -> Parameters | Parts:
    """Return a copy of a layer's parameters in canonical form.

    Parameters
    ----------
    layer
        A recurrent layer or cell of ``companion.numpy``, ``companion.torch``, ``companion.keras``,
        ``torch.nn`` or ``keras.layers``; a stack or a pair of directions of them, as
        ``companion.numpy`` and PyTorch's layers have it, or ``keras.layers.RNN`` of one or more
        cells, ``keras.layers.Bidirectional``, or a ``keras.Sequential`` of nothing else.

    Returns
    -------
    parameters : Parameters or Parts
        :class:`Parameters` for one cell, else :class:`Parts`. Arrays are in the layer's own
        dtype, but in ``float32`` if that has 16 bits. A layer without biases gives zeros. Which
        way a Keras layer runs (``go_backwards``) is not among its parameters.

    Raises
    ------
    TypeError
        If the layer is none of these.
    ValueError
        If its arithmetic has no exact equivalent, with the reason; or if a Keras layer has not
        been built and so has no weights yet.
    """
    return _read(layout_of(layer).places)


def load_parameters(layer, parameters: Parameters | Parts) -> None:
    """Put canonical parameters into a layer, in place, rounded to the layer's dtype.

    Everything is checked before the first number is written, so a refused call changes nothing.
    A layer with two biases gets the whole bias in the first and 0 in the second, but for b_u. A
    Keras layer that has not been built is built. An LSTM's parameters go into a layer with
    peepholes, whose V becomes 0; those of a layer with peepholes go into an LSTM if V is 0. A
    stack within a stack, or of one, counts as what it computes.

    Parameters
    ----------
    layer
        Any layer that :func:`parameters_of` reads.
    parameters
        What :func:`parameters_of` or :func:`load` returned, or your own.

    Raises
    ------
    TypeError
        If ``layer`` is of no known kind, or ``parameters`` is neither :class:`Parameters` nor
        :class:`Parts`.
    ValueError
        If cells, shapes, the number of layers or of directions differ, a value is not finite in
        the layer's dtype, the layer has no bias and ``b`` or ``b_u`` is not 0, or a weight that
        the layer uses twice would have to be two.
    """
    if not isinstance(parameters, Parameters | Parts):
        raise TypeError(f"parameters is {spec.describe(parameters)}, expected Parameters or Parts")
    layout = layout_of(layer)
    layout.check_form(parameters)
    writes = {}
    for place, path, own in _matched(layout.places, "parameters", parameters):
        for write in place.writes(_checked(place, path, own)):
            earlier = writes.setdefault(write.target, write)
            if not np.array_equal(earlier.array, write.array):
                raise ValueError(f"{path} differs from what else {place.name} is to hold")
    layout.prepare(parameters.input_size)
    for write in writes.values():
        write.put()


def tree_of(layer_or_parameters) -> Parameters | Parts:
    """Return parameters as they are, and those of a layer."""
    if isinstance(layer_or_parameters, Parameters | Parts):
        return layer_or_parameters
    return parameters_of(layer_or_parameters)


def layout_of(layer) -> Layout:
    """Find who reads this layer. A framework that is not loaded cannot have made it."""
    layout = None
    if "companion.numpy" in sys.modules:
        from companion.interchange import numpy_layers

        layout = numpy_layers.layout(layer)
    if layout is None and "torch" in sys.modules:
        from companion.interchange import torch_layers

        layout = torch_layers.layout(layer)
    if layout is None and "keras" in sys.modules:
        from companion.interchange import keras_layers

        layout = keras_layers.layout(layer)
    if layout is None:
        raise TypeError(
            f"layer is {type(layer).__module__}.{type(layer).__qualname__}, expected a recurrent "
            "layer of companion.numpy, companion.torch, companion.keras, torch.nn or keras.layers"
        )
    return layout


def layers_of(tree, path="parameters") -> list[tuple[str, Parameters | Parts]]:
    """Return the layers of a stack, the lowest first, each with how it is written.

    Stacks within the stack are taken apart; what is no stack is the only layer.
    """
    if not isinstance(tree, Parts | Places) or tree.kind != "stack":
        return [(path, tree)]
    return [layer for k, part in enumerate(tree.parts) for layer in layers_of(part, f"{path}[{k}]")]


def form(tree) -> str:
    """Say how a tree is made, for error messages."""
    layers = layers_of(tree)
    if len(layers) > 1:
        return f"a stack of {len(layers)}"
    _, layer = layers[0]
    return "a pair of directions" if isinstance(layer, Parts | Places) else f"one {layer.spec.name}"


def _read(places):
    if isinstance(places, Place):
        return Parameters(places.spec, places.read())
    return Parts(places.kind, tuple(_read(part) for part in places.parts))


def _matched(places, path, tree):
    """Yield every place with the parameters that belong there and how those are written."""
    own, given = layers_of(places), layers_of(tree, path)
    if len(own) != len(given):
        raise ValueError(f"{path} is {form(tree)}, expected {form(places)}")
    for (_, place), (where, layer) in zip(own, given, strict=True):
        if isinstance(place, Places) != isinstance(layer, Parts):
            raise ValueError(f"{where} is {form(layer)}, expected {form(place)}")
        if isinstance(place, Place):
            yield place, where, layer
        else:
            for k in range(2):
                yield from _matched(place.parts[k], f"{where}[{k}]", layer.parts[k])


def _checked(place, path, parameters):
    """Return a cell's arrays as the layer takes them, rounded; or refuse them."""
    arrays = _of_cell(place, path, parameters)
    size = place.input_size or parameters.input_size
    accepted = {}
    for name, shape in place.spec.shapes(size, place.hidden_size).items():
        argument = f"{path}[{name!r}]"
        spec.check_shape(argument, arrays[name].shape, shape)
        accepted[name] = place.rounded(arrays[name])
        check_finite(argument, accepted[name], place.dtype)
        if not place.has_bias and name in ("b", "b_u") and np.any(arrays[name]):
            raise ValueError(f"{argument} is not 0, but {place.name} has no bias to hold it")
    return accepted


def _of_cell(place, path, parameters):
    """Return arrays of the layer's cell, which may be another if the equations are the same."""
    given, wanted = parameters.spec, place.spec
    if given == wanted:
        return parameters.arrays
    if (given, wanted) == (spec.LSTM, spec.PEEPHOLE_LSTM):
        b = parameters["b"]
        return parameters.arrays | {"V": np.zeros((len(wanted.peepholes), b.shape[1]), b.dtype)}
    if (given, wanted) == (spec.PEEPHOLE_LSTM, spec.LSTM):
        if np.any(parameters["V"]):
            raise ValueError(f"{path}['V'] is not 0, but {place.name} has no peepholes")
        return parameters.arrays
    if given.gates == wanted.gates == spec.GRU.gates:
        why = "no weights make up for where the reset gate acts"
    elif given.gates == wanted.gates:
        why = f"no weights turn {given.activation} into {wanted.activation}"
    else:
        why = "their gates are not the same"
    raise ValueError(f"{path} is of cell {given.name}, expected {wanted.name}: {why}")
