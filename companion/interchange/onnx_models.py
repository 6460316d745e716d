"""Out to ONNX: one recurrent operator for each cell."""

import numpy as np

from companion import atomic, spec
from companion.interchange.places import stacked
from companion.interchange.transfer import layout_of, tree_of
from companion.interchange.tree import Parameters, Parts, check_finite, indexed, rounded

#: ONNX's operator for a cell, by its gates, and the operator's order of the gates.
OPERATORS = {
    spec.RNN.gates: ("RNN", ("h",)),
    spec.LSTM.gates: ("LSTM", ("i", "o", "f", "g")),
    spec.GRU.gates: ("GRU", ("z", "r", "n")),
}
PEEPHOLES = ("i", "o", "f")


def to_onnx(layer_or_parameters, path) -> None:
    """Write a layer as an ONNX model, in float32 and time-major, without dropout; T and B are free.

    Inputs: ``x`` (T, B, I), ``lengths`` (B,) int32 from 0 to T, and the initial states ``h_0``
    and, for an LSTM, ``c_0``, each (1, B, H). Outputs: ``outputs`` (T, B, ·), 0 past each length,
    and the final states ``h_n`` and ``c_n``, which are the initial ones for a sequence of length
    0. In a stack or a pair of directions, each cell has states of its own, named with its path as
    in ``h_0.0.1``: layer 0, second direction.

    Parameters
    ----------
    layer_or_parameters
        Any layer that :func:`parameters_of` reads, :class:`Parameters` or :class:`Parts`.
    path
        The file to write, all of it or nothing.

    Raises
    ------
    TypeError, ValueError
        As :func:`parameters_of`; also if a value is not finite in float32, or a Keras layer has
        ``go_backwards``.
    OSError
        If the file cannot be written.
    """
    import onnx

    tree = layer_or_parameters
    if not isinstance(tree, Parameters | Parts):
        if layout_of(tree).runs_backwards:
            raise ValueError(
                "layer has go_backwards=True, expected False: its outputs come last step first, "
                "and no operator gives them so"
            )
        tree = tree_of(tree)
    graph = _Graph()
    graph.constant("one", np.array([1]))
    graph.constant("zero", np.array(0, np.int32))
    graph.value("inputs", "x", ["T", "B", tree.input_size])
    graph.value("inputs", "lengths", ["B"], onnx.TensorProto.INT32)
    graph.value("outputs", "outputs", ["T", "B", tree.output_size])
    # A sequence of no steps keeps its state; ONNX Runtime's operators alone would say 0.
    graph.node("Unsqueeze", ["lengths", "one"], ["steps"])
    graph.node("Equal", ["steps", "zero"], ["empty"])
    _add(graph, tree, (), "x", "outputs", reverse=False)

    name = tree.spec.name if isinstance(tree, Parameters) else tree.kind
    # Version 17 of the operator set is old enough for every ONNX Runtime since 2022.
    model = onnx.helper.make_model(
        onnx.helper.make_graph(name=name, **graph.parts),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        producer_name="gate-by-gate",
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    atomic.write(path, model.SerializeToString())


class _Graph:
    """The parts of an ONNX graph, as they come together."""

    def __init__(self):
        self.parts = {"nodes": [], "inputs": [], "outputs": [], "initializer": []}

    def constant(self, name, array):
        from onnx import numpy_helper

        self.parts["initializer"].append(numpy_helper.from_array(array, name))

    def value(self, where, name, shape, kind=None):
        from onnx import TensorProto, helper

        info = helper.make_tensor_value_info(name, kind or TensorProto.FLOAT, shape)
        self.parts[where].append(info)

    def node(self, operator, inputs, outputs, **attributes):
        from onnx import helper

        self.parts["nodes"].append(helper.make_node(operator, inputs, outputs, **attributes))


def _add(graph, tree, path, x, outputs, reverse):
    """Add a tree that reads the value named ``x`` and writes the value named ``outputs``.

    What runs from the end runs all its cells from the end, and those that would have done so
    anyway, from the start.
    """
    if isinstance(tree, Parameters):
        _add_cell(graph, tree, path, x, outputs, reverse)
    elif tree.kind == "stack":
        for k, part in enumerate(tree.parts):
            own = (*path, k)
            above = outputs if k == len(tree.parts) - 1 else _named("outputs", own)
            _add(graph, part, own, x, above, reverse)
            x = above
    else:
        names = [_named("outputs", (*path, k)) for k in range(2)]
        for k, part in enumerate(tree.parts):
            _add(graph, part, (*path, k), x, names[k], reverse != (k == 1))
        graph.node("Concat", names, [outputs], axis=2)


def _add_cell(graph, parameters, path, x, outputs, reverse):
    cell, size = parameters.spec, parameters.hidden_size
    operator, order = OPERATORS[cell.gates]
    arrays = {}
    for name, array in parameters.items():
        arrays[name] = rounded(array, np.float32)
        check_finite(f"{indexed('parameters', path)}[{name!r}]", arrays[name], "float32")

    def named(name):
        return _named(name, path)

    W, U, b, b_recurrent = stacked(arrays, cell, order)
    constants = {"W": W[None], "R": U[None], "B": np.concatenate([b, b_recurrent])[None]}
    if cell.peepholes:
        rows = [cell.peepholes.index(gate) for gate in PEEPHOLES]
        constants["P"] = arrays["V"][rows].reshape(1, -1)
    for name, array in constants.items():
        graph.constant(named(name), array)

    attributes = {"hidden_size": size, "direction": "reverse" if reverse else "forward"}
    if operator == "RNN":
        attributes["activations"] = [cell.activation.capitalize()]
    if operator == "GRU":
        attributes["linear_before_reset"] = int(cell.reset_after)
    initial = [named(f"{state}_0") for state in cell.states]
    last = [named(f"{state}_last") for state in cell.states]
    weights = [named(name) for name in "WRB"]
    peepholes = [named("P")] if cell.peepholes else []
    graph.node(
        operator,
        [x, *weights, "lengths", *initial, *peepholes],
        [named("by_direction"), *last],
        **attributes,
    )
    graph.node("Squeeze", [named("by_direction"), "one"], [outputs])
    for state, before, after in zip(cell.states, initial, last, strict=True):
        final = named(f"{state}_n")
        graph.node("Where", ["empty", before, after], [final])
        graph.value("inputs", before, [1, "B", size])
        graph.value("outputs", final, [1, "B", size])


def _named(name, path):
    return ".".join([name, *map(str, path)])
