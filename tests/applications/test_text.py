"""The text's data, its rivals that count, and what the network writes."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from companion import datasets
from companion.applications.networks import LanguageModel
from companion.applications.text import LONGEST, PIECE, UNKNOWN, Text, encode, ngram_bits


@pytest.fixture(scope="module")
def data():
    return Text().prepare()


def decoded(data, part):
    return "".join(data.characters[code] for code in data.texts[part])


def test_no_paragraph_is_in_two_parts(data):
    parts = [
        {" ".join(p.split()) for p in decoded(data, name).split("\n\n")}
        for name in ("train", "validation", "test")
    ]
    assert all(len(part) > 50 for part in parts)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    # The topics do quote one another, or this test could not fail.
    every = [" ".join(p.split()) for text in datasets.topics().values() for p in text.split("\n\n")]
    assert len(every) > 1.1 * len(set(every))


def test_the_vocabulary_is_the_training_text_s(data, monkeypatch):
    assert set(decoded(data, "train")) == set(data.characters[:-1])
    assert data.characters[-1] == UNKNOWN not in decoded(data, "train")
    topics = {"only": "\n\n".join(f"word {'abcdefghij'[k]}" for k in range(10))}
    monkeypatch.setattr(datasets, "topics", lambda: topics)
    small = Text(window=2).prepare()
    assert decoded(small, "test") == f"word {UNKNOWN}"  # its j is in no other paragraph


def test_the_target_is_the_next_character(data):
    for part, size in (("train", Text().window), ("validation", PIECE), ("test", PIECE)):
        split, text = getattr(data, part), data.texts[part]
        (inputs,) = split.inputs
        assert inputs.shape == split.target.shape == ((len(text) - 1) // size, size)
        np.testing.assert_array_equal(inputs.ravel(), text[: inputs.size])
        np.testing.assert_array_equal(split.target.ravel(), text[1 : inputs.size + 1])


def test_the_score_is_the_loss_in_bits(data):
    n_symbols = len(data.characters)
    pieces = data.validation.target.shape[0]
    logits = np.random.default_rng(0).normal(0, 30, (pieces, PIECE, n_symbols)).astype(np.float32)
    nats = Text().loss(torch.from_numpy(logits), torch.from_numpy(data.validation.target))
    bits = Text().score(data, "validation", logits)
    assert bits == pytest.approx(float(nats) / math.log(2), rel=1e-5)
    assert Text().score(data, "validation", 0 * logits) == pytest.approx(math.log2(n_symbols))


def likely(train, context, symbol, n_symbols):
    """Witten and Bell's interpolation, as it is written down: by recursion."""
    shorter = likely(train, context[1:], symbol, n_symbols) if context else 1 / n_symbols
    length = len(context)
    after = Counter(
        train[k + length]
        for k in range(len(train) - length)
        if tuple(train[k : k + length]) == context
    )
    if not after:
        return shorter
    return (after[symbol] + len(after) * shorter) / (sum(after.values()) + len(after))


def test_the_counts_against_the_definition():
    rng = np.random.default_rng(0)
    n_symbols = 4
    train, text = rng.integers(0, 3, 60), rng.integers(0, n_symbols, 20)
    found = ngram_bits(train, text, n_symbols)
    assert found.shape == (LONGEST + 1,)
    for length in range(4):
        expected = [
            -math.log2(likely(list(train), tuple(text[max(0, k - length) : k]), text[k], n_symbols))
            for k in range(1, len(text))
        ]
        assert found[length] == pytest.approx(np.mean(expected), rel=1e-12)
    context = tuple(text[:3])
    assert sum(likely(list(train), context, s, n_symbols) for s in range(n_symbols)) == (
        pytest.approx(1)
    )


def test_the_baselines(data):
    found = Text().baselines(data)
    (counts, frequencies) = found.values()
    n = int(next(iter(found)).split("-")[0])
    train = data.texts["train"]
    validation, test = (
        ngram_bits(
            train, data.texts[part][: getattr(data, part).target.size + 1], len(data.characters)
        )
        for part in ("validation", "test")
    )
    assert n - 1 == validation.argmin() and counts == test[n - 1] < 2.2 < frequencies == test[0]


def test_writing_carries_the_state():
    torch.manual_seed(0)
    network = LanguageModel(Text(units=16), 7)
    start, logits = torch.tensor([1, 2, 3]), []
    hook = network.head.register_forward_hook(lambda *call: logits.append(call[-1][0, -1]))
    written = network.write(start, 12, 1.0, seed=0)
    hook.remove()
    # What it had before each draw is what the whole text has from a state of zero.
    whole = network(torch.cat([start, torch.tensor(written[:-1])])[None])[0, len(start) - 1 :]
    torch.testing.assert_close(torch.stack(logits), whole)
    assert network.training


def test_writing_draws_from_the_distribution():
    torch.manual_seed(0)
    network = LanguageModel(Text(units=4), 3)
    start = torch.tensor([0])
    one, same, other = (network.write(start, 30, 1.0, seed) for seed in (0, 0, 1))
    assert one == same != other
    drawn = Counter(network.write(start, 1, 2.0, seed)[0] for seed in range(400))
    wanted = torch.softmax(network(start[None])[0, -1].detach() / 2, 0)
    for symbol in range(3):  # within four standard deviations of 400 draws
        assert abs(drawn[symbol] / 400 - float(wanted[symbol])) < 4 * (0.25 / 400) ** 0.5


def test_the_sample_begins_as_asked(data):
    settings = Text(units=4, characters=20, start="€ The")
    torch.manual_seed(0)
    network = settings.network(data)
    text = settings.sample(network, data)
    assert text.startswith("€ The") and len(text) == 25 and text == settings.sample(network, data)
    assert Text(characters=0).sample(network, data) == ""
    assert Text(start="").sample(network, data) == ""


def test_encoding():
    np.testing.assert_array_equal(encode("abz", "ab" + UNKNOWN), [0, 1, 2])
