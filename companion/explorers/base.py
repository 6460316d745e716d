"""What every explorer has: a figure that is whole without a script, and the script that plays."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

from companion.plots import THEMES


class Explorer:
    """An interactive figure as one piece of HTML.

    Parameters
    ----------
    element
        The name of the custom element that the last script defines, such as ``"gbg-cell"``.
    static
        HTML of the figure as it stands without a script. The element replaces it when it starts.
    scripts
        Files of this package with its JavaScript, in the order in which they run. Each may be
        loaded more than once on a page, and has to bear it.
    label
        What the figure shows, in full sentences, for those who do not see it.
    caption
        What to look for, as plain text.
    settings
        What the element reads as JSON from its attribute ``data-settings``.
    styles
        Files of this package with its style, beyond what all explorers share.
    """

    def __init__(
        self,
        element: str,
        static: str,
        scripts: Sequence[str],
        *,
        label: str,
        caption: str,
        settings: Mapping | None = None,
        styles: Sequence[str] = (),
    ):
        self.element = element
        self.static = static
        self.scripts = tuple(scripts)
        self.label = label
        self.caption = caption
        self.settings = dict(settings or {})
        self.styles = tuple(styles)

    @property
    def html(self) -> str:
        """The figure with its style and scripts; it asks no server for anything."""
        settings = escape(json.dumps(self.settings, separators=(",", ":")))
        return (
            f'<figure class="gbg-explorer" aria-label="{escape(self.label)}">'
            f"<style>{style()}{''.join(map(source, self.styles))}</style>"
            f'<{self.element} data-settings="{settings}">{self.static}</{self.element}>'
            f"<script>{''.join(map(source, self.scripts))}</script>"
            f"<figcaption>{escape(self.caption)}</figcaption></figure>"
        )

    def __repr__(self):
        return f"<{type(self).__name__} {self.element}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html, "text/plain": self.label}


def source(name: str) -> str:
    """Return the text of a script or style sheet of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def style() -> str:
    """Return the style sheet of all explorers, with the symbols' colours as ``--f`` and so on.

    On a page of the book they are the page's own; elsewhere they follow the color scheme.
    """
    light, dark = THEMES["light"], THEMES["dark"]
    colours = "".join(
        f"--{name}:var(--gbg-{name},light-dark({light[name]},{dark[name]}));" for name in light
    )
    return f".gbg-explorer{{{colours}}}\n{source('explorer.css')}"
