"""The plain recurrent network, forward and backward, from the equations of page 4.3."""

import numpy as np

from companion import spec
from companion.numpy.activations import relu, relu_slope, tanh, tanh_slope
from companion.numpy.recurrence import Recurrence


class RNN(Recurrence):
    """A plain recurrent network (Elman 1990), with tanh or ReLU.

    Parameters, by name: ``W`` (1, H, I), ``U`` (1, H, H) and ``b`` (1, H).

    Parameters
    ----------
    input_size, hidden_size, dtype, rng
        See :class:`companion.numpy.recurrence.Recurrence`, its errors too.
    activation
        ``"tanh"`` or ``"relu"``.
    """

    def __init__(self, input_size, hidden_size, dtype=np.float64, rng=None, *, activation="tanh"):
        spec.check_choice("activation", activation, ("tanh", "relu"))
        self.spec = spec.RNN if activation == "tanh" else spec.RNN_RELU
        self._squash, self._slope = {"tanh": (tanh, tanh_slope), "relu": (relu, relu_slope)}[
            activation
        ]
        super().__init__(input_size, hidden_size, dtype, rng)

    def _step(self, a, before, after):
        (h_before,), (h,) = before, after
        a += h_before @ self._stacked("U").T
        a[...] = self._squash(a)
        h[...] = a  # (4.3.36)

    def _step_back(self, d_a, a, before, after, d_state):
        (h,), (d_h,) = after, d_state
        d_a[...] = d_h * self._slope(h)  # (4.3.37)
        return [d_a @ self._stacked("U")]  # (4.3.8)
