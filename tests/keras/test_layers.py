"""Each Keras layer as a layer like any other: saving, symbols, what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import companion.keras as ck
from tests.keras.family import CLASSES, FAMILY, B, H, I, T, close, flat, random


@pytest.fixture(params=CLASSES.values(), ids=CLASSES)
def member(request):
    return request.param


def built(member, **arguments):
    layer = member.ours(H, **({"dtype": "float64"} | arguments))
    layer.build((B, T, I))
    for k, weight in enumerate(layer.trainable_weights):
        weight.assign(random(*weight.shape, seed=k))
    return layer


# Weights, arguments, configuration


def test_only_one_cell_is_tracked(member):
    layer = member.ours(H, dropout=0.5)
    layer.build((B, T, I))
    cells = list(layer._flatten_layers(include_self=False))
    assert cells == [layer.cell]
    assert type(layer.cell) is member.ours.cell_class
    trainable = 4 if member.ours is ck.PeepholeLSTM else 3
    assert len(layer.weights) == len(layer.trainable_weights) == trainable
    assert len(layer.variables) == trainable + 1  # the seed's state


def test_positional_arguments_have_the_order_of_keras(member):
    layer = member.ours(H, "relu", "hard_sigmoid") if member.gated else member.ours(H, "relu")
    assert layer.cell.activation is keras.activations.relu
    if member.gated:
        assert layer.cell.recurrent_activation is keras.activations.hard_sigmoid


def test_config_comes_back(member):
    arguments = {"dropout": 0.1, "seed": 5, "return_state": True, "dtype": "mixed_bfloat16"}
    if member.gated:
        arguments |= {"implementation": 1}
    if member.ours is ck.PeepholeLSTM:
        arguments |= {
            "peephole_initializer": "he_normal",
            "peephole_regularizer": keras.regularizers.L2(0.5),
            "peephole_constraint": keras.constraints.MaxNorm(1.0),
        }
    first = member.ours(H, **arguments)
    for one in (first, first.cell):
        config = one.get_config()
        for name in arguments.keys() - {"dtype", "return_state"}:
            assert name in config
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(one))
        assert type(again) is type(one)
        assert again.get_config() == config
    cell = member.ours.from_config(first.get_config()).cell
    assert cell.get_config() == first.cell.get_config()
    if member.gated:
        assert cell.implementation == 1 and len(cell.get_dropout_mask(np.ones((B, I)))) > 1


def test_initializers_regularizers_and_constraints_reach_the_weights(member):
    names = ["kernel", "recurrent", "bias"]
    if member.ours is ck.PeepholeLSTM:
        names.append("peephole")
    arguments = {f"{name}_initializer": keras.initializers.Constant(2.0) for name in names}
    arguments |= {f"{name}_regularizer": keras.regularizers.L1(1.0) for name in names}
    arguments |= {f"{name}_constraint": "non_neg" for name in names}
    if member.ours in (ck.LSTM, ck.PeepholeLSTM):
        arguments["unit_forget_bias"] = False
    layer = member.ours(H, **arguments)
    for name in names:
        for what in ("initializer", "regularizer", "constraint"):
            assert getattr(layer, f"{name}_{what}") is getattr(layer.cell, f"{name}_{what}")
    layer.build((B, T, I))
    assert len(layer.losses) == len(names)
    assert float(sum(layer.losses)) == pytest.approx(2.0 * layer.count_params())
    assert all(weight.constraint is not None for weight in layer.weights)


def test_the_forget_gate_starts_open():
    for kind in (ck.LSTM, ck.PeepholeLSTM):
        layer = kind(H)
        layer.build((B, T, I))
        np.testing.assert_array_equal(layer.cell.bias, [0] * H + [1] * H + [0] * 2 * H)


def test_the_outputs_can_be_regularized(member):
    layer = built(member, activity_regularizer=keras.regularizers.L1(1.0))
    outputs = layer(random(B, T, I))
    assert float(layer.losses[0]) == pytest.approx(np.abs(outputs).sum() / B)


# In models


def model(member):
    arguments = member.arguments | {"dtype": "float64"}
    inputs = keras.Input((None, I), dtype="float64")
    x = keras.layers.Masking(dtype="float64")(inputs)
    first = member.ours(H, return_sequences=True, return_state=True, name="first", **arguments)
    x, *state = first(x)
    both = keras.layers.Bidirectional(
        member.ours(H, return_sequences=True, **arguments), dtype="float64"
    )
    x = both(x)
    x = member.ours(H, name="last", **arguments)(x, initial_state=state)
    cells = [member.ours.cell_class(H, **arguments) for _ in range(2)]
    cells = keras.layers.StackedRNNCells(cells, dtype="float64")
    stacked = keras.layers.RNN(cells, dtype="float64")
    return keras.Model(inputs, [x, stacked(both(first.output[0]))])


# Keras hands TensorFlow's variables to NumPy 2 in a way that NumPy 2 warns of.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", FAMILY)
def test_a_saved_model_comes_back(name, tmp_path):
    first = model(FAMILY[name])
    x = random(B, T, I)
    x[0, 2:] = 0  # masked
    first.save(tmp_path / "model.keras")
    # Without custom_objects: the classes are registered.
    second = keras.models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in second.layers] == [type(layer) for layer in first.layers]
    assert type(second.get_layer("first").cell) is FAMILY[name].ours.cell_class
    for ours, theirs in zip(second(x), first(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_symbolic_shapes(member):
    layer = member.ours(H, return_sequences=True, return_state=True)
    outputs, *states = layer(
        keras.Input((None, I)), initial_state=[keras.Input((H,)) for _ in range(member.n_states)]
    )
    assert outputs.shape == (None, None, H)
    assert [state.shape for state in states] == [(None, H)] * member.n_states
    outputs, states = member.ours.cell_class(H)(
        keras.Input((I,)), [keras.Input((H,)) for _ in range(member.n_states)]
    )
    assert [each.shape for each in (outputs, *states)] == [(None, H)] * (member.n_states + 1)


def test_a_mask_travels_on(member):
    x = random(B, T, I)
    x[0, 2:] = 0
    masked = keras.layers.Masking(dtype="float64")(x)
    outputs, *states = built(member, return_sequences=True, return_state=True)(masked)
    np.testing.assert_array_equal(outputs._keras_mask, masked._keras_mask)
    last = built(member)(masked)
    close([last, last], [outputs[:, -1], states[0]])
    close([outputs[0, 1]], [outputs[0, -1]])


def test_compiled_it_is_the_same(member):
    layer = built(member, return_sequences=True, unroll=True)
    x = tf.constant(random(B, T, I))
    close([tf.function(layer, jit_compile=True)(x)], [layer(x)])
    free = tf.TensorSpec((None, None, I), tf.float64)
    rolled = built(member, return_sequences=True)
    close([tf.function(rolled, input_signature=[free])(x)], [layer(x)])


# What is refused


def refused(error, message, call):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_wrong_arguments(member):
    for kind in (member.ours, member.ours.cell_class):
        for units in (0, -1, 2.0, "3", None, True):
            words = f"units is {units!r}, expected a whole number of at least 1"
            refused(ValueError, words, lambda k=kind, u=units: k(u))
        for name in ("dropout", "recurrent_dropout"):
            for rate in (-0.1, 1.1, float("nan")):
                words = f"{name} is {rate!r}, expected a probability from 0 to 1"
                refused(ValueError, words, lambda k=kind, a={name: rate}: k(H, **a))
            for rate in ("0.5", None, True):
                words = f"{name} is {rate!r}, expected a number"
                refused(TypeError, words, lambda k=kind, a={name: rate}: k(H, **a))
        with pytest.raises(ValueError, match="Unrecognized keyword"):
            kind(H, unit=3)
    with pytest.raises(ValueError, match="dropout is 1.5"):  # by position
        member.ours.cell_class(H, *["tanh"] * (1 + member.gated), True, *[None] * 3, dropout=1.5)
    assert type(member.ours(np.int64(H)).units) is int
    for use_cudnn in (True, "yes"):
        with pytest.raises(ValueError, match=f"use_cudnn is {use_cudnn!r}, expected 'auto' or Fa"):
            member.ours(H, use_cudnn=use_cudnn)
    assert member.ours(H, use_cudnn="auto").use_cudnn is False


@pytest.mark.parametrize(
    "shape, message",
    [
        ((B, I), f"(3, 2), expected (B, T, {I})"),
        ((B, T, I, 1), f"(3, 4, 2, 1), expected (B, T, {I})"),
        ((B, T, I + 1), f"(3, 4, 3), expected (B, T, {I})"),
    ],
)
def test_sequences_of_the_wrong_shape(member, shape, message):
    message = f"sequences has shape {message}"
    symbol, symbolic = keras.Input(shape[1:]), message.replace("(3, ", "(None, ", 1)
    refused(ValueError, message, lambda: built(member)(np.ones(shape)))
    refused(ValueError, symbolic, lambda: built(member)(symbol))
    if shape != (B, T, I + 1):
        fresh = member.ours(H)
        refused(ValueError, message.replace(f"T, {I})", "T, I)"), lambda: fresh(np.ones(shape)))
        assert not fresh.built


def test_bidirectional_knows_that_sequences_have_three_axes(member):
    layer = keras.layers.Bidirectional(member.ours(H))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layer(np.ones((B, I)))


def test_no_steps(member):
    words = "sequences has 0 steps, expected at least 1"
    refused(ValueError, words, lambda: built(member)(np.ones((B, 0, I))))


def test_a_wrong_shape_to_build_for(member):
    message = "sequences has shape (3, 2), expected (B, T, I)"
    refused(ValueError, message, lambda: member.ours(H).build((B, I)))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "complex128", "<U32", "object"])
def test_what_is_not_of_floats(member, dtype):
    layer, x = built(member), np.ones((B, T, I))
    words = f"has dtype {dtype}, expected float64"
    refused(TypeError, f"sequences {words}", lambda: layer(x.astype(dtype)))
    state = [s.astype(dtype) for s in member.states()]
    refused(TypeError, f"initial_state[0] {words}", lambda: layer(x, initial_state=state))
    refused(TypeError, f"inputs {words}", lambda: layer.cell(x[:, 0].astype(dtype), state))
    refused(TypeError, f"states[0] {words}", lambda: layer.cell(x[:, 0], state))


def test_what_is_no_array(member):
    layer = built(member)
    words = f"expected an array of shape (B, T, {I})"
    for value, is_what in [([[1.0]], "a list of 1"), (1.0, "float"), (None, "NoneType")]:
        refused(TypeError, f"sequences is {is_what}, {words}", lambda v=value: layer(v))
    x = np.ones((B, T, I))
    mask = np.ones((B, T), bool).tolist()
    words = "mask is a list of 4, expected an array of shape (3, 4)"
    refused(TypeError, words, lambda: layer(x, mask=mask))
    state = [None] * member.n_states
    words = "initial_state[0] is NoneType, expected an array of shape (3, 3)"
    refused(TypeError, words, lambda: layer(x, initial_state=state))


def test_states_of_the_wrong_form(member):
    layer, x = built(member), np.ones((B, T, I))
    names = ", ".join(member.ours.cell_class.state_names)
    for count in {0, 1, 2, 3} - {member.n_states}:
        state = [np.ones((B, H))] * count
        words = f"is a list of {count}, expected a tuple ({names})"
        refused(TypeError, f"initial_state {words}", lambda s=state: layer(x, initial_state=s))
        refused(TypeError, f"states {words}", lambda s=state: layer.cell(x[:, 0], s))
    for shape in [(B, H + 1), (1, H), (H,)]:
        state = [*member.states()[1:], np.ones(shape)]
        words = f"[{member.n_states - 1}] has shape {shape}, expected (3, 3)"
        refused(ValueError, f"initial_state{words}", lambda s=state: layer(x, initial_state=s))
        refused(ValueError, f"states{words}", lambda s=state: layer.cell(x[:, 0], s))
    if member.n_states == 1:
        words = "initial_state has shape (3, 4), expected (3, 3)"
        refused(ValueError, words, lambda: layer(x, initial_state=np.ones((B, H + 1))))
    else:
        words = "initial_state is an array of shape (3, 3), expected a tuple (h, c)"
        refused(TypeError, words, lambda: layer(x, initial_state=np.ones((B, H))))
    symbols = [keras.Input((H + 1,)) for _ in range(member.n_states)]
    words = "initial_state[0] has shape (None, 4), expected (B, 3)"
    symbol = keras.Input((T, I))
    refused(ValueError, words, lambda: layer(symbol, initial_state=symbols))


def test_masks_of_the_wrong_shape(member):
    layer, x = built(member), np.ones((B, T, I))
    for shape in [(B, T + 1), (B + 1, T), (B, T, 1), (T,)]:
        words = f"mask has shape {shape}, expected (3, 4)"
        refused(ValueError, words, lambda s=shape: layer(x, mask=np.ones(s, bool)))
    mask = np.arange(T) < np.array([[1], [2], [3]])
    close([layer(x, mask=[mask, None])], [layer(x, mask=mask)])  # as Keras' compute_mask returns


def test_a_batch_of_another_size_for_a_stateful_layer(member):
    layer = built(member, stateful=True)
    words = "sequences has shape (2, 4, 2), expected (3, T, 2)"
    refused(ValueError, words, lambda: layer(np.ones((2, T, I))))


def test_inputs_of_the_wrong_shape_for_a_cell(member):
    cell = built(member).cell
    for shape in [(B, I + 1), (B, T, I), (I,)]:
        words = f"inputs has shape {shape}, expected (B, {I})"
        refused(ValueError, words, lambda s=shape: cell(np.ones(s), member.states()))


def test_a_batch_of_none(member):
    outputs = built(member, return_sequences=True, return_state=True)(np.ones((0, T, I)))
    assert [each.shape for each in flat(outputs)] == [(0, T, H)] + [(0, H)] * member.n_states
