"""What every data set is, where it comes from, and under which licence: data only.

Only the standard library is imported, so that the data cards, and ``companion datasets list``,
are made from these records wherever Python runs.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class File:
    """One file of a data set that is downloaded.

    Parameters
    ----------
    path
        Inside its repository, with ``/`` between the parts.
    size
        In bytes.
    sha256
        Of its content, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Package:
    """Where a bundled data set lies: in an installed package.

    Parameters
    ----------
    name
        As people write it.
    module
        What the loader imports.
    size
        Of the data in bytes, in the version that this package is tested with.
    """

    name: str
    module: str
    size: int


@dataclass(frozen=True)
class Repository:
    """Where a downloaded data set lies: in a repository on GitHub, at one commit.

    Parameters
    ----------
    name
        Owner and repository, ``"numenta/NAB"``.
    commit
        The 40 digits of the commit: what is downloaded can never change.
    files
        The files that the loader reads.
    """

    name: str
    commit: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Record:
    """All that is said of a data set: on its card, in the list of the command, in errors.

    Parameters
    ----------
    name
        The name of the loader, in the command and on the card.
    title
        A few words.
    about
        What it is, who made it and how.
    holds
        What the loader returns: how much, in which units.
    split
        Which part is for training and which for the test, and who says so; empty if nobody does.
    caution
        What one has to know before trusting a result on it.
    licence
        The licence's name, or what is stated in place of one.
    licence_url
        Its text, or where it is stated.
    credit
        Whom to name, as the licence asks for, or science does.
    source
        Where its makers describe it.
    origin
        Where the loader takes it from.
    """

    name: str
    title: str
    about: str
    holds: str
    split: str
    caution: str
    licence: str
    licence_url: str
    credit: str
    source: str
    origin: Package | Repository

    @property
    def size(self) -> int:
        """In bytes, as it lies on the disk."""
        return self.origin.size


class UnknownDataset(LookupError):
    """There is no data set of this name; the message names the nearest."""

    def __init__(self, name: str):
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), RECORDS, n=3)
        meant = f"did you mean {' or '.join(near)}?" if near else "none is like it."
        super().__init__(
            f"there is no data set {name!r}: {meant} `companion datasets list` names all"
        )
        self.name = name
        self.near = near


def record(name: str) -> Record:
    """Return the record of a data set.

    Raises
    ------
    UnknownDataset
        If there is none; the message names the nearest.
    """
    if name not in RECORDS:
        raise UnknownDataset(name)
    return RECORDS[name]


def _manifest(name: str) -> tuple[File, ...]:
    """Read a list of many files: a line each with size, SHA-256 and path."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    rows = (line.split(" ", 2) for line in text.splitlines())
    return tuple(File(path, int(size), digest) for size, digest, path in rows)


CC_BY_4 = "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"
STATSMODELS = "https://www.statsmodels.org/stable/datasets/generated"
YAHOO = "https://finance.yahoo.com"

_BUNDLED = (
    Record(
        name="elnino",
        title="Sea-surface temperature off Peru, monthly",
        about="The mean temperature of the sea's surface between the equator and 10° S, 80° W and "
        "90° W, the region Niño 1+2, where El Niño shows first. Reconstructed from measurements on "
        "ships and buoys by the U.S. National Oceanic and Atmospheric Administration (ERSST V3B).",
        holds="732 months, 1950-01 to 2010-12, in °C; none is missing.",
        split="",
        caution="The year's cycle explains most of it, so the value of twelve months ago is a "
        "strong forecast, and neighbouring months are far from independent.",
        licence="public domain",
        licence_url=f"{STATSMODELS}/elnino.html",
        credit="NOAA, National Weather Service",
        source=f"{STATSMODELS}/elnino.html",
        origin=Package("statsmodels", "statsmodels.datasets.elnino", 5508),
    ),
    Record(
        name="co2",
        title="Carbon dioxide at Mauna Loa, weekly",
        about="The concentration of carbon dioxide in the air at the observatory on Mauna Loa, "
        "Hawaii: weekly means of continuous measurements, begun by C. D. Keeling.",
        holds="2,284 weeks, 1958-03-29 to 2001-12-29, in parts per million (ppm); 59 of them are "
        "NaN, because nothing was measured.",
        split="",
        caution="It rises: what a model sees in training is never the range that it is tested on. "
        "Most gaps are in the first years.",
        licence="public domain",
        licence_url=f"{STATSMODELS}/co2.html",
        credit="C. D. Keeling and T. P. Whorf (2004), Atmospheric CO2 concentrations derived from "
        "flask air samples at sites in the SIO network",
        source=f"{STATSMODELS}/co2.html",
        origin=Package("statsmodels", "statsmodels.datasets.co2", 33974),
    ),
    Record(
        name="sunspots",
        title="Sunspots, yearly",
        about="The yearly mean of the sunspot number, the longest series of astronomical counts, "
        "as the U.S. National Geophysical Data Center kept it.",
        holds="309 years, 1700 to 2008; none is missing.",
        split="",
        caution="309 values are few. The numbers before 1750 rest on few observers, and the whole "
        "series was revised in 2015: this is the older version.",
        licence="public domain",
        licence_url=f"{STATSMODELS}/sunspots.html",
        credit="National Geophysical Data Center",
        source=f"{STATSMODELS}/sunspots.html",
        origin=Package("statsmodels", "statsmodels.datasets.sunspots", 2944),
    ),
    Record(
        name="goog",
        title="Google's share, daily",
        about="Price and volume of Google's share on each trading day from its first, with the "
        "closing price also adjusted for splits and dividends.",
        holds="1,047 trading days, 2004-08-19 to 2008-10-14: `open`, `high`, `low`, `close` and "
        "`adj_close` in US dollars, `volume` in shares; none is missing.",
        split="",
        caution="Tomorrow's price is forecast as well by today's as by most models. Weekends and "
        "holidays are not in it, so neighbouring rows are one to five days apart.",
        licence="no licence of the data is stated",
        licence_url=YAHOO,
        credit="Yahoo Finance, by way of Matplotlib's sample data",
        source="https://matplotlib.org/stable/api/cbook_api.html",
        origin=Package("Matplotlib", "matplotlib.cbook", 22845),
    ),
    Record(
        name="stocks",
        title="Eight shares and two indices, monthly",
        about="Closing prices of IBM, Apple, Microsoft, Xerox, Amazon, Dell, Alphabet and Adobe, "
        "and the indices S&P 500 and Nasdaq Composite, adjusted for dividends and splits.",
        holds="390 months, 1990-01 to 2022-06, a column a ticker; shares in US dollars, indices in "
        "points; NaN before a share was listed (AMZN, DELL, GOOGL).",
        split="",
        caution="These companies were chosen because they still existed in 2022: whoever had "
        "bought all eight in 1990 did not know that. Nor are ten series that one market moves ten "
        "independent trials.",
        licence="no licence of the data is stated",
        licence_url=YAHOO,
        credit="Yahoo Finance, by way of Matplotlib's sample data",
        source="https://matplotlib.org/stable/api/cbook_api.html",
        origin=Package("Matplotlib", "matplotlib.cbook", 67924),
    ),
    Record(
        name="digits",
        title="Handwritten digits, 8 × 8 pixels",
        about="Digits that 13 people wrote onto forms, scanned, normalised and reduced to 8 × 8 "
        "pixels: the test half of a data set by E. Alpaydin and C. Kaynak. For a recurrent network "
        "an image is a sequence of 8 rows.",
        holds="1,797 images of 8 rows of 8 pixels, whole numbers from 0 (white) to 16 (black), "
        "with labels 0 to 9.",
        split="",
        caution="Who wrote which digit is not recorded, so a random split puts the same hands on "
        "both sides. An image has no time: its rows are a sequence because we read it so.",
        licence=CC_BY_4[0],
        licence_url=CC_BY_4[1],
        credit="E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, "
        "UCI Machine Learning Repository",
        source="https://doi.org/10.24432/C50P49",
        origin=Package("scikit-learn", "sklearn.datasets", 57523),
    ),
    Record(
        name="images",
        title="Two photographs",
        about="A temple in China and a flower, in colour.",
        holds="Two images of 427 rows, 640 columns and 3 colours (red, green, blue), whole numbers "
        "from 0 to 255.",
        split="",
        caution="Two photographs are an illustration, not a sample.",
        licence="CC BY 2.0",
        licence_url="https://creativecommons.org/licenses/by/2.0/",
        credit="china.jpg by danielbuechele, flower.jpg by vultilion, both on Flickr",
        source="https://scikit-learn.org/stable/modules/generated/"
        "sklearn.datasets.load_sample_images.html",
        origin=Package("scikit-learn", "sklearn.datasets", 339640),
    ),
    Record(
        name="topics",
        title="Python's help texts, English prose",
        about="What `help('for')` and its like print: chapters of the Python language reference, "
        "as the standard library carries them in `pydoc_data.topics`.",
        holds="79 topics of 464,970 characters in Python 3.11.7; a text by each topic's name.",
        split="",
        caution="It differs with the version of Python: a result holds for the version that it "
        "names. The prose is dense with code, markup and names, so it is unlike everyday English.",
        licence="Python Software Foundation License 2",
        licence_url="https://docs.python.org/3/license.html",
        credit="Python Software Foundation",
        source="https://docs.python.org/3/reference/",
        origin=Package("Python", "pydoc_data.topics", 757011),
    ),
)

#: Every data set, by name: first those that installed packages carry, then those downloaded.
RECORDS: Mapping[str, Record] = {known.name: known for known in _BUNDLED}
