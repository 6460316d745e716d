"""Cells drawn as SVG, in the symbol colours, by plain Python: no picture is an opaque file."""

from companion.plots import colour, themed

_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="300" viewBox="0 0 480 300" '
    'font-family="STIX Two Text, Georgia, Times New Roman, serif" font-size="17" '
    'text-anchor="middle" stroke-linejoin="round">'
)


def lstm_cell() -> str:
    """Draw one step of the LSTM (page 3.1): what each gate reads, and what it acts on.

    Returns
    -------
    str
        An SVG, 480 by 300 px, that follows the light or dark theme of its page; hand it to
        :func:`companion.plots.show`.
    """
    belt, gates, bus = 62, 190, 246  # y of the cell state, of the gates, of [h, x]
    at = {"f": 112, "i": 186, "g": 260, "o": 334}
    add, mix, squash, out = 223, 128, 385, 128
    parts = [
        f'<rect x="52" y="24" width="376" height="240" rx="14" fill="none" '
        f'stroke="{colour("muted")}" stroke-dasharray="5 4"/>',
        # h_{t-1} and x_t reach every gate alike.
        _line("h", (4, bus), (at["o"], bus), arrow=False),
        _line("ink", (80, 298), (80, bus), arrow=False),
        *(_line("ink", (x, bus), (x, gates + 19)) for x in at.values()),
        # The cell state runs straight through.
        _line("c", (4, belt), (at["f"] - 14, belt)),
        _line("c", (at["f"] + 14, belt), (add - 14, belt)),
        _line("c", (add + 14, belt), (476, belt)),
        _line("f", (at["f"], gates - 19), (at["f"], belt + 14)),
        # The candidate, let in by the input gate.
        _line("i", (at["i"], gates - 19), (at["i"], mix), (add - 14, mix)),
        _line("g", (at["g"], gates - 19), (at["g"], mix), (add + 14, mix)),
        _line("ink", (add, mix - 14), (add, belt + 14)),
        # The hidden state: the cell state, squashed, let out by the output gate.
        _line("c", (squash, belt), (squash, 82)),
        _line("c", (squash, 106), (squash, out - 14)),
        _line("o", (at["o"], gates - 19), (at["o"], out), (squash - 14, out)),
        _line("h", (squash, out + 14), (squash, bus), (476, bus)),
        _gate("f", at["f"], gates, "σ"),
        _gate("i", at["i"], gates, "σ"),
        _gate("g", at["g"], gates, "tanh"),
        _gate("o", at["o"], gates, "σ"),
        _operation(at["f"], belt, "×"),
        _operation(add, belt, "+"),
        _operation(add, mix, "×"),
        _operation(squash, out, "×"),
        f'<rect x="{squash - 22}" y="82" width="44" height="24" rx="12" fill="{colour("paper")}" '
        f'stroke="{colour("muted")}" stroke-width="1.5"/>',
        f'<text x="{squash}" y="99" font-size="14" fill="{colour("ink")}">tanh</text>',
        _symbol("c", "t−1", 26, belt - 12),
        _symbol("c", "t", 456, belt - 12),
        _symbol("h", "t−1", 26, bus - 12),
        _symbol("h", "t", 456, bus - 12),
        _symbol("x", "t", 98, 290),
        _symbol("f", "t", at["f"] + 16, 150),
        _symbol("i", "t", at["i"] - 14, 150),
        _symbol("g", "t", at["g"] + 16, 150),
        _symbol("o", "t", at["o"] - 14, 150),
    ]
    return themed(_HEAD + "".join(parts) + "</svg>")


def _line(name, *points, arrow=True):
    """Draw a polyline in a symbol's colour, with a head at the last point."""
    stroke = colour(name)
    path = " ".join(f"{x},{y}" for x, y in points)
    line = f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2.2"/>'
    if not arrow:
        return line
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    back, side = 8, 4
    corners = [
        (x, y),
        (x - back * dx - side * dy, y - back * dy - side * dx),
        (x - back * dx + side * dy, y - back * dy + side * dx),
    ]
    head = " ".join(f"{px},{py}" for px, py in corners)
    return line + f'<polygon points="{head}" fill="{stroke}"/>'


def _gate(name, x, y, activation):
    box = (
        f'x="{x - 28}" y="{y - 19}" width="56" height="38" rx="6" '
        f'stroke="{colour(name)}" stroke-width="2.2"'
    )
    return (
        f'<rect {box} fill="{colour("paper")}"/>'
        f'<rect {box} fill="{colour(name)}" fill-opacity="0.14"/>'
        f'<text x="{x}" y="{y + 6}" fill="{colour("ink")}">{activation}</text>'
    )


def _operation(x, y, sign):
    return (
        f'<circle cx="{x}" cy="{y}" r="14" fill="{colour("paper")}" '
        f'stroke="{colour("muted")}" stroke-width="1.5"/>'
        f'<text x="{x}" y="{y + 6}" fill="{colour("ink")}">{sign}</text>'
    )


def _symbol(letter, index, x, y):
    name = letter if letter in "ifgoch" else "ink"
    return (
        f'<text x="{x}" y="{y}" font-style="italic" fill="{colour(name)}">{letter}'
        f'<tspan font-size="12" dy="4">{index}</tspan></text>'
    )
