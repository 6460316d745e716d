"""Trees of parameters, and layers of every kind to put them in."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import keras
import numpy as np
import torch

import companion.keras as ck
import companion.numpy as cnp
import companion.torch as ct
from companion import spec
from companion.interchange import Parameters, Parts

T, B, I, H = 5, 3, 2, 4  # noqa: E741
FORMS = ("one", "pair", "stack", "stack of pairs")
CELLS = spec.CELLS

NUMPY = {
    spec.RNN: lambda *sizes, **more: cnp.RNN(*sizes, **more),
    spec.RNN_RELU: lambda *sizes, **more: cnp.RNN(*sizes, activation="relu", **more),
    spec.LSTM: cnp.LSTM,
    spec.PEEPHOLE_LSTM: cnp.PeepholeLSTM,
    spec.GRU: cnp.GRU,
    spec.GRU_RESET_AFTER: lambda *sizes, **more: cnp.GRU(*sizes, reset_after=True, **more),
}
TORCH = {
    "companion.torch": {
        spec.RNN: (ct.RNN, {}),
        spec.RNN_RELU: (ct.RNN, {"nonlinearity": "relu"}),
        spec.LSTM: (ct.LSTM, {}),
        spec.PEEPHOLE_LSTM: (ct.PeepholeLSTM, {}),
        spec.GRU: (ct.GRU, {"reset_after": False}),
        spec.GRU_RESET_AFTER: (ct.GRU, {}),
    },
    "torch.nn": {
        spec.RNN: (torch.nn.RNN, {}),
        spec.RNN_RELU: (torch.nn.RNN, {"nonlinearity": "relu"}),
        spec.LSTM: (torch.nn.LSTM, {}),
        spec.GRU_RESET_AFTER: (torch.nn.GRU, {}),
    },
}
KERAS = {
    "companion.keras": {
        spec.RNN: (ck.SimpleRNN, {}),
        spec.RNN_RELU: (ck.SimpleRNN, {"activation": "relu"}),
        spec.LSTM: (ck.LSTM, {}),
        spec.PEEPHOLE_LSTM: (ck.PeepholeLSTM, {}),
        spec.GRU: (ck.GRU, {"reset_after": False}),
        spec.GRU_RESET_AFTER: (ck.GRU, {}),
    },
    "keras.layers": {
        spec.RNN: (keras.layers.SimpleRNN, {}),
        spec.RNN_RELU: (keras.layers.SimpleRNN, {"activation": "relu"}),
        spec.LSTM: (keras.layers.LSTM, {}),
        spec.GRU: (keras.layers.GRU, {"reset_after": False}),
        spec.GRU_RESET_AFTER: (keras.layers.GRU, {}),
    },
}
KINDS = ("companion.numpy", *TORCH, *KERAS)
#: Every kind with every cell that it has.
HAVE = [
    (kind, name)
    for kind in KINDS
    for name, cell in CELLS.items()
    if cell in ({**TORCH, **KERAS}.get(kind, NUMPY))
]


def layer_of(kind, cell, form="one", dtype="float64", bias=True):
    """A new layer of I inputs and H units; Keras layers have not been built."""
    if kind == "companion.numpy":
        return numpy_of(tree(cell, form), dtype)
    if kind in TORCH:
        make, more = TORCH[kind][cell]
        return make(
            I,
            H,
            num_layers=2 if "stack" in form else 1,
            bidirectional="pair" in form,
            bias=bias,
            dtype=getattr(torch, dtype),
            **more,
        )
    make, more = KERAS[kind][cell]

    if dtype == "bfloat16":  # of which TensorFlow makes no orthogonal matrix
        more = more | {"recurrent_initializer": "glorot_uniform"}

    def one():
        layer = make(H, return_sequences=True, use_bias=bias, dtype=dtype, **more)
        return keras.layers.Bidirectional(layer, dtype=dtype) if "pair" in form else layer

    return keras.Sequential([one(), one()]) if "stack" in form else one()


def built(layer, size=I):
    layer.build((None, None, size))
    return layer


def one(cell=spec.LSTM, input_size=I, hidden_size=H, seed=0):
    """Random parameters of a cell, some of them zeros of either sign."""
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(size=shape) / np.sqrt(hidden_size)
        for name, shape in cell.shapes(input_size, hidden_size).items()
    }
    for array in arrays.values():
        if array.size > 5:
            array.flat[1::5] = 0.0
            array.flat[2::5] = -0.0
    return Parameters(cell, arrays)


def pair(cell=spec.LSTM, input_size=I, seed=0):
    return Parts("bidirectional", [one(cell, input_size, seed=seed + k) for k in (1, 2)])


def tree(cell=spec.LSTM, form="one", seed=0):
    """Parameters in one of FORMS, I inputs and H units."""
    return {
        "one": lambda: one(cell, seed=seed),
        "pair": lambda: pair(cell, seed=seed),
        "stack": lambda: Parts("stack", [one(cell, seed=seed), one(cell, H, seed=seed + 1)]),
        "stack of pairs": lambda: Parts(
            "stack", [pair(cell, seed=seed), pair(cell, 2 * H, seed=seed + 2)]
        ),
    }[form]()


def numpy_of(tree, dtype="float64"):
    """A NumPy layer of the form of a tree, with weights of its own."""
    if isinstance(tree, Parameters):
        return NUMPY[tree.spec](tree.input_size, tree.hidden_size, dtype=np.dtype(dtype))
    parts = [numpy_of(part, dtype) for part in tree.parts]
    return cnp.Stack(parts) if tree.kind == "stack" else cnp.Bidirectional(*parts)


def leaves(tree):
    """All cells of a tree."""
    if isinstance(tree, Parameters):
        return [tree]
    return [leaf for part in tree.parts for leaf in leaves(part)]


def shape_of(tree):
    """The form of a tree, without its numbers."""
    if isinstance(tree, Parameters):
        return tree.spec.name
    return tree.kind, tuple(shape_of(part) for part in tree.parts)


def assert_same(received, sent):
    """Bit by bit, to the signs of zeros."""
    assert shape_of(received) == shape_of(sent)
    for ours, theirs in zip(leaves(received), leaves(sent), strict=True):
        assert list(ours) == list(theirs)
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            assert ours[name].shape == theirs[name].shape
            assert ours[name].tobytes() == theirs[name].tobytes(), name


def run(layer, x):
    """Outputs (T, B, ·), whatever the layer's kind."""
    if isinstance(layer, cnp.RNN | cnp.LSTM | cnp.GRU | cnp.Stack | cnp.Bidirectional):
        return layer.forward(x).outputs
    if isinstance(layer, torch.nn.Module):
        return layer(torch.tensor(x))[0].detach().numpy()
    return np.asarray(layer(x.swapaxes(0, 1))).swapaxes(0, 1)


def memory(layer):
    """Every byte of a layer's weights."""

    def arrays(parameters):
        if isinstance(parameters, list):
            return [array for part in parameters for array in arrays(part)]
        return list(parameters.values())

    if isinstance(layer, torch.nn.Module):
        tensors = layer.state_dict().values()
        return [tensor.view(torch.uint8).numpy().tobytes() for tensor in tensors]
    if hasattr(layer, "get_weights"):
        return [np.asarray(array).tobytes() for array in layer.get_weights()]
    return [array.tobytes() for array in arrays(layer.parameters)]
