"""Applications: real data, a model, honest baselines and a metric, one module each.

Importing this loads no framework, nor does an application's module: PyTorch comes with the first
call that makes or trains a network.
"""

import difflib
import importlib

from companion.applications.base import Application, Data, Metric, Option, Split, option, options

#: Every application by name, and what it is; its class is ``APPLICATION`` of the module so named.
APPLICATIONS = {
    "sst": "forecast the sea-surface temperature off Peru",
    "text": "write text, character by character",
}


class UnknownApplication(LookupError):
    """There is no application of that name; the message has the nearest ones."""


def application(name: str) -> type[Application]:
    """Return an application's class; an instance of it is a choice of its settings.

    Raises
    ------
    UnknownApplication
        If there is none of that name.

    Examples
    --------
    >>> sst = application("sst")
    >>> sst(epochs=5, cell="GRU").units
    32
    """
    if name not in APPLICATIONS:
        near = difflib.get_close_matches(name, APPLICATIONS, cutoff=0.4)
        instead = f"did you mean {' or '.join(near)}?" if near else "expected one of "
        raise UnknownApplication(
            f"no application {name!r}, {instead}{'' if near else ', '.join(APPLICATIONS)}"
        )
    return importlib.import_module(f"companion.applications.{name}").APPLICATION


__all__ = [
    "APPLICATIONS",
    "Application",
    "Data",
    "Metric",
    "Option",
    "Split",
    "UnknownApplication",
    "application",
    "option",
    "options",
]
