"""The book's figures in one style, and the six colours that its symbols keep everywhere.

Every figure is one SVG that holds both themes: it follows the page it is shown on, light or
dark. Matplotlib is imported when a figure is made, so the colours can be had without it.
"""

import io
import re
import zlib
from collections import Counter

#: Symbol -> colour, for both themes. Readable as text on the page (contrast of at least 4.5 to 1),
#: unlike the ink around it, and told apart under the three colour-vision deficiencies:
#: ``tests/test_plots.py`` measures all of it.
SYMBOL_COLOURS = {
    "light": {
        "i": "#1b249f",  # input gate
        "f": "#b02e0c",  # forget gate
        "g": "#8932ca",  # candidate
        "o": "#0b6b4a",  # output gate
        "c": "#632b00",  # cell state
        "h": "#287da6",  # hidden state
    },
    "dark": {
        "i": "#7fa4ff",
        "f": "#ff9180",
        "g": "#c563b0",
        "o": "#4fa01a",
        "c": "#ffe173",
        "h": "#80f0ff",
    },
}

#: Everything that is not a symbol: text and lines, what stands back, and the page itself.
NEUTRAL_COLOURS = {
    "light": {"ink": "#23272e", "muted": "#6b7280", "faint": "#d4d7dd", "paper": "#ffffff"},
    "dark": {"ink": "#ced6dd", "muted": "#98a2ae", "faint": "#3e4651", "paper": "#121212"},
}

THEMES = {theme: SYMBOL_COLOURS[theme] | NEUTRAL_COLOURS[theme] for theme in SYMBOL_COLOURS}

#: Inches. A figure this wide, with its 10 point text, can still be read on a 360 px screen.
WIDTH = 4.8

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "muted",
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": "ink",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.color": "faint",
    "grid.linewidth": 0.8,
    "text.color": "ink",
    "xtick.color": "muted",
    "xtick.labelcolor": "ink",
    "ytick.color": "muted",
    "ytick.labelcolor": "ink",
    # Two runs of one page write the same bytes.
    "svg.hashsalt": "gate-by-gate",
}


def colour(name: str) -> str:
    """Return the colour to give Matplotlib for a symbol or a neutral, such as "f" or "muted".

    It is the light theme's; :func:`svg` lets the dark theme replace it.

    Raises
    ------
    KeyError
        If there is no such name.
    """
    return THEMES["light"][name]


def figure(height: float = 2.8, rows: int = 1, columns: int = 1, **keywords):
    """Return a Matplotlib figure and its axes in the book's style.

    Parameters
    ----------
    height
        Height in inches; the width is :data:`WIDTH`.
    rows, columns
        Number of axes. Prefer rows: a phone shows one column.
    **keywords
        Passed on to ``matplotlib.pyplot.subplots``.

    Returns
    -------
    tuple
        Figure, and one axes or an array of them, as ``subplots`` returns them.
    """
    import matplotlib.pyplot as plt

    style = {
        key: THEMES["light"].get(value, value) if isinstance(value, str) else value
        for key, value in _STYLE.items()
    }
    with plt.rc_context(style):
        return plt.subplots(rows, columns, figsize=(WIDTH, height), **keywords)


def label(ax, x: float, y: float, text: str, colour_name: str = "ink", **keywords) -> None:
    """Write a label straight beside what it names, at data coordinates, instead of a legend.

    Parameters
    ----------
    ax
        The axes.
    x, y
        Where, in data coordinates; the text stands 4 points to the right.
    text
        What.
    colour_name
        A name that :func:`colour` knows.
    **keywords
        Passed on to ``Axes.annotate``.
    """
    defaults = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
    ax.annotate(text, (x, y), color=colour(colour_name), **(defaults | keywords))


def svg(fig) -> str:
    """Return a Matplotlib figure as an SVG that follows the light or dark theme of its page."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": _STYLE["svg.hashsalt"]}):
        # No date and no creator: they would change with the day and the version.
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return themed(_compact(buffer.getvalue()))


def _compact(drawing):
    """Say once what Matplotlib repeats for every mark: a third to a half of the bytes go."""
    drawing = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", drawing, flags=re.S)
    drawing = re.sub(r">\s+<", "><", drawing)
    # A hundredth of a point is far less than a pixel; not so a hundredth of a scale.
    drawing = re.sub(
        r' (d|x|y)="[^"]*"',
        lambda place: re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}", place[0]),
        drawing,
    )
    counts = Counter(re.findall(r' style="([^"]*)"', drawing))
    # Where figures are put into one document, the classes of one must not reach another.
    prefix = f"s{zlib.crc32(drawing.encode()):08x}"[:4]
    names = {
        style: f"{prefix}-{number}"
        for number, (style, count) in enumerate(counts.most_common())
        if count > 1
    }
    drawing = re.sub(
        r' style="([^"]*)"',
        lambda style: f' class="{names[style[1]]}"' if style[1] in names else style[0],
        drawing,
    )
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())
    return drawing.replace("</style>", rules + "</style>", 1)


def themed(drawing: str) -> str:
    """Replace the light theme's colours in an SVG by variables that the dark theme redefines.

    Viewers without CSS variables fall back to the light colours. Browsers evaluate
    ``prefers-color-scheme`` inside an image against the page that shows it.
    """
    names = {value: name for name, value in THEMES["light"].items()}
    drawing = re.sub(
        "|".join(names), lambda match: f"var(--{names[match[0]]}, {match[0]})", drawing
    )
    dark = "".join(f"--{name}:{value};" for name, value in THEMES["dark"].items())
    rule = f"<style>@media (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + rule, drawing, count=1)


def show(figure_or_svg) -> None:
    """Display a figure in a notebook as one SVG for both themes, and close it.

    Parameters
    ----------
    figure_or_svg
        A Matplotlib figure, or the text of an SVG such as ``companion.diagrams`` draws.
    """
    from IPython.display import SVG, display

    if isinstance(figure_or_svg, str):
        drawing = figure_or_svg
    else:
        import matplotlib.pyplot as plt

        drawing = svg(figure_or_svg)
        plt.close(figure_or_svg)
    display(SVG(drawing))
