"""The pages of the built book, known before it is built."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# Not in the contents: Sphinx makes them, and an extension the last.
MADE = ("search", "genindex", "py-modindex", "404")


def files(entry: object) -> list[str]:
    """Every `file` of the table of contents, in reading order."""
    if isinstance(entry, list):
        return [file for item in entry for file in files(item)]
    if isinstance(entry, dict):
        own = [entry[key] for key in ("root", "file") if key in entry]
        return own + [file for value in entry.values() for file in files(value)]
    return []


LISTED = files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
FRONT = LISTED[0]
PAGES = (*LISTED, *MADE)


def document(*figures, theme="light"):
    """Return a small page that holds these figures and nothing else."""
    return (
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><title>Test</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>Test</h1>{''.join(figures)}</main></body></html>"
    )
