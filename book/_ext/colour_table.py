"""``{symbol-colours}``: the six symbols and their colours, from ``companion.plots``."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from companion.plots import SYMBOL_COLOURS


def rows(names: dict[str, str]) -> str:
    """Return the table's body as HTML; a swatch has the colour of the page's theme."""
    lines = []
    for symbol in SYMBOL_COLOURS["light"]:
        values = "".join(
            f"<td><code>{colours[symbol]}</code></td>" for colours in SYMBOL_COLOURS.values()
        )
        lines.append(
            f'<tr><td class="sym-{symbol}"><em>{symbol}</em><sub>t</sub></td>'
            f"<td>{names[symbol]}</td>"
            f'<td><span class="swatch" style="background: var(--gbg-{symbol})"></span></td>'
            f"{values}</tr>"
        )
    return "\n".join(lines)


class SymbolColours(SphinxDirective):
    """The directive's lines name the symbols: ``f: forget gate``."""

    has_content = True

    def run(self):
        names = dict(map(str.strip, line.split(":", 1)) for line in self.content)
        if names.keys() != SYMBOL_COLOURS["light"].keys():
            known = ", ".join(SYMBOL_COLOURS["light"])
            raise self.error(f"names {', '.join(names)}, expected a line for each of {known}")
        head = "".join(f"<th>in the {theme} theme</th>" for theme in SYMBOL_COLOURS)
        table = (
            '<table class="docutils symbol-colours" tabindex="0">\n'
            f"<thead><tr><th>symbol</th><th>name</th><th>colour</th>{head}</tr></thead>\n"
            f"<tbody>\n{rows(names)}\n</tbody></table>"
        )
        return [nodes.raw("", table, format="html")]


def setup(app):
    app.add_directive("symbol-colours", SymbolColours)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
