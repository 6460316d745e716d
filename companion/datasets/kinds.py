"""What loaders return: small frozen containers that say what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """One quantity over time, oldest first.

    Parameters
    ----------
    times
        (N,) datetime64, in the unit of the sampling where there is one: ``[M]`` for months.
    values
        (N,) float64, or (N,) str for a label. NaN where nothing was measured.
    unit
        Of the values, such as ``"°C"``.
    """

    times: np.ndarray
    values: np.ndarray
    unit: str

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Series({_span(self.times)}, {self.unit})"


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Several quantities at the same times, oldest first; ``table["close"]`` is a `Series`.

    Parameters
    ----------
    times
        (N,) datetime64.
    columns
        The values of each quantity by its name, each (N,).
    units
        The unit of each quantity by its name.
    """

    times: np.ndarray
    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]

    def __getitem__(self, name: str) -> Series:
        if name not in self.columns:
            raise KeyError(f"no column {name!r}, expected one of {', '.join(self.columns)}")
        return Series(self.times, self.columns[name], self.units[name])

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Table({_span(self.times)}: {', '.join(self.columns)})"


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """Sequences of equal length, with one label each.

    Parameters
    ----------
    inputs
        (N, T, I) float32: batch-major.
    labels
        (N,) int64: the index of each sequence's class in ``classes``.
    classes
        The classes' names.
    """

    inputs: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Sequences(inputs {self.inputs.shape}, {len(self.classes)} classes)"


@dataclass(frozen=True, eq=False, repr=False)
class LabelledTexts:
    """Texts, with one label each.

    Parameters
    ----------
    texts
        N texts.
    labels
        (N,) int64: the index of each text's class in ``classes``.
    classes
        The classes' names, the same in every split.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"LabelledTexts({len(self)} texts, {len(self.classes)} classes)"


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """One spoken word.

    Parameters
    ----------
    samples
        (n,) float32 in [-1, 1).
    rate
        Samples a second.
    label
        The digit that is spoken, 0 to 9.
    speaker
        Who speaks.
    take
        Which of the speaker's recordings of this digit it is, from 0.
    """

    samples: np.ndarray
    rate: int
    label: int
    speaker: str
    take: int

    def __repr__(self) -> str:
        seconds = len(self.samples) / self.rate
        return f"Recording({self.label}, {self.speaker}, take {self.take}, {seconds:.2f} s)"


@dataclass(frozen=True)
class Summarised:
    """A text and its summaries.

    Parameters
    ----------
    title
        Of the text.
    source
        Its sentences.
    summaries
        One or more summaries, of one sentence each, of which any will do.
    """

    title: str
    source: tuple[str, ...]
    summaries: tuple[str, ...]


def _span(times):
    return f"{len(times)} from {times[0]} to {times[-1]}"
