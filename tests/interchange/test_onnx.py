"""ONNX Runtime on what is written, against NumPy."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import interchange, spec
from companion.interchange import Parameters, Parts, load_parameters
from companion.interchange.tree import cells
from tests.interchange.kinds import (
    FORMS,
    HAVE,
    KERAS,
    B,
    H,
    I,
    T,
    built,
    layer_of,
    numpy_of,
    one,
    pair,
    tree,
)


def states_of(nested, parameters):
    """Every cell's states of a NumPy run, by their names in ONNX without _0 and _n."""
    found = {}
    for path, cell in cells(parameters):
        own = nested
        for k in path:
            own = own[k]
        parts = own if isinstance(own, tuple) else (own,)
        for name, part in zip(cell.spec.states, parts, strict=True):
            found[name, path] = part
    return found


def random_states(parameters, batch, rng):
    """Initial states in NumPy's form."""
    if isinstance(parameters, Parts):
        return [random_states(part, batch, rng) for part in parameters]
    states = tuple(rng.normal(size=(batch, parameters.hidden_size)) for _ in parameters.spec.states)
    return states if len(states) > 1 else states[0]


def check(path, parameters, n_steps, lengths, seed=0):
    """Whether ONNX Runtime says what NumPy says, outputs and all final states."""
    session = onnxruntime.InferenceSession(path)
    layer = numpy_of(parameters)
    load_parameters(layer, parameters)
    rng = np.random.default_rng(seed)
    lengths, batch = np.array(lengths), len(lengths)
    x = rng.normal(size=(n_steps, batch, parameters.input_size))
    initial = random_states(parameters, batch, rng)
    expected = layer.forward(x, initial, lengths)
    x[np.arange(n_steps)[:, None] >= lengths] = 99  # padding must not matter
    feed = {"x": x.astype("float32"), "lengths": lengths.astype("int32")}

    def named(name, path):
        return ".".join([name, *map(str, path)])

    for (name, where), part in states_of(initial, parameters).items():
        feed[named(f"{name}_0", where)] = part[None].astype("float32")
    assert {each.name for each in session.get_inputs()} == set(feed)
    names = [each.name for each in session.get_outputs()]
    found = dict(zip(names, session.run(names, feed), strict=True))
    outputs = found.pop("outputs")
    assert outputs.dtype == np.float32 and outputs.shape == expected.outputs.shape
    np.testing.assert_allclose(outputs, expected.outputs, rtol=0, atol=2e-6)
    final = states_of(expected.state, parameters)
    assert set(found) == {named(f"{name}_n", where) for name, where in final}
    for (name, where), part in final.items():
        np.testing.assert_allclose(found[named(f"{name}_n", where)][0], part, rtol=0, atol=2e-6)


BATCHES = [
    (T, [T] * B),
    (T, [0, 3, T]),
    (T, [T, 0, 2, 1]),
    (7, [1, 7]),
    (4, [3, 2]),
    (1, [1]),
    (1, [0]),
    (3, [0, 0]),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", spec.CELLS)
def test_onnx_runtime_computes_the_same(cell, form, tmp_path):
    parameters, path = tree(spec.CELLS[cell], form), tmp_path / "layer.onnx"
    interchange.to_onnx(parameters, path)
    for n_steps, lengths in BATCHES:
        check(path, parameters, n_steps, lengths)


CELL = st.sampled_from(list(spec.CELLS.values()))
SIZE = st.integers(1, 4)


def trees(input_size, depth):
    """Any tree of such inputs, as deep at most."""
    leaf = st.builds(lambda cell, size, seed: one(cell, input_size, size, seed), CELL, SIZE, SIZE)
    if depth == 0:
        return leaf
    inner = trees(input_size, depth - 1)
    pairs = st.tuples(inner, inner).map(lambda parts: Parts("bidirectional", parts))
    stacks = inner.flatmap(
        lambda below: trees(below.output_size, depth - 1).map(
            lambda above: Parts("stack", [below, above])
        )
    )
    return st.one_of(leaf, pairs, stacks)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_onnx_runtime_computes_any_tree(tmp_path_factory, data):
    parameters = data.draw(SIZE.flatmap(lambda input_size: trees(input_size, 3)))
    n_steps = data.draw(st.integers(1, 5))
    lengths = data.draw(st.lists(st.integers(0, n_steps), min_size=1, max_size=3))
    path = tmp_path_factory.mktemp("any") / "layer.onnx"
    interchange.to_onnx(parameters, path)
    check(path, parameters, n_steps, lengths)


def test_the_reverse_of_a_composite_turns_every_part_of_it(tmp_path):
    stack = Parts("stack", [pair(spec.GRU), one(spec.RNN_RELU, 2 * H, 3)])
    parameters = Parts("bidirectional", [one(), Parts("stack", [stack, pair(input_size=3)])])
    interchange.to_onnx(parameters, tmp_path / "layer.onnx")
    for n_steps, lengths in BATCHES:
        check(tmp_path / "layer.onnx", parameters, n_steps, lengths)


@pytest.mark.parametrize(("kind", "cell"), HAVE)
def test_layers_of_every_kind_are_written(kind, cell, tmp_path):
    layer = layer_of(kind, spec.CELLS[cell], "stack of pairs")
    if kind in KERAS:
        built(layer)
    interchange.to_onnx(layer, tmp_path / "layer.onnx")
    check(tmp_path / "layer.onnx", interchange.parameters_of(layer), T, [2, T])


def test_names_of_one_cell_are_short_and_of_many_have_their_path(tmp_path):
    interchange.to_onnx(one(spec.PEEPHOLE_LSTM), tmp_path / "one.onnx")
    graph = onnx.load(tmp_path / "one.onnx").graph
    assert [each.name for each in graph.input] == ["x", "lengths", "h_0", "c_0"]
    assert [each.name for each in graph.output] == ["outputs", "h_n", "c_n"]
    assert {"W", "R", "B", "P"} <= {each.name for each in graph.initializer}
    interchange.to_onnx(tree(spec.GRU, "stack of pairs"), tmp_path / "tree.onnx")
    graph = onnx.load(tmp_path / "tree.onnx").graph
    states = [f"h_0.{layer}.{side}" for layer in "01" for side in "01"]
    assert [each.name for each in graph.input] == ["x", "lengths", *states]
    assert [each.name for each in graph.output] == [
        "outputs",
        *[name.replace("h_0", "h_n", 1) for name in states],
    ]
    free = graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in free] == ["T", "B", I]
    operators = [node.op_type for node in graph.node]
    assert operators.count("GRU") == 4 and operators.count("Concat") == 2


def test_the_file_says_the_same_each_time(tmp_path):
    for name in ("first", "second"):
        interchange.to_onnx(tree(form="stack of pairs"), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_what_float32_cannot_hold_is_refused(tmp_path):
    for value in (1e300, np.nan):
        large = one()
        large["b"].flat[0] = value
        message = r"^parameters\[1\]\['b'\] has values that are not finite in float32"
        with pytest.raises(ValueError, match=message):
            interchange.to_onnx(Parts("bidirectional", [one(), large]), tmp_path / "no.onnx")
    assert not list(tmp_path.iterdir())


def test_a_keras_layer_that_goes_backwards_is_refused(tmp_path):
    layer = built(keras.layers.LSTM(H, go_backwards=True))
    with pytest.raises(ValueError, match="^layer has go_backwards=True, expected False"):
        interchange.to_onnx(layer, tmp_path / "no.onnx")
    assert not list(tmp_path.iterdir())


def test_a_model_that_onnx_does_not_accept_is_not_written(tmp_path, monkeypatch):
    def refuse(model):
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(onnx.checker.ValidationError):
        interchange.to_onnx(Parameters(spec.LSTM, dict(one())), tmp_path / "no.onnx")
    assert not list(tmp_path.iterdir())
