"""The figures' promises: colours that can be told apart and read, both themes, same bytes twice."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from companion import diagrams, plots, spec
from companion.spec import CELLS

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour):
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """WCAG 2 contrast of two colours, from 1 to 21."""
    light, dark = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb):
    lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return lab @ np.cbrt(lms @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("theme", plots.SYMBOL_COLOURS)
def test_symbols_can_be_read_as_text(theme):
    paper = plots.NEUTRAL_COLOURS[theme]["paper"]
    for name in (*plots.SYMBOL_COLOURS[theme], "ink", "muted"):
        assert contrast(plots.THEMES[theme][name], paper) >= 4.5, name


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", plots.SYMBOL_COLOURS)
def test_symbols_can_be_told_apart(theme, vision):
    seen = {
        name: oklab(VISION[vision] @ linear(colour))
        for name, colour in plots.SYMBOL_COLOURS[theme].items()
    }
    for one, other in itertools.combinations(seen, 2):
        # About four times the difference that is just noticeable.
        assert np.linalg.norm(seen[one] - seen[other]) > 0.08, (one, other)


@pytest.mark.parametrize("theme", plots.SYMBOL_COLOURS)
def test_symbols_do_not_look_like_plain_text(theme):
    ink = oklab(linear(plots.NEUTRAL_COLOURS[theme]["ink"]))
    for name, colour in plots.SYMBOL_COLOURS[theme].items():
        assert np.linalg.norm(oklab(linear(colour)) - ink) > 0.09, name


def test_both_themes_name_the_same_colours():
    assert plots.THEMES["light"].keys() == plots.THEMES["dark"].keys()
    assert len(set(plots.THEMES["light"].values())) == len(plots.THEMES["light"])


def small_figure():
    fig, ax = plots.figure()
    ax.plot([0, 1], [0, 1], color=plots.colour("f"))
    plots.label(ax, 1, 1, "$f_t$", "f")
    return fig


def test_a_figure_has_the_same_bytes_twice():
    assert plots.svg(small_figure()) == plots.svg(small_figure())


def scatter():
    fig, ax = plots.figure()
    ax.scatter(range(100), range(100), color=plots.colour("f"))
    return fig


def test_a_figure_says_once_what_all_marks_share():
    svg = plots.svg(scatter())
    assert len(re.findall("<use ", svg)) > 100
    assert svg.count("fill: var(--f,") == 1
    assert not re.search(r' [xy]="-?\d+\.\d{3,}"', svg)
    assert "scale(0.1 -0.1)" in svg or "scale(0.015625 -0.015625)" in svg  # not rounded: letters


def test_the_classes_of_two_figures_differ():
    classes = [set(re.findall(r'class="([^"]+)"', plots.svg(f()))) for f in (scatter, small_figure)]
    assert classes[0] and classes[1] and not classes[0] & classes[1]


def test_every_colour_of_a_figure_follows_the_theme():
    svg = plots.svg(small_figure())
    ET.fromstring(svg)
    dark = plots.THEMES["dark"]["f"]
    assert f"--f:{dark};" in svg
    body = svg.split("</style>", 1)[1]  # after the theme's variables
    painted = re.findall(r"(?:fill|stroke): ([^;\"}]+)", body)
    assert painted
    assert [p for p in painted if p != "none" and not p.startswith("var(--")] == []


def test_style_does_not_leak():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    small_figure()
    assert dict(mpl.rcParams) == before


def test_show_displays_one_svg_and_closes(monkeypatch):
    import IPython.display
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    fig = small_figure()
    plots.show(fig)
    assert len(shown) == 1 and shown[0].data.startswith("<svg")
    assert not plt.fignum_exists(fig.number)


def test_unknown_colour_is_refused():
    with pytest.raises(KeyError):
        plots.colour("z")


SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    """What is written in a drawing, with its colour."""
    return {
        "".join(element.itertext()): element.get("fill")
        for element in ET.fromstring(drawing).iter(f"{SVG}text")
    }


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_cell_diagram_names_every_symbol_in_its_colour(cell):
    written = texts(diagrams.cell(cell))
    named = set(cell.states) | (set(cell.gates) - {"h"})
    for name in named:
        symbol = diagrams.GATE_COLOURS.get(name, name)
        assert written[f"{name}t"] == f"var(--{symbol}, {plots.colour(symbol)})"
    indexed = {text for text in written if text.endswith("t") and len(text) == 2}
    assert indexed == {f"{name}t" for name in named | {"x"}}
    assert {f"{state}t−1" for state in cell.states} <= written.keys()
    assert cell.gates == ("h",) or {"tanh", "σ"} <= written.keys()


def test_peepholes_are_drawn_in_the_colour_of_the_cell_state():
    plain, peepholes = (
        [ET.tostring(group) for group in ET.fromstring(diagrams.cell(cell)).iter(f"{SVG}g")]
        for cell in (spec.LSTM, spec.PEEPHOLE_LSTM)
    )
    # The groups that hold all wires, and those that hold one kind.
    [wires, extra] = [ET.fromstring(group) for group in peepholes if group not in plain]
    assert extra[0].get("stroke") == extra[1].get("fill") == f"var(--c, {plots.colour('c')})"
    # Three lines, each with a head at the left edge of a gate: f, i and o.
    lines, heads = (path.get("d") for path in extra)
    assert lines.count("M") == 3
    assert sorted(re.findall(r"M\d+ \d+", heads)) == ["M158 190", "M306 190", "M84 190"]


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_cell_diagram_holds_its_numbers(cell):
    names = ["x", *cell.gates, *cell.states, *(f"{state}_prev" for state in cell.states)]
    values = {name: 0.11 * k - 0.3 for k, name in enumerate(names)}
    root = ET.fromstring(diagrams.cell(cell, values))
    slots = {e.get("data-slot"): e.text for e in root.iter(f"{SVG}text") if e.get("data-slot")}
    assert slots == {name: f"{value:.2f}".replace("-", "−") for name, value in values.items()}
    strengths = {
        e.get("data-wire"): float(e.get("style").removeprefix("--s:"))
        for e in root.iter(f"{SVG}g")
        if e.get("data-wire")
    }
    extra = {"1-z"} if "z" in cell.gates else set()
    assert strengths.keys() == set(cell.gates) | extra
    for name in cell.gates:
        assert strengths[name] == pytest.approx(abs(values[name]), abs=1e-3)


def test_an_inline_diagram_takes_the_colours_of_its_page():
    drawing = diagrams.cell(spec.GRU, inline=True)
    assert "#" not in drawing and "<style" not in drawing and "width=" not in drawing[:200]
    assert set(re.findall(r"var\(--(\w+)\)", drawing)) <= plots.THEMES["light"].keys()


def test_inline_any_lstm_has_its_peepholes_and_shows_them_if_it_reads_them():
    for cell, displayed in ((spec.LSTM, "none"), (spec.PEEPHOLE_LSTM, None)):
        root = ET.fromstring(diagrams.cell(cell, inline=True))
        [peepholes] = [g for g in root.iter("g") if g.get("data-peephole") is not None]
        assert peepholes.get("display") == displayed
    assert "data-peephole" not in diagrams.cell(spec.LSTM)


def test_places_for_numbers_can_be_left_empty():
    root = ET.fromstring(diagrams.cell(spec.GRU, {}, inline=True))
    assert {t.text for t in root.iter("text") if t.get("data-slot")} == {None}


def test_a_diagram_says_what_it_shows():
    for cell in CELLS.values():
        label = ET.fromstring(diagrams.cell(cell)).get("aria-label")
        assert label == diagrams.describe(cell) and label.endswith(".") and "{" not in label
    assert len({diagrams.describe(cell) for cell in CELLS.values()}) == len(CELLS)


def test_an_unknown_cell_is_not_drawn():
    with pytest.raises(ValueError, match="spec.name is 'SRU', expected one of 'RNN'"):
        diagrams.cell(spec.CellSpec("SRU", gates=("f", "r"), states=("h", "c")))


ARRANGED = {
    "unrolled": (diagrams.unrolled, [{"steps": n} for n in (2, 3, 4)]),
    "bidirectional": (diagrams.bidirectional, [{"steps": n} for n in (2, 3, 4)]),
    "deep": (diagrams.deep, [{"layers": 2, "steps": 4}, {"layers": 3}, {"layers": 4, "steps": 2}]),
}
arranged = pytest.mark.parametrize(
    ("name", "draw", "sizes"),
    [(name, draw, sizes) for name, (draw, all_) in ARRANGED.items() for sizes in all_],
    ids=lambda value: None if callable(value) else str(value),
)
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))


def paths(drawing, colour):
    """The data of all wires in a colour, and of their heads."""
    paint = f"var(--{colour}, {plots.colour(colour)})"
    found = {"stroke": "", "fill": ""}
    for element in ET.fromstring(drawing).iter(f"{SVG}path"):
        for kind in found:
            if element.get(kind) == paint and element.get("stroke-width") is None:
                found[kind] += element.get("d")
    return found["stroke"], found["fill"]


@cells
@arranged
def test_cells_in_a_row_read_and_give_out_once_a_step(cell, name, draw, sizes):
    drawing = draw(cell, **sizes)
    steps, layers = sizes.get("steps", 3), sizes.get("layers", 1)
    written = texts(drawing)
    assert {text for text in written if re.fullmatch(r"x\d", text)} == {
        f"x{step}" for step in range(1, steps + 1)
    }
    first = 0 if name == "unrolled" else 1
    assert {text for text in written if re.fullmatch(r"h\d", text)} == {
        f"h{step}" for step in range(first, steps + 1)
    }
    assert written["h1"] == f"var(--h, {plots.colour('h')})"
    # A box for each step of each row, with every gate in its colour.
    rows = 2 if name == "bidirectional" else layers
    boxes = [r for r in ET.fromstring(drawing).iter(f"{SVG}rect") if r.get("fill-opacity")]
    assert len(boxes) == rows * steps * len(cell.gates)
    assert {box.get("fill") for box in boxes} == {
        f"var(--{symbol}, {plots.colour(symbol)})"
        for symbol in (diagrams.GATE_COLOURS[gate] for gate in cell.gates)
    }
    # Frames of what shares its weights.
    frames = [r for r in ET.fromstring(drawing).iter(f"{SVG}rect") if r.get("rx") == "12"]
    assert len(frames) == rows
    weights = ", ".join(cell.shapes(1, 1)).replace("_", "")
    assert any(weights in text.replace("\u200b", "") for text in written)
    # Into the first, between two, out of the last: one wire for each state in each row.
    _, heads = paths(drawing, "c")
    through = rows * (steps + 1) + rows * steps * len(cell.peepholes)
    assert heads.count("z") == ("c" in cell.states) * through
    _, heads = paths(drawing, "h")
    across = rows * (steps + 1)
    up = {"unrolled": steps, "bidirectional": 3 * steps, "deep": layers * steps}[name]
    assert heads.count("z") == across + up


@arranged
def test_each_cell_has_its_own_drawing_and_words(name, draw, sizes):
    labels, drawings = set(), set()
    for cell in CELLS.values():
        drawing = draw(cell, **sizes)
        label = ET.fromstring(drawing).get("aria-label")
        assert label == diagrams.describe(cell, name, **sizes)
        assert label.endswith(".") and "{" not in label
        assert ("its cell state" in label) == ("c" in cell.states)
        labels.add(label)
        drawings.add(drawing.replace(label, ""))
    assert len(labels) == len(drawings) == len(CELLS)


@cells
@arranged
def test_rows_of_cells_are_light_and_follow_the_theme(cell, name, draw, sizes):
    drawing = draw(cell, **sizes)
    assert len(drawing.encode()) < 30_000
    body = drawing.split("</style>", 1)[1]
    painted = re.findall(r'(?:fill|stroke)="([^"]+)"', body)
    assert painted
    assert [p for p in painted if p != "none" and not p.startswith("var(--")] == []


def test_the_backward_direction_is_handed_on_from_right_to_left():
    _, heads = paths(diagrams.bidirectional(spec.RNN, 3), "h")
    assert heads.count("l-8 -4v8z") == heads.count("l8 -4v8z") == 4
    _, heads = paths(diagrams.unrolled(spec.RNN, 3), "h")
    assert (heads.count("l-8 -4v8z"), heads.count("l8 -4v8z")) == (4, 0)


def test_states_hop_over_what_passes_between_the_cells():
    wires, _ = paths(diagrams.bidirectional(spec.LSTM, 4), "c")
    assert len(re.findall("a6 6 0 0 1 12 0", wires)) == 4  # the inputs pass the lower row
    assert len(re.findall("a6 6 0 0 0 -12 0", wires)) == 4  # its outputs the upper
    assert "a6" not in "".join(paths(diagrams.deep(spec.LSTM), "c"))


@pytest.mark.parametrize("draw", [draw for draw, _ in ARRANGED.values()])
def test_what_no_row_can_have_is_refused(draw):
    with pytest.raises(ValueError, match="spec.name is 'SRU', expected one of 'RNN'"):
        draw(spec.CellSpec("SRU", gates=("f", "r"), states=("h", "c")))
    for steps in (1, 5):
        with pytest.raises(ValueError, match=f"steps is {steps}, expected from 2 to 4"):
            draw(spec.LSTM, steps=steps)
    for steps in (0, 2.0, True, "3"):
        with pytest.raises(ValueError, match="steps is .*, expected a whole number"):
            draw(spec.LSTM, steps=steps)


def test_layers_and_drawings_that_there_are_not():
    with pytest.raises(ValueError, match="layers is 5, expected from 2 to 4"):
        diagrams.deep(spec.LSTM, layers=5)
    with pytest.raises(ValueError, match="drawing is 'tree', expected one of 'cell', 'unrolled'"):
        diagrams.describe(spec.LSTM, "tree")
