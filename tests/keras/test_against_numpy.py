"""Our Keras layers against NumPy's: forward, every gradient, sequences of unequal length."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import companion.keras as ck
from tests.keras.family import (
    FAMILY,
    B,
    H,
    I,
    T,
    close,
    keras_arrays,
    mask_of,
    random,
    reference_with_gradients,
    with_gradients,
)


def check_equal(member, sizes, lengths, seed=0, **arguments):
    n_steps, batch, input_size, units = sizes
    rng = np.random.default_rng(seed)
    reference = member.reference(input_size, units, rng=rng, **member.reference_arguments)
    arguments = {"return_sequences": True, "return_state": True} | member.arguments | arguments
    layer = member.ours(units, zero_output_for_mask=True, dtype="float64", **arguments)
    layer.build((batch, n_steps, input_size))
    layer.set_weights(keras_arrays(member, reference.parameters))
    x, state = random(batch, n_steps, input_size), member.states(batch, units)
    close(
        with_gradients(layer, x, state, mask=mask_of(lengths, n_steps)),
        reference_with_gradients(reference, member, x, state, lengths),
    )


@pytest.fixture(params=FAMILY.values(), ids=FAMILY)
def member(request):
    return request.param


@pytest.mark.parametrize("lengths", [None, [4, 2, 1], [0, 4, 3]], ids=str)
@pytest.mark.parametrize("arguments", [{}, {"unroll": True}], ids=str)
def test_forward_and_backward(member, lengths, arguments):
    check_equal(member, (T, B, I, H), lengths, **arguments)


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_sizes_and_lengths(name, data):
    # Unrolled: Keras' loop on TensorFlow takes ten times as long, and is tested above.
    sizes = [data.draw(st.integers(1, 4), label=size) for size in "TBIH"]
    n_steps, batch = sizes[:2]
    lengths = st.lists(st.integers(0, n_steps), min_size=batch, max_size=batch)
    check_equal(
        FAMILY[name],
        sizes,
        data.draw(st.none() | lengths, label="lengths"),
        data.draw(st.integers(0, 9), label="seed"),
        unroll=True,
    )


def test_go_backwards_is_the_reverse_direction(member):
    """As in NumPy's Bidirectional, but with the outputs in the order in which they were made."""
    reference = member.reference(I, H, **member.reference_arguments)
    arguments = member.arguments | {"dtype": "float64"}
    layer = member.ours(H, go_backwards=True, return_sequences=True, **arguments)
    layer.build((B, T, I))
    layer.set_weights(keras_arrays(member, reference.parameters))
    x = random(B, T, I)
    run = reference.forward(x.swapaxes(0, 1)[::-1].copy())
    close([layer(x)], [run.outputs.swapaxes(0, 1)])


def test_peepholes_of_zero_are_none():
    arguments = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    with_peepholes, without = ck.PeepholeLSTM(H, **arguments), ck.LSTM(H, **arguments)
    for layer in (with_peepholes, without):
        layer.build((B, T, I))
        for k, weight in enumerate(layer.weights[:3]):
            weight.assign(random(*weight.shape, seed=k))
    with_peepholes.cell.peephole_kernel.assign(np.zeros((3, H)))
    x, state = random(B, T, I), [random(B, H, seed=7), random(B, H, seed=8)]
    *equal, d_V = with_gradients(with_peepholes, x, state)
    close(equal, with_gradients(without, x, state))
    assert np.abs(d_V).min() > 0  # they learn from there


@pytest.mark.parametrize("implementation", [1, 2])
def test_peepholes_under_dropout_are_those_of_the_lstm(implementation):
    """Dropout acts on x and h; c, which the peepholes read, is whole."""
    arguments = {"dropout": 0.3, "seed": 2, "dtype": "float64", "implementation": implementation}
    outputs = []
    for kind in (ck.PeepholeLSTM, ck.LSTM):
        layer = kind(
            H, **arguments, **({} if kind is ck.LSTM else {"peephole_initializer": "zeros"})
        )
        layer.build((B, T, I))
        for k, weight in enumerate(layer.weights[:3]):
            weight.assign(random(*weight.shape, seed=k))
        outputs.append([layer(random(B, T, I), training=True)])
    close(*outputs)


def test_dropout_of_everything_leaves_the_bias(member):
    """With 1.0 nothing of x is seen: outputs are those for x = 0."""
    layer = member.ours(H, dropout=1.0, dtype="float64", **member.arguments)
    x = random(B, T, I)
    layer(x)
    layer.cell.bias.assign(random(*layer.cell.bias.shape))
    close([layer(x, training=True)], [layer(0 * x)])
    assert np.abs(layer(x) - layer(0 * x)).max() > 0.001


def test_nan_spreads_to_the_outputs_of_its_sequence(member):
    layer = member.ours(H, return_sequences=True, dtype="float64", **member.arguments)
    x = random(B, T, I)
    x[1, 1, 0] = np.nan
    outputs = keras.ops.convert_to_numpy(layer(x))
    assert np.isnan(outputs[1, 1:]).all()
    assert np.isfinite(outputs[[0, 2]]).all() and np.isfinite(outputs[1, 0]).all()
