"""Run every layer on the backend of Keras that KERAS_BACKEND names, against NumPy.

A program of its own, since a process has one backend: test_backends.py runs it.
"""

import os

import keras
import numpy as np

from tests.keras.family import CLASSES, FAMILY, H, I, T, keras_arrays, mask_of, random

BACKEND = os.environ["KERAS_BACKEND"]
LENGTHS = [T, 2, 0]


def gradients_of(layer, x, state, mask):
    """Return outputs, and gradients of their squares' sum by x, state and weights."""
    ops = keras.ops

    def loss_of(results):
        return sum(ops.sum(ops.square(part)) for part in results)

    if BACKEND == "tensorflow":
        import tensorflow as tf

        variables = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch([x, *state])
            results = layer(x, initial_state=state, mask=mask)
            loss = loss_of(results)
        return results, tape.gradient(loss, [x, *state, *variables])
    if BACKEND == "torch":
        for each in (x, *state):
            each.requires_grad_()
        results = layer(x, initial_state=state, mask=mask)
        loss_of(results).backward()
        weights = [variable.value for variable in layer.trainable_variables]
        return results, [each.grad for each in (x, *state, *weights)]
    if BACKEND == "jax":
        import jax

        def run(weights, x, state):
            others = layer.non_trainable_variables
            results, _ = layer.stateless_call(weights, others, x, initial_state=state, mask=mask)
            return loss_of(results), results

        weights = [variable.value for variable in layer.trainable_variables]
        (_, results), gradients = jax.jit(jax.value_and_grad(run, (0, 1, 2), has_aux=True))(
            weights, x, state
        )
        return results, [gradients[1], *gradients[2], *gradients[0]]
    raise ValueError(f"KERAS_BACKEND is {BACKEND!r}, which this program does not know")


def check(member, dtype, tolerance):
    reference = member.reference(I, H, rng=np.random.default_rng(0), **member.reference_arguments)
    layer = member.ours(
        H,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        dtype=dtype,
        **member.arguments,
    )
    layer.build((3, T, I))
    layer.set_weights(keras_arrays(member, reference.parameters))
    x, state = random(3, T, I), member.states(3)
    tensors = [keras.ops.convert_to_tensor(part, dtype=dtype) for part in (x, *state)]
    mask = keras.ops.convert_to_tensor(mask_of(LENGTHS, T))
    results, gradients = gradients_of(layer, tensors[0], tensors[1:], mask)

    run = reference.forward(x.swapaxes(0, 1), tuple(state) if len(state) > 1 else state[0], LENGTHS)
    final = run.state if len(state) > 1 else (run.state,)
    d_state = tuple(2 * part for part in final)
    expected = reference.backward(run, 2 * run.outputs, d_state if len(state) > 1 else d_state[0])
    expected = [
        run.outputs.swapaxes(0, 1),
        *final,
        expected.x.swapaxes(0, 1),
        *(expected.state if len(state) > 1 else [expected.state]),
        *keras_arrays(member, expected.parameters, gradients=True),
    ]
    got = [keras.ops.convert_to_numpy(part) for part in (*results, *gradients)]
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.dtype == dtype, f"{ours.dtype} is not {dtype}"
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def check_the_rest(member):
    """Dropout, state and both directions together; half precision."""
    x, mask = random(3, T, I), keras.ops.convert_to_tensor(mask_of(LENGTHS, T))
    settings = {"dropout": 0.3, "recurrent_dropout": 0.3, "stateful": True}
    settings["bias_initializer"] = "ones"  # were all of x dropped, a state is still not 0
    both = keras.layers.Bidirectional(member.ours(H, **settings, **member.arguments))
    assert np.isfinite(numbers(both(x, mask=mask, training=True))).all()
    for state in (*both.forward_layer.states, *both.backward_layer.states):
        assert (numbers(state) != 0).any(axis=1).tolist() == [True, True, False]
    outputs = member.ours(H, dtype="mixed_bfloat16", **member.arguments)(x, mask=mask)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert np.isfinite(numbers(outputs)).all()


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


if __name__ == "__main__":
    assert keras.backend.backend() == BACKEND
    for name, member in FAMILY.items():
        check(member, "float64", 1e-10)
        if name in CLASSES:
            check(member, "float32", 1e-6)
            check_the_rest(member)
        print(name)
