"""The family that these tests run over, and how NumPy's parameters become Keras' weights."""

import os
from dataclasses import dataclass, field

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import keras
import numpy as np

import companion.keras as ck
import companion.numpy as cnp

B, T, I, H = 3, 4, 2, 3  # noqa: E741


@dataclass(frozen=True)
class Member:
    """One layer: ours, Keras' (if it has it) and NumPy's, with the arguments that name it."""

    ours: type
    theirs: type | None
    reference: type
    arguments: dict = field(default_factory=dict)
    reference_arguments: dict = field(default_factory=dict)

    @property
    def gated(self):
        return self.ours is not ck.SimpleRNN

    @property
    def n_states(self):
        return len(self.ours.cell_class.state_names)

    def states(self, batch=B, units=H):
        return [random(batch, units, seed=7 + k) for k in range(self.n_states)]


FAMILY = {
    "SimpleRNN": Member(ck.SimpleRNN, keras.layers.SimpleRNN, cnp.RNN),
    "SimpleRNN-relu": Member(
        ck.SimpleRNN,
        keras.layers.SimpleRNN,
        cnp.RNN,
        {"activation": "relu"},
        {"activation": "relu"},
    ),
    "LSTM": Member(ck.LSTM, keras.layers.LSTM, cnp.LSTM),
    "PeepholeLSTM": Member(ck.PeepholeLSTM, None, cnp.PeepholeLSTM),
    "GRU": Member(ck.GRU, keras.layers.GRU, cnp.GRU, {}, {"reset_after": True}),
    "GRU-reset-before": Member(ck.GRU, keras.layers.GRU, cnp.GRU, {"reset_after": False}),
}
#: Those that Keras has too, one for each class and reset form.
IN_KERAS = {k: m for k, m in FAMILY.items() if m.theirs and k != "SimpleRNN-relu"}
#: One for each class.
CLASSES = {k: FAMILY[k] for k in ("SimpleRNN", "LSTM", "PeepholeLSTM", "GRU")}


def random(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def flat(results):
    return list(results) if isinstance(results, list | tuple) else [results]


def close(got, expected, tolerance=1e-10):
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def keras_arrays(member, parameters, gradients=False):
    """Return NumPy's parameters, or their gradients, as Keras' weights in Keras' order.

    Keras' z is 1 - NumPy's, so its weights and their gradients have the opposite sign. NumPy has
    one bias where Keras has two that are only ever added: the second is 0, and its gradient that
    of the first.
    """
    W, U, b = (parameters[name] for name in "WUb")
    if member.reference is cnp.GRU:
        sign, order = np.array([-1.0, 1.0, 1.0]), [1, 0, 2]  # r, z, n to z, r, n
        W, U, b = (np.einsum("g,g...->g...", sign, array[order]) for array in (W, U, b))
    arrays = [np.concatenate([gate.T for gate in array], axis=1) for array in (W, U)]
    arrays.append(b.ravel())
    if "V" in parameters:
        arrays.append(parameters["V"])
    if "b_u" in parameters:
        second = b.copy() if gradients else np.zeros_like(b)
        second[2] = parameters["b_u"]
        arrays[2] = np.stack([arrays[2], second.ravel()])
    return arrays


def with_gradients(layer, x, state=None, **keywords):
    """Every output, and every gradient of one loss, as a flat list."""
    import tensorflow as tf

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


def reference_with_gradients(reference, member, x, state, lengths):
    """Return the same from NumPy, batch-major, in the same order."""
    x = np.swapaxes(x, 0, 1)
    run = reference.forward(x, tuple(state) if len(state) > 1 else state[0], lengths)
    final = flat(run.state)
    outputs = run.outputs.swapaxes(0, 1)
    d_outputs, *d_state = (random(*p.shape, seed=k) for k, p in enumerate([outputs, *final]))
    d_state = tuple(d_state) if len(d_state) > 1 else d_state[0]
    gradients = reference.backward(run, d_outputs.swapaxes(0, 1), d_state)
    return [
        outputs,
        *final,
        gradients.x.swapaxes(0, 1),
        *flat(gradients.state),
        *keras_arrays(member, gradients.parameters, gradients=True),
    ]


def mask_of(lengths, n_steps):
    return None if lengths is None else np.arange(n_steps) < np.array(lengths)[:, None]
