"""Our layers against ``keras.layers``: the same numbers, gradients, dropout and training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import companion.keras as ck
from tests.keras.family import IN_KERAS, B, H, I, T, close, flat, random, with_gradients

MASKS = {
    "at the end": [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]],
    "in the middle": [[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]],
    "everywhere": [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]],
}


@pytest.fixture(params=IN_KERAS.values(), ids=IN_KERAS)
def member(request):
    return request.param


def pair(member, **arguments):
    """Our layer and Keras', built, with the same weights, none of them 0."""
    arguments = {"dtype": "float64"} | member.arguments | arguments
    layers = [member.ours(H, **arguments), member.theirs(H, **arguments)]
    for layer in layers:
        layer.build((B, T, I))
        # What is not trainable, the seeds of dropout, stays as it is.
        for k, weight in enumerate(layer.trainable_weights):
            weight.assign(random(*weight.shape, seed=k))
    return layers


def gated_only(member, arguments):
    if not member.gated and {"implementation", "recurrent_activation"} & set(arguments):
        pytest.skip("an argument that a SimpleRNN does not have")


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
        {"return_sequences": True, "activation": "relu"},
        {"return_sequences": True, "recurrent_activation": "hard_sigmoid"},
    ],
    ids=str,
)
@pytest.mark.parametrize("with_state", [False, True], ids=["from zero", "from a state"])
def test_numbers_and_gradients(member, arguments, with_state):
    gated_only(member, arguments)
    ours, theirs = pair(member, **arguments)
    state = member.states() if with_state else None
    x = random(B, T, I)
    close(with_gradients(ours, x, state), with_gradients(theirs, x, state))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize(
    "arguments",
    [{}, {"go_backwards": True}, {"zero_output_for_mask": True}, {"unroll": True}],
    ids=str,
)
def test_under_a_mask(member, mask, arguments):
    ours, theirs = pair(member, return_sequences=True, return_state=True, **arguments)
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
    ids=str,
)
def test_dropout_number_by_number(member, arguments):
    gated_only(member, arguments)
    ours, theirs = pair(member, return_sequences=True, seed=11, **arguments)
    x = random(B, T, I)
    for _ in range(2):  # the seed moves on from call to call
        close(with_gradients(ours, x, training=True), with_gradients(theirs, x, training=True))
    close([ours(x, training=False)], [theirs(x, training=False)])
    assert np.abs(ours(x, training=True) - ours(x, training=False)).max() > 0.01


def test_stateful_layers_carry_on_and_reset(member):
    ours, theirs = pair(member, stateful=True, return_sequences=True)
    x = random(B, T, I)
    first, second = ours(x).numpy(), ours(x).numpy()
    close([first, second], [theirs(x), theirs(x)])
    assert np.abs(first - second).max() > 0.01
    ours.reset_state()
    close([ours(x)], [first])


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_bidirectional(member, merge_mode):
    results = []
    mask = np.array(MASKS["at the end"], bool)
    for kind in (member.ours, member.theirs):
        arguments = member.arguments | {"dtype": "float64"}
        inner = kind(H, return_sequences=True, return_state=True, **arguments)
        layer = keras.layers.Bidirectional(inner, merge_mode=merge_mode, dtype="float64")
        layer.build((B, T, I))
        layer.set_weights([random(*w.shape, seed=k) for k, w in enumerate(layer.weights)])
        assert type(layer.backward_layer) is kind
        x, states = random(B, T, I), member.states() + member.states()
        results.append([*flat(layer(x, mask=mask)), *flat(layer(x, initial_state=states))])
    close(*([r for result in each for r in flat(result)] for each in results))


def test_float32_is_the_default_and_equals_keras_to_round_off(member):
    ours, theirs = pair(member, dtype=None)
    x = random(B, T, I).astype("float32")
    assert ours(x).dtype == tf.float32
    close([ours(x)], [theirs(x)], 1e-6)


def test_floats_of_another_width_are_cast(member):
    ours, theirs = pair(member, dtype="float32")
    for width in ("float16", "float64"):
        x, state = random(B, T, I).astype(width), [s.astype(width) for s in member.states()]
        assert ours(x, initial_state=state).dtype == tf.float32
        close([ours(x, initial_state=state)], [theirs(x, initial_state=state)], 1e-6)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(member, dtype):
    ours, theirs = pair(member, dtype=dtype, return_sequences=True)
    x = random(B, T, I)
    outputs, expected = ours(x), theirs(x)
    assert outputs.dtype == expected.dtype == dtype.removeprefix("mixed_")
    assert ours.cell.kernel.dtype == "float32"
    close(*([tf.cast(each, "float32")] for each in (outputs, expected)), 0.05)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_cell_alone(member, activation):
    arguments = {"dtype": "float64", "activation": activation} | member.arguments
    ours = member.ours.cell_class(H, **arguments)
    theirs = getattr(keras.layers, member.ours.cell_class.__name__)(H, **arguments)
    for cell in (ours, theirs):
        cell.build((B, I))
        cell.set_weights([random(*w.shape, seed=k) for k, w in enumerate(cell.get_weights())])
    forms = [member.states()]
    if member.n_states == 1:
        forms.append(*member.states())  # h itself comes back as h itself
    for state in forms:
        (h, states), (expected, expected_states) = (c(random(B, I), state) for c in (ours, theirs))
        assert type(states) is type(expected_states)
        close([h, *flat(states)], [expected, *flat(expected_states)])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_cells_stacked_inside_keras_own_rnn(member, dropout):
    results = []
    x = random(B, T, I)
    name = member.ours.cell_class.__name__
    for module in (ck, keras.layers):
        cells = [
            getattr(module, name)(H + k, dropout=dropout, seed=k, dtype="float64") for k in range(2)
        ]
        layer = keras.layers.RNN(cells, return_state=True, dtype="float64")
        layer.build((B, T, I))
        for k, weight in enumerate(layer.trainable_weights):
            weight.assign(random(*weight.shape, seed=k))
        outputs, *states = layer(x, training=True)
        results.append([outputs, *(part for state in states for part in flat(state))])
        again = keras.layers.RNN.from_config(layer.get_config())
        assert [type(cell) for cell in again.cell.cells] == [type(cell) for cell in cells]
    close(*results)


def test_the_same_seed_gives_the_same_initial_weights(member):
    drawn = []
    for kind in (member.ours, member.theirs):
        keras.utils.set_random_seed(3)
        for _ in range(2):
            layer = kind(H, dropout=0.5, **member.arguments)
            layer.build((B, T, I))
        drawn.append(layer.get_weights())
    for ours, theirs in zip(*drawn, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def model(member, kind):
    keras.utils.set_random_seed(0)
    arguments = member.arguments | {"dtype": "float64"}
    layers = [
        keras.Input((T, I), dtype="float64"),
        keras.layers.Masking(dtype="float64"),
        kind(H, return_sequences=True, dropout=0.2, seed=3, name="first", **arguments),
        kind(H, name="second", **arguments),
        keras.layers.Dense(1, dtype="float64"),
    ]
    return keras.Sequential(layers)


def test_training_in_a_model(member):
    x, y = random(8, T, I), random(8, 1)
    x[:3, 2:] = 0  # masked
    ours, theirs = model(member, member.ours), model(member, member.theirs)
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
def test_weight_files_go_both_ways(member, tmp_path):
    path = tmp_path / "both.weights.h5"
    x = random(B, T, I)
    for one, other in [(member.ours, member.theirs), (member.theirs, member.ours)]:
        writer, reader = model(member, one), model(member, other)
        writer.set_weights([random(*w.shape, seed=k) for k, w in enumerate(writer.get_weights())])
        assert np.abs(reader(x) - writer(x)).max() > 0.01
        writer.save_weights(path)
        reader.load_weights(path)
        close([reader(x)], [writer(x)])


def test_weights_have_the_names_and_shapes_of_keras(member):
    ours, theirs = pair(member, dropout=0.5)
    for kind in ("weights", "trainable_weights", "variables", "non_trainable_variables"):
        assert [(w.path.split("/")[1:], w.shape) for w in getattr(ours, kind)] == [
            (w.path.split("/")[1:], w.shape) for w in getattr(theirs, kind)
        ]
    assert ours.count_params() == theirs.count_params()


def test_config_is_that_of_keras(member):
    arguments = {
        "units": H,
        "kernel_initializer": "he_normal",
        "kernel_regularizer": keras.regularizers.L2(0.01),
        "bias_constraint": keras.constraints.MaxNorm(1.0),
        "dropout": 0.1,
        "recurrent_dropout": 0.2,
        "return_sequences": True,
        "go_backwards": True,
        "zero_output_for_mask": True,
        "seed": 5,
        "trainable": False,
        "dtype": "float64",
        "name": "memory",
    }
    gated = {"recurrent_activation": "hard_sigmoid"} if member.gated else {}
    if member.ours is ck.LSTM:
        gated["unit_forget_bias"] = False
    arguments |= gated | member.arguments
    ours, theirs = member.ours(**arguments), member.theirs(**arguments)
    more = {"implementation": 1} if member.gated else {"seed": 5}  # what Keras leaves out
    assert ours.get_config() == theirs.get_config() | more
    assert ours.cell.get_config() == theirs.cell.get_config() | more
    # Either takes the other's.
    assert member.theirs.from_config(ours.get_config()).get_config() == theirs.get_config()
    assert member.ours.from_config(theirs.get_config()).units == H
