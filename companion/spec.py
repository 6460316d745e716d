"""What every cell of the book is made of: gates, states, parameter names and shapes.

Data only: no arithmetic, and nothing is imported beyond the standard library's types. Every
other module of the package agrees on names through this one.

Symbols and shapes, for input size I, hidden size H and G gates:

=======  =========  ===========================================================
name     shape      meaning
=======  =========  ===========================================================
``W``    (G, H, I)  input weights
``U``    (G, H, H)  recurrent weights
``b``    (G, H)     biases
``V``    (3, H)     peephole weights, for i, f, o
``b_u``  (H,)       the bias inside the reset product, with ``reset_after`` only
=======  =========  ===========================================================
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CellSpec:
    """The names and shapes of one recurrent cell.

    Parameters
    ----------
    name
        The cell's name, of which there is only one: ``"LSTM"``, ``"GRU (reset after)"``.
    gates
        The gates in canonical order: index k of ``W``, ``U`` and ``b`` belongs to ``gates[k]``.
    states
        What one step hands to the next, ``("h",)`` or ``("h", "c")``.
    peepholes
        The gates that also read the cell state, in the order of ``V``'s rows.
    activation
        What squashes the candidate, or a plain RNN's sum: ``"tanh"`` or ``"relu"``.
    reset_after
        Whether a GRU's reset gate acts on the recurrent product, after it, rather than on h
        before it.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    peepholes: tuple[str, ...] = ()
    activation: str = "tanh"
    reset_after: bool = False

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
        if self.reset_after:
            shapes["b_u"] = (hidden_size,)
        return shapes


RNN = CellSpec("RNN", gates=("h",), states=("h",))
RNN_RELU = CellSpec("RNN (ReLU)", gates=("h",), states=("h",), activation="relu")
LSTM = CellSpec("LSTM", gates=("i", "f", "g", "o"), states=("h", "c"))
PEEPHOLE_LSTM = CellSpec(
    "PeepholeLSTM", gates=("i", "f", "g", "o"), states=("h", "c"), peepholes=("i", "f", "o")
)
GRU = CellSpec("GRU", gates=("r", "z", "n"), states=("h",))
GRU_RESET_AFTER = CellSpec(
    "GRU (reset after)", gates=("r", "z", "n"), states=("h",), reset_after=True
)

#: Every cell, by name.
CELLS = {cell.name: cell for cell in (RNN, RNN_RELU, LSTM, PEEPHOLE_LSTM, GRU, GRU_RESET_AFTER)}


def check_shape(argument: str, got: tuple[int, ...], expected: tuple[int | str, ...]) -> None:
    """Refuse an array of the wrong shape, in the same words in every framework.

    Parameters
    ----------
    argument
        The argument's name as the caller wrote it.
    got
        The shape that was given. A size of ``None`` is not known yet and fits everything.
    expected
        The shape that is needed. A string stands for a size that is free, such as ``"T"``.

    Raises
    ------
    ValueError
        If rank or any fixed size differs; the message names argument, got and expected.
    """
    got = tuple(got)
    fits = len(got) == len(expected) and all(
        have is None or isinstance(want, str) or have == want
        for have, want in zip(got, expected, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "") + ")"
        raise ValueError(f"{argument} has shape {got}, expected {wanted}")


def check_dtype(argument: str, got: object, expected: object) -> None:
    """Refuse an array of the wrong dtype, in the same words in every framework."""
    if got != expected:
        raise TypeError(f"{argument} has dtype {got}, expected {expected}")


def check_parts(argument: str, value: object, names: Sequence[str]) -> None:
    """Refuse a state that is not a tuple or list of as many parts as there are names.

    Raises
    ------
    TypeError
        The message names the argument, what it is, and the parts expected.
    """
    if not isinstance(value, tuple | list) or len(value) != len(names):
        raise TypeError(f"{argument} is {describe(value)}, expected a tuple ({', '.join(names)})")


def check_choice(argument: str, got: object, choices: Sequence[str]) -> None:
    """Refuse a name that is not one of the choices."""
    if got not in choices:
        raise ValueError(f"{argument} is {got!r}, expected one of {', '.join(map(repr, choices))}")


def check_flag(argument: str, got: object) -> bool:
    """Refuse what is neither ``True`` nor ``False``, such as an argument gone astray; return it."""
    if not isinstance(got, bool):
        raise TypeError(f"{argument} is {got!r}, expected True or False")
    return got


def describe(value: object) -> str:
    """Say in a few words what a value is, for an error message."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"an array of shape {tuple(shape)}"


def check_names(argument: str, got: Mapping, expected: Mapping) -> None:
    """Refuse a mapping whose keys are not exactly the expected parameter names."""
    if set(got) != set(expected):
        raise ValueError(
            f"{argument} has the names {sorted(got, key=str)}, expected {sorted(expected)}"
        )


def check_size(argument: str, got: int) -> int:
    """Refuse a size that is not a positive whole number; return it as an ``int``."""
    if isinstance(got, bool) or not hasattr(got, "__index__") or got.__index__() < 1:
        raise ValueError(f"{argument} is {got!r}, expected a whole number of at least 1")
    return got.__index__()
