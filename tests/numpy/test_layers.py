"""Every NumPy layer against scalar arithmetic and central differences, and what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import companion.numpy as cnp
from companion import spec

CELLS = {
    "RNN": cnp.RNN,
    "RNN (ReLU)": lambda *sizes: cnp.RNN(*sizes, activation="relu"),
    "LSTM": cnp.LSTM,
    "PeepholeLSTM": cnp.PeepholeLSTM,
    "GRU": cnp.GRU,
    "GRU (reset after)": lambda *sizes: cnp.GRU(*sizes, reset_after=True),
}


def mixed_pair(I, H, dtype):  # noqa: E741
    return cnp.Bidirectional(cnp.PeepholeLSTM(I, H, dtype), cnp.GRU(I, H + 1, dtype))


def mixed_stack(I, H, dtype):  # noqa: E741
    """Two directions below, a direction of two layers beside one layer above."""
    two = cnp.Stack([cnp.LSTM(2 * H + 1, 2, dtype), cnp.RNN(2, H, dtype)])
    above = cnp.Bidirectional(cnp.GRU(2 * H + 1, 2, dtype), two)
    return cnp.Stack([mixed_pair(I, H, dtype), above])


LAYERS = CELLS | {"Bidirectional": mixed_pair, "Stack": mixed_stack}
every_cell = pytest.mark.parametrize("kind", CELLS)
every_layer = pytest.mark.parametrize("kind", LAYERS)
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
SHORT = settings(database=None, deadline=None, derandomize=True, max_examples=25)


def flat(tree):
    """Every array of a state, of parameters or of gradients."""
    if isinstance(tree, np.ndarray):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree
    return [array for part in parts for array in flat(part)]


def shaped(tree, leaf):
    """The same tree with other leaves."""
    if isinstance(tree, np.ndarray):
        return leaf(tree)
    if isinstance(tree, dict):
        return {name: shaped(part, leaf) for name, part in tree.items()}
    return type(tree)(shaped(part, leaf) for part in tree)


def problem(kind, T=5, B=3, I=2, H=4, seed=0, dtype=np.float64, scale=1.0):  # noqa: E741
    """A layer with weights large enough to be nonlinear, an input and an initial state."""
    rng = np.random.default_rng(seed)
    layer = LAYERS[kind](I, H, dtype)

    def random(array):
        return rng.normal(size=array.shape).astype(dtype)

    layer.parameters = shaped(layer.parameters, lambda array: scale * random(array))
    x = rng.normal(size=(T, B, I)).astype(dtype)
    state = shaped(layer.forward(x[:0]).state, random)
    d_outputs = rng.normal(size=(T, B, layer.output_size)).astype(dtype)
    return layer, x, state, d_outputs, shaped(state, random)


def close(got, expected, tolerance):
    for ours, theirs in zip(flat(got), flat(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def numbers(run, gradients=None):
    """All results, in a list."""
    results = [run.outputs, *flat(run.state)]
    if gradients is not None:
        results += [gradients.x, *flat(gradients.state), *flat(gradients.parameters)]
    return results


def recorded(run):
    """Every array that a run holds."""
    if isinstance(run, cnp.CompositeRun):
        return [run.outputs, *flat(run.state), *(a for part in run.parts for a in recorded(part))]
    return [run.outputs, run.x, *flat(run.state), *run.gates.values(), *run.states.values()]


def squash(activation, value):
    return math.tanh(value) if activation == "tanh" else max(value, 0.0)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def scalar_cell(cell, parameters, x, state):
    """One sequence with Python floats and a loop for every index: nothing shared with NumPy."""
    arrays = {name: array.tolist() for name, array in parameters.items()}
    units = range(len(arrays["b"][0]))
    h, *rest = [part.tolist() for part in flat(state)]
    outputs = []

    def fed(gate, n, x_t):
        k = cell.gates.index(gate)
        return arrays["b"][k][n] + sum(w * v for w, v in zip(arrays["W"][k][n], x_t, strict=True))

    def recurrent(gate, n, vector):
        k = cell.gates.index(gate)
        return sum(u * v for u, v in zip(arrays["U"][k][n], vector, strict=True))

    def summed(gate, x_t):
        return [fed(gate, n, x_t) + recurrent(gate, n, h) for n in units]

    for x_t in x.tolist():
        if cell.gates == ("h",):
            h = [squash(cell.activation, a) for a in summed("h", x_t)]
        elif "o" in cell.gates:
            (c,) = rest
            V = arrays.get("V") or [[0.0] * len(h)] * 3
            i = [sigmoid(a + V[0][n] * c[n]) for n, a in enumerate(summed("i", x_t))]
            f = [sigmoid(a + V[1][n] * c[n]) for n, a in enumerate(summed("f", x_t))]
            g = [math.tanh(a) for a in summed("g", x_t)]
            c = [f[n] * c[n] + i[n] * g[n] for n in units]
            o = [sigmoid(a + V[2][n] * c[n]) for n, a in enumerate(summed("o", x_t))]
            h, rest = [o[n] * math.tanh(c[n]) for n in units], [c]
        else:
            r = [sigmoid(a) for a in summed("r", x_t)]
            z = [sigmoid(a) for a in summed("z", x_t)]
            if cell.reset_after:
                inner = [r[n] * (recurrent("n", n, h) + arrays["b_u"][n]) for n in units]
            else:
                reset = [r[m] * h[m] for m in units]
                inner = [recurrent("n", n, reset) for n in units]
            candidate = [math.tanh(fed("n", n, x_t) + inner[n]) for n in units]
            h = [(1 - z[n]) * h[n] + z[n] * candidate[n] for n in units]
        outputs.append(h)
    return outputs, [h, *rest]


# Forward


@every_cell
@SHORT
@given(SIZES, st.integers(0, 99))
def test_forward_is_the_equations(kind, sizes, seed):
    layer, x, state, *_ = problem(kind, *sizes, seed=seed)
    run = layer.forward(x, state)
    for n in range(x.shape[1]):
        alone = shaped(state, lambda part, n=n: part[n])
        outputs, final = scalar_cell(spec.CELLS[kind], layer.parameters, x[:, n], alone)
        np.testing.assert_allclose(run.outputs[:, n], outputs, rtol=1e-13, atol=1e-13)
        for got, expected in zip(flat(run.state), final, strict=True):
            np.testing.assert_allclose(got[n], expected, rtol=1e-13, atol=1e-13)


@every_layer
def test_without_a_state_it_starts_from_zeros(kind):
    layer, x, state, *_ = problem(kind)
    started = layer.forward(x, shaped(state, np.zeros_like))
    np.testing.assert_array_equal(layer.forward(x).outputs, started.outputs)


@every_cell
def test_a_run_records_every_gate_and_state(kind):
    layer, x, state, *_ = problem(kind)
    cell, run = spec.CELLS[kind], layer.forward(x, state)
    assert tuple(run.gates) == cell.gates and tuple(run.states) == cell.states
    close([over_time[0] for over_time in run.states.values()], flat(state), 0)
    close([over_time[-1] for over_time in run.states.values()], flat(run.state), 0)
    h = run.states["h"]
    np.testing.assert_array_equal(run.outputs, h[1:])
    if "c" in cell.states:
        i, f, g, o = run.gates.values()
        c = run.states["c"]
        np.testing.assert_allclose(c[1:], f * c[:-1] + i * g, rtol=0, atol=1e-14)
        np.testing.assert_allclose(h[1:], o * np.tanh(c[1:]), rtol=0, atol=1e-14)
    elif "z" in cell.gates:
        r, z, n = run.gates.values()
        assert ((r > 0) & (r < 1)).all()
        np.testing.assert_allclose(h[1:], (1 - z) * h[:-1] + z * n, rtol=0, atol=1e-14)
    else:
        np.testing.assert_array_equal(run.gates["h"], h[1:])


@every_cell
def test_a_sequence_can_be_cut_and_carried_on(kind):
    layer, x, state, d_outputs, _ = problem(kind, T=7, scale=0.7)
    whole = layer.forward(x, state)
    first = layer.forward(x[:3], state)
    second = layer.forward(x[3:], first.state)
    close([np.concatenate([first.outputs, second.outputs])], [whole.outputs], 1e-13)

    d_whole = layer.backward(whole, d_outputs)
    d_second = layer.backward(second, d_outputs[3:])
    d_first = layer.backward(first, d_outputs[:3], d_second.state)
    close(d_first.state, d_whole.state, 1e-11)
    for name, d in d_whole.parameters.items():
        added = d_first.parameters[name] + d_second.parameters[name]
        np.testing.assert_allclose(added, d, rtol=0, atol=1e-11)


@every_layer
@pytest.mark.parametrize("T, B", [(0, 2), (3, 0), (0, 0), (1, 1)])
def test_few_steps_or_sequences(kind, T, B):
    layer, x, state, d_outputs, _ = problem(kind, T, B, 1, 1)
    run = layer.forward(x, state)
    gradients = layer.backward(run, d_outputs, state)
    assert run.outputs.shape == (T, B, layer.output_size)
    assert gradients.x.shape == x.shape
    if T == 0:
        close(run.state, state, 0)
        close(gradients.state, state, 0)


# Two directions and stacks


def test_the_reverse_direction_reads_from_each_sequences_own_end():
    pair, x, state, *_ = problem("Bidirectional", T=6, B=4)
    lengths = np.array([6, 0, 3, 1])
    run = pair.forward(x, state, lengths)
    ahead, back = np.split(run.outputs, [4], axis=2)
    close([ahead], [pair.forward_layer.forward(x, state[0], lengths).outputs], 0)
    for n, length in enumerate(lengths):
        one = np.s_[n : n + 1]
        alone = pair.backward_layer.forward(x[:length, one][::-1], state[1][one])
        close([back[:length, one]], [alone.outputs[::-1]], 1e-14)
        assert not back[length:, n].any()
        close([run.state[1][one]], [alone.state], 1e-14)


def test_a_stack_is_its_layers_one_after_the_other():
    stack, x, state, d_outputs, d_state = problem("Stack")
    lengths = [5, 0, 3]
    below, above = stack.layers
    first = below.forward(x, state[0], lengths)
    second = above.forward(first.outputs, state[1], lengths)
    run = stack.forward(x, state, lengths)
    close(numbers(run), [second.outputs, *flat(first.state), *flat(second.state)], 0)
    d_second = above.backward(second, d_outputs, d_state[1])
    d_first = below.backward(first, d_second.x, d_state[0])
    gradients = stack.backward(run, d_outputs, d_state)
    close(gradients.x, d_first.x, 0)
    close(gradients.parameters, [d_first.parameters, d_second.parameters], 0)


def test_what_composites_refuse():
    def lstm(I=2, dtype=np.float64):  # noqa: E741
        return cnp.LSTM(I, 4, dtype)

    twice = lstm(4)
    for error, message, make in (
        (ValueError, "layers is empty, expected at least one", lambda: cnp.Stack([])),
        (TypeError, r"layers\[1\] is int, expected a layer", lambda: cnp.Stack([lstm(), 3])),
        (ValueError, r"layers\[1\] has input_size 2, expected 4, the output_size of layers\[0\]",
         lambda: cnp.Stack([lstm(), lstm()])),
        (ValueError, r"layers\[1\] occurs twice", lambda: cnp.Stack([twice, twice])),
        (ValueError, r"layers\[1\] occurs twice",
         lambda: cnp.Stack([cnp.Stack([twice]), cnp.Stack([twice])])),
        (TypeError, "layers is LSTM, expected a list of layers", lambda: cnp.Stack(twice)),
        (TypeError, r"layers\[1\] has dtype float32, expected float64",
         lambda: cnp.Stack([lstm(), lstm(4, np.float32)])),
        (ValueError, "backward_layer has input_size 3, expected 2",
         lambda: cnp.Bidirectional(lstm(), lstm(3))),
        (ValueError, "backward_layer occurs twice", lambda: cnp.Bidirectional(twice, twice)),
        (TypeError, "forward_layer is NoneType, expected a layer",
         lambda: cnp.Bidirectional(None, lstm())),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            make()


# Backward


def clear_of_the_corner(layer, x, state, lengths):
    """Whether no sum inside a ReLU is so near 0 that a small step would cross its corner."""
    run = layer.forward(x, state, lengths)
    W, U, b = (layer.parameters[name][0] for name in "WUb")
    return np.abs(x @ W.T + run.states["h"][:-1] @ U.T + b).min() > 1e-3


@every_layer
@SHORT
@given(SIZES, st.integers(0, 99), st.data())
def test_every_gradient_agrees_with_central_differences(kind, sizes, seed, data):
    layer, x, state, d_outputs, d_state = problem(kind, *sizes, seed=seed, scale=0.7)
    per_sequence = st.lists(st.integers(0, sizes[0]), min_size=sizes[1], max_size=sizes[1])
    lengths = data.draw(st.none() | per_sequence, label="lengths")
    if kind == "RNN (ReLU)" and not clear_of_the_corner(layer, x, state, lengths):
        return

    def loss():
        run = layer.forward(x, state, lengths)
        pairs = zip([d_outputs, *flat(d_state)], [run.outputs, *flat(run.state)], strict=True)
        return float(sum((d * part).sum() for d, part in pairs))

    gradients = layer.backward(layer.forward(x, state, lengths), d_outputs, d_state)
    arrays = [x, *flat(state), *flat(layer.parameters)]
    d_arrays = [gradients.x, *flat(gradients.state), *flat(gradients.parameters)]
    report = cnp.gradient_check(
        loss,
        {str(k): array for k, array in enumerate(arrays)},
        {str(k): array for k, array in enumerate(d_arrays)},
    )
    assert report.worst < 1e-7, report.relative


@every_layer
def test_without_d_state_nothing_comes_from_behind(kind):
    layer, x, state, d_outputs, d_state = problem(kind)
    run = layer.forward(x, state)
    without = layer.backward(run, d_outputs)
    with_zeros = layer.backward(run, d_outputs, shaped(d_state, np.zeros_like))
    close(numbers(run, without), numbers(run, with_zeros), 0)
    assert (layer.backward(run, d_outputs, d_state).x != without.x).any()


@every_layer
def test_nothing_given_is_changed(kind):
    layer, x, state, d_outputs, d_state = problem(kind)
    lengths = np.array([5, 0, 2])
    given = [x, *flat(state), lengths, d_outputs, *flat(d_state), *flat(layer.parameters)]
    before = [array.tobytes() for array in given]
    run = layer.forward(x, state, lengths)
    after_forward = [array.tobytes() for array in recorded(run)]
    first = layer.backward(run, d_outputs, d_state)
    second = layer.backward(run, d_outputs, d_state)
    assert [array.tobytes() for array in given] == before
    assert [array.tobytes() for array in recorded(run)] == after_forward
    close(numbers(run, first), numbers(run, second), 0)


@every_layer
def test_what_is_returned_shares_no_memory_with_what_was_given(kind):
    layer, x, state, d_outputs, d_state = problem(kind)
    run = layer.forward(x, state)
    gradients = layer.backward(run, d_outputs, d_state)
    expected = [array.copy() for array in numbers(run, gradients)]
    for array in [x, *flat(state), d_outputs, *flat(d_state)]:
        array[...] = 7
    close(numbers(run, gradients), expected, 0)


@every_layer
def test_lengths_and_the_final_state_may_change_before_the_backward_pass(kind):
    layer, x, state, d_outputs, d_state = problem(kind)
    lengths = np.array([5, 0, 2])
    run = layer.forward(x, state, lengths)
    expected = layer.backward(run, d_outputs, d_state)
    before = [array.copy() for array in numbers(run, expected)]
    lengths[:] = 1
    for array in flat(run.state):
        array[...] = 7
    got = numbers(run, layer.backward(run, d_outputs, d_state))
    n_states = len(flat(run.state))
    close(got[1 + n_states :], before[1 + n_states :], 0)


# Unequal lengths


@every_layer
def test_padding_changes_nothing(kind):
    """A padded batch is each of its sequences alone, forward and backward."""
    layer, x, state, d_outputs, d_state = problem(kind, T=6, B=5, scale=0.7)
    lengths = np.array([6, 0, 3, 1, 6])
    run = layer.forward(x, state, lengths)
    gradients = layer.backward(run, d_outputs, d_state)

    total = [np.zeros_like(array) for array in flat(layer.parameters)]
    for n, length in enumerate(lengths):
        one = np.s_[n : n + 1]

        def alone(tree, one=one):
            return shaped(tree, lambda part: part[one])

        run_alone = layer.forward(x[:length, one], alone(state))
        close([run.outputs[:length, one]], [run_alone.outputs], 1e-13)
        assert not run.outputs[length:, n].any()
        close(alone(run.state), run_alone.state, 1e-13)

        d_alone = layer.backward(run_alone, d_outputs[:length, one], alone(d_state))
        close([gradients.x[:length, one]], [d_alone.x], 1e-12)
        assert not gradients.x[length:, n].any()
        close(alone(gradients.state), d_alone.state, 1e-12)
        for sum_, d in zip(total, flat(d_alone.parameters), strict=True):
            sum_ += d
    close(gradients.parameters, total, 1e-11)


@every_layer
def test_a_sequence_of_no_steps_keeps_its_state(kind):
    layer, x, state, *_ = problem(kind)
    run = layer.forward(x, state, [0, 0, 5])
    for part, initial in zip(flat(run.state), flat(state), strict=True):
        np.testing.assert_array_equal(part[:2], initial[:2])
        assert (part[2] != initial[2]).any()


@every_layer
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 1e300])
def test_what_the_padding_holds_leaks_nowhere(kind, rubbish):
    layer, x, state, d_outputs, d_state = problem(kind)
    lengths = np.array([2, 5, 0])
    padding = np.arange(5)[:, None] >= lengths
    results = []
    for filler in (0.0, rubbish):
        x[padding] = filler
        d_outputs[padding] = filler
        run = layer.forward(x, state, lengths)
        results.append(numbers(run, layer.backward(run, d_outputs, d_state)))
    for clean, dirty in zip(*results, strict=True):
        np.testing.assert_array_equal(dirty, clean)
        assert np.isfinite(clean).all()


@every_cell
def test_nan_within_a_sequence_is_not_hidden(kind):
    layer, x, state, *_ = problem(kind)
    x[2, 1] = np.nan
    run = layer.forward(x, state)
    assert np.isnan(run.outputs[2:, 1]).all()
    assert np.isfinite(run.outputs[:2]).all()
    assert np.isfinite(run.outputs[:, [0, 2]]).all()


# Types and parameters


@every_layer
def test_float32_stays_float32_and_is_close(kind):
    layer, x, state, d_outputs, d_state = problem(kind, scale=0.7)
    single = LAYERS[kind](2, 4, np.float32)
    single.parameters = layer.parameters
    results = []
    for each, dtype in ((layer, np.float64), (single, np.float32)):

        def cast(tree, dtype=dtype):
            return shaped(tree, lambda part: part.astype(dtype))

        run = each.forward(cast(x), cast(state), [5, 2, 0])
        results.append(numbers(run, each.backward(run, cast(d_outputs), cast(d_state))))
        assert {array.dtype for array in results[-1]} == {np.dtype(dtype)}
    for double, one in zip(*results, strict=True):
        np.testing.assert_allclose(one, double, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [cnp.RNN, cnp.LSTM, cnp.PeepholeLSTM, cnp.GRU])
def test_initial_weights_are_seeded_and_bounded(make):
    first, second = (make(3, 25, rng=np.random.default_rng(7)) for _ in range(2))
    for name, array in first.parameters.items():
        np.testing.assert_array_equal(array, second.parameters[name])
        assert 0.15 < np.abs(array).max() <= 1 / 5
    assert (make(3, 25).parameters["W"] != make(3, 25).parameters["W"]).any()


@every_layer
def test_parameters_are_copied_in_and_live_out(kind):
    layer, x, *_ = problem(kind)
    given = shaped(layer.parameters, np.copy)
    layer.parameters = given
    before = layer.forward(x).outputs
    for array in flat(given):
        array[...] = 0
    np.testing.assert_array_equal(layer.forward(x).outputs, before)
    for array in flat(layer.parameters):  # what an optimizer does
        array[...] = 0
    assert (layer.forward(x).outputs != before).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": np.zeros((3, 4))}, r"parameters has the names .*'V'.*, expected \['U', 'W', 'b'\]"),
        (
            {"U": [[1], [1, 2]]},
            r"parameters\['U'\] is a list of 2 of unequal shapes, expected an a",
        ),
        ({"U": np.zeros((4, 4, 5))}, r"parameters\['U'\] has shape \(4, 4, 5\), expected"),
        ({"b": np.full((4, 4), np.nan)}, r"parameters\['b'\] has values that are not finite"),
        ({"b": np.full((4, 4), np.inf)}, r"parameters\['b'\] has values that are not finite"),
        ({"b": np.full((4, 4), 1e300)}, r"parameters\['b'\] .* not finite in float32"),
    ],
)
def test_refused_parameters_change_nothing(change, message):
    layer, *_ = problem("LSTM", dtype=np.float32)
    # W comes first and is good: it must not be taken before the bad one is seen.
    new = {"W": np.ones((4, 4, 2)), "U": np.ones((4, 4, 4)), "b": np.ones((4, 4))}
    before = [array.tobytes() for array in flat(layer.parameters)]
    with pytest.raises(ValueError, match=message):
        layer.parameters = new | change
    assert [array.tobytes() for array in flat(layer.parameters)] == before


@pytest.mark.parametrize("dtype", ["complex128", "str", "bool"])
def test_parameters_of_no_real_numbers_are_refused(dtype):
    layer, *_ = problem("LSTM")
    new = layer.parameters | {"b": np.zeros((4, 4), dtype)}
    with pytest.raises(TypeError, match=r"parameters\['b'\] has dtype .*, expected float64"):
        layer.parameters = new


def test_refused_parameters_change_no_part_of_a_stack():
    stack, *_ = problem("Stack")
    before = [array.tobytes() for array in flat(stack.parameters)]
    new = shaped(stack.parameters, np.ones_like)
    new[1][1][1]["b"][0, 0] = np.nan
    with pytest.raises(
        ValueError, match=r"parameters\[1\]\[1\]\[1\]\['b'\] has values that are not"
    ):
        stack.parameters = new
    with pytest.raises(
        TypeError, match=r"parameters\[0\] is dict, expected a tuple \(forward_layer"
    ):
        stack.parameters = [{}, new[1]]
    with pytest.raises(TypeError, match=r"parameters is a list of 2, expected names and arrays"):
        stack.layers[0].forward_layer.parameters = [1, 2]
    assert [array.tobytes() for array in flat(stack.parameters)] == before


# Refusals


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_refused_sizes(make, size):
    with pytest.raises(ValueError, match=f"input_size is {size}, expected a whole number"):
        make(size, 3)
    with pytest.raises(ValueError, match=f"hidden_size is {size}, expected a whole number"):
        make(2, size)


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
def test_refused_dtype(make):
    with pytest.raises(TypeError, match="dtype is float16, expected float32 or float64"):
        make(2, 3, np.float16)
    with pytest.raises(TypeError, match="dtype is float, 32, expected float32 or float64"):
        make(2, 3, "float, 32")


@pytest.mark.parametrize("make", [cnp.RNN, cnp.LSTM, cnp.PeepholeLSTM, cnp.GRU])
def test_refused_rng(make):
    with pytest.raises(TypeError, match="rng is 0, expected a numpy.random.Generator"):
        make(2, 3, rng=0)


def test_refused_flag():
    with pytest.raises(TypeError, match="reset_after is 'no', expected True or False"):
        cnp.GRU(2, 3, reset_after="no")


def test_refused_activation():
    with pytest.raises(ValueError, match="activation is 'gelu', expected one of 'tanh', 'relu'"):
        cnp.RNN(2, 3, activation="gelu")


H3 = np.zeros((3, 4))
OF_X = [
    (ValueError, r"x has shape \(5, 3, 3\), expected \(T, B, 2\)", {"x": np.zeros((5, 3, 3))}),
    (ValueError, r"x has shape \(5, 2\), expected \(T, B, 2\)", {"x": np.zeros((5, 2))}),
    (TypeError, "x has dtype float32, expected float64", {"x": np.zeros((5, 3, 2), "f4")}),
    (TypeError, "x has dtype int64, expected float64", {"x": np.zeros((5, 3, 2), int)}),
    (ValueError, r"lengths has shape \(2,\), expected \(3,\)", {"lengths": [1, 2]}),
    (ValueError, "lengths has values from 1 to 6, expected 0 to 5", {"lengths": [1, 6, 2]}),
    (ValueError, "lengths has values from -1 to 2, expected 0 to 5", {"lengths": [1, -1, 2]}),
    (ValueError, "x is a list of 2 of unequal shapes, expected an array", {"x": [[1], [1, 2]]}),
    (TypeError, "lengths has dtype float64, expected whole", {"lengths": [1.0, 2.0, 3.0]}),
    (TypeError, "lengths has dtype bool, expected whole", {"lengths": [True, True, False]}),
]


@every_layer
@pytest.mark.parametrize(("error", "message", "arguments"), OF_X, ids=[row[1] for row in OF_X])
def test_forward_refuses(kind, error, message, arguments):
    layer, *_ = problem(kind)
    with pytest.raises(error, match=message):
        layer.forward(**({"x": np.zeros((5, 3, 2))} | arguments))


WRONG_STATES = [
    ("LSTM", TypeError, r"is an array of shape \(3, 4\), expected a tuple \(h, c\)", H3),
    ("LSTM", TypeError, r"is a tuple of 1, expected a tuple \(h, c\)", (H3,)),
    ("LSTM", ValueError, r"\[1\] has shape \(4, 3\), expected \(3, 4\)", (H3, H3.T)),
    ("LSTM", TypeError, r"\[0\] has dtype float32, expected float64", (H3.astype("f4"), H3)),
    ("GRU", ValueError, r" has shape \(1, 3, 4\), expected \(3, 4\)", (H3,)),
    ("RNN", ValueError, r" has shape \(2, 4\), expected \(3, 4\)", H3[:2]),
    ("Bidirectional", TypeError,
     r"is a list of 1, expected a tuple \(forward_layer, backward_layer\)", [H3]),
    ("Bidirectional", TypeError, r"\[0\] is an array of shape \(3, 4\), expected a tuple \(h, c\)",
     [H3, H3]),
    ("Bidirectional", ValueError, r"\[1\] has shape \(3, 4\), expected \(3, 5\)", [(H3, H3), H3]),
    ("Stack", ValueError, r"\[0\]\[0\]\[1\] has shape \(3, 3\), expected \(3, 4\)",
     [[(H3, H3[:, :3]), None], None]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "error", "message", "state"), WRONG_STATES, ids=[row[2] for row in WRONG_STATES]
)
def test_a_state_of_the_wrong_form_is_refused(kind, error, message, state):
    layer, x, _, d_outputs, _ = problem(kind)
    with pytest.raises(error, match=rf"^state ?{message}"):
        layer.forward(x, state)
    with pytest.raises(error, match=rf"^d_state ?{message}"):
        layer.backward(layer.forward(x), d_outputs, state)


@every_layer
def test_backward_refuses(kind):
    layer, x, _, d_outputs, _ = problem(kind)
    run = layer.forward(x)
    with pytest.raises(ValueError, match=r"d_outputs has shape \(4, 3, .\), expected \(5, 3, .\)"):
        layer.backward(run, d_outputs[:4])
    with pytest.raises(TypeError, match="d_outputs has dtype float32, expected float64"):
        layer.backward(run, d_outputs.astype("f4"))
    for other in (None, problem("GRU", I=3)[0].forward(np.zeros((5, 3, 3)))):
        with pytest.raises(TypeError, match="run is .*, expected what forward of this layer retur"):
            layer.backward(other, d_outputs)


@pytest.mark.parametrize(
    ("layer", "other"),
    [
        (cnp.GRU(2, 3), cnp.GRU(2, 3, reset_after=True)),
        (cnp.LSTM(2, 3), cnp.PeepholeLSTM(2, 3)),
        (cnp.RNN(2, 3), cnp.RNN(2, 3, activation="relu")),
        (cnp.RNN(2, 3), cnp.RNN(2, 3, np.float32)),
        (
            cnp.Bidirectional(cnp.RNN(2, 2), cnp.RNN(2, 2)),
            cnp.Stack([cnp.RNN(2, 2), cnp.RNN(2, 2)]),
        ),
    ],
)
def test_backward_refuses_the_run_of_another_cell(layer, other):
    run = other.forward(np.zeros((5, 1, 2), other.dtype))
    with pytest.raises(TypeError, match="run is .*, expected what forward of this layer returned"):
        layer.backward(run, np.zeros_like(run.outputs))
