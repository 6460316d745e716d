"""The cell explorer: one unit of a cell, its weights on sliders, its gates over time."""

from html import escape

import numpy as np

import companion.numpy as cnp
from companion import diagrams
from companion.explorers.base import Explorer
from companion.spec import CELLS, check_choice

LAYERS = {"RNN": cnp.RNN, "LSTM": cnp.LSTM, "PeepholeLSTM": cnp.PeepholeLSTM, "GRU": cnp.GRU}

_TITLES = {"PeepholeLSTM": "Peephole LSTM"}
# One drawing serves both LSTMs; a script shows and hides the peepholes.
_DRAWN_AS = {"RNN": "RNN", "LSTM": "LSTM", "PeepholeLSTM": "LSTM", "GRU": "GRU"}
_NAMES = {
    "x": "input",
    "i": "input gate",
    "f": "forget gate",
    "g": "candidate",
    "o": "output gate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
    "c": "cell state",
    "h": "hidden state",
}

# With one unit and one input every weight is one number: W, U and b have one for each gate, in
# canonical order, V one for each peephole.
_LSTM_WRITES = {"W": [8, 0, 0.4, 0], "U": [0, 0, 0, 0], "b": [-11, 8, 0, 4]}
_LSTM_FORGETS = {"W": [8, 6, 0.4, 0], "U": [0, 0, 0, 0], "b": [-11, 10, 0, 4]}
_LSTM_COUNTS = {"W": [8, 0, 2, 0], "U": [0, 0, 0, 0], "b": [-4, 10, 0, 4]}
_GRU_WRITES = {"W": [0, 8, 0.4], "U": [0, 0, 0], "b": [0, -11, 0]}
_RNN_LATCHES = {"W": [1.5], "U": [2.5], "b": [0]}
_NO_PEEPHOLES = {"V": [0, 0, 0]}

#: What a preset sets: the input, the step shown first (from 0), every cell's weights, and what the
#: reader will see, which ``tests/explorers/test_cell.py`` holds to be true.
PRESETS = {
    "remember": {
        "title": "Remember",
        "x": [0.4, -0.6, 2, 0.5, -0.4, 0.7, -0.7, 0.3, 0.6, -0.5, -0.3, 0.5],
        "step": 2,
        "weights": {
            "RNN": _RNN_LATCHES,
            "LSTM": _LSTM_WRITES,
            "PeepholeLSTM": _LSTM_WRITES | _NO_PEEPHOLES,
            "GRU": _GRU_WRITES,
        },
        "notes": {
            "RNN": "The plain RNN can latch: a large input takes it to one of two levels, the same "
            "for 3 as for this 2. It keeps that something came, not how much.",
            "LSTM": "The 2 at step 3 opens the input gate and is written. The small inputs after "
            "it do not, and the forget gate stays open: the cell state keeps the value.",
            "PeepholeLSTM": "The same as the LSTM: with its peepholes at 0 it is one.",
            "GRU": "The 2 at step 3 opens the update gate and is written. The small inputs after "
            "it do not: the hidden state keeps the value.",
        },
    },
    "forget": {
        "title": "Forget",
        "x": [0.3, 3, -0.4, 0.5, -0.3, -3, 0.4, -0.5, 2, 0.5, -0.3, 0.4],
        "step": 5,
        "weights": {
            "RNN": _RNN_LATCHES,
            "LSTM": _LSTM_FORGETS,
            "PeepholeLSTM": _LSTM_FORGETS | _NO_PEEPHOLES,
            "GRU": _GRU_WRITES,
        },
        "notes": {
            "RNN": "The −3 at step 6 throws the plain RNN to its other level. It cannot go back to "
            "0 and stay there: of its two levels, neither is 0.",
            "LSTM": "The −3 at step 6 closes the forget gate: the cell state goes to 0, and stays "
            "there until the next large input is written.",
            "PeepholeLSTM": "The same as the LSTM: with its peepholes at 0 it is one.",
            "GRU": "The −3 at step 6 passes unnoticed: the one update gate opens for large inputs. "
            "This GRU erases only by writing something else.",
        },
    },
    "count": {
        "title": "Count",
        "x": [0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0],
        "step": 9,
        "weights": {
            "RNN": {"W": [0.4], "U": [1], "b": [0]},
            "LSTM": _LSTM_COUNTS,
            "PeepholeLSTM": _LSTM_COUNTS | {"b": [-4, 10, 0, -10], "V": [0, 0, 4]},
            "GRU": {"W": [0, 4, 2], "U": [0, 0, 0], "b": [0, -5, 0]},
        },
        "notes": {
            "RNN": "The hidden state cannot leave −1 to 1, and leaks between the pulses: after six "
            "of them it is lower than after three.",
            "LSTM": "Every 1 adds the same amount to the cell state, which has no upper bound. The "
            "hidden state is its tanh, so it shows the first few counts only.",
            "PeepholeLSTM": "The cell state counts as the LSTM's does. The output gate reads it "
            "through its peephole, and opens at the third pulse.",
            "GRU": "Every pulse moves the hidden state a part of the way to 1, so each adds less "
            "than the one before: it cannot count far.",
        },
    },
}


def cell(cell: str = "LSTM", preset: str = "remember") -> Explorer:
    """Show one unit of a cell at work: an explorer to step and play through, weights on sliders.

    The reader edits the input, changes every weight, and switches between RNN, LSTM, peephole
    LSTM and GRU. Without a script, the preset is shown as :mod:`companion.numpy` computes it.

    Parameters
    ----------
    cell
        The cell shown first: "RNN", "LSTM", "PeepholeLSTM" or "GRU".
    preset
        The weights and inputs shown first: "remember", "forget" or "count".

    Raises
    ------
    ValueError
        If there is no such cell or preset.

    Examples
    --------
    As the last expression of a notebook's cell:

    >>> from companion import explorers
    >>> explorers.cell("GRU", preset="count")
    <Explorer gbg-cell>
    """
    check_choice("cell", cell, list(LAYERS))
    check_choice("preset", preset, list(PRESETS))
    chosen = PRESETS[preset]
    run = forward(cell, chosen["weights"][cell], chosen["x"])
    others = "".join(
        f'<template data-cell="{name}">{_drawing(name, {})}</template>'
        for name in sorted(set(_DRAWN_AS.values()) - {_DRAWN_AS[cell]})
    )
    note, step = chosen["notes"][cell], chosen["step"]
    now = {name: values[step] for name, values in run.items()}
    said = ", ".join(f"{_NAMES[row]} {_number(now[row])}" for row in ("x", *_rows(cell)))
    label = f"Bars over {len(chosen['x'])} steps. At step {step + 1}: {said}. {note}"
    static = (
        f'<p class="gbg-note">{escape(note)}</p><div class="gbg-panes">'
        f'<div class="gbg-drawing">{_drawing(cell, now)}</div>'
        f'<div class="gbg-chart" role="img" aria-label="{escape(label)}">'
        f"{_chart(cell, run, step)}</div></div>{others}"
    )
    settings = {
        "cell": cell,
        "preset": preset,
        "presets": PRESETS,
        "cells": {
            name: {
                "title": _TITLES.get(name, name),
                "gates": CELLS[name].gates,
                "peepholes": CELLS[name].peepholes,
                "rows": _rows(name),
                "drawing": _DRAWN_AS[name],
                "words": diagrams.describe(CELLS[name]),
            }
            for name in LAYERS
        },
        "names": _NAMES,
        "colours": diagrams.GATE_COLOURS | {"c": "c", "x": "ink"},
        "signed": _SIGNED,
    }
    return Explorer(
        "gbg-cell",
        static,
        ["cells.js", "cell.js"],
        label="Cell explorer: one unit of a recurrent cell, drawn with the numbers of one step, "
        f"and beside it what every gate and state is at each step of a sequence. {note}",
        caption="One unit of a cell. The drawing has the numbers of one step, and a wire is as "
        "strong as what its gate lets through; the bars have all steps.",
        settings=settings,
        styles=["cell.css"],
    )


def forward(cell: str, weights, x) -> dict[str, np.ndarray]:
    """Run one unit over a sequence with :mod:`companion.numpy`.

    Parameters
    ----------
    cell
        "RNN", "LSTM", "PeepholeLSTM" or "GRU".
    weights
        W, U and b with a number for each gate, V with one for each peephole.
    x
        The input, a number for each step.

    Returns
    -------
    dict
        Over time, each (T,): ``x``, every gate, every state, and what each state was a step
        before, as ``h_prev``.
    """
    layer = LAYERS[cell](1, 1)
    layer.parameters = {
        name: np.reshape(np.asarray(weights[name], float), shape)
        for name, shape in layer.shapes.items()
    }
    x = np.asarray(x, float)
    run = layer.forward(x.reshape(-1, 1, 1))
    over_time = {name: value[:, 0, 0] for name, value in run.gates.items()}
    for name, value in run.states.items():
        over_time |= {name: value[1:, 0, 0], f"{name}_prev": value[:-1, 0, 0]}
    return {"x": x, **over_time}


# Which rows of the chart have their zero in the middle; the others are gates, from 0 to 1.
_SIGNED = "xgnch"


def _rows(cell):
    spec = CELLS[cell]
    return (*(gate for gate in spec.gates if gate != "h"), *reversed(spec.states))


def _drawing(cell, values):
    return diagrams.cell(CELLS[cell], values, inline=True)


def _number(value):
    return f"{value:z.2f}".replace("-", "−")


def _chart(cell, run, step):
    """Draw what cell.js draws: a row of bars for every quantity."""
    rows = []
    for name in ("x", *_rows(cell)):
        values, signed = run[name], name in _SIGNED
        reach = max(3 if name == "x" else 1, *np.abs(values))
        bars = "".join(
            f'<span{" class=gbg-at" if t == step else ""} style="{_bar(value, reach, signed)}">'
            "</span>"
            for t, value in enumerate(values)
        )
        rows.append(
            f'<div class="gbg-track" style="--colour:var(--{_colour(name)})">'
            f'<span class="gbg-name"><i>{name}</i> {_NAMES[name]}</span>'
            f'<span class="gbg-bars{" gbg-signed" if signed else ""}">{bars}</span>'
            f'<span class="gbg-number">{_number(values[step])}</span></div>'
        )
    rows[0] = f'<div class="gbg-inputs">{rows[0]}</div>'
    return "".join(rows)


def _colour(name):
    return "ink" if name == "x" else diagrams.GATE_COLOURS.get(name, name)


def _bar(value, reach, signed):
    tall = 100 * abs(value) / reach / (2 if signed else 1)
    top = (50 if signed else 100) - (tall if value > 0 else 0)
    return f"--top:{top:.4g}%;--tall:{tall:.4g}%"
