"""Real data, one loader a set; each has a record, which says what it is and under which licence.

Importing this loads NumPy alone: a loader imports what it needs. A set that an installed package
carries is there at once. Any other is downloaded once, from a pinned commit, and believed by its
SHA-256 alone; the folder is ``$COMPANION_DATA``, else one in the user's cache.
"""

from companion.datasets.bundled import co2, digits, elnino, goog, images, stocks, sunspots, topics
from companion.datasets.cache import (
    CacheError,
    ChecksumError,
    DatasetError,
    DownloadError,
    cache_folder,
    fetch,
    is_cached,
)
from companion.datasets.downloaded import (
    clinc150,
    gestures,
    multi30k,
    nyc_taxi,
    scitldr,
    seattle_weather,
    sp500,
    spoken_digits,
    tiny_shakespeare,
    wikigold,
    wnut17,
)
from companion.datasets.kinds import (
    LabelledTexts,
    Recording,
    Sequences,
    Series,
    Summarised,
    Table,
)
from companion.datasets.records import RECORDS, Record, UnknownDataset, record

__all__ = [
    "RECORDS",
    "CacheError",
    "ChecksumError",
    "DatasetError",
    "DownloadError",
    "LabelledTexts",
    "Record",
    "Recording",
    "Sequences",
    "Series",
    "Summarised",
    "Table",
    "UnknownDataset",
    "cache_folder",
    "clinc150",
    "co2",
    "digits",
    "elnino",
    "fetch",
    "gestures",
    "goog",
    "images",
    "is_cached",
    "multi30k",
    "nyc_taxi",
    "record",
    "scitldr",
    "seattle_weather",
    "sp500",
    "spoken_digits",
    "stocks",
    "sunspots",
    "tiny_shakespeare",
    "topics",
    "wikigold",
    "wnut17",
]
