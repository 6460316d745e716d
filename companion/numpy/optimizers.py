"""Optimizers, line by line from the update rules of page 4.6.

All of them work on each number by itself, so a tree of arrays is one long list to them.
"""

from collections.abc import Iterator, Mapping
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np

from companion import spec


class Optimizer:
    """Base of the optimizers: walks through trees of arrays, and checks them.

    Attributes
    ----------
    learning_rate
        η; may be assigned between updates.
    n_updates
        n, how many updates were made.
    """

    #: How many arrays an optimizer remembers for each parameter.
    _n_memories: int

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate
        self.n_updates = 0
        self._memory = None

    @property
    def learning_rate(self) -> float:
        """η, a number above 0."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self._learning_rate = _number("learning_rate", value, above=0)

    def step(self, parameters: Any, gradients: Any) -> None:
        """Make one update, in place.

        Parameters
        ----------
        parameters
            Arrays of ``float32`` or ``float64`` in dictionaries and lists, nested in any way, as
            ``layer.parameters`` is. They are changed.
        gradients
            The gradients in the same tree, as ``layer.backward(…).parameters`` is.

        Raises
        ------
        ValueError
            If names or shapes of the two trees differ, or are not those of the first update.
            Nothing has been changed then.
        TypeError
            If a leaf is no NumPy array, or dtypes differ.
        """
        pairs = list(_pairs("parameters", parameters, "gradients", gradients))
        if self._memory is None:
            self._memory = [
                [np.zeros_like(w) for _ in range(self._n_memories)] for w, _, _ in pairs
            ]
            self._first = [(name, w.shape, w.dtype) for w, _, name in pairs]
        if [(name, w.shape, w.dtype) for w, _, name in pairs] != self._first:
            raise ValueError(
                "parameters has other names, shapes or dtypes than at the first update, "
                "expected the same: what an optimizer remembers belongs to one set"
            )
        self.n_updates += 1
        for (w, δ, _), memory in zip(pairs, self._memory, strict=True):
            self._update(w, δ, *memory)

    def _update(self, w, δ, *memory):
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with momentum and Nesterov's form of it.

    Parameters
    ----------
    learning_rate
        η.
    momentum
        μ, from 0 to below 1: the share of the last step that goes on.
    nesterov
        Whether the step looks ahead; needs a momentum above 0.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([4.0])
    >>> SGD(learning_rate=0.25).step({"w": w}, {"w": 2 * w})
    >>> w
    array([2.])
    """

    _n_memories = 1

    def __init__(self, learning_rate, momentum=0.0, nesterov=False):
        super().__init__(learning_rate)
        self.momentum = _number("momentum", momentum, at_least=0, below=1)
        self.nesterov = spec.check_flag("nesterov", nesterov)
        if nesterov and not momentum:
            raise ValueError("nesterov is True and momentum is 0, expected a momentum above 0")

    def _update(self, w, δ, m):
        η, μ = self.learning_rate, self.momentum
        m[...] = μ * m + δ  # (4.6.3)
        if self.nesterov:
            w -= η * (δ + μ * m)  # (4.6.5)
        else:
            w -= η * m  # (4.6.4); (4.6.1) if μ is 0


class _Rooted(Optimizer):
    """What RMSProp and Adam share: squares that are remembered, and ε beside or inside a root."""

    def __init__(self, learning_rate, beta_2, epsilon, epsilon_like):
        super().__init__(learning_rate)
        self.beta_2 = _number("beta_2", beta_2, at_least=0, below=1)
        self.epsilon = _number("epsilon", epsilon, above=0)
        self.epsilon_like = epsilon_like
        spec.check_choice("epsilon_like", epsilon_like, ("torch", "keras"))


class RMSProp(_Rooted):
    """Steps divided by the root of a running mean of squared gradients.

    Parameters
    ----------
    learning_rate
        η.
    beta_2
        β₂, from 0 to below 1: how long squares are remembered. PyTorch calls it alpha, with
        0.99 unless told otherwise, Keras rho, with 0.9.
    epsilon
        ε, above 0, which keeps the division finite. Keras has 1e-7 unless told otherwise.
    epsilon_like
        Where ε stands: ``"torch"`` beside the root, ``"keras"`` inside it.

    Raises
    ------
    ValueError
        If a number is out of range, or a name unknown.
    """

    _n_memories = 1

    def __init__(self, learning_rate=0.01, beta_2=0.99, epsilon=1e-8, epsilon_like="torch"):
        super().__init__(learning_rate, beta_2, epsilon, epsilon_like)

    def _update(self, w, δ, v):
        η, β_2, ε = self.learning_rate, self.beta_2, self.epsilon
        v[...] = β_2 * v + (1 - β_2) * δ**2  # (4.6.6)
        if self.epsilon_like == "torch":
            w -= η * δ / (np.sqrt(v) + ε)  # (4.6.7)
        else:
            w -= η * δ / np.sqrt(v + ε)  # (4.6.13)


class Adam(_Rooted):
    """Momentum and RMSProp together, each corrected for having started at zero.

    Parameters
    ----------
    learning_rate
        η: about the length of a step, whatever the gradients' size.
    beta_1, beta_2
        β₁ and β₂, from 0 to below 1: how long gradients and their squares are remembered.
    epsilon
        ε, above 0, which keeps the division finite. Keras has 1e-7 unless told otherwise.
    epsilon_like
        Where ε stands: ``"torch"`` beside the corrected root, as the paper's algorithm has it,
        ``"keras"`` beside the root that is not yet corrected.

    Raises
    ------
    ValueError
        If a number is out of range, or a name unknown.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([0.0, 0.0])
    >>> Adam(learning_rate=0.1).step([w], [np.array([1000.0, -0.001])])
    >>> w.round(3)
    array([-0.1,  0.1])
    """

    _n_memories = 2

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        epsilon_like="torch",
    ):
        super().__init__(learning_rate, beta_2, epsilon, epsilon_like)
        self.beta_1 = _number("beta_1", beta_1, at_least=0, below=1)

    def _update(self, w, δ, m, v):
        n, η, ε = self.n_updates, self.learning_rate, self.epsilon
        β_1, β_2 = self.beta_1, self.beta_2
        m[...] = β_1 * m + (1 - β_1) * δ  # (4.6.8)
        v[...] = β_2 * v + (1 - β_2) * δ**2  # (4.6.6)
        m_hat = m / (1 - β_1**n)  # (4.6.9)
        v_hat = v / (1 - β_2**n)  # (4.6.10)
        if self.epsilon_like == "keras":
            ε = ε / sqrt(1 - β_2**n)  # (4.6.14)
        w -= η * m_hat / (np.sqrt(v_hat) + ε)  # (4.6.11)


class AdamW(Adam):
    """Adam, and a pull towards zero that goes round the division.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, epsilon_like
        As in :class:`Adam`.
    weight_decay
        κ, at least 0: of every parameter the share η κ is taken off at each update. Keras has
        0.004 unless told otherwise.

    Raises
    ------
    ValueError
        If a number is out of range, or a name unknown.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        epsilon_like="torch",
        weight_decay=0.01,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, epsilon_like)
        self.weight_decay = _number("weight_decay", weight_decay, at_least=0)

    def _update(self, w, δ, m, v):
        w -= self.learning_rate * self.weight_decay * w  # (4.6.12)
        super()._update(w, δ, m, v)


def _number(argument, got, above=-inf, at_least=-inf, below=inf):
    """Refuse what is no number in a range; return it as a ``float``."""
    bounds = {"above": above, "of at least": at_least, "below": below}
    expected = " and ".join(f"{word} {bound}" for word, bound in bounds.items() if isfinite(bound))
    try:
        fits = not isinstance(got, bool) and isfinite(got) and above < got < below
        fits = fits and got >= at_least
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(f"{argument} is {got!r}, expected a number {expected}")
    return float(got)


def _pairs(argument, parameters, other, gradients) -> Iterator[tuple]:
    """Yield each parameter with its gradient and its name, checked."""
    if isinstance(parameters, Mapping):
        if not isinstance(gradients, Mapping):
            raise TypeError(f"{other} is {spec.describe(gradients)}, expected names and arrays")
        spec.check_names(other, gradients, parameters)
        for name in parameters:
            yield from _pairs(
                f"{argument}[{name!r}]", parameters[name], f"{other}[{name!r}]", gradients[name]
            )
    elif isinstance(parameters, list | tuple):
        spec.check_parts(other, gradients, [f"{argument}[{k}]" for k in range(len(parameters))])
        for k, (part, own) in enumerate(zip(parameters, gradients, strict=True)):
            yield from _pairs(f"{argument}[{k}]", part, f"{other}[{k}]", own)
    else:
        if not isinstance(parameters, np.ndarray) or not parameters.flags.writeable:
            raise TypeError(
                f"{argument} is {spec.describe(parameters)}, "
                "expected a NumPy array that can be changed in place"
            )
        if not isinstance(gradients, np.ndarray | np.generic):
            raise TypeError(f"{other} is {spec.describe(gradients)}, expected a NumPy array")
        if parameters.dtype not in (np.float32, np.float64):
            raise TypeError(f"{argument} has dtype {parameters.dtype}, expected float32 or float64")
        spec.check_shape(other, gradients.shape, parameters.shape)
        spec.check_dtype(other, gradients.dtype, parameters.dtype)
        yield parameters, gradients, argument
