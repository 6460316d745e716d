"""``{claims-on-trial} B``: the claims of one letter, each with the verdicts that pages stored.

Without a letter, a sentence that counts them.
"""

import json
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from companion.claims import CLAIMS, VERDICTS, records


def number_of(document: str) -> str:
    """Return a page's number: ``2.1`` for ``notebooks/2-concepts/2-1-cell-state``."""
    return ".".join(document.split("/")[-1].split("-")[:2])


def count(verdicts: list[tuple[str, str]]) -> str:
    """Say how many claims were tried, and how the trials ended."""
    tried = {claim for claim, _ in verdicts}
    ended = Counter(verdict for _, verdict in verdicts)
    how = ", ".join(f"{ended[verdict]} “{verdict}”" for verdict in VERDICTS if ended[verdict])
    trials = "one trial" if len(verdicts) == 1 else f"{len(verdicts)} trials"
    return (
        f"Of {len(CLAIMS)} claims, {len(tried)} have been tried so far, in {trials}: {how}."
        if tried
        else f"None of {len(CLAIMS)} claims has been tried so far."
    )


class ClaimsOnTrial(SphinxDirective):
    """What the notebooks' outputs say; a page that is planned and not there is named as a gap."""

    optional_arguments = 1

    def run(self):
        pages = {}
        for document in sorted(p for p in self.env.found_docs if p.startswith("notebooks/")):
            path = Path(self.env.doc2path(document))
            self.env.note_dependency(str(path))
            stored = records(json.loads(path.read_text(encoding="utf-8")))
            pages[number_of(document)] = document, {record.claim: record for record in stored}
        if not self.arguments:
            verdicts = [
                (claim, record.verdict)
                for _, stored in pages.values()
                for claim, record in stored.items()
            ]
            return [nodes.paragraph("", count(verdicts))]
        letter = self.arguments[0]
        entries = [
            self._entry(name, claim, pages) for name, claim in CLAIMS.items() if name[0] == letter
        ]
        if not entries:
            raise self.error(f"no claim begins with {letter!r}")
        return [nodes.definition_list("", *entries, classes=["claims"])]

    def _entry(self, name, claim, pages):
        term = nodes.term("", "", nodes.strong("", name), nodes.Text(f" {claim.words}"))
        term["ids"].append(f"claim-{name.lower()}")
        missing = [page for page in claim.pages if name not in pages.get(page, ("", {}))[1]]
        body = [self._verdict(name, *pages[page]) for page in claim.pages if page not in missing]
        if missing:
            planned = " and ".join(f"page {number}" for number in missing)
            words = (
                f"Still to be tried: {planned}."
                if body
                else f"No page tries it yet; planned: {planned}."
            )
            body.append(nodes.paragraph("", words, classes=["gap"]))
        return nodes.definition_list_item("", term, nodes.definition("", *body))

    def _verdict(self, name, document, stored):
        record = stored[name]
        uri = self.env.app.builder.get_relative_uri(self.env.docname, document)
        page = nodes.reference(
            "", f"page {number_of(document)}", refuri=f"{uri}#claim-{name.lower()}", internal=True
        )
        verdict = record.verdict.capitalize()
        return nodes.paragraph(
            "",
            "",
            nodes.strong("", verdict),
            nodes.Text(record.sentence.removeprefix(verdict) + " Measured on "),
            page,
            nodes.Text(f": {record.evidence}."),
        )


def setup(app):
    app.add_directive("claims-on-trial", ClaimsOnTrial)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
