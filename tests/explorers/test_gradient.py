"""The gradient explorer as Python makes it: its numbers, its claims, what it refuses."""

import itertools
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from docutils.core import publish_doctree
from docutils.parsers.rst import directives
from myst_parser.parsers.docutils_ import Parser as MarkdownParser

from companion import explorers
from companion.explorers.base import source, style
from companion.explorers.gradient import LENGTHS, PRESETS

SEEDS = range(1, 21)


def reach(norms):
    """How many steps back the furthest input lies whose gradient is 1 % of the largest or more."""
    return max(k for k, norm in enumerate(norms[::-1]) if norm >= norms.max() / 100)


def over_seeds(statistic, kind, **settings):
    return np.array(
        [statistic(explorers.gradient(seed=seed, **settings).norms(kind)) for seed in SEEDS]
    )


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("t", [11, 0, -3])
def test_norms_are_those_of_central_differences(kind, t):
    explorer = explorers.gradient(12, 1.5, gain=2.0, seed=4)
    layer, x, step = explorer.layers[kind], explorer.x.copy(), 1e-5
    columns = []
    for s in range(t % 12 + 1):
        ends = []
        for moved in (step, -step):
            x[s] += moved
            ends.append(layer.forward(x).outputs[t, 0])
            x[s] -= moved
        columns.append((ends[0] - ends[1]) / (2 * step))
    expected = np.linalg.norm(columns, axis=1)
    np.testing.assert_allclose(explorer.norms(kind, t), expected, rtol=1e-5, atol=1e-10)


def test_sliders_set_what_the_text_says():
    plain = explorers.gradient(20, 0.0)
    moved = explorers.gradient(20, 3.0, gain=2.5)
    np.testing.assert_array_equal(plain.x, moved.x)
    for kind in ("RNN", "LSTM", "GRU"):
        before, after = plain.layers[kind].parameters, moved.layers[kind].parameters
        np.testing.assert_array_equal(after["W"], before["W"])
        np.testing.assert_allclose(after["U"], 2.5 * before["U"], rtol=1e-15)
    b = {kind: layer.parameters["b"] for kind, layer in moved.layers.items()}
    assert (b["LSTM"][1] == 3).all() and (b["GRU"][1] == -3).all()
    changed = {kind: b[kind] != plain.layers[kind].parameters["b"] for kind in b}
    assert [changed[kind].sum() for kind in ("RNN", "LSTM", "GRU")] == [0, 16, 16]
    assert explorers.gradient(20, seed=2).x[0] != plain.x[0]


def test_draws_are_uniform_as_the_text_says():
    explorer = explorers.gradient(100, 0.0)
    assert abs(explorer.x.var() - 1) < 0.2 and abs(explorer.x).max() < np.sqrt(3)
    for layer in explorer.layers.values():
        for name in ("W", "U"):
            values = layer.parameters[name]
            assert 0.22 < abs(values).max() < 0.25  # 1/√16
            assert abs(values.mean()) < 4 * 0.25 / np.sqrt(3 * values.size)


# --- What the caption claims, over twenty draws


def test_at_forget_bias_0_all_gradients_fade_within_about_ten_steps():
    for kind in ("RNN", "LSTM", "GRU"):
        assert over_seeds(reach, kind, forget_bias=0.0).max() <= 10


def test_at_forget_bias_1_gates_keep_the_gradient_about_twice_as_long_or_longer():
    rnn = over_seeds(reach, "RNN", forget_bias=1.0)
    for kind in ("LSTM", "GRU"):
        ratio = over_seeds(reach, kind, forget_bias=1.0) / rnn
        assert ratio.min() > 1.8 and np.median(ratio) > 2.3


def test_at_forget_bias_4_the_gradient_lasts_through_60_steps():
    for kind in ("LSTM", "GRU"):
        assert over_seeds(reach, kind, forget_bias=4.0).min() == 59


def test_at_gain_4_the_gradient_of_most_plain_rnns_explodes():
    growth = over_seeds(lambda norms: norms[0] / norms[-1], "RNN", gain=4.0)
    assert np.mean(growth > 10) > 0.7
    assert np.mean(over_seeds(reach, "RNN", gain=4.0) == 59) > 0.8


# --- The figure


def test_script_style_and_settings_are_small():
    explorer = explorers.gradient()
    settings = json.dumps(explorer.settings)
    parts = [*map(source, [*explorer.scripts, *explorer.styles]), style(), settings]
    assert sum(len(part.encode()) for part in parts) < 40_000
    # The squares and lines drawn in Python come on top, one a step and cell.
    assert len(explorers.gradient(LENGTHS[1]).html.encode()) < 50_000


def test_the_figure_asks_no_server_for_anything():
    assert not re.search(r"https?:|url\(|@import|src=|href=", explorers.gradient().html)


def test_without_a_script_every_gradient_is_drawn_and_told():
    explorer = explorers.gradient(30, 2.0)
    html = explorer.static
    assert html.count("<rect") == 3 * 30
    for kind in ("RNN", "LSTM", "GRU"):
        norms = explorer.norms(kind)
        words = re.search(f'aria-label="({kind}: [^"]*)"', html)[1]
        assert f"{norms[0]:.1e} for the oldest, 29 steps back".replace("-", "−") in words
        assert f": {reach(norms)} steps back" in words
        row = re.search(f'<tr data-cell="{kind}">(.*?)</tr>', html)[1]
        mantissa, exponent = re.search(r"<td>([\d.]+) × 10<sup>(.*?)</sup>", row).groups()
        shown = float(f"{mantissa}e{exponent.replace('−', '-')}")
        assert shown == pytest.approx(norms[0] / norms[-1], rel=0.05)


def test_the_preset_that_is_set_is_pressed():
    for name, (forget_bias, gain) in PRESETS.items():
        html = explorers.gradient(20, forget_bias, gain=gain).static
        assert re.findall(r'aria-pressed="true">([^<]*)', html) == [name]
    assert 'aria-pressed="true"' not in explorers.gradient(20, 0.3).static


def test_equal_arguments_give_equal_figures():
    assert explorers.gradient().html == explorers.gradient(60, 1.0, gain=1.0, seed=1).html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 9}, "length is 9, expected a number from 10 to 100"),
        ({"length": 101}, "length is 101, expected"),
        ({"length": 20.0}, "length is 20.0, expected a whole number"),
        ({"forget_bias": -0.5}, "forget_bias is -0.5, expected a number from 0 to 5"),
        ({"forget_bias": float("nan")}, "forget_bias is nan"),
        ({"forget_bias": "1"}, "forget_bias is '1'"),
        ({"gain": 0}, "gain is 0, expected a number from 0.5 to 5"),
        ({"gain": True}, "gain is True"),
        ({"seed": 0}, "seed is 0, expected a whole number of at least 1"),
        ({"seed": 2**32}, "seed is 4294967296, expected"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        explorers.gradient(**arguments)


def test_norms_refuses_other_cells_and_steps():
    explorer = explorers.gradient(10)
    with pytest.raises(ValueError, match="kind is 'PeepholeLSTM', expected one of 'RNN'"):
        explorer.norms("PeepholeLSTM")
    for t in (10, -11):
        with pytest.raises(ValueError, match=f"t is {t}, expected a step from -10 to 9"):
            explorer.norms("RNN", t)


def test_numbers_of_numpy_are_taken_as_numbers():
    explorer = explorers.gradient(np.int64(20), np.float32(0.5), gain=np.float64(2))
    assert (explorer.settings["length"], explorer.settings["forgetBias"]) == (20, 0.5)
    assert all(
        type(value) in (int, float) for value in itertools.islice(explorer.settings.values(), 4)
    )


def test_the_directive_takes_numbers():
    path = Path(explorers.__file__).parents[2] / "book" / "_ext" / "explorers.py"
    directives.register_directive("explorer", runpy.run_path(str(path))["ExplorerDirective"])
    page = "```{explorer} gradient\n:length: 30\n:forget_bias: 2\n:gain: 1.5\n```\n"
    (node,) = publish_doctree(page, parser=MarkdownParser()).children
    assert node.astext() == explorers.gradient(30, 2.0, gain=1.5).html
