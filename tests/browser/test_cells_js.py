"""The browser's arithmetic, ``cells.js``, gives the numbers of ``companion.numpy``."""

import json
from pathlib import Path

import numpy as np
import pytest

import companion.explorers
import companion.numpy as cnp
from companion import spec
from companion.numpy.activations import relu, sigmoid, tanh

CELLS_JS = Path(companion.explorers.__file__).with_name("cells.js")

TOLERANCE = 1e-12

#: Input size, hidden size, steps, scale of the weights relative to the layer's own, initial state.
CASES = [
    (1, 1, 1, 1, False),
    (1, 1, 40, 3, True),
    (2, 3, 12, 1, False),
    (2, 3, 12, 4, True),
    (5, 4, 30, 1, True),
    (1, 8, 200, 1, True),
    (3, 16, 60, 0.3, False),
]

# Several cases in one call, as JSON, since a call costs more than the arithmetic. The script is
# loaded twice, as it is on a page with two explorers.
RUN = """(cases) => JSON.stringify(JSON.parse(cases).map(({kind, p, x, state, dOutputs}) => {
    const steps = GateByGateCells.forward(kind, p, x, state ?? undefined);
    return {steps, gradients: GateByGateCells.backward(kind, p, steps, dOutputs)};
}))"""


def run(page, cases):
    return json.loads(page.evaluate(RUN, json.dumps(cases)))


def layer_of(cell, input_size, hidden_size, rng):
    """Return the NumPy layer of a cell of the specification."""
    if cell.gates == ("h",):
        return cnp.RNN(input_size, hidden_size, rng=rng, activation=cell.activation)
    if cell.gates == ("r", "z", "n"):
        return cnp.GRU(input_size, hidden_size, rng=rng, reset_after=cell.reset_after)
    return (cnp.PeepholeLSTM if cell.peepholes else cnp.LSTM)(input_size, hidden_size, rng=rng)


def drawn(cell, case, seed):
    """Return a layer, an input, an initial state or None, and gradients of the outputs."""
    input_size, hidden_size, n_steps, scale, with_state = case
    rng = np.random.default_rng([seed, hidden_size, n_steps])
    layer = layer_of(cell, input_size, hidden_size, rng)
    layer.parameters = {name: scale * array for name, array in layer.parameters.items()}
    x = rng.normal(size=(n_steps, 1, input_size))
    state = [rng.normal(size=(1, hidden_size)) for _ in cell.states] if with_state else None
    return layer, x, state, rng.normal(size=(n_steps, 1, hidden_size))


def for_browser(cell, layer, x, state, d_outputs):
    return {
        "kind": cell.name,
        "p": {name: array.tolist() for name, array in layer.parameters.items()},
        "x": x[:, 0].tolist(),
        "state": state
        and {name: part[0].tolist() for name, part in zip(cell.states, state, strict=True)},
        "dOutputs": d_outputs[:, 0].tolist(),
    }


def assert_equal(got, expected, what, tolerance=TOLERANCE):
    """Compare arrays, (T, ·) or (·,), relative to the largest value."""
    got, expected = np.array(got), np.array(expected)
    assert got.shape == expected.shape, what
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max(), what


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    for _ in range(2):
        page.add_script_tag(path=CELLS_JS)
    yield page
    page.close()


@pytest.mark.parametrize("cell", spec.CELLS.values(), ids=list(spec.CELLS))
def test_forward_and_backward_equal_numpy(page, cell):
    trials = [(case, drawn(cell, case, seed)) for case in CASES for seed in range(3)]
    answers = run(page, [for_browser(cell, *trial) for _, trial in trials])
    for (case, (layer, x, state, d_outputs)), answer in zip(trials, answers, strict=True):
        form = None if state is None else state[0] if len(state) == 1 else tuple(state)
        ran = layer.forward(x, form)
        gradients = layer.backward(ran, d_outputs)

        def over_time(name, answer=answer):
            return np.array([step[name] for step in answer["steps"]])

        for name, values in ran.states.items():
            assert_equal(over_time(name), values[1:, 0], (case, name))
            assert_equal(over_time(f"{name}_prev"), values[:-1, 0], (case, name, "before"))
        squashed = {"g": tanh, "n": tanh, "h": tanh if cell.activation == "tanh" else relu}
        for name, values in ran.gates.items():
            assert_equal(over_time(name), values[:, 0], (case, name))
            a = np.array([step["a"][name] for step in answer["steps"]])
            assert_equal(squashed.get(name, sigmoid)(a), values[:, 0], (case, "a", name))
        np.testing.assert_array_equal(over_time("x"), x[:, 0])

        assert_equal(answer["gradients"]["x"], gradients.x[:, 0], (case, "gradient of x"))
        # On a log scale a tiny gradient counts as much as a large one. Looser, since terms that
        # cancel, and slopes 1 - h² of saturated units, lose digits in NumPy as in the browser.
        if case[3] <= 1:
            for t, d_x in enumerate(gradients.x[:, 0]):
                got = answer["gradients"]["x"][t]
                assert_equal(got, d_x, (case, "gradient of x", t), tolerance=1e-10)
        initial = gradients.state if isinstance(gradients.state, tuple) else [gradients.state]
        assert set(answer["gradients"]) == {"x", *cell.states}
        for name, values in zip(cell.states, initial, strict=True):
            assert_equal(answer["gradients"][name], values[0], (case, "gradient of", name))


def test_large_sums_overflow_nowhere(page):
    """A bias of ±1000 closes or opens a gate; nothing becomes NaN."""
    cell = spec.LSTM
    layer, x, state, d_outputs = drawn(cell, (2, 3, 12, 1, True), seed=0)
    b = layer.parameters["b"].copy()
    b[:] = [[1000.0], [-1000.0], [0.0], [1000.0]]
    layer.parameters = layer.parameters | {"b": b}
    (answer,) = run(page, [for_browser(cell, layer, x, state, d_outputs)])
    ran = layer.forward(x, tuple(state))
    assert set(np.unique([step["f"] for step in answer["steps"]])) == {0.0}
    assert_equal([step["h"] for step in answer["steps"]], ran.outputs[:, 0], "h")


def test_an_unknown_cell_is_refused_by_name(page):
    message = page.evaluate(
        """() => {
            try { GateByGateCells.forward("GRU (reset twice)", {}, []); }
            catch (error) { return error.message; }
        }"""
    )
    assert "GRU (reset twice)" in message
    assert all(name in message for name in spec.CELLS)
