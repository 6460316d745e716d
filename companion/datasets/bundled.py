"""Data sets that installed packages carry: nothing is downloaded."""

import csv
import importlib

import numpy as np

from companion.datasets.kinds import Sequences, Series, Table
from companion.datasets.records import RECORDS

DOLLARS = "US dollars"


def elnino() -> Series:
    """Load the monthly sea-surface temperature off Peru, where El Niño shows first.

    Returns
    -------
    series : Series
        732 months, 1950-01 to 2010-12: ``times`` datetime64[M], ``values`` float64 in °C, none
        missing.

    Raises
    ------
    ImportError
        If statsmodels is missing; the message says what to install.
    """
    table = _module("elnino").load_pandas().data  # a row a year, a column a month
    years = table["YEAR"].to_numpy(int)
    values = table.drop(columns="YEAR").to_numpy(float).ravel()
    times = (years[:, None] * 12 + np.arange(12) - 1970 * 12).ravel().astype("datetime64[M]")
    return Series(times, values, "°C")


def co2() -> Series:
    """Load the weekly concentration of carbon dioxide at Mauna Loa, Hawaii.

    Returns
    -------
    series : Series
        2,284 Saturdays, 1958-03-29 to 2001-12-29: ``times`` datetime64[D], ``values`` float64 in
        ppm, NaN in the 59 weeks without a measurement.

    Raises
    ------
    ImportError
        If statsmodels is missing; the message says what to install.
    """
    table = _module("co2").load_pandas().data
    times = table.index.to_numpy().astype("datetime64[D]")
    return Series(times, table["co2"].to_numpy(float), "ppm")


def sunspots() -> Series:
    """Load the yearly number of sunspots.

    Returns
    -------
    series : Series
        309 years, 1700 to 2008: ``times`` datetime64[Y], ``values`` float64, the sunspot number.

    Raises
    ------
    ImportError
        If statsmodels is missing; the message says what to install.
    """
    table = _module("sunspots").load_pandas().data
    times = (table["YEAR"].to_numpy(int) - 1970).astype("datetime64[Y]")
    return Series(times, table["SUNACTIVITY"].to_numpy(float), "sunspot number")


def goog() -> Table:
    """Load the daily price of Google's share over its first four years.

    Returns
    -------
    table : Table
        1,047 trading days, 2004-08-19 to 2008-10-14: ``times`` datetime64[D]; ``open``, ``high``,
        ``low``, ``close``, ``adj_close`` in US dollars and ``volume`` in shares, all float64.

    Raises
    ------
    ImportError
        If Matplotlib is missing; the message says what to install.
    """
    days = _module("goog").get_sample_data("goog.npz")["price_data"]
    names = [name for name in days.dtype.names if name != "date"]
    return Table(
        days["date"].astype("datetime64[D]"),
        {name: days[name].astype(float) for name in names},
        {name: "shares" if name == "volume" else DOLLARS for name in names},
    )


def stocks() -> Table:
    """Load the monthly prices of eight shares and two indices.

    The file's rows between the first days of two months, which hold no prices or those of the day
    on which the file was made, are left out.

    Returns
    -------
    table : Table
        390 months, 1990-01 to 2022-06: ``times`` datetime64[M]; a column a ticker, float64,
        adjusted for dividends and splits, NaN before a share was listed. Shares are in US dollars,
        the indices ``^GSPC`` (S&P 500) and ``^IXIC`` (Nasdaq) in points.

    Raises
    ------
    ImportError
        If Matplotlib is missing; the message says what to install.
    """
    path = _module("stocks").get_sample_data("Stocks.csv", asfileobj=False)
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(line for line in file if not line.startswith("#"))
        names = next(rows)[1:]
        kept = [row for row in rows if row and row[0].endswith("-01")]
    values = np.array([[float(cell or "nan") for cell in row[1:]] for row in kept])
    return Table(
        np.array([row[0][:7] for row in kept], dtype="datetime64[M]"),
        dict(zip(names, values.T, strict=True)),
        {name: "points" if name.startswith("^") else DOLLARS for name in names},
    )


def digits() -> Sequences:
    """Load small images of handwritten digits: a sequence of 8 rows of 8 pixels.

    Returns
    -------
    images : Sequences
        ``inputs`` (1797, 8, 8) float32, whole numbers from 0 (white) to 16 (black), row by row
        from the top; ``labels`` (1797,) int64; ``classes`` "0" to "9".

    Raises
    ------
    ImportError
        If scikit-learn is missing; the message says what to install.
    """
    found = _module("digits").load_digits()
    classes = tuple(str(name) for name in found.target_names)
    return Sequences(found.images.astype(np.float32), found.target.astype(np.int64), classes)


def images() -> dict[str, np.ndarray]:
    """Load two photographs, of a Chinese temple and of a flower.

    Returns
    -------
    photographs : dict of arrays
        ``"china"`` and ``"flower"``, each (427, 640, 3) uint8: rows, columns, and red, green, blue.

    Raises
    ------
    ImportError
        If scikit-learn or Pillow is missing; the message says what to install.
    """
    sklearn = _module("images")
    return {name: sklearn.load_sample_image(f"{name}.jpg") for name in ("china", "flower")}


def topics() -> dict[str, str]:
    """Load the help texts of Python, English prose about a programming language.

    Returns
    -------
    texts : dict of str
        The text of each topic by its name, in alphabetical order. Which topics there are and what
        they say depends on the version of Python: 79 topics of 464,970 characters in 3.11.7.
    """
    return dict(sorted(_module("topics").topics.items()))


def _module(name):
    """Import what carries the data set, or say what to install."""
    package = RECORDS[name].origin
    try:
        return importlib.import_module(package.module)
    except ImportError as error:
        raise ImportError(
            f"the data set {name} comes with {package.name}, which is not installed: "
            f'pip install "gate-by-gate[data]"',
            name=error.name,
        ) from error
