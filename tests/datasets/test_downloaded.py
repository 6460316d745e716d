"""What loaders make of a file: of small ones in the same form, and of the real ones where cached.

The real ones are tested where they are in the cache: ``companion datasets fetch --all``.
"""

import gzip
import io
import json
import wave

import numpy as np
import pytest

from companion import datasets
from companion.datasets import cache


@pytest.fixture
def holds(monkeypatch):
    """Let a set's files hold what a test says, in the order of its record."""

    def put(name, *contents):
        paths = [file.path for file in datasets.RECORDS[name].origin.files]
        found = dict(zip(paths, contents, strict=True))
        monkeypatch.setattr(cache, "read", lambda asked: {name: found}[asked])

    return put


def real(name):
    """Load a real set, or skip where that would need the network."""
    if not datasets.is_cached(name):
        pytest.skip(f"not in the cache: companion datasets fetch {name}")
    return getattr(datasets, name)()


# --- In the same form


def test_seattle_weather_has_typed_columns(holds):
    holds(
        "seattle_weather",
        b"date,precipitation,temp_max,temp_min,wind,weather\n"
        b"2012-01-01,0.0,12.8,-5.0,4.7,drizzle\n2012-01-02,10.9,10.6,2.8,4.5,rain\n",
    )
    table = datasets.seattle_weather()
    assert list(table.columns) == ["precipitation", "temp_max", "temp_min", "wind", "weather"]
    assert table.times.tolist() == np.array(["2012-01-01", "2012-01-02"], "M8[D]").tolist()
    assert table["temp_min"].values.tolist() == [-5.0, 2.8] and table["temp_min"].unit == "°C"
    assert table["weather"].values.tolist() == ["drizzle", "rain"]


def test_sp500_has_typed_columns(holds):
    row = b"2000-01-03,1.5,2.5,0.5,2.0,2.25,931800000\n"
    holds("sp500", b"date,open,high,low,close,adjclose,volume\n" + row)
    table = datasets.sp500()
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "open": [1.5],
        "high": [2.5],
        "low": [0.5],
        "close": [2.0],
        "adjclose": [2.25],
        "volume": [931800000.0],
    }
    assert (table["close"].unit, table["volume"].unit) == ("points", "shares")


def test_nyc_taxi_has_times_to_the_minute(holds):
    holds("nyc_taxi", b"timestamp,value\n2014-07-01 00:00:00,10844\n2014-07-01 00:30:00,8127\n")
    series = datasets.nyc_taxi()
    assert series.times.dtype == np.dtype("datetime64[m]")
    assert series.times.astype(str).tolist() == ["2014-07-01T00:00", "2014-07-01T00:30"]
    assert series.values.tolist() == [10844.0, 8127.0] and series.unit == "passengers"


def test_wnut17_has_sentences_by_split(holds):
    holds(
        "wnut17",
        "In\tO\nNew\tB-location\nYork\tI-location\n\n\u2028\tO\n!\tO\n\n".encode(),
        b"Hi\tO\n",
        b"\nBye\tO\n\n\n\n",
    )
    assert datasets.wnut17() == {
        "train": [
            [("In", "O"), ("New", "B-location"), ("York", "I-location")],
            [("\u2028", "O"), ("!", "O")],  # a line separator to Python, a token here
        ],
        "validation": [[("Hi", "O")]],
        "test": [[("Bye", "O")]],
    }


def test_wikigold_leaves_out_the_beginnings_of_articles(holds):
    holds("wikigold", b"-DOCSTART- O\n\nIn O\nPeru I-LOC\n\n-DOCSTART- O\n\nYes O\n\n")
    assert datasets.wikigold() == {"all": [[("In", "O"), ("Peru", "I-LOC")], [("Yes", "O")]]}


def test_clinc150_numbers_the_intents_in_alphabetical_order(holds):
    content = {
        "train": [["book a table", "table"], ["good morning", "greeting"]],
        "val": [["hi", "greeting"]],
        "test": [["a table", "table"]],
        **{f"oos_{split}": [["how deep is the sea", "oos"]] for split in ("train", "val", "test")},
    }
    holds("clinc150", json.dumps(content).encode())
    splits = datasets.clinc150()
    assert list(splits) == [
        *("train", "validation", "test"),
        *("oos_train", "oos_validation", "oos_test"),
    ]
    train = splits["train"]
    assert train.texts == ("book a table", "good morning")
    assert train.labels.tolist() == [1, 0] and train.labels.dtype == np.int64
    assert train.classes == ("greeting", "table", "oos")
    assert splits["oos_test"].labels.tolist() == [2]
    assert repr(train) == "LabelledTexts(2 texts, 3 classes)" and len(train) == 2


def test_tiny_shakespeare_is_a_text(holds):
    holds("tiny_shakespeare", "Soft! what light…\n".encode())
    assert datasets.tiny_shakespeare() == "Soft! what light…\n"


def test_multi30k_pairs_lines_of_any_two_languages(holds):
    lines = {
        "en": "A dog.\nA cat.\n",
        "de": "Ein Hund. \nEine Katze.\n",
        "fr": "\tUn chien.\nUn\x85chat.\n",
    }
    holds(
        "multi30k",
        *(
            gzip.compress(lines[path.split(".")[-2]].encode())
            for path in (f.path for f in datasets.RECORDS["multi30k"].origin.files)
        ),
    )
    pairs = datasets.multi30k()
    assert list(pairs) == ["train", "validation", "test"]
    assert pairs["train"] == [("A dog.", "Ein Hund."), ("A cat.", "Eine Katze.")]
    assert datasets.multi30k("fr", "en")["test"][1] == ("Un\x85chat.", "A cat.")


def test_multi30k_refuses_other_languages(holds):
    with pytest.raises(ValueError, match="source is 'cs', expected one of 'en', 'de', 'fr'"):
        datasets.multi30k("cs")
    with pytest.raises(ValueError, match="target is 'en', expected one of 'de', 'fr'"):
        datasets.multi30k("en", "en")


def test_scitldr_has_sources_and_summaries(holds):
    line = json.dumps(
        {"title": "T", "source": ["A.", "B."], "target": ["C.", "D."], "paper_id": "x"}
    )
    holds("scitldr", *[f"{line}\n".encode()] * 3)
    papers = datasets.scitldr()
    assert papers["validation"] == [datasets.Summarised("T", ("A.", "B."), ("C.", "D."))]


def test_spoken_digits_are_scaled_to_one(holds, monkeypatch):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 4, "NONE", ""))
        sound.writeframes(np.array([0, 16384, -32768, 32767], dtype="<i2").tobytes())
    path = "recordings/7_jackson_3.wav"
    monkeypatch.setattr(cache, "read", lambda name: {path: file.getvalue()})
    (spoken,) = datasets.spoken_digits()
    assert spoken.samples.tolist() == [0.0, 0.5, -1.0, 32767 / 32768]
    assert spoken.samples.dtype == np.float32
    assert (spoken.rate, spoken.label, spoken.speaker, spoken.take) == (8000, 7, "jackson", 3)
    assert repr(spoken) == "Recording(7, jackson, take 3, 0.00 s)"


def test_gestures_are_pairs_of_coordinates(holds):
    row = ",".join(["2", *(f"{k / 100}" for k in range(32))])
    holds("gestures", f"{row}\n{row}\n".encode())
    found = datasets.gestures()
    assert found.inputs.shape == (2, 16, 2) and found.inputs.dtype == np.float32
    assert found.inputs[1, 3].tolist() == np.float32([0.06, 0.07]).tolist()
    assert found.labels.tolist() == [2, 2]


# --- The real ones


def test_real_seattle_weather():
    table = real("seattle_weather")
    days = np.arange("2012-01-01", "2016-01-01", dtype="datetime64[D]")
    assert np.array_equal(table.times, days) and len(table) == 1461
    assert set(table["weather"].values) == {"drizzle", "fog", "rain", "snow", "sun"}
    assert (table["temp_max"].values >= table["temp_min"].values).all()
    assert np.isfinite([table[name].values for name in list(table.columns)[:-1]]).all()


def test_real_sp500():
    table = real("sp500")
    assert len(table) == 5105 and table.times[[0, -1]].astype(str).tolist() == [
        "2000-01-03",
        "2020-04-17",
    ]
    assert np.isfinite(list(table.columns.values())).all()
    assert np.array_equal(table.columns["close"], table.columns["adjclose"])  # says the record
    assert (np.diff(table.times).astype(int) >= 1).all()


def test_real_nyc_taxi():
    series = real("nyc_taxi")
    half_hours = np.arange("2014-07-01", "2015-02-01", 30, dtype="datetime64[m]")
    assert np.array_equal(series.times, half_hours) and len(series) == 10320
    assert (series.values.min(), series.values.max()) == (8, 39197)
    marathon = series.values[series.times == np.datetime64("2014-11-02T01:00")].item()
    assert marathon == series.values.max()  # the hour that the end of summer time repeats


def names(sentences):
    """Every name in tagged sentences, in lower case."""
    found = []
    for sentence in sentences:
        for token, tag in sentence:
            if tag.startswith("B-"):
                found.append([token.lower()])
            elif tag.startswith("I-"):
                found[-1].append(token.lower())
    return [" ".join(name) for name in found]


def test_real_wnut17():
    splits = real("wnut17")
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 3394,
        "validation": 1009,
        "test": 1287,
    }
    tags = {tag for split in splits.values() for sentence in split for _, tag in sentence}
    kinds = ("corporation", "creative-work", "group", "location", "person", "product")
    assert tags == {"O", *(f"{place}-{kind}" for place in "BI" for kind in kinds)}
    assert all(token for split in splits.values() for sentence in split for token, _ in sentence)
    test, train = names(splits["test"]), set(names(splits["train"]))
    assert (len(test), sum(name in train for name in test)) == (1079, 24)  # says the record


def test_real_wikigold():
    (sentences,) = real("wikigold").values()
    assert len(sentences) == 1696
    tags = {tag for sentence in sentences for _, tag in sentence}
    assert tags == {"O", "I-LOC", "I-MISC", "I-ORG", "I-PER"}
    assert sentences[0][0] == ("010", "I-MISC")


def test_real_clinc150():
    splits = real("clinc150")
    assert [len(split) for split in splits.values()] == [15000, 3000, 4500, 100, 100, 1000]
    for name, each in (("train", 100), ("validation", 20), ("test", 30)):
        assert np.bincount(splits[name].labels).tolist() == [each] * 150
    assert all(set(splits[f"oos_{name}"].labels) == {150} for name in ("train", "test"))
    assert splits["train"].classes[150] == "oos" and len(splits["train"].classes) == 151
    where = splits["train"].texts.index(
        "what expression would i use to say i love you if i were an italian"
    )
    assert splits["train"].classes[splits["train"].labels[where]] == "translate"


def test_real_tiny_shakespeare():
    text = real("tiny_shakespeare")
    assert (len(text), len(set(text)), text.count("\n")) == (1_115_394, 65, 40_000)
    assert text.startswith("First Citizen:\nBefore we proceed any further")


def test_real_multi30k():
    splits = real("multi30k")
    assert [len(split) for split in splits.values()] == [29000, 1014, 1000]
    assert all(a and b for split in splits.values() for a, b in split)
    french = datasets.multi30k("en", "fr")
    assert [a for a, _ in french["train"]] == [a for a, _ in splits["train"]]
    assert splits["test"][0][1] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."


def test_real_scitldr():
    splits = real("scitldr")
    assert [len(split) for split in splits.values()] == [1992, 619, 618]
    counts = {name: {len(p.summaries) for p in papers} for name, papers in splits.items()}
    assert counts == {"train": {1}, "validation": {1, 2, 3, 4}, "test": {2, 3, 4}}
    assert all(p.title and p.source and all(p.summaries) for s in splits.values() for p in s)


def test_real_spoken_digits():
    recordings = real("spoken_digits")
    assert len(recordings) == 600 and {r.rate for r in recordings} == {8000}
    assert {(r.label, r.take) for r in recordings} == {(d, t) for d in range(10) for t in range(10)}
    assert len({r.speaker for r in recordings}) == 6
    seconds = [len(r.samples) / r.rate for r in recordings]
    assert [round(x, 2) for x in (min(seconds), max(seconds))] == [0.14, 1.31]
    assert round(sum(seconds) / 60, 1) == 4.4  # minutes
    loudest = [np.abs(r.samples).max() for r in recordings]
    assert 0 < min(loudest) and max(loudest) < 1


def test_real_gestures():
    found = real("gestures")
    assert found.inputs.shape == (5296, 16, 2)
    assert np.bincount(found.labels).tolist() == [1481, 1234, 1279, 1302]
    assert (found.inputs[:, 0] == 0).all()  # relative to the first point
    assert (np.diff(found.labels) != 0).sum() == 3  # each class is one stretch of the file
    x, y = np.moveaxis(found.inputs - found.inputs.mean(1, keepdims=True), -1, 0)
    turn = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(1)  # > 0: clockwise, as y points down
    assert (turn[found.labels == 1] > 0).mean() > 0.95
    assert (turn[found.labels == 2] < 0).mean() > 0.95
    earlier = found.inputs[:-1, 1:] - found.inputs[:-1, 1:2]
    later = found.inputs[1:, :-1]
    same = np.abs(earlier - later).max((1, 2)) < 1e-6
    assert 0.95 < same.mean() < 0.97  # neighbours are one path, moved on by a frame
