"""Canonical parameters: of one cell, and of cells on top of or beside each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np

from companion import spec

#: How deep parts may lie within parts. Nobody needs as many; files cannot ask for more.
MAX_DEPTH = 32


@dataclass(frozen=True, eq=False)
class Parameters(Mapping):
    """One cell's canonical arrays by name, with the cell they belong to.

    Attributes
    ----------
    spec
        The cell.
    arrays
        NumPy arrays by name, in the shapes of ``spec.shapes(I, H)``: those that were given, not
        copies, if they are of ``float32`` or ``float64``. ``float16`` is widened to ``float32``,
        whole numbers to ``float64``.

    Raises
    ------
    ValueError
        If a name or a shape does not fit the cell, or a size is 0.
    TypeError
        If an array is of anything but real numbers, or of wider ones than ``float64``.
    """

    spec: spec.CellSpec
    arrays: Mapping[str, np.ndarray]

    def __post_init__(self):
        if not isinstance(self.spec, spec.CellSpec):
            raise TypeError(f"spec is {spec.describe(self.spec)}, expected a CellSpec")
        if not isinstance(self.arrays, Mapping):
            raise TypeError(f"arrays is {spec.describe(self.arrays)}, expected names and arrays")
        if "W" not in self.arrays or np.ndim(self.arrays["W"]) != 3:
            raise ValueError(f"arrays['W'] is missing or not (G, H, I) for {self.spec.name}")
        _, hidden_size, input_size = np.shape(self.arrays["W"])
        shapes = self.spec.shapes(
            spec.check_size("the input size of arrays['W']", input_size),
            spec.check_size("the hidden size of arrays['W']", hidden_size),
        )
        spec.check_names("arrays", self.arrays, shapes)
        arrays = {}
        for name, shape in shapes.items():
            spec.check_shape(f"arrays[{name!r}]", np.shape(self.arrays[name]), shape)
            arrays[name] = _as_float(f"arrays[{name!r}]", self.arrays[name])
        object.__setattr__(self, "arrays", arrays)

    @property
    def input_size(self) -> int:
        """I, the number of features of each step."""
        return self.arrays["W"].shape[2]

    @property
    def hidden_size(self) -> int:
        """H, the number of hidden units."""
        return self.arrays["W"].shape[1]

    @property
    def output_size(self) -> int:
        """The number of outputs of each step: H."""
        return self.hidden_size

    def __eq__(self, other):
        """Whether cell and all numbers are the same; dtypes may differ."""
        if not isinstance(other, Parameters):
            return NotImplemented
        return self.spec == other.spec and all(
            np.array_equal(array, other[name]) for name, array in self.items()
        )

    __hash__ = None

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


@dataclass(frozen=True)
class Parts(Sequence):
    """The parameters of a layer that is made of others, part by part.

    Attributes
    ----------
    kind
        ``"stack"``: each part reads the outputs of the one before. ``"bidirectional"``: two parts
        read the same sequences, the second from their ends, and their outputs stand side by side.
    parts
        A tuple of :class:`Parameters` and :class:`Parts`, of any cells and dtypes.

    Raises
    ------
    ValueError
        If ``kind`` is neither, a stack is empty, a pair is not of two, sizes do not fit, or parts
        lie within parts more than 32 deep.
    TypeError
        If a part is none.
    """

    kind: str
    parts: tuple[Union[Parameters, "Parts"], ...]

    def __post_init__(self):
        spec.check_choice("kind", self.kind, ("stack", "bidirectional"))
        parts = tuple(self.parts)
        object.__setattr__(self, "parts", parts)
        for k, part in enumerate(parts):
            if not isinstance(part, Parameters | Parts):
                raise TypeError(
                    f"parts[{k}] is {spec.describe(part)}, expected Parameters or Parts"
                )
        if self.kind == "bidirectional":
            if len(parts) != 2:
                raise ValueError(f"parts is {spec.describe(parts)}, expected two directions")
            expected = [(parts[0].input_size, "that of parts[0]")] * 2
        else:
            if not parts:
                raise ValueError("parts is empty, expected at least one")
            expected = [(parts[0].input_size, "its own")] + [
                (part.output_size, f"the output_size of parts[{k}]")
                for k, part in enumerate(parts[:-1])
            ]
        for k, (part, (size, whose)) in enumerate(zip(parts, expected, strict=True)):
            if part.input_size != size:
                raise ValueError(
                    f"parts[{k}] has input_size {part.input_size}, expected {size}, {whose}"
                )
        if self._depth > MAX_DEPTH:
            raise ValueError(f"parts lie {self._depth} deep, expected at most {MAX_DEPTH}")

    @property
    def input_size(self) -> int:
        """I, the number of features of each step."""
        return self.parts[0].input_size

    @property
    def output_size(self) -> int:
        """The number of outputs of each step."""
        if self.kind == "stack":
            return self.parts[-1].output_size
        return sum(part.output_size for part in self.parts)

    @property
    def _depth(self):
        return 1 + max(part._depth if isinstance(part, Parts) else 0 for part in self.parts)

    def __getitem__(self, k):
        return self.parts[k]

    def __len__(self) -> int:
        return len(self.parts)


def cells(tree, path=()) -> Iterator[tuple[tuple[int, ...], Parameters]]:
    """Yield every cell of a tree with its path, the indices that lead to it."""
    if isinstance(tree, Parameters):
        yield path, tree
    else:
        for k, part in enumerate(tree.parts):
            yield from cells(part, (*path, k))


def indexed(argument, path) -> str:
    """Return how a part is written: ``parameters[1][0]``."""
    return argument + "".join(f"[{k}]" for k in path)


def check_finite(argument, array, dtype) -> None:
    """Refuse infinities and NaN."""
    if not np.isfinite(array).all():
        raise ValueError(f"{argument} has values that are not finite in {dtype}")


def rounded(array, dtype) -> np.ndarray:
    """Return an array in another dtype of NumPy's; what is too large becomes infinite."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(array).astype(dtype, copy=False)


def _as_float(argument, value):
    array = np.asarray(value)
    wider = {"f": {2: np.float32, 4: np.float32, 8: np.float64}, "i": {}, "u": {}}
    kinds = wider.get(array.dtype.kind)
    if kinds is None or (array.dtype.kind == "f" and array.dtype.itemsize not in kinds):
        raise TypeError(f"{argument} has dtype {array.dtype}, expected float32 or float64")
    return array.astype(kinds.get(array.dtype.itemsize, np.float64), copy=False)
