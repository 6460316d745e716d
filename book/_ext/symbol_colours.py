"""Give the six symbols their colours in every equation, and the pages what they need for that.

Pages are written in plain LaTeX, so that an equation also shows on Colab, where one cell's
macros are unknown to the next. Here ``f_t`` becomes ``\\symf{f}_{\\symf{t}}``, and ``W_f``,
``U_f`` and ``b_f`` take the colour of the gate that they belong to. The macro only sets a class:
the style sheet knows the colour, in light and in dark. Both are made from ``companion.plots``.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from companion.plots import SYMBOL_COLOURS, THEMES

SYMBOLS = "".join(SYMBOL_COLOURS["light"])
GATES = "ifgo"

# One letter with a subscript, neither part of a longer word nor of a command: f_t, c_{t-1}.
_SUBSCRIPT = r"_(?:\{[^{}]*\}|[A-Za-z0-9])"
_STATE = re.compile(rf"(?<![A-Za-z\\])([{SYMBOLS}]){_SUBSCRIPT}")
# The same letter under the arrow of a direction.
_DIRECTED = re.compile(rf"\\over(?:left|right)arrow\{{([{SYMBOLS}])\}}{_SUBSCRIPT}")
# A weight, bias or pre-activation with its gate as subscript: W_f, a_{f,t}.
_WEIGHT = re.compile(
    rf"(?<![A-Za-z\\])[WUVba]_(?:([{GATES}])(?![A-Za-z])|\{{([{GATES}])(?:,[^{{}}]*)?\}})"
)


def coloured(latex: str) -> str:
    """Wrap every symbol of the book, and its subscript, in the macro of its colour."""
    for symbol in (_STATE, _DIRECTED):
        latex = symbol.sub(lambda match: _wrapped(match[1], match[0]), latex)
    return _WEIGHT.sub(lambda match: _wrapped(match[1] or match[2], match[0]), latex)


def _wrapped(name, symbol):
    # Letter and subscript apart: a superscript that follows then stands above the subscript.
    letter, subscript = symbol.split("_", 1)
    return rf"\sym{name}{{{letter}}}_{{\sym{name}{{{subscript.strip('{}')}}}}}"


class ColourSymbols(SphinxPostTransform):
    """Rewrite the equations of a page when it is written as HTML."""

    default_priority = 300
    formats = ("html",)

    def run(self, **kwargs):
        for node in self.document.findall(lambda n: isinstance(n, nodes.math | nodes.math_block)):
            node.children = [nodes.Text(coloured(node.astext()))]


def style_sheet() -> str:
    """Return the CSS variables of both themes and the class of each symbol."""
    blocks = []
    for theme, colours in THEMES.items():
        variables = " ".join(f"--gbg-{name}: {value};" for name, value in colours.items())
        blocks.append(f'html[data-theme="{theme}"] {{ color-scheme: {theme}; {variables} }}')
    blocks += [f".sym-{name} {{ color: var(--gbg-{name}); }}" for name in SYMBOLS]
    return "\n".join(blocks) + "\n"


def _write_static(app):
    if app.builder.format == "html":
        static = Path(app.outdir, "_static")
        static.mkdir(parents=True, exist_ok=True)
        (static / "symbol-colours.css").write_text(style_sheet(), encoding="utf-8")


def setup(app):
    app.add_post_transform(ColourSymbols)
    app.add_css_file("symbol-colours.css")
    app.connect("builder-inited", _write_static)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
