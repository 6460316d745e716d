"""Data sets that are downloaded once, checked at every load, and read with the standard library.

All loaders raise what `companion.datasets.fetch` raises.
"""

import csv
import gzip
import io
import json
import re
import wave

import numpy as np

from companion import spec
from companion.datasets import cache
from companion.datasets.kinds import (
    LabelledTexts,
    Recording,
    Sequences,
    Series,
    Summarised,
    Table,
)

#: The languages of `multi30k`.
LANGUAGES = ("en", "de", "fr")

Sentences = list[list[tuple[str, str]]]


def seattle_weather() -> Table:
    """Load the daily weather of Seattle.

    Returns
    -------
    table : Table
        1,461 days, 2012-01-01 to 2015-12-31: ``times`` datetime64[D]; ``precipitation`` (mm),
        ``temp_max``, ``temp_min`` (°C) and ``wind`` (m/s), float64, and ``weather``, str.
    """
    units = {"precipitation": "mm", "temp_max": "°C", "temp_min": "°C", "wind": "m/s"}
    return _table("seattle_weather", units | {"weather": "label"})


def sp500() -> Table:
    """Load the daily values of the index S&P 500.

    Returns
    -------
    table : Table
        5,105 trading days, 2000-01-03 to 2020-04-17: ``times`` datetime64[D]; ``open``, ``high``,
        ``low``, ``close``, ``adjclose`` in points and ``volume`` in shares, float64.
    """
    names = ("open", "high", "low", "close", "adjclose")
    return _table("sp500", dict.fromkeys(names, "points") | {"volume": "shares"})


def nyc_taxi() -> Series:
    """Load how many passengers New York's taxis carried.

    Returns
    -------
    series : Series
        10,320 half hours, 2014-07-01 00:00 to 2015-01-31 23:30: ``times`` datetime64[m],
        ``values`` float64, passengers in the half hour that begins then.
    """
    (text,) = _texts("nyc_taxi")
    rows = list(csv.reader(io.StringIO(text)))[1:]
    times = np.array([row[0].replace(" ", "T") for row in rows], dtype="datetime64[m]")
    return Series(times, np.array([float(row[1]) for row in rows]), "passengers")


def wnut17() -> dict[str, Sentences]:
    """Load sentences from social media with tagged names.

    Returns
    -------
    splits : dict of lists
        ``"train"``, ``"validation"`` and ``"test"``: 3,394, 1,009 and 1,287 sentences, each a list
        of (token, tag), tags as in ``"B-person"``, ``"I-person"`` and ``"O"``.
    """
    splits = ("train", "validation", "test")
    return {split: _sentences(text) for split, text in zip(splits, _texts("wnut17"), strict=True)}


def wikigold() -> dict[str, Sentences]:
    """Load sentences from Wikipedia with tagged names.

    Returns
    -------
    splits : dict of lists
        ``"all"``: 1,696 sentences, each a list of (token, tag), tags ``"O"``, ``"I-LOC"``,
        ``"I-MISC"``, ``"I-ORG"`` and ``"I-PER"``.
    """
    (text,) = _texts("wikigold")
    beginning = [("-DOCSTART-", "O")]  # of an article
    return {"all": [sentence for sentence in _sentences(text) if sentence != beginning]}


def clinc150() -> dict[str, LabelledTexts]:
    """Load requests to a voice assistant with what is wanted.

    Returns
    -------
    splits : dict of LabelledTexts
        ``"train"``, ``"validation"`` and ``"test"``: 15,000, 3,000 and 4,500 texts of the 150
        intents; ``"oos_train"``, ``"oos_validation"`` and ``"oos_test"``: 100, 100 and 1,000 texts
        out of scope. ``classes`` are the same 151 in all, ``"oos"`` the last.
    """
    (text,) = _texts("clinc150")
    found = json.loads(text)
    classes = (*sorted({intent for _, intent in found["train"]}), "oos")
    index = {name: label for label, name in enumerate(classes)}
    splits = {}
    for scope in ("", "oos_"):
        for split, theirs in (("train", "train"), ("validation", "val"), ("test", "test")):
            texts, intents = zip(*found[scope + theirs], strict=True)
            labels = np.array([index[intent] for intent in intents], dtype=np.int64)
            splits[scope + split] = LabelledTexts(texts, labels, classes)
    return splits


def tiny_shakespeare() -> str:
    """Load a million characters of Shakespeare's plays.

    Returns
    -------
    text : str
        1,115,394 characters, 65 of them different.
    """
    (text,) = _texts("tiny_shakespeare")
    return text


def multi30k(source: str = "en", target: str = "de") -> dict[str, list[tuple[str, str]]]:
    """Load captions of photographs in two languages.

    Parameters
    ----------
    source, target
        Two different languages of ``"en"``, ``"de"`` and ``"fr"``.

    Returns
    -------
    splits : dict of lists
        ``"train"``, ``"validation"`` and ``"test"``: 29,000, 1,014 and 1,000 pairs of a line in
        ``source`` and the same in ``target``, without spaces around them.

    Raises
    ------
    ValueError
        If a language is not one of these, or both are the same.
    """
    spec.check_choice("source", source, LANGUAGES)
    spec.check_choice("target", target, [name for name in LANGUAGES if name != source])
    files = {
        path.removeprefix("data/task1/raw/"): packed
        for path, packed in cache.read("multi30k").items()
    }

    def lines(split, language):
        text = gzip.decompress(files[f"{split}.{language}.gz"]).decode()
        return [line.strip() for line in text.removesuffix("\n").split("\n")]

    return {
        split: list(zip(lines(theirs, source), lines(theirs, target), strict=True))
        for split, theirs in (
            ("train", "train"),
            ("validation", "val"),
            ("test", "test_2016_flickr"),
        )
    }


def scitldr() -> dict[str, list[Summarised]]:
    """Load abstracts of papers with summaries of one sentence.

    Returns
    -------
    splits : dict of lists
        ``"train"``, ``"validation"`` and ``"test"``: 1,992, 619 and 618 papers, each with its
        title, the sentences of its abstract, and one to four summaries.
    """
    splits = {}
    for split, text in zip(("train", "validation", "test"), _texts("scitldr"), strict=True):
        papers = map(json.loads, text.removesuffix("\n").split("\n"))
        splits[split] = [
            Summarised(paper["title"], tuple(paper["source"]), tuple(paper["target"]))
            for paper in papers
        ]
    return splits


def spoken_digits() -> list[Recording]:
    """Load recordings of spoken digits.

    Returns
    -------
    recordings : list of Recording
        600 by digit, speaker and take, at 8,000 samples a second. Takes 0 to 4 are the test set,
        as its makers define it.
    """
    found = []
    for path, content in cache.read("spoken_digits").items():
        label, speaker, take = re.fullmatch(r"recordings/(\d)_([a-z]+)_(\d+)\.wav", path).groups()
        with wave.open(io.BytesIO(content)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
            rate = file.getframerate()
        scaled = samples.astype(np.float32) / 32768
        found.append(Recording(scaled, rate, int(label), speaker, int(take)))
    return found


def gestures() -> Sequences:
    """Load paths of a fingertip in front of a camera.

    Neighbours are mostly one recording moved on by a frame: split into blocks, not at random.

    Returns
    -------
    paths : Sequences
        ``inputs`` (5296, 16, 2) float32: x and y in 16 frames as fractions of the picture's width
        and height, relative to the first frame, y pointing down; ``labels`` (5296,) int64;
        ``classes`` "stop", "clockwise", "counter-clockwise", "move".
    """
    (text,) = _texts("gestures")
    rows = np.array([row for row in csv.reader(io.StringIO(text)) if row], dtype=np.float64)
    return Sequences(
        rows[:, 1:].reshape(-1, 16, 2).astype(np.float32),
        rows[:, 0].astype(np.int64),
        ("stop", "clockwise", "counter-clockwise", "move"),
    )


def _texts(name):
    """Return the texts of a set's files, in the order of its record."""
    return [content.decode() for content in cache.read(name).values()]


def _table(name, units):
    (text,) = _texts(name)
    rows = list(csv.DictReader(io.StringIO(text)))
    return Table(
        np.array([row["date"] for row in rows], dtype="datetime64[D]"),
        {
            column: np.array([row[column] for row in rows], dtype=str if unit == "label" else float)
            for column, unit in units.items()
        },
        units,
    )


def _sentences(text):
    """Read a token and its tag a line, with an empty line after each sentence."""
    blocks = (block for block in text.split("\n\n") if block.strip("\n"))
    return [
        [tuple(re.split("[\t ]", line)) for line in block.strip("\n").split("\n")]
        for block in blocks
    ]
