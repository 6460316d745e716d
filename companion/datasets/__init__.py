"""Real data, one loader a set; each has a record, which says what it is and under which licence.

Importing this loads NumPy alone: a loader imports what it needs. A set that an installed package
carries is there at once.
"""

from companion.datasets.bundled import co2, digits, elnino, goog, images, stocks, sunspots, topics
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
    "LabelledTexts",
    "Record",
    "Recording",
    "Sequences",
    "Series",
    "Summarised",
    "Table",
    "UnknownDataset",
    "co2",
    "digits",
    "elnino",
    "goog",
    "images",
    "record",
    "stocks",
    "sunspots",
    "topics",
]
