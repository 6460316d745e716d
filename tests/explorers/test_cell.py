"""What the cell explorer says of its examples is true, and it says it without a script too."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from companion import explorers
from companion.explorers.base import source
from companion.explorers.cell import LAYERS, PRESETS, forward
from companion.spec import CELLS

KEEPS_ITS_STATE = {"RNN": "h", "LSTM": "c", "PeepholeLSTM": "c", "GRU": "h"}


def state(preset, cell, x=None):
    """The state that a cell keeps, over time, with the weights of a preset."""
    chosen = PRESETS[preset]
    run = forward(cell, chosen["weights"][cell], chosen["x"] if x is None else x)
    return run[KEEPS_ITS_STATE[cell]]


def written(amount, seed=None):
    """The input of "remember" with another amount at step 3, and other small inputs."""
    x = np.array(PRESETS["remember"]["x"])
    assert x[2] == 2 and np.abs(np.delete(x, 2)).max() <= 0.7
    if seed is not None:
        x = np.random.default_rng(seed).uniform(-0.7, 0.7, x.size)
    x[2] = amount
    return x


@pytest.mark.parametrize("cell", ["LSTM", "PeepholeLSTM", "GRU"])
def test_remember_keeps_the_amount_through_any_small_inputs(cell):
    for seed in range(100):
        ends = {}
        for amount in (2, 3):
            over_time = state("remember", cell, written(amount, seed))
            assert np.abs(over_time[:2]).max() < 0.01
            assert np.abs(over_time[2:] - over_time[2]).max() < 0.02
            ends[amount] = over_time[-1]
        assert ends[3] - ends[2] > 0.15


def test_an_rnn_keeps_that_something_came_but_not_how_much():
    for seed in range(100):
        two, three = (state("remember", "RNN", written(a, seed))[-1] for a in (2, 3))
        assert abs(two - three) < 0.001
        assert two > 0.8


def test_no_rnn_of_one_unit_keeps_three_amounts():
    """It has two levels: weights can be found that tell 2 from 3, but none that hold 2.5 too."""
    # As many units as weights on a grid, none connected to another.
    grid = np.meshgrid(np.linspace(-6, 6, 25), np.linspace(-6, 6, 25), np.linspace(-3, 3, 13))
    w, u, b = (axis.ravel() for axis in grid)
    ends = np.empty((3, 3, w.size))
    for k, amount in enumerate((2, 2.5, 3)):
        for seed in range(3):
            h = np.zeros_like(w)
            for x in written(amount, seed):
                h = np.tanh(w * x + u * h + b)
            ends[k, seed] = h
    # By how much the amounts stay apart, whatever the small inputs were.
    apart = np.maximum(
        ends[1:].min(1) - ends[:-1].max(1),  # a larger amount ends higher
        ends[:-1].min(1) - ends[1:].max(1),
    )
    assert apart.max() > 0.5  # two of the three
    assert apart.min(axis=0).max() < 0.01


@pytest.mark.parametrize("cell", ["LSTM", "PeepholeLSTM"])
def test_forget_erases_at_the_marker_alone(cell):
    over_time = state("forget", cell)
    assert over_time[1:5].min() > 0.8
    assert np.abs(over_time[5:8]).max() < 0.02
    assert over_time[8:].min() > 0.6


def test_an_rnn_goes_to_its_other_level_and_has_none_at_zero():
    over_time = state("forget", "RNN")
    assert over_time[1:5].min() > 0.8 and over_time[5:8].max() < -0.8
    # From any state, without input, it goes to one of two levels. 0 is no resting place.
    for start in (-0.01, 0.01):
        h = start
        for _ in range(50):
            h = np.tanh(2.5 * h)
        assert abs(h) > 0.9
    assert PRESETS["forget"]["weights"]["RNN"]["U"] == [2.5]


def test_a_gru_does_not_see_the_marker():
    over_time = state("forget", "GRU")
    assert over_time[4] > 0.8
    assert np.abs(over_time[5:8] - over_time[4]).max() < 0.01


def after_each_pulse(cell):
    over_time = state("count", cell)
    return over_time[np.array(PRESETS["count"]["x"]) == 1]


@pytest.mark.parametrize("cell", ["LSTM", "PeepholeLSTM"])
def test_count_adds_the_same_at_every_pulse(cell):
    counts = after_each_pulse(cell)
    assert len(counts) == 6
    np.testing.assert_allclose(counts, counts[0] * np.arange(1, 7), rtol=0.01)
    assert counts[0] > 0.9


def test_the_peephole_opens_the_output_at_the_third_pulse():
    chosen = PRESETS["count"]
    run = forward("PeepholeLSTM", chosen["weights"]["PeepholeLSTM"], chosen["x"])
    third = np.flatnonzero(chosen["x"])[2]
    assert run["o"][:third].max() < 0.1 and run["o"][third:].min() > 0.75
    plain = forward("LSTM", chosen["weights"]["LSTM"], chosen["x"])
    assert np.ptp(plain["o"]) == 0


def test_a_gru_adds_less_at_every_pulse():
    steps = np.diff(after_each_pulse("GRU"), prepend=0)
    assert (np.diff(steps) < -0.01).all() and steps[-1] < steps[0] / 3


def test_an_rnn_leaks_while_it_counts():
    counts, over_time = after_each_pulse("RNN"), state("count", "RNN")
    x = np.array(PRESETS["count"]["x"])
    assert (np.diff(over_time)[(x[1:] == 0) & (over_time[:-1] != 0)] < 0).all()
    assert counts[5] < counts[2]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_everything_for_every_cell(preset):
    chosen = PRESETS[preset]
    assert chosen["weights"].keys() == chosen["notes"].keys() == LAYERS.keys()
    for cell, weights in chosen["weights"].items():
        shapes = CELLS[cell].shapes(1, 1)
        assert {name: len(row) for name, row in weights.items()} == {
            name: shape[0] for name, shape in shapes.items()
        }
        # As the sliders can set it.
        flat = np.concatenate([*weights.values()])
        assert np.abs(flat).max() <= 12 and np.allclose(10 * flat, np.round(10 * flat))
        # Notes name steps of the sequence by number.
        for step in re.findall(r"step (\d+)", chosen["notes"][cell]):
            assert abs(chosen["x"][int(step) - 1]) >= 2


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("cell", LAYERS)
def test_without_a_script_it_shows_what_numpy_computes(cell, preset):
    static = explorers.cell(cell, preset).static
    chosen = PRESETS[preset]
    step, run = chosen["step"], forward(cell, chosen["weights"][cell], chosen["x"])
    root = ET.fromstring(f"<div>{static}</div>".replace(" class=gbg-at", ' class="gbg-at"'))
    panes = root.find("div")
    for text in panes.iter("text"):
        if slot := text.get("data-slot"):
            assert text.text == f"{run[slot][step]:z.2f}".replace("-", "−")
    tracks = [t for t in panes.iter("div") if t.get("class") == "gbg-track"]
    names = [track.find("span/i").text for track in tracks]
    assert names == ["x", *(g for g in CELLS[cell].gates if g != "h"), *CELLS[cell].states[::-1]]
    for name, track in zip(names, tracks, strict=True):
        bars = [bar for bar in track[1] if "--tall" in bar.get("style")]
        heights = [float(re.search(r"--tall:([\d.e-]+)%", b.get("style"))[1]) for b in bars]
        expected = np.abs(run[name])
        np.testing.assert_allclose(heights / np.max(heights), expected / expected.max(), atol=1e-3)
        assert [b.get("class") for b in bars].index("gbg-at") == step
    assert chosen["notes"][cell] in "".join(root.itertext())
    chart = next(d for d in root.iter("div") if d.get("class") == "gbg-chart")
    assert f"step {step + 1}" in chart.get("aria-label")


def test_everything_that_is_sent_is_under_40_kb():
    drawings = re.findall(r"<svg.*?</svg>", explorers.cell().html, re.S)
    assert len(drawings) == 3
    files = [source(n) for n in ("cells.js", "cell.js", "explorer.css", "cell.css")]
    assert len("".join(files + drawings).encode()) < 40_000


@pytest.mark.parametrize("argument", ["cell", "preset"])
def test_an_unknown_name_is_refused(argument):
    with pytest.raises(ValueError, match=f"{argument} is 'SRU', expected one of"):
        explorers.cell(**{argument: "SRU"})
