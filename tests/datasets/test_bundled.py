"""What installed packages carry: the same numbers as there, typed, in order, with units."""

import csv
import importlib
import sys
from pydoc_data.topics import topics as python_topics

import numpy as np
import pytest
from statsmodels.datasets import co2 as their_co2
from statsmodels.datasets import elnino as their_elnino

from companion import datasets
from companion.datasets import records

INSTALLED = [  # other than with Python itself
    known
    for known in records.RECORDS.values()
    if isinstance(known.origin, records.Package) and known.origin.name != "Python"
]


def test_elnino_is_as_statsmodels_has_it():
    series = datasets.elnino()
    theirs = their_elnino.load_pandas().data
    assert np.array_equal(series.values, theirs.drop(columns="YEAR").to_numpy().ravel())
    assert series.values.shape == (732,) and np.isfinite(series.values).all()
    assert series.times.dtype == np.dtype("datetime64[M]")
    assert np.array_equal(series.times, np.arange("1950-01", "2011-01", dtype="datetime64[M]"))
    december = theirs.loc[theirs["YEAR"] == 1997, "DEC"].item()
    assert series.values[series.times == np.datetime64("1997-12")] == december
    assert series.unit == "°C" and len(series) == 732
    assert repr(series) == "Series(732 from 1950-01 to 2010-12, °C)"


def test_co2_has_every_week_and_its_gaps():
    series = datasets.co2()
    assert series.times.dtype == np.dtype("datetime64[D]") and len(series) == 2284
    assert set(np.diff(series.times).astype(int)) == {7}
    assert series.times[[0, -1]].astype(str).tolist() == ["1958-03-29", "2001-12-29"]
    assert np.isnan(series.values).sum() == 59
    assert np.array_equal(
        series.values, their_co2.load_pandas().data["co2"].to_numpy(), equal_nan=True
    )
    assert series.unit == "ppm"


def test_sunspots_are_a_value_a_year():
    series = datasets.sunspots()
    assert np.array_equal(series.times.astype(str).astype(int), np.arange(1700, 2009))
    assert series.values[[0, -1]].tolist() == [5.0, 2.9]


def test_goog_has_prices_and_volume():
    table = datasets.goog()
    assert list(table.columns) == ["open", "high", "low", "close", "volume", "adj_close"]
    assert len(table) == 1047 and str(table.times[0]) == "2004-08-19"
    assert np.diff(table.times).astype(int).max() == 5  # as the record says
    close = table["close"]
    assert close.values.dtype == np.float64 and close.unit == "US dollars"
    assert table["volume"].unit == "shares"
    assert (table.columns["low"] <= close.values).all()
    assert (close.values <= table.columns["high"]).all()
    assert repr(table).startswith("Table(1047 from 2004-08-19 to 2008-10-14: open, high")


def test_stocks_are_a_row_a_month_without_the_rows_in_between():
    table = datasets.stocks()
    assert np.array_equal(table.times, np.arange("1990-01", "2022-07", dtype="datetime64[M]"))
    from matplotlib.cbook import get_sample_data

    with open(get_sample_data("Stocks.csv", asfileobj=False), newline="") as file:
        rows = {row[0]: row for row in csv.reader(file)}
    for name, column in zip(rows["Date"][1:], range(1, 11), strict=True):
        for month in ("1990-01", "2004-08", "2022-06"):
            value = table[name].values[table.times == np.datetime64(month)].item()
            assert value == float(rows[f"{month}-01"][column] or "nan") or np.isnan(value)
    gaps = {name for name, column in table.columns.items() if np.isnan(column).any()}
    assert gaps == {"AMZN", "DELL", "GOOGL"}  # as the record says
    assert np.isfinite([table.columns[name][-1] for name in table.columns]).all()
    assert table["^GSPC"].unit == "points" and table["IBM"].unit == "US dollars"


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="no column 'GOOG', expected one of IBM, AAPL"):
        datasets.stocks()["GOOG"]


def test_digits_are_sequences_of_rows():
    found = datasets.digits()
    assert found.inputs.shape == (1797, 8, 8) and found.inputs.dtype == np.float32
    assert found.labels.shape == (1797,) and found.labels.dtype == np.int64
    assert found.classes == tuple("0123456789") and set(found.labels) == set(range(10))
    assert (found.inputs.min(), found.inputs.max()) == (0, 16)
    assert (found.inputs == found.inputs.round()).all()
    zeros, ones = (found.inputs[found.labels == k].mean(0) for k in (0, 1))
    assert zeros[4, 4] < ones[4, 4]  # a nought is empty in its middle: rows and labels belong
    assert len(found) == 1797 and repr(found) == "Sequences(inputs (1797, 8, 8), 10 classes)"


def test_images_are_in_colour():
    found = datasets.images()
    assert list(found) == ["china", "flower"]
    for image in found.values():
        assert image.shape == (427, 640, 3) and image.dtype == np.uint8
    assert not np.array_equal(found["china"], found["flower"])


def test_topics_are_those_of_this_python():
    found = datasets.topics()
    assert found == python_topics and list(found) == sorted(found)
    assert "for" in found and found is not python_topics
    if sys.version_info[:3] == (3, 11, 7):  # which the record speaks of
        assert (len(found), sum(map(len, found.values()))) == (79, 464_970)


@pytest.mark.parametrize("known", INSTALLED, ids=lambda known: known.name)
def test_a_missing_package_is_named_with_what_to_install(known, monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name == known.origin.module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError) as error:
        getattr(datasets, known.name)()
    assert str(error.value) == (
        f"the data set {known.name} comes with {known.origin.name}, which is not installed: "
        'pip install "gate-by-gate[data]"'
    )
