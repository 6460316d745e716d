"""One set of parameters for every framework, and out to ONNX.

Canonical arrays are those of :mod:`companion.spec`: one bias, gates along the first axis in the
order i, f, g, o. A framework is only touched when a layer of it is handed in.

================== ============================ ===================== =====================
layer              input weights                biases                gate order
================== ============================ ===================== =====================
``companion``      (4, H, I)                    one                   i, f, g, o
``torch.nn``       (4 H, I)                     two, added            i, f, g, o
``keras.layers``   (I, 4 H), transposed         one                   i, f, c (= g), o
ONNX ``LSTM``      (1, 4 H, I)                  two, added            i, o, f, c (= g)
================== ============================ ===================== =====================
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from companion import spec


@dataclass(frozen=True)
class Parameters(Mapping):
    """One cell's canonical arrays by name, with the cell they belong to.

    Attributes
    ----------
    spec
        The cell.
    arrays
        NumPy arrays by name, in the shapes of ``spec.shapes(I, H)``.

    Raises
    ------
    ValueError
        If a name or a shape does not fit the cell.
    """

    spec: spec.CellSpec
    arrays: dict[str, np.ndarray]

    def __post_init__(self):
        if "W" not in self.arrays or np.ndim(self.arrays["W"]) != 3:
            raise ValueError(f"arrays['W'] is missing or not (G, H, I) for {self.spec.name}")
        shapes = self.spec.shapes(self.input_size, self.hidden_size)
        spec.check_names("arrays", self.arrays, shapes)
        for name, shape in shapes.items():
            spec.check_shape(f"arrays[{name!r}]", np.shape(self.arrays[name]), shape)

    @property
    def input_size(self) -> int:
        """I, the number of features of each step."""
        return self.arrays["W"].shape[2]

    @property
    def hidden_size(self) -> int:
        """H, the number of hidden units."""
        return self.arrays["W"].shape[1]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def parameters_of(layer) -> Parameters:
    """Return a copy of a layer's parameters in canonical form.

    Parameters
    ----------
    layer
        An LSTM of ``companion.numpy``, ``companion.torch``, ``companion.keras``, ``torch.nn`` or
        ``keras.layers``: one layer, one direction.

    Returns
    -------
    parameters : Parameters
        Arrays in the layer's own dtype. A layer without biases gives zeros.

    Raises
    ------
    TypeError
        If the layer is none of these.
    ValueError
        If its arithmetic has no exact equivalent, with the reason; or if a Keras layer has not
        been built and so has no weights yet.
    """
    return Parameters(*_adapter(layer).read(layer))


def load_parameters(layer, parameters: Parameters) -> None:
    """Put canonical parameters into a layer, in place, rounded to the layer's dtype.

    Everything is checked before the first number is written, so a refused call changes nothing.
    A layer with two biases gets the whole bias in the first and 0 in the second. A Keras layer
    that has not been built is built.

    Parameters
    ----------
    layer
        Any layer that :func:`parameters_of` reads.
    parameters
        What :func:`parameters_of` returned, or a :class:`Parameters` of your own.

    Raises
    ------
    TypeError
        If ``layer`` is of no known kind, or ``parameters`` is not a :class:`Parameters`.
    ValueError
        If cell or shapes differ, a value is not finite, or the layer has no bias and ``b`` is
        not 0.
    """
    if not isinstance(parameters, Parameters):
        raise TypeError(f"parameters is {type(parameters).__name__}, expected Parameters")
    adapter = _adapter(layer)
    cell, sizes = adapter.describe(layer)
    if parameters.spec != cell:
        raise ValueError(f"parameters are of a {parameters.spec.name}, expected a {cell.name}")
    for name, shape in cell.shapes(sizes[0] or parameters.input_size, sizes[1]).items():
        spec.check_shape(f"parameters[{name!r}]", parameters[name].shape, shape)
        if not np.isfinite(parameters[name]).all():
            raise ValueError(f"parameters[{name!r}] has values that are not finite")
    if not adapter.has_bias(layer) and np.any(parameters["b"]):
        raise ValueError("parameters['b'] is not 0, but the layer has no bias to hold it")
    adapter.write(layer, parameters)


def to_onnx(layer, path) -> None:
    """Write a layer as an ONNX model of one ``LSTM`` operator, in float32, time-major.

    Inputs: ``x`` (T, B, I), ``lengths`` (B,) int32, ``h_0`` and ``c_0`` (1, B, H). Outputs:
    ``outputs`` (T, B, H), 0 past each length, ``h_n`` and ``c_n`` (1, B, H), which are ``h_0``
    and ``c_0`` for a sequence of length 0. T and B are free.

    Parameters
    ----------
    layer
        Any layer that :func:`parameters_of` reads.
    path
        The file to write.

    Raises
    ------
    TypeError, ValueError
        As :func:`parameters_of`.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    parameters = parameters_of(layer)
    size = parameters.hidden_size
    order = [parameters.spec.gates.index(gate) for gate in ("i", "o", "f", "g")]
    stacked = {
        name: parameters[name][order].astype(np.float32).reshape(1, 4 * size, -1)
        for name in ("W", "U", "b")
    }
    biases = stacked["b"].reshape(1, -1)
    constants = {
        "W": stacked["W"],
        "R": stacked["U"],
        "B": np.concatenate([biases, np.zeros_like(biases)], axis=1),
        "one": np.array([1]),
        "zero": np.array(0, np.int32),
    }
    state = [1, "B", size]
    graph = helper.make_graph(
        nodes=[
            helper.make_node(
                "LSTM",
                ["x", "W", "R", "B", "lengths", "h_0", "c_0"],
                ["by_direction", "h_last", "c_last"],
                hidden_size=size,
            ),
            helper.make_node("Squeeze", ["by_direction", "one"], ["outputs"]),
            # A sequence of no steps keeps its state; ONNX Runtime's LSTM alone would say 0.
            helper.make_node("Unsqueeze", ["lengths", "one"], ["steps"]),
            helper.make_node("Equal", ["steps", "zero"], ["empty"]),
            helper.make_node("Where", ["empty", "h_0", "h_last"], ["h_n"]),
            helper.make_node("Where", ["empty", "c_0", "c_last"], ["c_n"]),
        ],
        name="LSTM",
        inputs=[
            helper.make_tensor_value_info(
                "x", TensorProto.FLOAT, ["T", "B", parameters.input_size]
            ),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]),
            helper.make_tensor_value_info("h_0", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("c_0", TensorProto.FLOAT, state),
        ],
        outputs=[
            helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["T", "B", size]),
            helper.make_tensor_value_info("h_n", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("c_n", TensorProto.FLOAT, state),
        ],
        initializer=[numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    # Version 17 of the operator set is old enough for every ONNX Runtime since 2022.
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="gate-by-gate"
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    Path(path).write_bytes(model.SerializeToString())


class _NumPyAdapter:
    @staticmethod
    def describe(layer):
        return layer.spec, (layer.input_size, layer.hidden_size)

    @staticmethod
    def has_bias(layer):
        return True

    @staticmethod
    def read(layer):
        return layer.spec, {name: array.copy() for name, array in layer.parameters.items()}

    @staticmethod
    def write(layer, parameters):
        layer.parameters = parameters


class _TorchAdapter:
    """``companion.torch`` and ``torch.nn`` alike: their names and shapes are the same."""

    @staticmethod
    def describe(layer):
        for argument, needed in (("num_layers", 1), ("bidirectional", False), ("proj_size", 0)):
            got = getattr(layer, argument)
            if got != needed:
                raise ValueError(
                    f"layer has {argument}={got}, expected {needed}: one cell's parameters "
                    "hold one layer, one direction and no projection"
                )
        return spec.LSTM, (layer.input_size, layer.hidden_size)

    @staticmethod
    def has_bias(layer):
        return layer.bias

    @classmethod
    def read(cls, layer):
        cell, (input_size, hidden_size) = cls.describe(layer)
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in layer.named_parameters()}
        W, U = weights["weight_ih_l0"], weights["weight_hh_l0"]
        if layer.bias:
            b = weights["bias_ih_l0"] + weights["bias_hh_l0"]
        else:
            b = np.zeros(len(W), W.dtype)
        shapes = cell.shapes(input_size, hidden_size)
        return cell, {
            name: array.reshape(shapes[name]).copy()
            for name, array in {"W": W, "U": U, "b": b}.items()
        }

    @staticmethod
    def write(layer, parameters):
        import torch

        arrays = {"weight_ih_l0": parameters["W"], "weight_hh_l0": parameters["U"]}
        if layer.bias:
            arrays["bias_ih_l0"] = parameters["b"]
            arrays["bias_hh_l0"] = np.zeros_like(parameters["b"])
        with torch.no_grad():
            for name, array in arrays.items():
                target = getattr(layer, name)
                target.copy_(torch.from_numpy(np.ascontiguousarray(array)).reshape(target.shape))


class _KerasAdapter:
    """``companion.keras`` and ``keras.layers`` alike: the former is a subclass of the latter."""

    @staticmethod
    def describe(layer):
        import keras

        for argument, needed in (
            ("activation", keras.activations.tanh),
            ("recurrent_activation", keras.activations.sigmoid),
        ):
            if getattr(layer, argument) is not needed:
                raise ValueError(
                    f"layer has another {argument} than {needed.__name__}: "
                    "the book's LSTM has no exact equivalent"
                )
        return spec.LSTM, (layer.cell.kernel.shape[0] if layer.built else None, layer.units)

    @staticmethod
    def has_bias(layer):
        return layer.use_bias

    @classmethod
    def read(cls, layer):
        cell, (input_size, hidden_size) = cls.describe(layer)
        if not layer.built:
            raise ValueError("layer has not been built, so it has no weights: call it or build it")
        W, U = layer.cell.kernel.numpy(), layer.cell.recurrent_kernel.numpy()
        b = layer.cell.bias.numpy() if layer.use_bias else np.zeros(W.shape[1], W.dtype)
        shapes = cell.shapes(input_size, hidden_size)
        return cell, {
            name: np.array(array.T).reshape(shapes[name])
            for name, array in {"W": W, "U": U, "b": b}.items()
        }

    @staticmethod
    def write(layer, parameters):
        if not layer.built:
            layer.build((None, None, parameters.input_size))
        rows = 4 * parameters.hidden_size
        layer.cell.kernel.assign(parameters["W"].reshape(rows, -1).T)
        layer.cell.recurrent_kernel.assign(parameters["U"].reshape(rows, -1).T)
        if layer.use_bias:
            layer.cell.bias.assign(parameters["b"].reshape(rows))


def _adapter(layer):
    """Find who reads this layer. A framework that is not loaded cannot have made it."""
    if "companion.numpy" in sys.modules:
        from companion.numpy import LSTM

        if isinstance(layer, LSTM):
            return _NumPyAdapter
    if "torch" in sys.modules:
        import torch

        kinds = [torch.nn.LSTM]
        if "companion.torch" in sys.modules:
            from companion.torch import LSTM

            kinds.append(LSTM)
        if isinstance(layer, tuple(kinds)):
            return _TorchAdapter
    if "keras" in sys.modules:
        import keras

        if isinstance(layer, keras.layers.LSTM):
            return _KerasAdapter
    raise TypeError(
        f"layer is {type(layer).__module__}.{type(layer).__qualname__}, expected an LSTM of "
        "companion.numpy, companion.torch, companion.keras, torch.nn or keras.layers"
    )
