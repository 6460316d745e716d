"""The claims on trial: what the book's source documents say, and the verdicts of its pages.

A page that tests a claim calls :func:`verdict` after the assertions that carry it. The record is
stored with the page's outputs, and the appendix *Claims on trial* is built from the records, so
that it cannot say anything else than the pages do.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape

from companion.spec import check_choice

#: What a trial may end in.
VERDICTS = ("holds", "holds when", "does not hold", "cannot be tested here")

#: A verdict speaks for at least so many repetitions, each with its own random numbers.
MIN_SEEDS = 5

#: The kind of output that carries a record, as JSON.
RECORD = "application/vnd.gate-by-gate.verdict+json"


@dataclass(frozen=True)
class Claim:
    """What the documents claim, in our words, and the numbers of the pages that put it on trial."""

    words: str
    pages: tuple[str, ...]


#: Every claim, by its id: B background, C concepts, E equations, T trends, F questions often asked.
CLAIMS = {
    "B1": Claim(
        "A plain RNN fails to use information from far back in the sequence.",
        ("1.3",),
    ),
    "B2": Claim(
        "Over many time steps, the gradients of a plain RNN vanish or explode.",
        ("1.3", "4.4"),
    ),
    "B3": Claim(
        "The gates of an LSTM avoid vanishing gradients, so it learns long dependencies.",
        ("1.3", "4.4"),
    ),
    "B4": Claim(
        "Vanishing gradients come back when many LSTM layers are stacked.",
        ("2.4", "9.1"),
    ),
    "B5": Claim("For very long sequences even the memory of an LSTM is limited.", ("8.6",)),
    "C1": Claim(
        "The forget gate discards, the input gate writes, the output gate exposes.",
        ("2.2",),
    ),
    "C2": Claim(
        "The cell state is a conveyor belt: information travels far almost unchanged.",
        ("2.1",),
    ),
    "C3": Claim(
        "A bidirectional LSTM sees the context on both sides and therefore performs better.",
        ("2.4", "6.2", "6.3"),
    ),
    "C4": Claim(
        "Stacked layers learn more abstract features and perform better.",
        ("2.4", "9.1"),
    ),
    "C5": Claim(
        "A GRU merges forget and input gate, has no cell state and fewer parameters, and trains "
        "faster.",
        ("2.5", "9.4"),
    ),
    "C6": Claim("An LSTM is more expressive than a GRU.", ("9.4",)),
    "C7": Claim(
        "Peepholes let the gates see the cell state and raise expressiveness.",
        ("3.3", "9.5"),
    ),
    "E1": Claim("The sigmoid maps to (0, 1): near 1 it passes, near 0 it blocks.", ("4.1",)),
    "E2": Claim("The tanh maps to (-1, 1) and makes the candidate.", ("4.1",)),
    "E3": Claim("Products of factors below 1 vanish, of factors above 1 explode.", ("4.4",)),
    "E4": Claim(
        "The loss is cross-entropy or the mean squared error, and gradient descent or Adam "
        "minimises it.",
        ("4.5", "4.6"),
    ),
    "E5": Claim(
        "An LSTM is trained by backpropagation through time, as a plain RNN is.",
        ("3.2", "4.3"),
    ),
    "T1": Claim(
        "Deep LSTMs take long to train and are costly where resources are short.",
        ("5.7", "8.3"),
    ),
    "T2": Claim("Deep LSTMs overfit easily.", ("9.2",)),
    "T3": Claim("LSTMs are hard to interpret.", ("8.4", "9.7")),
    "T4": Claim("Attention improves the modelling of long ranges.", ("8.1", "6.5")),
    "T5": Claim("GRU and SRU are more efficient variants.", ("8.2",)),
    "T6": Claim("Compression gives lighter and faster models.", ("8.3",)),
    "T7": Claim("Combining LSTMs with CNNs or Transformers gives stronger models.", ("8.5",)),
    "F1": Claim("Harder tasks and more data need more layers.", ("9.1",)),
    "F2": Claim("Dropout, L1 and L2 penalties and early stopping prevent overfitting.", ("9.2",)),
    "F3": Claim(
        "More layers, more units, a better optimizer, attention and pre-training improve a model.",
        ("9.3",),
    ),
    "F4": Claim("Hyperparameters have to be found by experiment.", ("9.6",)),
    "F5": Claim(
        "Attention weights show what the model attends to and explain its output.",
        ("8.4", "9.7"),
    ),
    "F6": Claim(
        "A bidirectional LSTM suits language tasks that need both contexts, a GRU those where "
        "training and inference must be fast.",
        ("9.5",),
    ),
}


@dataclass(frozen=True)
class Verdict:
    """How a trial ended: a record, as a page stores it."""

    claim: str
    verdict: str
    because: str
    measured: str
    seeds: int

    @property
    def sentence(self) -> str:
        """The verdict and its reason, as a sentence."""
        comma = "" if self.verdict == "holds when" else ":"
        return f"{self.verdict.capitalize()}{comma} {self.because}."

    @property
    def evidence(self) -> str:
        """What was measured, and how often."""
        return f"{self.measured} ({self.seeds} seeds)" if self.seeds else self.measured

    def html(self) -> str:
        """Return the box that a page shows."""
        words = escape(CLAIMS[self.claim].words)
        verdict = escape(self.verdict.capitalize())
        reason = escape(self.sentence.removeprefix(self.verdict.capitalize()))
        return (
            f'<div class="gbg-verdict" id="claim-{self.claim.lower()}" '
            'style="border-left: 4px solid; padding-left: 0.8em">\n'
            f"<p><b>Claim {self.claim} on trial.</b> {words}</p>\n"
            f"<p><b>{verdict}</b>{reason}</p>\n"
            f"<p>Measured: {escape(self.evidence)}.</p>\n"
            "</div>"
        )

    def __str__(self) -> str:
        return (
            f"Claim {self.claim} on trial. {CLAIMS[self.claim].words}\n"
            f"{self.sentence}\nMeasured: {self.evidence}."
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": str(self), "text/html": self.html(), RECORD: asdict(self)}


def verdict(claim: str, verdict: str, because: str, *, measured: str, seeds: int) -> None:
    """Pronounce a page's verdict on a claim: show it, and store it for the appendix.

    Parameters
    ----------
    claim
        The claim's id, from :data:`CLAIMS`.
    verdict
        One of :data:`VERDICTS`.
    because
        What completes the sentence, without its full stop: the condition after "holds when", the
        reason after the other verdicts.
    measured
        The numbers that decided, formatted by the cell that computed them.
    seeds
        How many repetitions the numbers come from; 0 where a claim cannot be tested.

    Raises
    ------
    ValueError
        If there is no such claim or verdict, a text is empty, ``measured`` holds no number, or
        ``seeds`` is below :data:`MIN_SEEDS`.

    Examples
    --------
    >>> from companion import claims
    >>> claims.verdict("E3", "holds when", "the factors are numbers", measured="8 of 9", seeds=9)
    Claim E3 on trial. Products of factors below 1 vanish, of factors above 1 explode.
    Holds when the factors are numbers.
    Measured: 8 of 9 (9 seeds).
    """
    from IPython.display import display

    check_choice("claim", claim, list(CLAIMS))
    check_choice("verdict", verdict, VERDICTS)
    for name, text in (("because", because), ("measured", measured)):
        if not isinstance(text, str) or not text.strip(" ."):
            raise ValueError(f"{name} is {text!r}, expected some words")
    if verdict != "cannot be tested here":
        if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < MIN_SEEDS:
            raise ValueError(f"seeds is {seeds!r}, expected a whole number, {MIN_SEEDS} or more")
        if not re.search(r"\d", measured):
            raise ValueError(f"measured is {measured!r}, expected the numbers that decided")
    elif seeds != 0:
        raise ValueError(f"seeds is {seeds!r}, expected 0 where nothing can be tested")
    display(Verdict(claim, verdict, because.strip(" ."), measured.strip(" ."), seeds))


def records(notebook: dict) -> Iterator[Verdict]:
    """Read the verdicts that a notebook's outputs hold.

    Parameters
    ----------
    notebook
        A notebook as JSON, version 4.

    Yields
    ------
    Verdict
        In the page's order.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if RECORD in output.get("data", {}):
                yield Verdict(**output["data"][RECORD])
