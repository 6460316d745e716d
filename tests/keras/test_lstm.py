"""The Keras LSTM against ``keras.layers.LSTM`` and the NumPy LSTM, as a layer and in a model."""

import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import keras
import numpy as np
import pytest
import tensorflow as tf

import companion.keras as ck
import companion.numpy as cnp

B, T, I, H = 3, 5, 2, 4  # noqa: E741


def random(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def pair(**arguments):
    """Our layer and Keras', built, with the same weights, none of them 0."""
    layers = [
        kind(H, **({"dtype": "float64"} | arguments)) for kind in (ck.LSTM, keras.layers.LSTM)
    ]
    for layer in layers:
        layer.build((B, T, I))
        shapes = [weight.shape for weight in layer.weights[:3]]
        layer.set_weights(
            [random(*shape, seed=k) for k, shape in enumerate(shapes)]
            + [weight.numpy() for weight in layer.weights[3:]]
        )
    return layers


def flat(results):
    return list(results) if isinstance(results, list | tuple) else [results]


def close(got, expected, tolerance=1e-10):
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def with_gradients(layer, x, state=None, **keywords):
    """Every output, and every gradient of one loss, as a flat list."""
    x = tf.constant(x)
    state = [tf.constant(part) for part in state or ()]
    with tf.GradientTape() as tape:
        tape.watch([x, *state])
        results = flat(layer(x, initial_state=state or None, **keywords))
        loss = sum(
            tf.reduce_sum(part * random(*part.shape, seed=k)) for k, part in enumerate(results)
        )
    variables = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(loss, [x, *state, *variables])
    assert all(gradient is not None for gradient in gradients)
    return [np.asarray(each) for each in (*results, *gradients)]


# Against keras.layers


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"return_sequences": True},
        {"return_state": True},
        {"return_sequences": True, "return_state": True},
        {"return_sequences": True, "go_backwards": True},
        {"return_sequences": True, "use_bias": False},
        {"return_sequences": True, "unroll": True},
        {"return_sequences": True, "implementation": 1},
        {"return_sequences": True, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
    ],
)
@pytest.mark.parametrize("with_state", [False, True])
def test_equals_keras_layers(arguments, with_state):
    ours, theirs = pair(**arguments)
    state = [random(B, H, seed=7), random(B, H, seed=8)] if with_state else None
    x = random(B, T, I)
    close(with_gradients(ours, x, state), with_gradients(theirs, x, state))


MASKS = {
    "at the end": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]],
    "in the middle": [[1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 0, 1, 1, 0]],
    "everywhere": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize(
    "arguments", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}, {"unroll": True}]
)
def test_equals_keras_layers_under_a_mask(mask, arguments):
    ours, theirs = pair(return_sequences=True, return_state=True, **arguments)
    x, mask = random(B, T, I), np.array(mask, bool)
    close(with_gradients(ours, x, mask=mask), with_gradients(theirs, x, mask=mask))


@pytest.mark.parametrize(
    "arguments",
    [
        {"dropout": 0.4},
        {"recurrent_dropout": 0.4},
        {"dropout": 0.4, "recurrent_dropout": 0.3},
        {"dropout": 0.4, "implementation": 1, "use_cudnn": False},
    ],
)
def test_dropout_is_that_of_keras_number_by_number(arguments):
    ours, theirs = pair(return_sequences=True, seed=11, **arguments)
    x = random(B, T, I)
    for _ in range(2):  # the seed moves on from call to call
        close([ours(x, training=True)], [theirs(x, training=True)])
    close([ours(x, training=False)], [theirs(x, training=False)])
    assert np.abs(ours(x, training=True) - ours(x, training=False)).max() > 0.01


def test_dropout_has_the_gradients_of_keras():
    ours, theirs = pair(return_sequences=True, seed=11, dropout=0.4, recurrent_dropout=0.3)
    x = random(B, T, I)
    close(with_gradients(ours, x, training=True), with_gradients(theirs, x, training=True))


def test_stateful_layers_carry_on_and_reset():
    ours, theirs = pair(stateful=True, return_sequences=True)
    x = random(B, T, I)
    first, second = ours(x).numpy(), ours(x).numpy()
    close([first, second], [theirs(x), theirs(x)])
    assert np.abs(first - second).max() > 0.01
    ours.reset_state()
    close([ours(x)], [first])


def test_bidirectional():
    results = []
    for kind in (ck.LSTM, keras.layers.LSTM):
        inner = kind(H, return_sequences=True, return_state=True, dtype="float64")
        layer = keras.layers.Bidirectional(inner, dtype="float64")
        layer.build((B, T, I))
        layer.set_weights([random(*w.shape, seed=k) for k, w in enumerate(layer.weights)])
        assert type(layer.backward_layer) is kind
        mask = np.array(MASKS["at the end"], bool)
        results.append(flat(layer(random(B, T, I), mask=mask)))
    close(*results)


def test_float32_is_the_default_and_equals_keras_to_round_off():
    ours, theirs = pair(dtype=None)
    x = random(B, T, I).astype("float32")
    assert ours(x).dtype == tf.float32
    close([ours(x)], [theirs(x)], 1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_cell_alone(activation):
    arguments = {"dtype": "float64", "activation": activation}
    ours, theirs = ck.LSTMCell(H, **arguments), keras.layers.LSTMCell(H, **arguments)
    state = [random(B, H, seed=7), random(B, H, seed=8)]
    for cell in (ours, theirs):
        cell.build((B, I))
        cell.set_weights([random(*w.shape, seed=k) for k, w in enumerate(cell.get_weights())])
    (h, states), (expected, expected_states) = (
        cell(random(B, I), state) for cell in (ours, theirs)
    )
    close([h, *states], [expected, *expected_states])


# Against NumPy


@pytest.mark.parametrize("lengths", [None, [5, 2, 1], [0, 5, 3]])
def test_equals_numpy_forward_and_backward(lengths):
    ours, _ = pair(return_sequences=True, return_state=True, zero_output_for_mask=True)
    reference = cnp.LSTM(I, H)
    W, U, b = (weight.numpy().T for weight in ours.weights[:3])
    reference.parameters = {
        "W": W.reshape(4, H, I), "U": U.reshape(4, H, H), "b": b.reshape(4, H)
    }  # fmt: skip
    x, state = random(B, T, I), [random(B, H, seed=7), random(B, H, seed=8)]
    mask = None if lengths is None else np.arange(T) < np.array(lengths)[:, None]
    outputs, h, c, *gradients = with_gradients(ours, x, state, mask=mask)

    run = reference.forward(x.swapaxes(0, 1), tuple(state), lengths)
    close([outputs.swapaxes(0, 1), h, c], [run.outputs, *run.state])
    d_outputs, d_h, d_c = (random(*part.shape, seed=k) for k, part in enumerate([outputs, h, c]))
    expected = reference.backward(run, d_outputs.swapaxes(0, 1), (d_h, d_c))
    W, U, b = (expected.parameters[name].reshape(4 * H, -1).T for name in "WUb")
    close(gradients, [expected.x.swapaxes(0, 1), *expected.state, W, U, b[0]])


# A layer like any other


def test_only_one_cell_is_tracked():
    ours, theirs = pair(dropout=0.5)
    for kind in ("weights", "trainable_weights", "variables", "non_trainable_variables"):
        assert len(getattr(ours, kind)) == len(getattr(theirs, kind)), kind
    assert ours.count_params() == theirs.count_params() == 4 * H * (I + H + 1)
    assert [type(layer) for layer in ours._flatten_layers(include_self=False)] == [ck.LSTMCell]
    assert [w.path.split("/")[1:] for w in ours.weights] == [
        w.path.split("/")[1:] for w in theirs.weights
    ]


def test_config_round_trip():
    arguments = {
        "units": H,
        "recurrent_activation": "hard_sigmoid",
        "kernel_initializer": "he_normal",
        "kernel_regularizer": keras.regularizers.L2(0.01),
        "bias_constraint": keras.constraints.MaxNorm(1.0),
        "unit_forget_bias": False,
        "dropout": 0.1,
        "recurrent_dropout": 0.2,
        "return_sequences": True,
        "go_backwards": True,
        "seed": 5,
        "dtype": "float64",
        "name": "memory",
    }
    ours, theirs = ck.LSTM(**arguments), keras.layers.LSTM(**arguments)
    assert ours.get_config() == theirs.get_config() | {"implementation": 1}
    again = ck.LSTM.from_config(ours.get_config())
    assert type(again) is ck.LSTM
    assert again.get_config() == ours.get_config()
    theirs = theirs.cell.get_config()
    assert again.cell.get_config() == theirs | {"name": again.cell.name, "implementation": 1}


def test_initializers_regularizers_and_constraints_reach_the_cell():
    layer = ck.LSTM(H, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5))
    layer.build((B, T, I))
    assert float(sum(layer.losses)) == pytest.approx(0.5 * 4 * H * I)
    np.testing.assert_array_equal(layer.cell.bias, [0] * H + [1] * H + [0] * 2 * H)


def model(kind, dtype="float64"):
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((T, I), dtype=dtype),
        keras.layers.Masking(dtype=dtype),
        kind(H, return_sequences=True, dropout=0.2, seed=3, dtype=dtype, name="first"),
        kind(H, dtype=dtype, name="second"),
        keras.layers.Dense(1, dtype=dtype),
    ]
    return keras.Sequential(layers)


def test_training_in_a_model_equals_keras():
    x, y = random(8, T, I), random(8, 1)
    x[:3, 3:] = 0  # masked
    ours, theirs = model(ck.LSTM), model(keras.layers.LSTM)
    ours.set_weights(theirs.get_weights())
    losses = []
    for each in (ours, theirs):
        keras.utils.set_random_seed(1)
        each.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
        losses.append(each.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0))
    close([losses[0].history["loss"]], [losses[1].history["loss"]])
    close(ours.get_weights(), theirs.get_weights())
    assert losses[0].history["loss"][1] != losses[0].history["loss"][0]


# Keras hands TensorFlow's variables to NumPy 2 in a way that NumPy 2 warns of.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_comes_back(tmp_path):
    first = model(ck.LSTM)
    x = random(2, T, I)
    first.save(tmp_path / "model.keras")
    # Without custom_objects: the classes are registered.
    second = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in second.layers] == [type(layer) for layer in first.layers]
    assert type(second.get_layer("first").cell) is ck.LSTMCell
    np.testing.assert_array_equal(second(x), first(x))

    first.save_weights(tmp_path / "ours.weights.h5")
    theirs = model(keras.layers.LSTM)
    theirs.load_weights(tmp_path / "ours.weights.h5")
    close([theirs(x)], [first(x)])


def test_compiled_by_xla_it_is_the_same():
    ours, _ = pair(return_sequences=True, unroll=True)
    x = tf.constant(random(B, T, I))
    close([tf.function(ours, jit_compile=True)(x)], [ours(x)])


def test_use_cudnn_is_refused():
    with pytest.raises(ValueError, match="use_cudnn is True, expected 'auto' or False"):
        ck.LSTM(H, use_cudnn=True)
    assert ck.LSTM(H).use_cudnn is False


def test_another_backend_of_keras():
    """The same numbers from Keras on PyTorch, which needs a process of its own."""
    code = """
import keras, numpy as np, companion.keras as ck, companion.numpy as cnp
from companion import interchange
assert keras.backend.backend() == "torch"
reference = cnp.LSTM(2, 4, rng=np.random.default_rng(0))
layer = ck.LSTM(4, return_sequences=True, dtype="float64")  # Keras rounds products to float32
interchange.load_parameters(layer, interchange.parameters_of(reference))
assert (interchange.parameters_of(layer)["U"] == reference.parameters["U"]).all()
x = np.random.default_rng(1).normal(size=(5, 3, 2))
outputs = layer(x.swapaxes(0, 1))
outputs.square().sum().backward()
run = reference.forward(x)
d = reference.backward(run, 2 * run.outputs).parameters["U"].reshape(16, 4).T
assert abs(outputs.detach().numpy().swapaxes(0, 1) - run.outputs).max() < 1e-6
assert abs(layer.cell.recurrent_kernel.value.grad.numpy() - d).max() < 1e-6
"""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = os.environ | {"KERAS_BACKEND": "torch", "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
