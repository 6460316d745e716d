"""Cells drawn as SVG, in the symbol colours, by plain Python: no picture is an opaque file."""

from collections.abc import Mapping
from itertools import starmap

from companion.plots import THEMES, colour, themed
from companion.spec import CELLS, GRU, RNN, CellSpec, check_choice

#: Gate -> the name of its colour. A gate of the GRU has that of the LSTM's whose work it does: n is
#: the candidate, z lets it in as the input gate does, and 1 - z keeps the old state as the forget
#: gate does; r decides how much of the state is read, as the output gate does.
GATE_COLOURS = {"h": "h", "i": "i", "f": "f", "g": "g", "o": "o", "r": "o", "z": "i", "n": "g"}

_LSTM_WORDS = (
    "One step of an LSTM. The cell state runs through the top: the forget gate scales it, and the "
    "candidate, let in by the input gate, is added. Its tanh, let out by the output gate, is the "
    "hidden state."
)
_GRU_WORDS = (
    "One step of a GRU. The hidden state runs through the top, weighted by one minus the "
    "update gate; the candidate, weighted by the update gate, is added. The candidate reads the "
    "input and the last hidden state, "
)
_WORDS = {
    "RNN": "One step of a plain RNN: the input and the last hidden state are added, weighted, and "
    "{activation} of the sum is the new hidden state.",
    "LSTM": _LSTM_WORDS,
    "PeepholeLSTM": _LSTM_WORDS + " Through peepholes the input and the forget gate also read the "
    "last cell state, and the output gate the new one.",
    "GRU": _GRU_WORDS + "which the reset gate scales first.",
    "GRU (reset after)": _GRU_WORDS + "whose recurrent product the reset gate scales.",
}


def cell(spec: CellSpec, values: Mapping[str, float] | None = None, *, inline: bool = False) -> str:
    """Draw one step of a cell: what each gate reads, and what it acts on.

    Gates have the colours of :data:`GATE_COLOURS`; the wires of cell and hidden state have
    theirs, in every cell.

    Parameters
    ----------
    spec
        The cell, from :data:`companion.spec.CELLS`.
    values
        Numbers to write into the drawing: every gate by its name, and ``x``, ``h``, ``h_prev``
        and, where the cell has them, ``c`` and ``c_prev``. What carries one is marked with
        ``data-slot``, what a gate lets through with ``data-wire`` and a strength from 0 to 1 as
        the CSS variable ``--s``. An empty mapping marks the places and leaves them empty.
    inline
        For a page with a script: the page sets the colours, as ``--f`` and so on, and any LSTM
        has its peepholes, marked ``data-peephole``, which a plain one does not display. Without
        it, the drawing stands alone and follows the light or dark theme of its page.

    Returns
    -------
    str
        An SVG, 480 by 300 px; hand it to :func:`companion.plots.show`.

    Raises
    ------
    ValueError
        If there is no such cell.

    Examples
    --------
    >>> from companion import diagrams, spec
    >>> drawing = diagrams.cell(spec.GRU)
    >>> drawing.startswith("<svg"), "reset gate" in drawing
    (True, True)
    """
    check_choice("spec.name", spec.name, list(CELLS))
    pen = _Pen(values, inline, bool(spec.peepholes))
    if spec.gates == RNN.gates:
        _rnn(pen, spec)
    elif spec.gates == GRU.gates:
        _gru(pen, spec)
    else:
        _lstm(pen, spec)
    return pen.svg(describe(spec))


def describe(spec: CellSpec) -> str:
    """Say in full sentences what the drawing of a cell shows."""
    words = _WORDS.get(spec.name, _WORDS["RNN"])
    return words.format(activation={"tanh": "tanh", "relu": "ReLU"}[spec.activation])


# The same places in every drawing: the state that runs through, the products below it, the gates,
# and the line that carries the last hidden state to them.
_BELT, _MIX, _GATES, _BUS = 62, 128, 190, 246
_LEFT, _RIGHT = 26, 456  # where the states' names stand, outside the frame


def _lstm(pen, spec):
    at = {"f": 112, "i": 186, "g": 260, "o": 334}
    add, squash = 223, 385
    top = _GATES - 19
    # h_{t-1} and x_t reach every gate alike.
    pen.line("h", (4, _BUS), (at["o"], _BUS), arrow=False)
    pen.line("ink", (80, 298), (80, _BUS), arrow=False)
    for x in at.values():
        pen.line("ink", (x, _BUS), (x, _GATES + 19))
    # The cell state runs straight through.
    pen.line("c", (4, _BELT), (at["f"] - 14, _BELT))
    pen.line("c", (at["f"] + 14, _BELT), (add - 14, _BELT), wire="f")
    pen.line("c", (add + 14, _BELT), (476, _BELT))
    pen.line("f", (at["f"], top), (at["f"], _BELT + 14), wire="f")
    # The candidate, let in by the input gate.
    pen.line("i", (at["i"], top), (at["i"], _MIX), (add - 14, _MIX), wire="i")
    pen.line("g", (at["g"], top), (at["g"], _MIX), (add + 14, _MIX), wire="g")
    pen.line("ink", (add, _MIX - 14), (add, _BELT + 14), wire="i")
    # The hidden state: the cell state, squashed, let out by the output gate.
    pen.line("c", (squash, _BELT), (squash, 82))
    pen.line("c", (squash, 106), (squash, _MIX - 14))
    pen.line("o", (at["o"], top), (at["o"], _MIX), (squash - 14, _MIX), wire="o")
    pen.line("h", (squash, _MIX + 14), (squash, _BUS), (476, _BUS), wire="o")
    if spec.peepholes or pen.inline:
        # To i it passes below f, and over the line that feeds f.
        pen.line("c", (68, _BELT), (68, _GATES), (at["f"] - 28, _GATES), peephole=True)
        to_i = (68, _GATES), (68, 226), (149, 226), (149, _GATES), (at["i"] - 28, _GATES)
        pen.line("c", *to_i, peephole=True, over=at["f"])
        pen.line("c", (296, _BELT), (296, _GATES), (at["o"] - 28, _GATES), peephole=True)
    for name, x in at.items():
        pen.gate(name, x, _GATES, "tanh" if name == "g" else "σ")
    pen.operation(at["f"], _BELT, "×")
    pen.operation(add, _BELT, "+")
    pen.operation(add, _MIX, "×")
    pen.operation(squash, _MIX, "×")
    pen.pill(squash, 94, "tanh")
    pen.state("c", "c_prev", _LEFT, _BELT)
    pen.state("c", "c", _RIGHT, _BELT)
    pen.state("h", "h_prev", _LEFT, _BUS)
    pen.state("h", "h", _RIGHT, _BUS)
    pen.input(80)
    pen.symbol("f", at["f"] + 16, 150)
    pen.symbol("i", at["i"] - 14, 150)
    pen.symbol("g", at["g"] + 16, 150)
    pen.symbol("o", at["o"] - 14, 150)


def _rnn(pen, spec):
    x, y = 240, 150
    pen.line("h", (4, _BUS), (x, _BUS), arrow=False)
    pen.line("ink", (80, 298), (80, _BUS), arrow=False)
    pen.line("ink", (x, _BUS), (x, y + 19))
    pen.line("h", (x + 28, y), (385, y), (385, _BUS), (476, _BUS), wire="h")
    pen.gate("h", x, y, "tanh" if spec.activation == "tanh" else "ReLU")
    pen.state("h", "h_prev", _LEFT, _BUS)
    pen.state("h", "h", _RIGHT, _BUS)
    pen.input(80)


def _gru(pen, spec):
    z, r, n, add = 140, 222, 380, 262
    reset = 320 if spec.reset_after else 308
    bus, inputs, gates = 220, 246, 172
    top = gates - 19
    # h_{t-1} runs through the top, and down to the gates; the candidate's share passes the reset.
    pen.line("h", (70, _BELT), (70, bus), (reset - 14, bus))
    pen.line("h", (reset + 14, bus), (n, bus), arrow=False, wire="r")
    pen.line("ink", (100, 298), (100, inputs), (n, inputs), (n, gates + 19))
    for x in (z, r):
        pen.line("ink", (x, inputs), (x, gates + 19))
    pen.line("h", (4, _BELT), (z - 14, _BELT))
    pen.line("h", (z + 14, _BELT), (add - 14, _BELT), wire="1-z")
    pen.line("h", (add + 14, _BELT), (476, _BELT))
    # z weights the candidate, and what it leaves goes to the old state.
    pen.line("i", (z, top), (z, 110), wire="z")
    pen.line("i", (z, _MIX), (add - 14, _MIX), wire="z")
    pen.line("f", (z, 88), (z, _BELT + 14), wire="1-z")
    pen.line("g", (n, top), (n, _MIX), (add + 14, _MIX), wire="n")
    pen.line("ink", (add, _MIX - 14), (add, _BELT + 14), wire="z")
    pen.line("o", (r + 28, gates), (reset, gates), (reset, bus - 14), wire="r")
    for name, x in {"z": z, "r": r, "n": n}.items():
        pen.gate(name, x, gates, "tanh" if name == "n" else "σ")
    pen.operation(z, _BELT, "×")
    pen.operation(add, _BELT, "+")
    pen.operation(add, _MIX, "×")
    pen.operation(reset, bus, "×")
    pen.pill(z, 99, "1−")
    if spec.reset_after:
        pen.pill(268, bus, "U h")
    pen.state("h", "h_prev", _LEFT, _BELT)
    pen.state("h", "h", _RIGHT, _BELT)
    pen.input(100)
    pen.symbol("z", z - 14, 146)
    pen.symbol("r", 264, gates - 10)
    pen.symbol("n", n + 16, 146)


class _Pen:
    """Collects what is drawn: wires first, then what lies on them."""

    def __init__(self, values, inline, peepholes):
        self.values, self.inline, self.peepholes = values, inline, peepholes
        self.wires = {}
        self.shapes, self.signs, self.symbols, self.slots = [], [], [], []

    def svg(self, words):
        size = "" if self.inline else 'xmlns="http://www.w3.org/2000/svg" width="480" height="300" '
        ink, muted, paper = map(self._paint, ("ink", "muted", "paper"))
        wires = "".join(starmap(self._wire, self.wires.items()))
        drawing = (
            f'<svg {size}viewBox="0 0 480 300" role="img" aria-label="{words}" '
            f'font-family="STIX Two Text, Georgia, Times New Roman, serif" font-size="17" '
            f'text-anchor="middle" stroke-linejoin="round">'
            f'<rect x="52" y="24" width="376" height="240" rx="14" fill="none" '
            f'stroke="{muted}" stroke-dasharray="5 4"/>'
            f'<g fill="none" stroke-width="2.2">{wires}</g>'
            f'<g fill="{paper}" stroke="{muted}" stroke-width="1.5">{"".join(self.shapes)}</g>'
            f'<g fill="{ink}">{"".join(self.signs)}'
            f'<g font-style="italic">{"".join(self.symbols)}</g>'
            f'<g font-size="15">{"".join(self.slots)}</g></g></svg>'
        )
        return drawing if self.inline else themed(drawing)

    def line(self, name, *points, arrow=True, wire="", peephole=False, over=0):
        """Draw a wire in a symbol's colour, with a head at the last point.

        ``wire`` names the gate that it carries; at x = ``over`` it hops over another.
        """
        paths, heads = self.wires.setdefault((name, wire, peephole), ([], []))
        paths.append(_path(points, over))
        if arrow:
            heads.append(_head(*points[-2:]))

    def _wire(self, key, drawn):
        """Return all wires of one kind as one group."""
        (name, wire, peephole), (paths, heads) = key, drawn
        paint = self._paint(name)
        group = "<g"
        if peephole:
            shown = "" if self.peepholes else ' display="none"'
            group += f' stroke-width="1.5" data-peephole=""{shown}'
        if wire and self.values is not None:
            group += f' data-wire="{wire}"'
        if wire and self.values:
            group += f' style="--s:{self._strength(wire):.3g}"'
        group += f'><path stroke="{paint}" d="{"".join(paths)}"/>'
        if heads:
            group += f'<path fill="{paint}" d="{"".join(heads)}"/>'
        return group + "</g>"

    def gate(self, name, x, y, activation):
        paint = self._paint(GATE_COLOURS[name])
        self.shapes.append(
            f'<rect x="{x - 28}" y="{y - 19}" width="56" height="38" rx="6" '
            f'stroke="{paint}" stroke-width="2.2" fill="{paint}" fill-opacity=".14"/>'
        )
        if self.values is None:
            self._sign(x, y + 6, activation)
        else:
            self._sign(x, y - 4, activation, 13)
            self._slot(name, x, y + 13)

    def operation(self, x, y, sign):
        self.shapes.append(f'<circle cx="{x}" cy="{y}" r="14"/>')
        self._sign(x, y + 6, sign)

    def pill(self, x, y, text):
        self.shapes.append(f'<rect x="{x - 22}" y="{y - 12}" width="44" height="24" rx="12"/>')
        self._sign(x, y + 5, text, 14)

    def state(self, letter, slot, x, y):
        """Name a state above its wire, where it enters or leaves the cell."""
        self.symbol(letter, x, y - 12, "t−1" if slot.endswith("prev") else "t")
        self._slot(slot, x, y + 21)

    def input(self, x):
        self.symbol("x", x + 18, 290)
        self._slot("x", x + 32, 290, ' text-anchor="start"')

    def symbol(self, letter, x, y, index="t"):
        name = GATE_COLOURS.get(letter, letter if letter in THEMES["light"] else "ink")
        self.symbols.append(
            f'<text x="{x}" y="{y}" fill="{self._paint(name)}">{letter}'
            f'<tspan font-size="12" dy="4">{index}</tspan></text>'
        )

    def _sign(self, x, y, text, size=0):
        size = f' font-size="{size}"' if size else ""
        self.signs.append(f'<text x="{x}" y="{y}"{size}>{text}</text>')

    def _slot(self, name, x, y, more=""):
        if self.values is not None:
            number = f"{self.values[name]:z.2f}".replace("-", "−") if self.values else ""
            self.slots.append(f'<text x="{x}" y="{y}" data-slot="{name}"{more}>{number}</text>')

    def _strength(self, wire):
        value = 1 - self.values["z"] if wire == "1-z" else abs(self.values[wire])
        return min(value, 1)

    def _paint(self, name):
        return f"var(--{name})" if self.inline else colour(name)


def _path(points, over):
    """Return the data of a path whose pieces are all horizontal or vertical."""
    (x, y), *rest = points
    path = f"M{x} {y}"
    for next_x, next_y in rest:
        if next_x == x:
            path += f"V{next_y}"
        elif x < over < next_x:
            path += f"H{over - 6}a6 6 0 0 1 12 0H{next_x}"
        else:
            path += f"H{next_x}"
        x = next_x
    return path


def _head(before, tip):
    (x0, y0), (x, y) = before, tip
    if y == y0:
        back = -8 if x > x0 else 8
        return f"M{x} {y}l{back} -4v8z"
    back = -8 if y > y0 else 8
    return f"M{x} {y}l-4 {back}h8z"
