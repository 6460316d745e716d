"""``{run-times}``: a table of what the notebooks recorded when they were run."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HEADINGS = ("page", "time (s)", "peak memory (MB)", "machine", "versions", "run on")


def record(path: Path) -> dict | None:
    """Return what ``tools/notebooks.py`` stored in a notebook, or None where it did not yet."""
    return json.loads(path.read_text(encoding="utf-8"))["metadata"].get("companion")


def in_order(pages):
    """Sort pages as the book counts them: 9.2 comes before 10.1."""
    return sorted(pages, key=lambda page: [int(n) for n in re.findall(r"\d+", page.split("/")[-1])])


def cells(stored: dict) -> list[str]:
    """Return the texts of a row, after the page's title."""
    cores = "1 core" if stored["cores"] == 1 else f"{stored['cores']} cores"
    return [
        f"{stored['seconds']:.1f}",
        f"{stored['peak_memory_mb']}",
        f"{stored['processor']}, {cores}",
        ", ".join(f"{name} {version}" for name, version in stored["versions"].items()),
        stored["date"],
    ]


def total(records: list[dict]) -> list[str]:
    """Return the texts of the last row: all seconds, the largest memory."""
    seconds = sum(stored["seconds"] for stored in records)
    memory = max(stored["peak_memory_mb"] for stored in records)
    words = f"all {len(records)} pages: {seconds / 60:.1f} min"
    return [words, f"{seconds:.1f}", f"{memory} at most", "", "", ""]


class RunTimes(SphinxDirective):
    """The table, in the book's order, with a last row for the whole book."""

    def run(self):
        # Pages link to each other by their documents' names, so a title is always the page's own.
        records = {}
        for page in in_order(p for p in self.env.found_docs if p.startswith("notebooks/")):
            path = Path(self.env.doc2path(page))
            self.env.note_dependency(str(path))
            if stored := record(path):
                records[page] = stored
        rows = [_row([HEADINGS[0], *HEADINGS[1:]])]
        for page, stored in records.items():
            link, _ = self.parse_inline(f"{{doc}}`/{page}`")
            rows.append(_row([link, *cells(stored)]))
        rows.append(_row(total(list(records.values()))))
        group = nodes.tgroup("", cols=len(HEADINGS))
        group += [nodes.colspec(colwidth=1) for _ in HEADINGS]
        group += nodes.thead("", rows[0])
        group += nodes.tbody("", *rows[1:])
        return [nodes.table("", group, classes=["run-times"])]


def _row(contents) -> nodes.row:
    row = nodes.row()
    for content in contents:
        inline = [nodes.Text(content)] if isinstance(content, str) else content
        row += nodes.entry("", nodes.paragraph("", "", *inline))
    return row


def setup(app):
    app.add_directive("run-times", RunTimes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
