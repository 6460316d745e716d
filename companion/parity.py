"""Whether all implementations of a cell give the same numbers, forward and backward.

The reference is :mod:`companion.numpy`; its own referee is a loss that is evaluated twice
(central differences). Tolerances are the book's: see page 5.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from companion import spec
from companion.implementations import (
    ALL,
    Batch,
    Implementation,
    NumPy,
    Unavailable,
    imported_keras,
)
from companion.interchange import Parameters, Parts

#: Largest difference allowed, by implementation: absolute, but relative for central differences.
TOLERANCES = {
    "central differences": 1e-7,
    "companion.torch": 1e-10,
    "torch.nn": 1e-12,
    "companion.keras": 1e-10,
    "keras.layers": 1e-10,
    "ONNX Runtime": 2e-6,
}
#: What ``keras.layers`` is allowed on other backends than TensorFlow: there it rounds to float32.
ROUNDED = 2e-6
#: In which forms each cell is compared.
FORMS = ("one layer", "both directions", "two layers")


@dataclass(frozen=True)
class Result:
    """One implementation of one cell against ``companion.numpy``.

    Attributes
    ----------
    cell
        The cell's name.
    implementation
        The implementation's name, or ``"central differences"``.
    forward
        Largest absolute difference of the outputs, over all forms; ``None`` where not compared.
    gradient
        Largest absolute difference of the gradients of input and parameters, over all forms;
        relative for central differences; ``None`` where not compared.
    tolerance
        What neither may exceed.
    missing
        Why nothing was compared, or ``None``.
    """

    cell: str
    implementation: str
    forward: float | None
    gradient: float | None
    tolerance: float
    missing: str | None = None

    @property
    def holds(self) -> bool:
        """Whether every difference that was measured is within the tolerance."""
        measured = [d for d in (self.forward, self.gradient) if d is not None]
        return all(d <= self.tolerance for d in measured)  # false for NaN


def compare(cells=None, seed: int = 0) -> Iterator[Result]:
    """Compare all implementations that are installed.

    Every comparison is on random weights and one batch of sequences of unequal lengths, in
    float64 (ONNX Runtime: float32), for one layer, both directions and two layers.

    Parameters
    ----------
    cells
        A name of a cell or several (keys of :data:`companion.spec.CELLS`); all if ``None``.
    seed
        Of weights and batch.

    Yields
    ------
    result : Result
        Cell by cell: first central differences, then every implementation.

    Raises
    ------
    ValueError
        If there is no cell of that name.
    """
    if isinstance(cells, str):
        cells = [cells]
    for name in spec.CELLS if cells is None else cells:
        spec.check_choice("cells", name, tuple(spec.CELLS))
        problems = [problem(spec.CELLS[name], form, seed) for form in FORMS]
        yield Result(
            name,
            "central differences",
            None,
            max(_against_central_differences(*each) for each in problems),
            TOLERANCES["central differences"],
        )
        for implementation in ALL[1:]:
            yield _against_numpy(name, implementation, problems)


def problem(cell: spec.CellSpec, form: str, seed: int = 0) -> tuple[Parameters | Parts, Batch]:
    """Return random parameters of a cell in one of :data:`FORMS`, and a batch to run them on."""
    rng = np.random.default_rng(seed)
    input_size, size, n_steps, batch = 3, 4, 6, 3

    def parameters(inputs):
        shapes = cell.shapes(inputs, size)
        return Parameters(cell, {name: rng.normal(size=s) / 2 for name, s in shapes.items()})

    if form == "one layer":
        tree, outputs = parameters(input_size), size
    elif form == "both directions":
        pair = (parameters(input_size), parameters(input_size))
        tree, outputs = Parts("bidirectional", pair), 2 * size
    else:
        tree, outputs = Parts("stack", (parameters(input_size), parameters(size))), size
    x = rng.normal(size=(n_steps, batch, input_size))
    d_outputs = rng.normal(size=(n_steps, batch, outputs))
    return tree, Batch(x, d_outputs, np.array([n_steps, 1, n_steps // 2]))


def arrays(tree: Parameters | Parts) -> list[np.ndarray]:
    """Return every array of a tree of parameters."""
    if isinstance(tree, Parameters):
        return list(tree.values())
    return [array for part in tree.parts for array in arrays(part)]


def _against_central_differences(tree, batch):
    from companion.numpy import gradient_check

    reference = NumPy(tree, batch)
    d_x, d_parameters = reference.gradients()
    leaves = _own_arrays(reference.layer.parameters)
    report = gradient_check(
        lambda: float((reference.outputs() * batch.d_outputs).sum()),
        {"x": reference.batch.x} | {str(k): array for k, array in enumerate(leaves)},
        {"x": d_x} | {str(k): array for k, array in enumerate(arrays(d_parameters))},
    )
    return report.worst


def _own_arrays(parameters):
    """Return the arrays of a NumPy layer themselves, which central differences move."""
    if isinstance(parameters, dict):
        return list(parameters.values())
    return [array for part in parameters for array in _own_arrays(part)]


def _against_numpy(name, implementation: type[Implementation], problems):
    dtype = "float64" if implementation.trains else "float32"
    tolerance = TOLERANCES[implementation.name]
    if implementation.name == "keras.layers" and _rounds():
        tolerance = ROUNDED
    forward, gradient = [], []
    try:
        for tree, batch in problems:
            reference, other = NumPy(tree, batch), implementation(tree, batch, dtype)
            forward.append(_apart([other.outputs()], [reference.outputs()]))
            if implementation.trains:
                (d_x, d), (d_x_numpy, d_numpy) = other.gradients(), reference.gradients()
                gradient.append(_apart([d_x, *arrays(d)], [d_x_numpy, *arrays(d_numpy)]))
    except Unavailable as reason:
        return Result(name, implementation.name, None, None, tolerance, str(reason))
    # NumPy's max keeps a NaN, which Python's may lose.
    worst = float(np.max(gradient)) if gradient else None
    return Result(name, implementation.name, float(np.max(forward)), worst, tolerance)


def _rounds():
    try:
        return imported_keras().backend.backend() != "tensorflow"
    except ImportError:
        return False


def _apart(ours, theirs):
    pairs = zip(ours, theirs, strict=True)
    return float(np.max([np.abs(a.astype(np.float64) - b).max() for a, b in pairs]))
