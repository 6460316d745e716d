"""The directive ``explorer``: an interactive figure of ``companion.explorers`` on a Markdown page.

    ```{explorer} cell
    :preset: count
    ```

Options are the function's own arguments, and its errors are the directive's.
"""

from docutils import nodes
from docutils.parsers.rst import Directive

from companion import explorers
from companion.spec import check_choice

NAMES = [name for name in explorers.__all__ if name[0].islower()]


class _AnyOption(dict):
    """Options are checked where they are used, so none is refused here."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return str


class ExplorerDirective(Directive):
    """Put an explorer's HTML into the page."""

    required_arguments = 1
    option_spec = _AnyOption()

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
