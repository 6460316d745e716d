"""Weights on their way between the five kinds of layer."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

import companion.keras as ck
import companion.numpy as cnp
import companion.torch as ct
from companion import interchange, spec
from companion.interchange import Parameters, Parts, load_parameters, parameters_of
from tests.interchange.kinds import (
    CELLS,
    FORMS,
    HAVE,
    KERAS,
    KINDS,
    TORCH,
    B,
    H,
    I,
    T,
    assert_same,
    built,
    layer_of,
    leaves,
    memory,
    numpy_of,
    one,
    pair,
    run,
    shape_of,
    tree,
)

ROOT = Path(__file__).parents[2]
X = np.random.default_rng(9).normal(size=(T, B, I))


def reference(parameters):
    layer = numpy_of(parameters)
    load_parameters(layer, parameters)
    return layer


# Between layers


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "cell"), HAVE)
def test_what_is_loaded_comes_back_bit_by_bit_and_computes_the_same(kind, cell, form):
    sent = tree(CELLS[cell], form)
    layer = layer_of(kind, CELLS[cell], form)
    load_parameters(layer, sent)
    assert_same(parameters_of(layer), sent)
    expected = reference(sent).forward(X).outputs
    np.testing.assert_allclose(run(layer, X), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "cell"), HAVE)
def test_a_layers_own_weights_compute_the_same_in_numpy(kind, cell, form):
    layer = layer_of(kind, CELLS[cell], form)
    if kind in KERAS:
        weights = [np.random.default_rng(1).normal(size=w.shape) / 2 for w in built(layer).weights]
        layer.set_weights(weights)  # Keras' own biases are 0 and 1
    parameters = parameters_of(layer)
    assert shape_of(parameters) == shape_of(tree(CELLS[cell], form))
    outputs = reference(parameters).forward(X).outputs
    np.testing.assert_allclose(run(layer, X), outputs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", ["one", "stack of pairs"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_a_copy(kind, form):
    for cell in (spec.LSTM, spec.GRU_RESET_AFTER):
        layer = layer_of(kind, cell, form)
        load_parameters(layer, tree(cell, form))
        before = memory(layer)
        for leaf in leaves(parameters_of(layer)):
            for array in leaf.values():
                array[...] = 7
        assert memory(layer) == before


@pytest.mark.parametrize("kind", ["companion.numpy", "companion.torch", "companion.keras"])
def test_what_is_read_of_peepholes_is_a_copy(kind):
    layer = layer_of(kind, spec.PEEPHOLE_LSTM)
    load_parameters(layer, one(spec.PEEPHOLE_LSTM))
    before = memory(layer)
    parameters_of(layer)["V"][...] = 7
    assert memory(layer) == before


@pytest.mark.parametrize("form", ["one", "stack of pairs"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_is_a_copy(kind, form):
    layer, parameters = layer_of(kind, spec.LSTM, form), tree(form=form)
    load_parameters(layer, parameters)
    before = memory(layer)
    for leaf in leaves(parameters):
        for array in leaf.values():
            array[...] = 7
    assert memory(layer) == before


def test_numpys_own_arrays_are_written_in_place():
    layer = cnp.LSTM(I, H)
    before = layer.parameters
    load_parameters(layer, one())
    assert all(layer.parameters[name] is array for name, array in before.items())


@pytest.mark.parametrize("kind", [ct.LSTM, torch.nn.LSTM])
def test_two_biases_are_added(kind):
    layer = kind(I, H, dtype=torch.float64)
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy().reshape(4, H)
    assert layer.bias_hh_l0.abs().min() > 0
    np.testing.assert_array_equal(parameters_of(layer)["b"], b)
    load_parameters(layer, one())
    np.testing.assert_array_equal(layer.bias_ih_l0.detach().numpy(), one()["b"].ravel())
    assert not layer.bias_hh_l0.any()
    assert all(parameter.requires_grad for parameter in layer.parameters())


@pytest.mark.parametrize("make", [ct.GRU, torch.nn.GRU, torch.nn.GRUCell])
def test_a_grus_second_bias_holds_b_u_alone(make):
    layer, sent = make(I, H, dtype=torch.float64), one(spec.GRU_RESET_AFTER)
    load_parameters(layer, sent)
    suffix = "" if make is torch.nn.GRUCell else "_l0"
    second = getattr(layer, f"bias_hh{suffix}").detach().numpy().reshape(3, H)
    assert not second[:2].any()
    np.testing.assert_array_equal(second[2], sent["b_u"])
    first = getattr(layer, f"bias_ih{suffix}").detach().numpy().reshape(3, H)
    np.testing.assert_array_equal(first, sent["b"] * [[1], [-1], [1]])


def test_a_keras_grus_two_rows_of_bias_add_up_for_r_and_z():
    layer = built(keras.layers.GRU(H, dtype="float64"))
    kernel, recurrent, _ = layer.get_weights()
    bias = np.random.default_rng(1).normal(size=(2, 3 * H))
    layer.set_weights([kernel, recurrent, bias])
    z, r, n = (bias + 0).reshape(2, 3, H).swapaxes(0, 1)
    read = parameters_of(layer)
    np.testing.assert_array_equal(read["b"], [r.sum(0), -z.sum(0), n[0]])
    np.testing.assert_array_equal(read["b_u"], n[1])


# Cells, and Keras' many ways to put them together


@pytest.mark.parametrize(
    ("make", "cell"),
    [
        (torch.nn.RNNCell, spec.RNN),
        (lambda *a, **k: torch.nn.RNNCell(*a, nonlinearity="relu", **k), spec.RNN_RELU),
        (torch.nn.LSTMCell, spec.LSTM),
        (torch.nn.GRUCell, spec.GRU_RESET_AFTER),
    ],
)
def test_cells_of_torch(make, cell):
    layer, sent = make(I, H, dtype=torch.float64), one(cell)
    load_parameters(layer, sent)
    assert_same(parameters_of(layer), sent)
    stepped = layer(torch.tensor(X[0]))
    h = stepped[0] if isinstance(stepped, tuple) else stepped
    expected = reference(sent).forward(X[:1]).outputs[0]
    np.testing.assert_allclose(h.detach().numpy(), expected, rtol=0, atol=1e-12)


KERAS_CELLS = {
    "SimpleRNNCell": (lambda m, **k: m.SimpleRNNCell(H, **k), spec.RNN),
    "LSTMCell": (lambda m, **k: m.LSTMCell(H, **k), spec.LSTM),
    "GRUCell": (lambda m, **k: m.GRUCell(H, **k), spec.GRU_RESET_AFTER),
    "GRUCell-before": (lambda m, **k: m.GRUCell(H, reset_after=False, **k), spec.GRU),
}


@pytest.mark.parametrize("module", [ck, keras.layers], ids=lambda module: module.__name__)
@pytest.mark.parametrize("name", KERAS_CELLS)
def test_cells_of_keras(module, name):
    make, cell = KERAS_CELLS[name]
    sent = one(cell)
    expected = reference(sent).forward(X).outputs
    alone = make(module, dtype="float64")
    load_parameters(alone, sent)
    assert alone.built
    assert_same(parameters_of(alone), sent)
    layer = keras.layers.RNN(make(module, dtype="float64"), return_sequences=True, dtype="float64")
    load_parameters(layer, sent)
    assert layer.built
    assert_same(parameters_of(layer), sent)
    np.testing.assert_allclose(run(layer, X), expected, rtol=0, atol=1e-10)


def cells_of_keras():
    cells = [
        keras.layers.GRUCell(H, dtype="float64"),
        ck.PeepholeLSTMCell(3, dtype="float64"),
        keras.layers.SimpleRNNCell(2, dtype="float64"),
    ]
    # A mere list would become a float32 layer, which rounds its input.
    return keras.layers.StackedRNNCells(cells, dtype="float64")


def mixed(seed=0):
    """What fits these cells."""
    return Parts(
        "stack",
        [
            one(spec.GRU_RESET_AFTER, seed=seed),
            one(spec.PEEPHOLE_LSTM, H, 3, seed=seed),
            one(spec.RNN, 3, 2, seed=seed),
        ],
    )


def sequence(**more):
    return {"return_sequences": True, "dtype": "float64"} | more


KERAS_FORMS = {
    "cells in RNN": (lambda: keras.layers.RNN(cells_of_keras(), **sequence()), mixed),
    "Sequential of RNN": (
        lambda: keras.Sequential(
            [
                keras.layers.RNN(cells_of_keras(), **sequence()),
                keras.Sequential([ck.LSTM(3, **sequence()), keras.layers.GRU(H, **sequence())]),
            ]
        ),
        lambda: Parts(
            "stack",
            [
                mixed(),
                Parts("stack", [one(spec.LSTM, 2, 3), one(spec.GRU_RESET_AFTER, 3)]),
            ],
        ),
    ),
    "Bidirectional of stacks": (
        lambda: keras.layers.Bidirectional(
            keras.layers.RNN(cells_of_keras(), **sequence()), dtype="float64"
        ),
        lambda: Parts("bidirectional", [mixed(), mixed(1)]),
    ),
    "Bidirectional of two kinds": (
        lambda: keras.layers.Bidirectional(
            keras.layers.LSTM(H, **sequence()),
            backward_layer=ck.GRU(3, **sequence(go_backwards=True)),
            dtype="float64",
        ),
        lambda: Parts("bidirectional", [one(), one(spec.GRU_RESET_AFTER, I, 3)]),
    ),
}


@pytest.mark.parametrize("form", KERAS_FORMS)
def test_what_else_keras_puts_together(form):
    make, parameters = KERAS_FORMS[form]
    layer, sent = make(), parameters()
    load_parameters(layer, sent)
    assert layer.built
    assert_same(parameters_of(layer), sent)
    expected = reference(sent).forward(X).outputs
    np.testing.assert_allclose(run(layer, X), expected, rtol=0, atol=1e-10)


def test_stacked_cells_of_keras_are_a_stack_on_their_own():
    for cells in (cells_of_keras(), keras.layers.RNN(cells_of_keras().cells)):
        load_parameters(cells, mixed())
        assert_same(parameters_of(cells), mixed())


def test_numpys_composites_are_trees():
    layers = [cnp.Stack([cnp.LSTM(I, 3), cnp.GRU(3, 2)]), cnp.PeepholeLSTM(I, H)]
    layer = cnp.Stack([cnp.Bidirectional(*layers), cnp.RNN(2 + H, 1)])
    parameters = parameters_of(layer)
    assert shape_of(parameters) == (
        "stack",
        (("bidirectional", (("stack", ("LSTM", "GRU")), "PeepholeLSTM")), "RNN"),
    )
    other = numpy_of(parameters)
    load_parameters(other, parameters)
    np.testing.assert_array_equal(other.forward(X).outputs, layer.forward(X).outputs)


def test_a_stack_of_one_or_in_a_stack_counts_as_what_it_computes():
    three = Parts(
        "stack", [Parts("stack", [one(), one(input_size=H)]), Parts("stack", [pair(input_size=H)])]
    )
    layer = cnp.Stack([cnp.LSTM(I, H), cnp.Stack([cnp.LSTM(H, H), numpy_of(pair(input_size=H))])])
    load_parameters(layer, three)
    for ours, theirs in zip(leaves(parameters_of(layer)), leaves(three), strict=True):
        assert_same(ours, theirs)
    single = Parts("stack", [one()])
    for layer in (torch.nn.LSTM(I, H, dtype=torch.float64), cnp.LSTM(I, H)):
        load_parameters(layer, single)
        assert_same(parameters_of(layer), one())
    layer = cnp.Stack([cnp.LSTM(I, H)])
    load_parameters(layer, one())
    assert_same(parameters_of(layer), single)


# LSTM and peepholes


@pytest.mark.parametrize("kind", ["companion.numpy", "companion.torch", "companion.keras"])
def test_an_lstm_is_a_peephole_lstm_with_v_of_zero_both_ways(kind):
    peepholes, lstm = layer_of(kind, spec.PEEPHOLE_LSTM), layer_of(kind, spec.LSTM)
    load_parameters(peepholes, one(spec.PEEPHOLE_LSTM))
    load_parameters(peepholes, one())
    read = parameters_of(peepholes)
    assert read.spec == spec.PEEPHOLE_LSTM and not read["V"].any()
    np.testing.assert_allclose(
        run(peepholes, X), reference(one()).forward(X).outputs, rtol=0, atol=1e-10
    )
    load_parameters(lstm, read)
    assert_same(parameters_of(lstm), one())
    before = memory(lstm)
    with pytest.raises(
        ValueError, match=r"^parameters\['V'\] is not 0, but layer has no peepholes"
    ):
        load_parameters(lstm, one(spec.PEEPHOLE_LSTM))
    assert memory(lstm) == before


# Dtypes


@pytest.mark.parametrize(("kind", "cell"), HAVE)
def test_values_are_rounded_to_the_layers_own_type(kind, cell):
    layer, sent = layer_of(kind, CELLS[cell], dtype="float32"), one(CELLS[cell])
    load_parameters(layer, sent)
    rounded = Parameters(sent.spec, {name: array.astype("f4") for name, array in sent.items()})
    assert_same(parameters_of(layer), rounded)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", [*TORCH, *KERAS])
def test_sixteen_bits_are_read_as_float32_exactly(kind, dtype):
    layer = layer_of(kind, spec.GRU_RESET_AFTER, dtype=dtype)
    load_parameters(layer, one(spec.GRU_RESET_AFTER))
    expected = Parameters(
        spec.GRU_RESET_AFTER,
        {
            name: torch.tensor(array).to(getattr(torch, dtype)).float().numpy()
            for name, array in one(spec.GRU_RESET_AFTER).items()
        },
    )
    assert_same(parameters_of(layer), expected)
    before = memory(layer)
    load_parameters(layer, parameters_of(layer))
    assert memory(layer) == before


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("companion.numpy", "float32"),
        *product((*TORCH, *KERAS), ("float16", "bfloat16", "float32")),
    ],
)
def test_what_is_finite_only_before_rounding_is_refused(kind, dtype):
    layer = layer_of(kind, spec.LSTM, dtype=dtype)
    load_parameters(layer, one())
    before = memory(layer)
    largest = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234e38}
    fits, too_large = one(), one()
    fits["U"].flat[-1], too_large["U"].flat[-1] = largest[dtype], 1.003 * largest[dtype]
    message = rf"^parameters\['U'\] has values that are not finite in {dtype}$"
    with pytest.raises(ValueError, match=message):
        load_parameters(layer, too_large)
    assert memory(layer) == before
    load_parameters(layer, fits)
    assert parameters_of(layer)["U"].flat[-1] == np.float32(largest[dtype])


def test_keras_mixed_precision_keeps_float32():
    layer = keras.layers.LSTM(H, dtype="mixed_bfloat16")
    load_parameters(layer, one())
    assert parameters_of(layer)["W"].dtype == np.float32


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_of_keras(backend):
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    environment.pop("JAX_ENABLE_X64", None)
    command = [sys.executable, "-m", "tests.interchange.on_backend"]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[-1] == "done"


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_may_lie_in_memory_as_they_like(kind):
    sent = one()
    for odd in (
        lambda array: np.asfortranarray(np.repeat(array, 2, axis=-1))[..., ::2],
        lambda array: array.astype(">f8"),
        lambda array: np.flip(np.flip(array, 0).copy(), 0),
    ):
        layer = layer_of(kind, spec.LSTM)
        load_parameters(
            layer, Parameters(spec.LSTM, {name: odd(array) for name, array in sent.items()})
        )
        assert_same(parameters_of(layer), sent)


# Without biases


@pytest.mark.parametrize("cell", ["LSTM", "GRU (reset after)", "RNN"])
@pytest.mark.parametrize("kind", [*TORCH, *KERAS])
def test_a_layer_without_bias_reads_as_zeros_and_takes_only_zeros(kind, cell):
    cell = CELLS[cell]
    layer = layer_of(kind, cell, bias=False)
    if kind in KERAS:
        built(layer)
    before = memory(layer)
    silent = dict(one(cell)) | {"b": np.zeros((len(cell.gates), H))}
    if cell.reset_after:
        with pytest.raises(ValueError, match=r"\['b_u'\] is not 0, but layer has no bias to hold"):
            load_parameters(layer, Parameters(cell, silent))
        silent["b_u"] = np.zeros(H)
    with pytest.raises(ValueError, match=r"parameters\['b'\] is not 0, but layer has no bias to"):
        load_parameters(layer, Parameters(cell, silent | {"b": one(cell)["b"]}))
    assert memory(layer) == before
    load_parameters(layer, Parameters(cell, silent))
    assert_same(parameters_of(layer), Parameters(cell, silent))


# Refusals


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Linear(I, H),
        torch.nn.ModuleList([torch.nn.LSTM(I, H)]),
        keras.layers.Dense(H),
        cnp,
        {"W": 0},
        None,
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_kinds_are_refused(layer):
    message = f"^layer is .*{type(layer).__qualname__}, expected a recurrent layer of companion.num"
    for refused in (parameters_of, lambda layer: load_parameters(layer, one())):
        with pytest.raises(TypeError, match=message):
            refused(layer)


class OtherCell(keras.layers.Layer):
    state_size = H

    def call(self, inputs, states):
        return inputs, states


def merged(mode):
    return built(keras.layers.Bidirectional(keras.layers.LSTM(H), merge_mode=mode))


NO_EQUIVALENT = {
    "^layer has proj_size=3, expected 0": lambda: torch.nn.LSTM(I, H, proj_size=3),
    "^layer has another activation than tanh:": lambda: built(ck.LSTM(H, activation="relu")),
    "^layer has another activation than tanh or relu:": lambda: built(
        keras.layers.SimpleRNN(H, activation="elu")
    ),
    "^layer has another recurrent_activation than sigmoid": lambda: built(
        keras.layers.LSTM(H, recurrent_activation="hard_sigmoid")
    ),
    r"^layer.layers\[1\].forward_layer has another recurrent_activation": lambda: built(
        keras.Sequential(
            [
                keras.layers.GRU(H, return_sequences=True),
                keras.layers.Bidirectional(keras.layers.GRU(H, recurrent_activation="relu")),
            ]
        )
    ),
    "^layer has merge_mode='sum', expected 'concat'": lambda: merged("sum"),
    "^layer has merge_mode=None, expected 'concat'": lambda: merged(None),
    "^layer.forward_layer has go_backwards=True, expected False": lambda: built(
        keras.layers.Bidirectional(
            keras.layers.LSTM(H, go_backwards=True), backward_layer=keras.layers.LSTM(H)
        )
    ),
    r"^layer.layers\[0\] has go_backwards=True, expected False": lambda: built(
        keras.Sequential([keras.layers.LSTM(H, go_backwards=True)])
    ),
    r"^layer.layers\[0\] has return_sequences=False, expected True": lambda: keras.Sequential(
        [keras.layers.LSTM(H), keras.layers.LSTM(H)]
    ),
    "^layer has no layers": lambda: keras.Sequential(),
    "^layer is stateful and has not been built": lambda: keras.layers.LSTM(H, stateful=True),
    "^layer is on the meta device": lambda: torch.nn.LSTM(I, H, device="meta"),
}


@pytest.mark.parametrize("message", NO_EQUIVALENT)
def test_what_has_no_equivalent_is_refused_with_the_reason(message, tmp_path):
    layer = NO_EQUIVALENT[message]()
    before = None if "meta" in message else memory(layer)
    for refused in (
        lambda: parameters_of(layer),
        lambda: load_parameters(layer, one()),
        lambda: interchange.to_onnx(layer, tmp_path / "no.onnx"),
        lambda: interchange.save(tmp_path / "no.safetensors", layer),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    assert before is None or memory(layer) == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("message", "make"),
    [
        (
            r"^layer.layers\[1\] is keras.*Dense, expected a recurrent layer",
            lambda: keras.Sequential(
                [keras.layers.LSTM(H, return_sequences=True), keras.layers.Dense(2)]
            ),
        ),
        ("^layer.cell is .*OtherCell, expected a cell", lambda: keras.layers.RNN(OtherCell())),
    ],
)
def test_a_layer_with_a_part_of_another_kind_is_refused(message, make):
    layer = make()
    for refused in (parameters_of, lambda layer: load_parameters(layer, one())):
        with pytest.raises(TypeError, match=message):
            refused(layer)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KERAS)
def test_a_keras_layer_without_weights_cannot_be_read(kind, form):
    with pytest.raises(ValueError, match=r"^layer\S* has not been built, so it has no weights"):
        parameters_of(layer_of(kind, spec.LSTM, form))


def test_a_stateful_layer_that_is_built_is_loaded():
    layer = keras.layers.LSTM(H, stateful=True, dtype="float64")
    layer.build((B, T, I))
    load_parameters(layer, one())
    assert_same(parameters_of(layer), one())


def spoiled(form, name, value, which=-1):
    parameters = tree(form=form)
    leaves(parameters)[which][name].flat[-1] = value
    return parameters


def with_last(form, cell):
    """A tree whose last cell is another."""
    parameters = tree(form=form)
    if form == "one":
        return one(cell)
    if form == "pair":
        return Parts("bidirectional", [parameters[0], one(cell)])
    if form == "stack":
        return Parts("stack", [parameters[0], one(cell, H)])
    return Parts(
        "stack", [parameters[0], Parts("bidirectional", [parameters[1][0], one(cell, 2 * H)])]
    )


LAST = {
    "one": "parameters",
    "pair": r"parameters\[1\]",
    "stack": r"parameters\[1\]",
    "stack of pairs": r"parameters\[1\]\[1\]",
}
REFUSED = {
    "nan": (
        r"^{last}\['b'\] has values that are not finite in float64$",
        lambda form: spoiled(form, "b", np.nan),
    ),
    "infinite": (
        r"^{last}\['U'\] has values that are not finite in float64$",
        lambda form: spoiled(form, "U", -np.inf),
    ),
    "another cell": (
        r"^{last} is of cell GRU, expected LSTM: their gates are not the same$",
        lambda form: with_last(form, spec.GRU),
    ),
    "peepholes": (
        r"^{last}\['V'\] is not 0, but layer\S* has no peepholes$",
        lambda form: with_last(form, spec.PEEPHOLE_LSTM),
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_load_changes_nothing(kind, form, fault):
    message, make = REFUSED[fault]
    layer = layer_of(kind, spec.LSTM, form)
    load_parameters(layer, tree(form=form, seed=5))
    before = memory(layer)
    with pytest.raises(ValueError, match=message.replace("{last}", LAST[form])):
        load_parameters(layer, make(form))
    assert memory(layer) == before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KERAS)
@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_load_does_not_even_build_a_keras_layer(kind, form, fault):
    layer = layer_of(kind, spec.LSTM, form)
    with pytest.raises(ValueError):
        load_parameters(layer, REFUSED[fault][1](form))
    assert not layer.built and not layer.weights


def sized(input_size, hidden_size):
    return one(spec.LSTM, input_size, hidden_size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("form", "message", "make"),
    [
        ("one", r"^parameters\['W'\] has shape \(4, 4, 3\), expected \(4, 4, 2\)", sized(3, H)),
        ("one", r"^parameters\['W'\] has shape \(4, 5, 2\), expected \(4, 4, 2\)", sized(I, 5)),
        (
            "stack",
            r"^parameters\[1\]\['W'\] has shape \(4, 5, 4\), expected \(4, 4, 4\)",
            Parts("stack", [one(), sized(H, 5)]),
        ),
        (
            "pair",
            r"^parameters\[1\]\['W'\] has shape \(4, 3, 2\), expected \(4, 4, 2\)",
            Parts("bidirectional", [one(), sized(I, 3)]),
        ),
    ],
)
def test_wrong_sizes_are_refused_before_anything_changes(kind, form, message, make):
    layer = layer_of(kind, spec.LSTM, form)
    load_parameters(layer, tree(form=form))
    before = memory(layer)
    with pytest.raises(ValueError, match=message):
        load_parameters(layer, make)
    assert memory(layer) == before


FORM_NAMES = {
    "one": "one LSTM",
    "pair": "a pair of directions",
    "stack": "a stack of 2",
    "stack of pairs": "a stack of 2",
}


@pytest.mark.parametrize("given", FORMS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_another_form_is_refused(kind, form, given):
    if form == given:
        return
    layer = layer_of(kind, spec.LSTM, form)
    load_parameters(layer, tree(form=form))
    before = memory(layer)
    stacked, paired = ("stack" in form, "stack" in given), ("pair" in form, "pair" in given)
    if kind in TORCH and stacked[0] != stacked[1]:
        message = (
            f"^layer has num_layers={1 + stacked[0]}, expected {1 + stacked[1]}: parameters is "
        )
        message += FORM_NAMES[given]
    elif kind in TORCH:
        message = f"^layer has bidirectional={paired[0]}, expected {paired[1]}: parameters"
    elif stacked[0] != stacked[1]:
        message = f"^parameters is {FORM_NAMES[given]}, expected {FORM_NAMES[form]}"
    else:
        names = {True: "a pair of directions", False: "one LSTM"}
        message = rf"^parameters\S* is {names[paired[1]]}, expected {names[paired[0]]}"
    with pytest.raises(ValueError, match=message):
        load_parameters(layer, tree(form=given))
    assert memory(layer) == before


@pytest.mark.parametrize(
    ("layer", "parameters", "message"),
    [
        (torch.nn.GRU(I, H), one(spec.GRU), "of cell GRU, expected GRU .reset after.: no weights"),
        (
            cnp.GRU(I, H),
            one(spec.GRU_RESET_AFTER),
            "of cell GRU .reset after., expected GRU: no weights make up for where the reset gate",
        ),
        (
            torch.nn.RNN(I, H),
            one(spec.RNN_RELU),
            "of cell RNN .ReLU., expected RNN: no weights turn relu into tanh",
        ),
        (torch.nn.GRU(I, H), one(), "of cell LSTM, expected GRU .reset after.: their gates"),
        (
            torch.nn.LSTM(I, H, 2),
            Parts("stack", [one(), one(spec.GRU, H)]),
            r"parameters\[1\] is of cell GRU, expected LSTM",
        ),
        (
            torch.nn.LSTM(I, H, 2),
            Parts("stack", [sized(I, 3), sized(3, H)]),
            r"parameters\[0\]\['W'\] has shape \(4, 3, 2\), expected \(4, 4, 2\)",
        ),
        (
            torch.nn.LSTM(I, H, bidirectional=True),
            Parts("bidirectional", [one(), Parts("stack", [one(), one(input_size=H)])]),
            r"parameters\[1\] is a stack of 2, expected one LSTM",
        ),
        (
            torch.nn.LSTMCell(I, H),
            pair(),
            "parameters is a pair of directions, expected one LSTM",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layer, parameters, message):
    before = memory(layer)
    with pytest.raises(ValueError, match=message):
        load_parameters(layer, parameters)
    assert memory(layer) == before


@pytest.mark.parametrize("parameters", [dict(one()), [one()], None])
def test_only_parameters_are_loaded(parameters):
    with pytest.raises(TypeError, match="^parameters is .*, expected Parameters or Parts$"):
        load_parameters(cnp.LSTM(I, H), parameters)


def test_a_weight_that_a_layer_uses_twice_cannot_become_two():
    layer = torch.nn.LSTM(H, H, 2, dtype=torch.float64)
    layer.weight_hh_l1 = layer.weight_hh_l0
    before = memory(layer)
    two = Parts("stack", [one(input_size=H, seed=1), one(input_size=H, seed=2)])
    with pytest.raises(ValueError, match=r"^parameters\[1\] differs from what else layer is to"):
        load_parameters(layer, two)
    assert memory(layer) == before
    same = Parts("stack", [one(input_size=H)] * 2)
    load_parameters(layer, same)
    assert_same(parameters_of(layer), same)
    cell = keras.layers.LSTMCell(H)
    with pytest.raises(ValueError, match=r"^parameters\[1\] differs from what else layer.cell"):
        load_parameters(keras.layers.RNN([cell, cell]), two)
    assert not cell.built


def test_a_weight_that_is_computed_from_others_is_read_but_not_loaded():
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.LSTM(I, H), "weight_hh_l0")
    U = layer.weight_hh_l0.detach().numpy().reshape(4, H, H)
    np.testing.assert_array_equal(parameters_of(layer)["U"], U)
    before = memory(layer)
    with pytest.raises(ValueError, match="^layer.weight_hh_l0 is computed from others"):
        load_parameters(layer, one())
    assert memory(layer) == before
