"""The NumPy LSTM against scalar arithmetic and central differences, and what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import companion.numpy as cnp

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
SHORT = settings(database=None, deadline=None, derandomize=True, max_examples=25)


def problem(T=5, B=3, I=2, H=4, seed=0, dtype=np.float64, scale=1.0):  # noqa: E741
    """A layer with weights large enough to be nonlinear, an input and an initial state."""
    rng = np.random.default_rng(seed)
    layer = cnp.LSTM(I, H, dtype)
    layer.parameters = {
        name: scale * rng.normal(size=shape) for name, shape in layer.shapes.items()
    }
    x = rng.normal(size=(T, B, I)).astype(dtype)
    state = tuple(rng.normal(size=(B, H)).astype(dtype) for _ in "hc")
    return layer, x, state, rng


def scalar_lstm(parameters, x, h, c):
    """One sequence with Python floats and a loop for every index: nothing shared with NumPy."""
    W, U, b = (parameters[name].tolist() for name in "WUb")
    x, h, c = x.tolist(), h.tolist(), c.tolist()
    outputs = []
    for x_t in x:
        a = [
            [
                b[k][n]
                + sum(W[k][n][j] * x_t[j] for j in range(len(x_t)))
                + sum(U[k][n][m] * h[m] for m in range(len(h)))
                for n in range(len(h))
            ]
            for k in range(4)
        ]
        i, f, o = ([1 / (1 + math.exp(-value)) for value in a[k]] for k in (0, 1, 3))
        g = [math.tanh(value) for value in a[2]]
        c = [f[n] * c[n] + i[n] * g[n] for n in range(len(h))]
        h = [o[n] * math.tanh(c[n]) for n in range(len(h))]
        outputs.append(h)
    return outputs, h, c


# Forward


@SHORT
@given(SIZES, st.integers(0, 99))
def test_forward_is_the_six_equations(sizes, seed):
    layer, x, (h_0, c_0), _ = problem(*sizes, seed=seed)
    run = layer.forward(x, (h_0, c_0))
    for n in range(x.shape[1]):
        outputs, h, c = scalar_lstm(layer.parameters, x[:, n], h_0[n], c_0[n])
        np.testing.assert_allclose(run.outputs[:, n], outputs, rtol=0, atol=1e-13)
        np.testing.assert_allclose(run.state[0][n], h, rtol=0, atol=1e-13)
        np.testing.assert_allclose(run.state[1][n], c, rtol=0, atol=1e-13)


def test_without_a_state_it_starts_from_zeros():
    layer, x, (h_0, c_0), _ = problem()
    started = layer.forward(x, (np.zeros_like(h_0), np.zeros_like(c_0)))
    np.testing.assert_array_equal(layer.forward(x).outputs, started.outputs)


def test_a_run_records_every_gate_and_state():
    layer, x, (h_0, c_0), _ = problem()
    run = layer.forward(x, (h_0, c_0))
    i, f, g, o = (run.gates[name] for name in "ifgo")
    h, c = run.states["h"], run.states["c"]
    np.testing.assert_array_equal(h[0], h_0)
    np.testing.assert_array_equal(c[0], c_0)
    W, U, b = (layer.parameters[name] for name in "WUb")
    for k, gate in enumerate([i, f, g, o]):
        squash = np.tanh if gate is g else cnp.sigmoid
        expected = squash(x @ W[k].T + h[:-1] @ U[k].T + b[k])
        np.testing.assert_allclose(gate, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(c[1:], f * c[:-1] + i * g, rtol=0, atol=1e-14)
    np.testing.assert_allclose(run.outputs, o * np.tanh(c[1:]), rtol=0, atol=1e-14)


def test_a_sequence_can_be_cut_and_carried_on():
    layer, x, state, rng = problem(T=7)
    whole = layer.forward(x, state)
    first = layer.forward(x[:3], state)
    second = layer.forward(x[3:], first.state)
    np.testing.assert_allclose(
        np.concatenate([first.outputs, second.outputs]), whole.outputs, rtol=0, atol=1e-14
    )

    d_outputs = rng.normal(size=whole.outputs.shape)
    d_whole = layer.backward(whole, d_outputs)
    d_second = layer.backward(second, d_outputs[3:])
    d_first = layer.backward(first, d_outputs[:3], d_second.state)
    np.testing.assert_allclose(d_first.state, d_whole.state, rtol=0, atol=1e-12)
    for name, d in d_whole.parameters.items():
        parts = d_first.parameters[name] + d_second.parameters[name]
        np.testing.assert_allclose(parts, d, rtol=0, atol=1e-12)


@pytest.mark.parametrize("T, B", [(0, 2), (3, 0), (0, 0), (1, 1)])
def test_few_steps_or_sequences(T, B):
    layer, x, state, _ = problem(T, B, 1, 1)
    run = layer.forward(x, state)
    gradients = layer.backward(run, np.ones((T, B, 1)), state)
    assert run.outputs.shape == gradients.x.shape == (T, B, 1)
    if T == 0:
        np.testing.assert_array_equal(run.state, state)
        np.testing.assert_array_equal(gradients.state, state)


# Backward


@SHORT
@given(SIZES, st.integers(0, 99), st.data())
def test_every_gradient_agrees_with_central_differences(sizes, seed, data):
    layer, x, (h_0, c_0), rng = problem(*sizes, seed=seed, scale=0.7)
    T, B, _, H = sizes
    per_sequence = st.lists(st.integers(0, T), min_size=B, max_size=B)
    lengths = data.draw(st.none() | per_sequence, label="lengths")
    d_outputs = rng.normal(size=(T, B, H))
    d_state = tuple(rng.normal(size=(B, H)) for _ in "hc")

    def loss():
        run = layer.forward(x, (h_0, c_0), lengths)
        state = sum((d * part).sum() for d, part in zip(d_state, run.state, strict=True))
        return float((d_outputs * run.outputs).sum() + state)

    gradients = layer.backward(layer.forward(x, (h_0, c_0), lengths), d_outputs, d_state)
    report = cnp.gradient_check(
        loss,
        {"x": x, "h_0": h_0, "c_0": c_0, **layer.parameters},
        {
            "x": gradients.x,
            "h_0": gradients.state[0],
            "c_0": gradients.state[1],
            **gradients.parameters,
        },
    )
    assert report.worst < 1e-7, report.relative


def test_without_d_state_nothing_comes_from_behind():
    layer, x, state, rng = problem()
    run = layer.forward(x, state)
    d_outputs = rng.normal(size=run.outputs.shape)
    zeros = tuple(np.zeros_like(part) for part in run.state)
    without, with_zeros = layer.backward(run, d_outputs), layer.backward(run, d_outputs, zeros)
    np.testing.assert_array_equal(without.x, with_zeros.x)


def test_nothing_given_is_changed():
    layer, x, state, rng = problem()
    lengths = np.array([5, 0, 2])
    d_outputs = rng.normal(size=(5, 3, 4))
    given = [x, *state, lengths, d_outputs, *layer.parameters.values()]
    before = [array.tobytes() for array in given]
    run = layer.forward(x, state, lengths)
    recorded = [run.outputs, *run.gates.values(), *run.states.values()]
    after_forward = [array.tobytes() for array in recorded]
    first = layer.backward(run, d_outputs, state)
    second = layer.backward(run, d_outputs, state)
    assert [array.tobytes() for array in given] == before
    assert [array.tobytes() for array in recorded] == after_forward
    np.testing.assert_array_equal(first.x, second.x)


# Unequal lengths


def test_padding_changes_nothing():
    """A padded batch is each of its sequences alone, forward and backward."""
    layer, x, state, rng = problem(T=6, B=5)
    lengths = np.array([6, 0, 3, 1, 6])
    d_outputs = rng.normal(size=(6, 5, 4))
    d_state = tuple(rng.normal(size=(5, 4)) for _ in "hc")
    run = layer.forward(x, state, lengths)
    gradients = layer.backward(run, d_outputs, d_state)

    total = {name: np.zeros(shape) for name, shape in layer.shapes.items()}
    for n, length in enumerate(lengths):
        one = np.s_[n : n + 1]
        alone = layer.forward(x[:length, one], tuple(part[one] for part in state))
        np.testing.assert_allclose(run.outputs[:length, one], alone.outputs, rtol=0, atol=1e-14)
        assert not run.outputs[length:, n].any()
        for part, part_alone in zip(run.state, alone.state, strict=True):
            np.testing.assert_allclose(part[one], part_alone, rtol=0, atol=1e-14)

        d_alone = layer.backward(
            alone, d_outputs[:length, one], tuple(part[one] for part in d_state)
        )
        np.testing.assert_allclose(gradients.x[:length, one], d_alone.x, rtol=0, atol=1e-13)
        assert not gradients.x[length:, n].any()
        for d, part_alone in zip(gradients.state, d_alone.state, strict=True):
            np.testing.assert_allclose(d[one], part_alone, rtol=0, atol=1e-13)
        for name in total:
            total[name] += d_alone.parameters[name]
    for name, d in gradients.parameters.items():
        np.testing.assert_allclose(d, total[name], rtol=0, atol=1e-12)


def test_a_sequence_of_no_steps_keeps_its_state():
    layer, x, state, _ = problem()
    run = layer.forward(x, state, [0, 0, 5])
    for part, initial in zip(run.state, state, strict=True):
        np.testing.assert_array_equal(part[:2], initial[:2])
        assert (part[2] != initial[2]).all()


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 1e300])
def test_what_the_padding_holds_leaks_nowhere(rubbish):
    layer, x, state, rng = problem()
    lengths = np.array([2, 5, 0])
    padding = np.arange(5)[:, None] >= lengths
    d_outputs = rng.normal(size=(5, 3, 4))
    results = []
    for filler in (0.0, rubbish):
        x[padding] = filler
        d_outputs[padding] = filler
        run = layer.forward(x, state, lengths)
        gradients = layer.backward(run, d_outputs, state)
        results.append(
            [run.outputs, *run.state, gradients.x, *gradients.state]
            + list(gradients.parameters.values())
        )
    for clean, dirty in zip(*results, strict=True):
        np.testing.assert_array_equal(dirty, clean)
        assert np.isfinite(clean).all()


def test_nan_within_a_sequence_is_not_hidden():
    layer, x, state, _ = problem()
    x[2, 1] = np.nan
    run = layer.forward(x, state)
    assert np.isnan(run.outputs[2:, 1]).all()
    assert np.isfinite(run.outputs[:2]).all()
    assert np.isfinite(run.outputs[:, [0, 2]]).all()


# Types and parameters


def test_float32_stays_float32_and_is_close():
    layer, x, state, rng = problem()
    d_outputs = rng.normal(size=(5, 3, 4))
    single = cnp.LSTM(2, 4, np.float32)
    single.parameters = layer.parameters
    results = []
    for each, dtype in ((layer, np.float64), (single, np.float32)):
        run = each.forward(x.astype(dtype), tuple(part.astype(dtype) for part in state), [5, 2, 0])
        gradients = each.backward(run, d_outputs.astype(dtype))
        results.append(
            [run.outputs, *run.state, gradients.x, *gradients.state]
            + list(gradients.parameters.values())
        )
        assert {array.dtype for array in results[-1]} == {np.dtype(dtype)}
    for double, one in zip(*results, strict=True):
        np.testing.assert_allclose(one, double, rtol=0, atol=2e-5)


def test_initial_weights_are_seeded_and_bounded():
    first, second = (cnp.LSTM(3, 25, rng=np.random.default_rng(7)) for _ in range(2))
    for name, array in first.parameters.items():
        np.testing.assert_array_equal(array, second.parameters[name])
        assert 0.15 < np.abs(array).max() <= 1 / 5
    assert (cnp.LSTM(3, 25).parameters["W"] != cnp.LSTM(3, 25).parameters["W"]).any()


def test_parameters_are_copied_in_and_live_out():
    layer, x, _, _ = problem()
    given = {name: array.copy() for name, array in layer.parameters.items()}
    layer.parameters = given
    before = layer.forward(x).outputs
    given["W"][...] = 0
    np.testing.assert_array_equal(layer.forward(x).outputs, before)
    layer.parameters["W"][...] = 0  # what an optimizer does
    assert (layer.forward(x).outputs != before).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": np.zeros((3, 4))}, r"parameters has the names .*'V'.*, expected \['U', 'W', 'b'\]"),
        ({"U": np.zeros((4, 4, 5))}, r"parameters\['U'\] has shape \(4, 4, 5\), expected"),
        ({"b": np.full((4, 4), np.nan)}, r"parameters\['b'\] has values that are not finite"),
        ({"b": np.full((4, 4), np.inf)}, r"parameters\['b'\] has values that are not finite"),
    ],
)
def test_refused_parameters_change_nothing(change, message):
    layer, *_ = problem()
    before = {name: array.tobytes() for name, array in layer.parameters.items()}
    # W comes first and is good: it must not be taken before the bad one is seen.
    new = {"W": np.ones((4, 4, 2)), "U": np.ones((4, 4, 4)), "b": np.ones((4, 4))}
    with pytest.raises(ValueError, match=message):
        layer.parameters = new | change
    assert {name: array.tobytes() for name, array in layer.parameters.items()} == before


# Refusals


@pytest.mark.parametrize("argument", ["input_size", "hidden_size"])
@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_refused_sizes(argument, size):
    with pytest.raises(ValueError, match=f"{argument} is {size}, expected a whole number"):
        cnp.LSTM(**({"input_size": 2, "hidden_size": 3} | {argument: size}))


def test_refused_dtype():
    with pytest.raises(TypeError, match="dtype is float16, expected float32 or float64"):
        cnp.LSTM(2, 3, np.float16)


STATE = (np.zeros((3, 4)), np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, r"x has shape \(5, 3, 3\), expected \(T, B, 2\)", {"x": np.zeros((5, 3, 3))}),
        (ValueError, r"x has shape \(5, 2\), expected \(T, B, 2\)", {"x": np.zeros((5, 2))}),
        (TypeError, "x has dtype float32, expected float64", {"x": np.zeros((5, 3, 2), "f4")}),
        (TypeError, "x has dtype int64, expected float64", {"x": np.zeros((5, 3, 2), int)}),
        (TypeError, r"state is an array of shape \(3, 4\), expected a tuple \(h, c\)", {"state": STATE[0]}),
        (TypeError, r"state is a tuple of 1, expected a tuple \(h, c\)", {"state": STATE[:1]}),
        (ValueError, r"state\[1\] has shape \(4, 3\), expected \(3, 4\)",
         {"state": (STATE[0], STATE[1].T)}),
        (TypeError, r"state\[0\] has dtype float32, expected float64",
         {"state": (STATE[0].astype("f4"), STATE[1])}),
        (ValueError, r"lengths has shape \(2,\), expected \(3,\)", {"lengths": [1, 2]}),
        (ValueError, "lengths has values from 1 to 6, expected 0 to 5", {"lengths": [1, 6, 2]}),
        (ValueError, "lengths has values from -1 to 2, expected 0 to 5", {"lengths": [1, -1, 2]}),
        (TypeError, "lengths has dtype float64, expected whole", {"lengths": [1.0, 2.0, 3.0]}),
        (TypeError, "lengths has dtype bool, expected whole", {"lengths": [True, True, False]}),
    ],
)  # fmt: skip
def test_forward_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        cnp.LSTM(2, 4).forward(**({"x": np.zeros((5, 3, 2))} | arguments))


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, r"d_outputs has shape \(4, 3, 4\), expected \(5, 3, 4\)",
         {"d_outputs": np.zeros((4, 3, 4))}),
        (TypeError, "d_outputs has dtype float32, expected float64",
         {"d_outputs": np.zeros((5, 3, 4), "f4")}),
        (TypeError, r"d_state is a list of 3, expected a tuple \(h, c\)",
         {"d_state": [STATE[0]] * 3}),
        (ValueError, r"d_state\[0\] has shape \(4, 3\), expected \(3, 4\)",
         {"d_state": (STATE[0].T, STATE[1])}),
    ],
)  # fmt: skip
def test_backward_refuses(error, message, arguments):
    layer = cnp.LSTM(2, 4)
    run = layer.forward(np.zeros((5, 3, 2)))
    with pytest.raises(error, match=message):
        layer.backward(run, **({"d_outputs": np.zeros((5, 3, 4))} | arguments))
