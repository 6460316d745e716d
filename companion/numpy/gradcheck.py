"""Central differences: the referee for every backward pass in the book."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion import spec


@dataclass(frozen=True)
class GradientReport:
    """How far a gradient is from central differences, by array name.

    Attributes
    ----------
    relative
        ‖analytic − numeric‖ / max(‖analytic‖, ‖numeric‖) for each array; 0 when both are 0.
    numeric
        The central differences themselves.
    """

    relative: dict[str, float]
    numeric: dict[str, np.ndarray]

    @property
    def worst(self) -> float:
        """The largest relative difference over all arrays; NaN if one of them is."""
        return float(np.max(list(self.relative.values())))  # Python's max can lose a NaN


def gradient_check(
    loss: Callable[[], float],
    arrays: dict[str, np.ndarray],
    gradients: dict[str, np.ndarray],
    step: float = 1e-5,
) -> GradientReport:
    """Compare gradients with central differences of a loss.

    Every element of every array is moved by ±``step`` in place and put back, so the cost is
    two evaluations of the loss an element.

    Parameters
    ----------
    loss
        Called without arguments; reads the arrays and returns the scalar loss.
    arrays
        The float64 arrays that ``loss`` reads, by name.
    gradients
        The gradient to be checked for each of them, in its shape.
    step
        Half the distance between the two evaluations. Truncation grows with its square,
        round-off with its inverse; 1e-5 is near the best for float64 values around 1.

    Raises
    ------
    ValueError
        If names or shapes do not agree.
    TypeError
        If an array is none of NumPy's, or not float64: differences of float32 losses are mostly
        round-off.
    """
    if set(arrays) != set(gradients):
        raise ValueError(f"gradients has the names {sorted(gradients)}, expected {sorted(arrays)}")
    relative, numeric = {}, {}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"arrays[{name!r}] is {spec.describe(array)}, expected a NumPy array")
        if array.dtype != np.float64:
            raise TypeError(f"arrays[{name!r}] has dtype {array.dtype}, expected float64")
        analytic = np.asarray(gradients[name])
        if analytic.shape != array.shape:
            raise ValueError(
                f"gradients[{name!r}] has shape {analytic.shape}, expected {array.shape}"
            )
        numeric[name] = _central_differences(loss, array, step)
        scale = max(np.linalg.norm(analytic), np.linalg.norm(numeric[name]))
        difference = np.linalg.norm(analytic - numeric[name])
        relative[name] = float(difference / scale) if scale else 0.0
    return GradientReport(relative, numeric)


def _central_differences(loss, array, step):
    result = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        try:
            array[index] = kept + step
            above = loss()
            array[index] = kept - step
            below = loss()
        finally:
            array[index] = kept
        result[index] = (above - below) / (2 * step)  # (4.3.13)
    return result
