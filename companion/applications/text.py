"""Text, character by character: what comes next, and a text of the network's own.

The text is what Python's ``help`` knows: English prose about a programming language. Its topics
quote one another word for word, so each paragraph is kept where it occurs first and nowhere else:
else the test set would ask what has been read in training.
"""

import re
from dataclasses import dataclass

import numpy as np

from companion import datasets
from companion.applications.base import Application, Data, Metric, Split, option

#: Of every ten paragraphs in a row, which are validated and which are tested.
VALIDATED, TESTED = 8, 9
#: Stands for a character that the training text does not have.
UNKNOWN = "\ufffd"
#: Characters in a piece of validation or test text, which is read from a state of zero.
PIECE = 512
#: The longest context that the n-gram model may have.
LONGEST = 7


@dataclass(frozen=True, eq=False)
class Codes(Data):
    """Pieces of text as numbers, and the texts that they are cut from.

    Parameters
    ----------
    characters
        The training text's characters and ``UNKNOWN``; a character's code is its place.
    texts
        By part, all of its codes, (n,) int64.
    """

    characters: str
    texts: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Text(Application):
    """Write text, character by character, in the manner of Python's help.

    The network reads a piece of text and says after each character which one comes next. Its
    rivals count: how often each character comes, and how often after the few before it (n-gram).
    """

    name = "text"
    metric = Metric("cross-entropy", "bits per character")

    epochs: int = 10
    units: int = 128
    batch: int = 32
    learning_rate: float = 8e-3
    decay: float = 0.9
    window: int = option(
        96, "characters that are read in training in one piece", least=2, most=4096
    )
    start: str = option("The ", "what the sample goes on from", free=True)
    characters: int = option(400, "length of the sample", least=0, most=100_000, free=True)
    temperature: float = option(
        0.7, "divides the sample's logits: the higher, the bolder", above=0, free=True
    )

    def prepare(self) -> Codes:  # noqa: D102
        parts = {"train": [], "validation": [], "test": []}
        for number, paragraph in enumerate(_paragraphs(datasets.topics().values())):
            name = {VALIDATED: "validation", TESTED: "test"}.get(number % 10, "train")
            parts[name].append(paragraph)
        texts = {name: "\n\n".join(part) for name, part in parts.items()}
        characters = "".join(sorted(set(texts["train"]))) + UNKNOWN
        codes = {name: encode(text, characters) for name, text in texts.items()}

        def split(text, size):
            count = (len(text) - 1) // size
            pieces = text[: count * size].reshape(count, size)
            return Split((pieces,), text[1 : count * size + 1].reshape(count, size))

        return Codes(
            split(codes["train"], self.window),
            split(codes["validation"], PIECE),
            split(codes["test"], PIECE),
            about="{:,} characters to train, {:,} to validate, {:,} to test".format(
                *map(len, codes.values())
            ),
            characters=characters,
            texts=codes,
        )

    def network(self, data):  # noqa: D102
        from companion.applications.networks import LanguageModel

        return LanguageModel(self, len(data.characters))

    def loss(self, output, target):  # noqa: D102
        from torch.nn.functional import cross_entropy

        return cross_entropy(output.flatten(0, 1), target.flatten())

    def score(self, data, part, outputs):  # noqa: D102
        target = getattr(data, part).target
        logits = outputs.astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        likely = np.take_along_axis(logits, target[..., None], -1)[..., 0]
        return float(np.mean(np.log(np.exp(logits).sum(-1)) - likely) / np.log(2))

    def baselines(self, data):  # noqa: D102
        count = len(data.characters)
        train, validation = data.texts["train"], data.texts["validation"]
        # What the network predicts too, the last incomplete piece left out.
        chosen = ngram_bits(train, validation[: data.validation.target.size + 1], count)
        test = ngram_bits(train, data.texts["test"][: data.test.target.size + 1], count)
        best = int(np.argmin(chosen))  # on the part where the network's epoch is chosen
        return {
            f"{best + 1}-gram counts": float(test[best]),
            "frequencies of characters": float(test[0]),
        }

    def sample(self, network, data):  # noqa: D102
        import torch

        device = next(network.parameters()).device
        start = torch.as_tensor(encode(self.start, data.characters), device=device)
        if not (self.characters and len(start)):
            return ""
        written = network.write(start, self.characters, self.temperature, self.seed)
        return self.start + "".join(data.characters[code] for code in written)


def encode(text: str, characters: str) -> np.ndarray:
    """Return each character's place in ``characters``, (n,) int64; the last one if it has none."""
    place = {character: code for code, character in enumerate(characters)}
    unknown = len(characters) - 1
    return np.array([place.get(character, unknown) for character in text], dtype=np.int64)


def ngram_bits(train: np.ndarray, text: np.ndarray, n_symbols: int) -> np.ndarray:
    """Return the bits per symbol of n-gram models, for contexts of 0 to ``LONGEST`` symbols.

    A model mixes what it has counted after its context with what the next shorter context says,
    by the share of new symbols that was seen there (Witten and Bell 1991, method C). The first
    ``LONGEST`` symbols of the text have no context of that length: they take the longest they have.

    Parameters
    ----------
    train
        (n,) int64, what is counted.
    text
        (m,) int64: all but the first symbol is predicted.
    n_symbols
        How many there are.

    Returns
    -------
    bits : array
        (LONGEST + 1,) float64.
    """
    likely = np.full(len(text), 1 / n_symbols)
    bits = []
    for length in range(LONGEST + 1):
        seen, asked = _contexts(train, length, n_symbols), _contexts(text, length, n_symbols)
        pairs, times = np.unique(seen * n_symbols + train[length:], return_counts=True)
        contexts, totals = np.unique(seen, return_counts=True)
        _, followers = np.unique(pairs // n_symbols, return_counts=True)
        count = _looked_up(pairs, times, asked * n_symbols + text[length:])
        total = _looked_up(contexts, totals, asked)
        kinds = _looked_up(contexts, followers, asked)
        known = total > 0
        shorter = likely[length:]
        mixed = (count + kinds * shorter) / np.maximum(total + kinds, 1)
        likely[length:] = np.where(known, mixed, shorter)
        bits.append(-np.log2(likely[1:]).mean())
    return np.array(bits)


def _contexts(text, length, n_symbols):
    """Return the ``length`` symbols before each symbol that has so many, as one number."""
    count = len(text) - length
    found = np.zeros(count, np.int64)
    for k in range(length):
        found = found * n_symbols + text[k : k + count]
    return found


def _looked_up(keys, values, asked):
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)


def _paragraphs(texts):
    """Yield the paragraphs of texts, each once, in the order in which they come first."""
    seen = set()
    for text in texts:
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            words = " ".join(paragraph.split())
            if words not in seen:
                seen.add(words)
                yield paragraph


APPLICATION = Text
