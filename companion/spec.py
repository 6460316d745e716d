"""What every cell of the book is made of: gates, states, parameter names and shapes.

Data only: no arithmetic, and nothing is imported beyond the standard library's types. Every
other module of the package agrees on names through this one.

Symbols and shapes, for input size I, hidden size H and G gates:

======  =========  ==========================================
name    shape      meaning
======  =========  ==========================================
``W``   (G, H, I)  input weights
``U``   (G, H, H)  recurrent weights
``b``   (G, H)     biases
``V``   (3, H)     peephole weights, for i, f, o
======  =========  ==========================================
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CellSpec:
    """The names and shapes of one recurrent cell.

    Parameters
    ----------
    name
        The cell's name in the book, such as ``"LSTM"``.
    gates
        The gates in canonical order: index k of ``W``, ``U`` and ``b`` belongs to ``gates[k]``.
    states
        What one step hands to the next, ``("h",)`` or ``("h", "c")``.
    peepholes
        The gates that also read the cell state, in the order of ``V``'s rows.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    peepholes: tuple[str, ...] = ()

    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter, by name, for input size I and hidden size H."""
        n_gates = len(self.gates)
        shapes = {
            "W": (n_gates, hidden_size, input_size),
            "U": (n_gates, hidden_size, hidden_size),
            "b": (n_gates, hidden_size),
        }
        if self.peepholes:
            shapes["V"] = (len(self.peepholes), hidden_size)
        return shapes


RNN = CellSpec("RNN", gates=("h",), states=("h",))
LSTM = CellSpec("LSTM", gates=("i", "f", "g", "o"), states=("h", "c"))
PEEPHOLE_LSTM = CellSpec(
    "PeepholeLSTM", gates=("i", "f", "g", "o"), states=("h", "c"), peepholes=("i", "f", "o")
)
GRU = CellSpec("GRU", gates=("r", "z", "n"), states=("h",))


def check_shape(argument: str, got: tuple[int, ...], expected: tuple[int | str, ...]) -> None:
    """Refuse an array of the wrong shape, in the same words in every framework.

    Parameters
    ----------
    argument
        The argument's name as the caller wrote it.
    got
        The shape that was given.
    expected
        The shape that is needed. A string stands for a size that is free, such as ``"T"``.

    Raises
    ------
    ValueError
        If rank or any fixed size differs; the message names argument, got and expected.
    """
    got = tuple(got)
    fits = len(got) == len(expected) and all(
        isinstance(want, str) or have == want for have, want in zip(got, expected, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "") + ")"
        raise ValueError(f"{argument} has shape {got}, expected {wanted}")


def check_names(argument: str, got: Mapping, expected: Mapping) -> None:
    """Refuse a mapping whose keys are not exactly the expected parameter names."""
    if set(got) != set(expected):
        raise ValueError(f"{argument} has the names {sorted(got)}, expected {sorted(expected)}")


def check_size(argument: str, got: int) -> int:
    """Refuse a size that is not a positive whole number; return it as an ``int``."""
    if isinstance(got, bool) or not hasattr(got, "__index__") or got.__index__() < 1:
        raise ValueError(f"{argument} is {got!r}, expected a whole number of at least 1")
    return got.__index__()
