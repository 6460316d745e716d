"""Equations become MathML when the book is built: no script sets them in the reader's browser.

Temml (in ``temml/``, unchanged) turns LaTeX into MathML, in the JavaScript engine that the
package ``mini-racer`` brings along. Browsers set MathML themselves, with the font of
``_static/math/``. ``book/architecture.md`` has what was measured before this was chosen.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from companion.plots import SYMBOL_COLOURS

logger = logging.getLogger(__name__)

TEMML = Path(__file__).parent / "temml" / "temml.min.js"
# The macros that symbol_colours puts around a symbol: they set a class, the style sheet its colour.
MACROS = {rf"\sym{name}": rf"\class{{sym-{name}}}{{#1}}" for name in SYMBOL_COLOURS["light"]}
_RENDER = """
const render = (latex, displayMode) => temml.renderToString(latex, {
  displayMode, macros: {...MACROS}, trust: true, throwOnError: true, colorIsTextColor: true,
});
"""
_TAG = re.compile(r"\\tag\{([^{}]*)\}")


class Typesetter:
    """LaTeX to MathML, each formula once."""

    def __init__(self):
        self._engine = None
        self._done = {}

    def mathml(self, latex: str, display: bool) -> str:
        """Return the ``math`` element; raise ValueError with Temml's words when it cannot."""
        key = latex, display
        if key not in self._done:
            if self._engine is None:
                self._engine = MiniRacer()
                source = TEMML.read_text(encoding="utf-8")
                self._engine.eval(f"{source};const MACROS = {json.dumps(MACROS)};{_RENDER};0")
            try:
                self._done[key] = self._engine.call("render", latex, display)
            except JSEvalException as error:
                said = re.search(r"ParseError:\s*(.+)", str(error))
                raise ValueError(said[1] if said else "not understood") from None
        return self._done[key]


typeset = Typesetter()


def _formula(node, latex, display):
    try:
        return typeset.mathml(latex, display)
    except ValueError as error:
        logger.warning("equation %r: %s", latex, error, location=node)
        return ""


def inline(self, node):
    """Write a formula within a sentence."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(_formula(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def displayed(self, node):
    """Write a displayed equation, with its number at the right."""
    latex = node.astext()
    # A number that is part of the formula would be laid out differently in every browser.
    numbers = _TAG.findall(latex)
    latex = _TAG.sub("", latex)
    if len(numbers) > 1:
        logger.warning("more than one \\tag in an equation", location=node)
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(f'<div class="formula">{_formula(node, latex, display=True)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    elif numbers:
        number = self.encode(numbers[0])
        anchor = f"equation-{number.replace('.', '-')}"
        self.body.append(f'<span class="eqno" id="{anchor}">({number})</span>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    app.add_css_file("math/Temml-STIX2.css")
    # Parallel writers would fork, which the JavaScript engine does not survive.
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
