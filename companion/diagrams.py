"""Cells drawn as SVG, in the symbol colours, by plain Python: no picture is an opaque file."""

from collections.abc import Mapping
from itertools import starmap

from companion.plots import THEMES, colour, themed
from companion.spec import CELLS, GRU, RNN, CellSpec, check_choice, check_size

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

# What a sentence calls one and several of a cell, and what its box says in a line or two.
_NOUNS = {
    "RNN": ("A plain RNN", "plain RNNs", ["RNN"]),
    "RNN (ReLU)": ("A plain RNN with ReLU", "plain RNNs with ReLU", ["RNN"]),
    "LSTM": ("An LSTM", "LSTMs", ["LSTM"]),
    "PeepholeLSTM": ("A peephole LSTM", "peephole LSTMs", ["peephole", "LSTM"]),
    "GRU": ("A GRU", "GRUs", ["GRU"]),
    "GRU (reset after)": (
        "A GRU with reset after",
        "GRUs with reset after",
        ["GRU", "reset after"],
    ),
}
_NUMBERS = ("no", "one", "two", "three", "four")
_STATES = {"h": "hidden state", "c": "cell state"}
_ARRANGED = {
    "unrolled": "{one} unrolled over {steps} steps: the same cell, with the same weights, "
    "{weights}, once for each step. It reads one input a step, hands its {states} on to the next "
    "step, and gives out its hidden state as the step's output.",
    "bidirectional": "Two {several} read the same {steps} inputs, each with its own weights, "
    "{weights}: one forwards, from the first step to the last, one backwards, from the last to the "
    "first. Each hands its {states} on in its own direction. At every step the hidden states of "
    "both, side by side, are the output.",
    "deep": "{layers} layers of {several} over {steps} steps, each layer with its own weights, "
    "{weights}. The first layer reads the inputs, every other the hidden states of the layer below "
    "it, step by step; those of the last layer are the outputs. Each layer hands its {states} on "
    "to its own next step.",
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
    pen.frame(52, 24, 376, 240)
    if spec.gates == RNN.gates:
        _rnn(pen, spec)
    elif spec.gates == GRU.gates:
        _gru(pen, spec)
    else:
        _lstm(pen, spec)
    return pen.svg(describe(spec))


def unrolled(spec: CellSpec, steps: int = 3) -> str:
    """Draw a cell once for every step of a sequence: what it reads, hands on and gives out.

    Every box is the cell of :func:`cell`, made small: its gates in their colours, and the state
    that runs through it. Boxes within one frame share their weights.

    Parameters
    ----------
    spec
        The cell, from :data:`companion.spec.CELLS`.
    steps
        Length of the sequence, from 2 to 4.

    Returns
    -------
    str
        An SVG, 480 px wide; hand it to :func:`companion.plots.show`.

    Raises
    ------
    ValueError
        If there is no such cell, or more or fewer steps.
    """
    words = describe(spec, "unrolled", steps=steps)
    pen, row = _Pen(peepholes=bool(spec.peepholes)), _Row(spec, steps, top=48)
    row.draw(pen)
    for state, y in row.states.items():
        pen.symbol(state, 26, y - 12, "0")
        for step, (start, end) in enumerate(row.gaps[1:], 1):
            # The last goes on into the margin; its name stands where those of the others do.
            middle = start + row.gap // 2 if step == steps else (start + end) // 2
            pen.symbol(state, middle - 3, y - 12, step)
    for step, x in enumerate(row.centres, 1):
        pen.line("h", (x, row.top), (x, 22))
        pen.symbol("h", x, 14, step)
    row.inputs(pen)
    pen.legend(row.bottom + 74, "the same ", spec, " at every step")
    return pen.svg(words, row.bottom + 84)


def bidirectional(spec: CellSpec, steps: int = 4) -> str:
    """Draw a cell that reads a sequence forwards beside one that reads it backwards.

    At every step their hidden states stand side by side: that is the output.

    Parameters
    ----------
    spec
        The cell of both directions, from :data:`companion.spec.CELLS`.
    steps
        Length of the sequence, from 2 to 4.

    Returns
    -------
    str
        An SVG, 480 px wide; hand it to :func:`companion.plots.show`.

    Raises
    ------
    ValueError
        If there is no such cell, or more or fewer steps.
    """
    words = describe(spec, "bidirectional", steps=steps)
    pen = _Pen(peepholes=bool(spec.peepholes))
    back = _Row(spec, steps, top=90, backwards=True)
    ahead = _Row(spec, steps, top=back.bottom + 52)
    half, beside = 15, ahead.gap // 2
    # What passes a row goes through the gaps between its cells, and the states hop over it.
    ahead.draw(pen, over=[b + beside for _, b in ahead.boxes])
    back.draw(pen, over=[a - beside for a, _ in back.boxes])
    pen.name(back, "read", "backwards")
    pen.name(ahead, "read", "forwards")
    for step, (x, (a, b)) in enumerate(zip(ahead.centres, ahead.boxes, strict=True), 1):
        left, right, fork = x - half, x + half, ahead.bottom + 16
        up, down = back.bottom + 16, back.bottom + 34
        pen.line("ink", (x, ahead.bottom + 36), (x, ahead.bottom))
        pen.line(
            "ink", (x, fork), (b + beside, fork), (b + beside, down), (right, down),
            (right, back.bottom),
        )  # fmt: skip
        pen.line(
            "h", (left, ahead.top), (left, up), (a - beside, up), (a - beside, 74), (left, 74),
            (left, 54),
        )  # fmt: skip
        pen.line("h", (right, back.top), (right, 54))
        pen.line("h", (x, 24), (x, 4))
        pen.half(left, "→", step)
        pen.half(right, "←", step)
        pen.symbol("x", x, ahead.bottom + 50, step)
    pen.legend(ahead.bottom + 80, "each direction has its own ", spec, ", the same at every step")
    return pen.svg(words, ahead.bottom + 90)


def deep(spec: CellSpec, layers: int = 3, steps: int = 3) -> str:
    """Draw layers of a cell on top of each other: each reads the outputs of the one below.

    Parameters
    ----------
    spec
        The cell of all layers, from :data:`companion.spec.CELLS`.
    layers
        How many, from 2 to 4.
    steps
        Length of the sequence, from 2 to 4.

    Returns
    -------
    str
        An SVG, 480 px wide; hand it to :func:`companion.plots.show`.

    Raises
    ------
    ValueError
        If there is no such cell, or more or fewer layers or steps.
    """
    words = describe(spec, "deep", steps=steps, layers=layers)
    pen = _Pen(peepholes=bool(spec.peepholes))
    top, between = 48, 40
    for layer in range(layers, 0, -1):
        row = _Row(spec, steps, top)
        row.draw(pen)
        pen.name(row, "layer", str(layer))
        for x in row.centres:
            pen.line("h", (x, row.top), (x, row.top - (26 if layer == layers else between)))
        top = row.bottom + between
    for step, x in enumerate(row.centres, 1):
        pen.symbol("h", x, 14, step)
    row.inputs(pen)
    pen.legend(row.bottom + 74, "each layer has its own ", spec, ", the same at every step")
    return pen.svg(words, row.bottom + 84)


def describe(spec: CellSpec, drawing: str = "cell", *, steps: int = 3, layers: int = 3) -> str:
    """Say in full sentences what a drawing shows: its alternative text.

    Parameters
    ----------
    spec
        The cell, from :data:`companion.spec.CELLS`.
    drawing
        ``"cell"``, ``"unrolled"``, ``"bidirectional"`` or ``"deep"``: the function that draws it.
    steps, layers
        As that function has them.

    Raises
    ------
    ValueError
        If there is no such cell or drawing, or more or fewer layers or steps than can be drawn.
    """
    check_choice("spec.name", spec.name, list(CELLS))
    check_choice("drawing", drawing, ["cell", *_ARRANGED])
    if drawing == "cell":
        words = _WORDS.get(spec.name, _WORDS["RNN"])
        return words.format(activation={"tanh": "tanh", "relu": "ReLU"}[spec.activation])
    _check_few("steps", steps)
    _check_few("layers", layers)
    one, several, _ = _NOUNS[spec.name]
    return _ARRANGED[drawing].format(
        one=one,
        several=several,
        steps=_NUMBERS[steps],
        layers=_NUMBERS[layers].capitalize(),
        weights=_listed(spec.shapes(1, 1)),
        states=" and its ".join(_STATES[state] for state in spec.states),
    )


def _check_few(argument, got):
    """Refuse more than a phone can show, and what needs no drawing of its own."""
    if not 2 <= check_size(argument, got) < len(_NUMBERS):
        raise ValueError(f"{argument} is {got}, expected from 2 to {len(_NUMBERS) - 1}")


def _listed(names):
    """Return names as a sentence has them: "W, U and b"."""
    *names, last = names
    return f"{', '.join(names)} and {last}"


# Where rows of cells begin and end; beside them stand what comes in, goes out, and a row's name.
_ROW = 60, 444

# The same places in every drawing of a cell: the state that runs through, the products below it,
# the gates, and the line that carries the last hidden state to them.
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
        pen.join("h", x, bus)
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


class _Row:
    """A row of one cell's small boxes, one a step, and the states handed from each to the next."""

    def __init__(self, spec, steps, top, backwards=False):
        self.spec, self.top, self.backwards = spec, top, backwards
        self.lines = _NOUNS[spec.name][2]
        self.bottom = top + 58 + 14 * len(self.lines)
        pitch = (_ROW[1] - _ROW[0]) // steps
        wide = min(pitch - 34, 84)
        self.gap = pitch - wide
        self.centres = [_ROW[0] + pitch // 2 + pitch * step for step in range(steps)]
        self.boxes = [(x - wide // 2, x + wide // 2) for x in self.centres]
        # From the margin into the first box, between two, and out of the last.
        ends = [4, *(x for box in self.boxes for x in box), 476]
        self.gaps = list(zip(ends[::2], ends[1::2], strict=True))
        # As in the cell's own drawing, one state may run through the top; another stays below.
        self.through = "c" if "c" in spec.states else "h" if spec.gates == GRU.gates else ""
        self.states = {
            state: top + (15 if state == self.through else 56) for state in spec.states[::-1]
        }

    def draw(self, pen, over=()):
        """Draw the row; where a state meets one of the places ``over``, it hops."""
        left, right = _ROW[0] - 4, _ROW[1] + 8
        pen.shared(left, self.top - 10, right - left, self.bottom - self.top + 20)
        for start, end in self.boxes:
            pen.frame(start, self.top, end - start, self.bottom - self.top, 8)
            self._gates(pen, start, end)
            for line, text in enumerate(self.lines):
                pen._sign((start + end) // 2, self.top + 65 + 14 * line, text, 14 - 2 * bool(line))
        for state, y in self.states.items():
            for start, end in self.gaps:
                hop = next((x for x in over if start < x < end), 0)
                way = ((end, y), (start, y)) if self.backwards else ((start, y), (end, y))
                pen.line(state, *way, over=hop)
            if state == self.through:
                for start, end in self.boxes:
                    pen.line(state, (start, y), (end, y), arrow=False)

    def inputs(self, pen):
        """Draw what each box reads from below."""
        for step, x in enumerate(self.centres, 1):
            pen.line("ink", (x, self.bottom + 30), (x, self.bottom))
            pen.symbol("x", x, self.bottom + 44, step)

    def _gates(self, pen, start, end):
        drawn = {"h": {"tanh": "tanh", "relu": "ReLU"}[self.spec.activation]}
        order = [name for name in "hzrfigno" if name in self.spec.gates]
        pitch = min((end - start - 4) // len(order), 22)
        y, size = self.top + 37, (40 if order == ["h"] else pitch - 2, 18)
        for k, name in enumerate(order):
            x = (start + end) // 2 + pitch * (2 * k - len(order) + 1) // 2
            pen.gate(name, x, y, drawn.get(name, name), size)
            if name in self.spec.peepholes:
                pen.line("c", (x, self.states["c"]), (x, y - size[1] // 2), peephole=True)


class _Pen:
    """Collects what is drawn: wires first, then what lies on them."""

    def __init__(self, values=None, inline=False, peepholes=False):
        self.values, self.inline, self.peepholes = values, inline, peepholes
        self.wires = {}
        self.grounds, self.shapes, self.signs, self.symbols, self.slots = [], [], [], [], []

    def svg(self, words, height=300):
        size = f'xmlns="http://www.w3.org/2000/svg" width="480" height="{height}" '
        ink, muted, paper = map(self._paint, ("ink", "muted", "paper"))
        wires = "".join(starmap(self._wire, self.wires.items()))
        drawing = (
            f'<svg {"" if self.inline else size}viewBox="0 0 480 {height}" role="img" '
            f'aria-label="{words}" '
            f'font-family="STIX Two Text, Georgia, Times New Roman, serif" font-size="17" '
            f'text-anchor="middle" stroke-linejoin="round">'
            f"{''.join(self.grounds)}"
            f'<g fill="none" stroke-width="2.2">{wires}</g>'
            f'<g fill="{paper}" stroke="{muted}" stroke-width="1.5">{"".join(self.shapes)}</g>'
            f'<g fill="{ink}">{"".join(self.signs)}'
            f'<g font-style="italic">{"".join(self.symbols)}</g>'
            f'<g font-size="15">{"".join(self.slots)}</g></g></svg>'
        )
        return drawing if self.inline else themed(drawing)

    def frame(self, x, y, width, height, radius=14):
        """Draw the outline of a cell."""
        self.grounds.append(
            f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{height}" rx="{radius}" '
            f'fill="none" stroke="{self._paint("muted")}" stroke-dasharray="5 4"/>'
        )

    def shared(self, x, y, width, height):
        """Draw the frame that holds all cells with the same weights."""
        self.grounds.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" '
            f'fill="none" stroke="{self._paint("faint")}" stroke-width="2"/>'
        )

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

    def gate(self, name, x, y, text, size=(56, 38)):
        paint, (wide, high) = self._paint(GATE_COLOURS[name]), size
        self.shapes.append(
            f'<rect x="{x - wide / 2:g}" y="{y - high / 2:g}" width="{wide}" height="{high}" '
            f'rx="{min(6, high // 4)}" '
            f'stroke="{paint}" stroke-width="2.2" fill="{paint}" fill-opacity=".14"/>'
        )
        if high < 38:
            self._sign(x, y + 4, text, 12)
        elif self.values is None:
            self._sign(x, y + 6, text)
        else:
            self._sign(x, y - 4, text, 13)
            self._slot(name, x, y + 13)

    def join(self, name, x, y):
        """Mark where wires meet that would otherwise seem to cross."""
        paint = self._paint(name)
        self.shapes.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{paint}" stroke="{paint}"/>')

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

    def half(self, x, direction, step):
        """Draw the hidden state of one direction, as one half of what the step gives out."""
        paint = self._paint("h")
        self.shapes.append(
            f'<rect x="{x - 15}" y="24" width="30" height="30" stroke="{paint}" '
            f'stroke-width="2.2"/>'
        )
        self.symbol("h", x, 46, step)
        tip = 4 if direction == "→" else -4
        self.symbols.append(
            f'<path fill="none" stroke="{paint}" stroke-width="1.3" '
            f'd="M{x - 3 - tip} 31h{2 * tip}m{-tip // 2} -2.5l{tip // 2} 2.5l{-tip // 2} 2.5"/>'
        )

    def name(self, row, *lines):
        """Say in the margin what a row is."""
        for k, text in enumerate(lines):
            self._sign(26, row.top + 34 + 13 * k, text, 12)

    def legend(self, y, before, spec, after):
        """Say below the drawing where the cell's weights are the same."""
        names = []
        for name in spec.shapes(1, 1):
            letter, _, index = name.partition("_")
            below = f'<tspan font-size="11" dy="3">{index}</tspan><tspan dy="-3">&#8203;</tspan>'
            names.append(f'<tspan font-style="italic">{letter}{below if index else ""}</tspan>')
        self._sign(240, y, before + ", ".join(names) + after, 15)

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
        elif next_x < over < x:
            path += f"H{over + 6}a6 6 0 0 0 -12 0H{next_x}"
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
