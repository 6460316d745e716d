"""The directive ``explorer``: an interactive figure of ``companion.explorers`` on a Markdown page.

    ```{explorer} cell
    :preset: count
    ```

Options are the function's own arguments, and its errors are the directive's.
"""

import contextlib
import inspect

from docutils import nodes
from docutils.parsers.rst import Directive

from companion import explorers
from companion.spec import check_choice

NAMES = [name for name in explorers.__all__ if name[0].islower()]


def _value(text):
    """Read an option: a whole number, a number, or what is written."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


class ExplorerDirective(Directive):
    """Put an explorer's HTML into the page."""

    required_arguments = 1
    option_spec = {
        option: _value
        for name in NAMES
        for option in inspect.signature(getattr(explorers, name)).parameters
    }

    def run(self):
        name = self.arguments[0]
        try:
            check_choice("explorer", name, NAMES)
            explorer = getattr(explorers, name)(**self.options)
        except (TypeError, ValueError) as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", explorer.html, format="html")]


def setup(app):
    app.add_directive("explorer", ExplorerDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
