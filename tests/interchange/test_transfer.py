"""Weights on their way between the five kinds of layer, and out to ONNX Runtime."""

import os
import subprocess
import sys
from itertools import product

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import keras
import numpy as np
import onnxruntime
import pytest
import torch

import companion.keras as ck
import companion.numpy as cnp
import companion.torch as ct
from companion import interchange, spec
from companion.interchange import Parameters, load_parameters, parameters_of

T, B, I, H = 5, 3, 2, 4  # noqa: E741

KINDS = {
    "companion.numpy": lambda: cnp.LSTM(I, H),
    "companion.torch": lambda: ct.LSTM(I, H, dtype=torch.float64),
    "companion.keras": lambda: ck.LSTM(H, return_sequences=True, dtype="float64"),
    "torch.nn": lambda: torch.nn.LSTM(I, H, dtype=torch.float64),
    "keras.layers": lambda: keras.layers.LSTM(H, return_sequences=True, dtype="float64"),
}


def some_parameters(seed=0, size=(I, H)):
    rng = np.random.default_rng(seed)
    shapes = spec.LSTM.shapes(*size)
    return Parameters(spec.LSTM, {name: rng.normal(size=shape) for name, shape in shapes.items()})


def run(layer, x):
    """Outputs (T, B, H), whatever the layer's kind."""
    if isinstance(layer, cnp.LSTM):
        return layer.forward(x).outputs
    if isinstance(layer, torch.nn.Module):
        return layer(torch.tensor(x))[0].detach().numpy()
    return np.asarray(layer(x.swapaxes(0, 1))).swapaxes(0, 1)


def memory(layer):
    """Every byte of a layer's weights."""
    if isinstance(layer, cnp.LSTM):
        return [array.tobytes() for array in layer.parameters.values()]
    if isinstance(layer, torch.nn.Module):
        return [tensor.numpy().tobytes() for tensor in layer.state_dict().values()]
    return [array.tobytes() for array in layer.get_weights()]


# Between layers


@pytest.mark.parametrize(("source", "target"), list(product(KINDS, KINDS)))
def test_a_round_trip_gives_every_bit_back_and_the_same_outputs(source, target):
    sent = some_parameters()
    first, second = KINDS[source](), KINDS[target]()
    load_parameters(first, sent)
    load_parameters(second, parameters_of(first))
    received = parameters_of(second)
    assert received.spec is spec.LSTM
    for name in sent:
        np.testing.assert_array_equal(received[name], sent[name])
    x = np.random.default_rng(1).normal(size=(T, B, I))
    np.testing.assert_allclose(run(second, x), run(first, x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_a_copy(kind):
    layer = KINDS[kind]()
    load_parameters(layer, some_parameters())
    before = memory(layer)
    for array in parameters_of(layer).values():
        array[...] = 7
    assert memory(layer) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_is_a_copy(kind):
    layer, parameters = KINDS[kind](), some_parameters()
    load_parameters(layer, parameters)
    before = memory(layer)
    for array in parameters.values():
        array[...] = 7
    assert memory(layer) == before


@pytest.mark.parametrize("kind", [ct.LSTM, torch.nn.LSTM])
def test_two_biases_are_added(kind):
    layer = kind(I, H, dtype=torch.float64)
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy().reshape(4, H)
    assert layer.bias_hh_l0.abs().min() > 0
    np.testing.assert_array_equal(parameters_of(layer)["b"], b)
    load_parameters(layer, some_parameters())
    np.testing.assert_array_equal(layer.bias_ih_l0.detach().numpy(), some_parameters()["b"].ravel())
    assert not layer.bias_hh_l0.any()
    assert all(parameter.requires_grad for parameter in layer.parameters())


def without_bias():
    layers = [kind(I, H, bias=False, dtype=torch.float64) for kind in (ct.LSTM, torch.nn.LSTM)]
    layers += [kind(H, use_bias=False, dtype="float64") for kind in (ck.LSTM, keras.layers.LSTM)]
    for layer in layers[2:]:
        layer.build((B, T, I))
    return layers


@pytest.mark.parametrize("layer", without_bias(), ids=lambda layer: type(layer).__module__)
def test_a_layer_without_bias_reads_as_zeros_and_takes_only_zeros(layer):
    before = memory(layer)
    with pytest.raises(ValueError, match=r"parameters\['b'\] is not 0, but the layer has no bias"):
        load_parameters(layer, some_parameters())
    assert memory(layer) == before
    arrays = dict(some_parameters()) | {"b": np.zeros((4, H))}
    load_parameters(layer, Parameters(spec.LSTM, arrays))
    for name, array in parameters_of(layer).items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_rounded_to_the_layers_own_type(kind):
    layer = {
        "companion.numpy": lambda: cnp.LSTM(I, H, np.float32),
        "companion.torch": lambda: ct.LSTM(I, H),
        "companion.keras": lambda: ck.LSTM(H),
        "torch.nn": lambda: torch.nn.LSTM(I, H),
        "keras.layers": lambda: keras.layers.LSTM(H),
    }[kind]()
    sent = some_parameters()
    load_parameters(layer, sent)
    for name, array in parameters_of(layer).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, sent[name].astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_may_lie_in_memory_as_they_like(kind):
    sent = some_parameters()
    strided = {
        name: np.asfortranarray(np.repeat(array, 2, axis=-1))[..., ::2]
        for name, array in sent.items()
    }
    layer = KINDS[kind]()
    load_parameters(layer, Parameters(spec.LSTM, strided))
    for name, array in parameters_of(layer).items():
        np.testing.assert_array_equal(array, sent[name])


def test_a_keras_layer_that_is_not_built_is_built():
    layer = keras.layers.LSTM(H)
    load_parameters(layer, some_parameters())
    assert layer.built
    assert layer(np.zeros((B, T, I), "float32")).shape == (B, H)


# Refusals


def built(layer):
    layer.build((B, T, I))
    return layer


NO_LSTM = [
    torch.nn.GRU(I, H),
    torch.nn.LSTMCell(I, H),
    keras.layers.GRU(H),
    keras.layers.Bidirectional(keras.layers.LSTM(H)),
    {"W": 0},
    None,
]


@pytest.mark.parametrize("layer", NO_LSTM, ids=lambda layer: type(layer).__name__)
def test_other_kinds_are_refused(layer):
    message = f"layer is .*{type(layer).__qualname__}, expected an LSTM of companion.numpy, "
    for refused in (parameters_of, lambda layer: load_parameters(layer, some_parameters())):
        with pytest.raises(TypeError, match=message):
            refused(layer)


NO_EQUIVALENT = {
    "has num_layers=2, expected 1": lambda: ct.LSTM(I, H, num_layers=2),
    "has bidirectional=True, expected False": lambda: torch.nn.LSTM(I, H, bidirectional=True),
    "has proj_size=3, expected 0": lambda: torch.nn.LSTM(I, H, proj_size=3),
    "has another activation than tanh": lambda: built(ck.LSTM(H, activation="relu")),
    "has another recurrent_activation than sigmoid": lambda: built(
        keras.layers.LSTM(H, recurrent_activation="hard_sigmoid")
    ),
}


@pytest.mark.parametrize("message", NO_EQUIVALENT)
def test_what_has_no_equivalent_is_refused_with_the_reason(message, tmp_path):
    layer = NO_EQUIVALENT[message]()
    before = memory(layer)
    for refused in (
        lambda: parameters_of(layer),
        lambda: load_parameters(layer, some_parameters()),
        lambda: interchange.to_onnx(layer, tmp_path / "no.onnx"),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    assert memory(layer) == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [ck.LSTM, keras.layers.LSTM])
def test_a_keras_layer_without_weights_cannot_be_read(kind):
    with pytest.raises(ValueError, match="has not been built, so it has no weights"):
        parameters_of(kind(H))


def spoiled(name, value):
    parameters = some_parameters()
    parameters[name].flat[-1] = value
    return parameters


REFUSED = [
    (TypeError, "parameters is dict, expected Parameters", lambda: dict(some_parameters())),
    (ValueError, r"parameters\['b'\] has values that are not finite", lambda: spoiled("b", np.nan)),
    (ValueError, r"parameters\['U'\] has values that are not", lambda: spoiled("U", np.inf)),
    (
        ValueError,
        r"parameters\['W'\] has shape \(4, 4, 3\), expected \(4, 4, 2\)",
        lambda: some_parameters(size=(3, H)),
    ),
    (
        ValueError,
        r"parameters\['W'\] has shape \(4, 5, 2\), expected \(4, 4, 2\)",
        lambda: some_parameters(size=(I, 5)),
    ),
    (
        ValueError,
        "parameters are of a GRU, expected a LSTM",
        lambda: Parameters(
            spec.GRU, {name: np.ones(shape) for name, shape in spec.GRU.shapes(I, H).items()}
        ),
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("error", "message", "make"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_refused_load_changes_nothing(kind, error, message, make):
    layer = KINDS[kind]()
    load_parameters(layer, some_parameters(seed=5))
    before = memory(layer)
    with pytest.raises(error, match=message):
        load_parameters(layer, make())
    assert memory(layer) == before


def test_a_refused_load_does_not_even_build_a_keras_layer():
    layer = keras.layers.LSTM(H)
    for bad in (spoiled("b", np.nan), some_parameters(size=(I, 5))):
        with pytest.raises(ValueError):
            load_parameters(layer, bad)
    assert not layer.built


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": np.zeros((3, H))}, "arrays has the names"),
        ({"U": np.zeros((4, H, H + 1))}, r"arrays\['U'\] has shape \(4, 4, 5\), expected"),
        ({"b": np.zeros(4 * H)}, r"arrays\['b'\] has shape \(16,\), expected \(4, 4\)"),
        ({"W": np.zeros((4 * H, I))}, r"arrays\['W'\] is missing or not \(G, H, I\)"),
    ],
)
def test_parameters_fit_their_cell(change, message):
    with pytest.raises(ValueError, match=message):
        Parameters(spec.LSTM, dict(some_parameters()) | change)


def test_parameters_are_a_mapping_with_sizes():
    parameters = some_parameters()
    assert list(parameters) == ["W", "U", "b"] and len(parameters) == 3
    assert (parameters.input_size, parameters.hidden_size) == (I, H)


# Out to ONNX


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_runtime_computes_the_same(kind, tmp_path):
    layer = KINDS[kind]()
    load_parameters(layer, some_parameters())
    interchange.to_onnx(layer, tmp_path / "lstm.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "lstm.onnx")

    reference = cnp.LSTM(I, H)
    load_parameters(reference, some_parameters())
    for steps, lengths in ((5, [5, 5, 5]), (5, [0, 3, 5]), (7, [1, 7])):
        rng = np.random.default_rng(steps)
        batch = len(lengths)
        x = rng.normal(size=(steps, batch, I)).astype("float32")
        h_0, c_0 = rng.normal(size=(2, batch, H)).astype("float32")
        expected = reference.forward(
            x.astype(float), (h_0.astype(float), c_0.astype(float)), lengths
        )
        x[np.arange(steps)[:, None] >= lengths] = 99  # padding must not matter
        outputs, h_n, c_n = session.run(
            ["outputs", "h_n", "c_n"],
            {"x": x, "lengths": np.array(lengths, "int32"), "h_0": h_0[None], "c_0": c_0[None]},
        )
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, expected.outputs, rtol=0, atol=2e-6)
        np.testing.assert_allclose(h_n[0], expected.state[0], rtol=0, atol=2e-6)
        np.testing.assert_allclose(c_n[0], expected.state[1], rtol=0, atol=2e-6)


# Imports


@pytest.mark.parametrize("module", ["companion", "companion.interchange", "companion.numpy"])
def test_importing_it_loads_no_framework(module):
    code = (
        f"import sys, {module}; "
        "sys.exit(bool({'torch', 'keras', 'tensorflow', 'onnx', 'jax'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_numpy_weights_move_without_loading_a_framework():
    code = (
        "import sys, companion.numpy as cnp; from companion import interchange; "
        "a, b = cnp.LSTM(2, 3), cnp.LSTM(2, 3); "
        "interchange.load_parameters(b, interchange.parameters_of(a)); "
        "assert (a.parameters['W'] == b.parameters['W']).all(); "
        "sys.exit(bool({'torch', 'keras', 'tensorflow', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
