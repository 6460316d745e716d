"""What an application is: settings, and five questions that it answers."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from companion import spec

if TYPE_CHECKING:  # the command shows its help without NumPy
    import numpy as np


@dataclass(frozen=True)
class Metric:
    """What a result is judged by.

    Parameters
    ----------
    name
        As it is written in the result.
    unit
        Of the numbers; empty without one.
    higher_is_better
        As for accuracy; an error is better the lower.
    """

    name: str
    unit: str
    higher_is_better: bool = False

    def __str__(self) -> str:
        return f"{self.name} in {self.unit}" if self.unit else self.name

    def better(self, a: float, b: float) -> bool:
        """Whether ``a`` is strictly better than ``b``; NaN is never."""
        return a > b if self.higher_is_better else a < b

    def best(self, scores: Mapping[str, float]) -> str:
        """Return the name of the best score, the first of those that are equal."""
        sign = 1 if self.higher_is_better else -1
        known = {name: score for name, score in scores.items() if not math.isnan(score)}
        return max(known, key=lambda name: sign * known[name])


@dataclass(frozen=True, eq=False)
class Split:
    """Items to train on, to choose by, or to test on.

    Parameters
    ----------
    inputs
        What the network is called with, each array (N, ...): N items.
    target
        (N, ...): what it should answer.
    """

    inputs: tuple["np.ndarray", ...]
    target: "np.ndarray"

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, eq=False)
class Data:
    """Three splits, which share nothing, and what the application knows about them.

    Parameters
    ----------
    train, validation, test
        The splits. Whatever is fitted to data (a scale, a vocabulary) is fitted to ``train``.
    about
        The splits in one line, for people.
    """

    train: Split
    validation: Split
    test: Split
    about: str


@dataclass(frozen=True)
class Option:
    """What is said of a setting: help for people, and which values are allowed.

    Parameters
    ----------
    help
        One line.
    least, above, most
        Bounds of a number; ``above`` is not itself allowed.
    choices
        The values, if they can be listed.
    free
        Whether a resumed run may have another value, as it changes no update.
    """

    help: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] | None = None
    free: bool = False

    def check(self, name: str, value: Any, kind: type) -> None:
        """Refuse a value of the setting ``name`` that is not of ``kind`` or not allowed."""
        if kind is str and isinstance(value, str):
            if self.choices is not None:
                spec.check_choice(name, value, self.choices)
            return
        kinds = (int, float) if kind is float else kind
        if (
            not isinstance(value, kinds)
            or isinstance(value, bool)
            or not math.isfinite(value)
            or (self.least is not None and value < self.least)
            or (self.above is not None and value <= self.above)
            or (self.most is not None and value > self.most)
        ):
            raise ValueError(f"{name} is {value!r}, expected {self._expected(kind)}")

    def _expected(self, kind):
        words = {int: "a whole number", float: "a number", str: "a text"}[kind]
        said = {"of at least": self.least, "above": self.above, "of at most": self.most}
        bounds = [f"{word} {bound}" for word, bound in said.items() if bound is not None]
        return " ".join([words, " and ".join(bounds)]).strip()


def option(default: Any, help: str, **bounds: Any) -> Any:
    """Return a field of an application: a setting with its help and its bounds.

    An application that has another default for a setting of :class:`Application` gives only that.
    """
    return dataclasses.field(default=default, metadata={"option": Option(help, **bounds)})


@dataclass(frozen=True, kw_only=True)
class Application(ABC):
    """An application with its settings, which are checked when it is made.

    A subclass has further settings (:func:`option`), its own defaults, and answers five questions:
    :meth:`prepare`, :meth:`network`, :meth:`loss`, :meth:`score`, :meth:`baselines`.
    :func:`companion.applications.running.train` does the rest.

    Raises
    ------
    ValueError
        If a setting is of another type or out of bounds; the message names it.
    """

    name: ClassVar[str]
    metric: ClassVar[Metric]
    #: The extras of the package that it needs.
    extras: ClassVar[tuple[str, ...]] = ("torch", "data")

    epochs: int = option(20, "train until so many epochs are done", least=1, free=True)
    seed: int = option(
        0, "of weights, order of the batches, dropout and samples", least=0, most=2**32 - 1
    )
    cell: str = option("LSTM", "the recurrent cell", choices=tuple(spec.CELLS))
    units: int = option(64, "hidden size H", least=1)
    layers: int = option(1, "recurrent layers, one upon the other", least=1)
    dropout: float = option(0.0, "share of the hidden units that is dropped", least=0, most=0.95)
    batch: int = option(32, "items in a batch", least=1)
    learning_rate: float = option(1e-3, "of AdamW", above=0)
    decay: float = option(1.0, "factor of the learning rate after each epoch", above=0, most=1)
    weight_decay: float = option(0.0, "of AdamW", least=0)
    clip: float = option(1.0, "largest norm of the gradient", above=0)
    patience: int = option(
        0, "stop after so many epochs without a new best; 0: never", least=0, free=True
    )

    def __post_init__(self):
        said = options(self)
        for field in dataclasses.fields(self):
            said[field.name].check(field.name, getattr(self, field.name), field.type)

    @abstractmethod
    def prepare(self) -> Data:
        """Load the data, split it, and bring it into the network's form."""

    @abstractmethod
    def network(self, data: Data) -> Any:
        """Return a new network for the data: a ``torch.nn.Module``."""

    @abstractmethod
    def loss(self, output: Any, target: Any) -> Any:
        """Return what training makes small: the mean over a batch, as a tensor."""

    @abstractmethod
    def score(self, data: Data, part: str, outputs: "np.ndarray") -> float:
        """Return the metric of a network's outputs for a part: ``"validation"`` or ``"test"``."""

    @abstractmethod
    def baselines(self, data: Data) -> dict[str, float]:
        """Return the metric of simple rivals on the test set, by their names."""

    def sample(self, network: Any, data: Data) -> str:
        """Return something to look at that the network has made; empty if there is nothing."""
        return ""


def options(application: Application | type[Application]) -> dict[str, Option]:
    """Return what is said of each setting of an application, by the setting's name."""
    said = {}
    kind = application if isinstance(application, type) else type(application)
    for ancestor in reversed(kind.__mro__):
        for field in getattr(ancestor, "__dataclass_fields__", {}).values():
            if "option" in field.metadata:
                said[field.name] = field.metadata["option"]
    return said
