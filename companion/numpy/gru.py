"""The gated recurrent unit in both reset forms, line by line from the equations of page 4.3."""

import numpy as np

from companion import spec
from companion.numpy.activations import sigmoid, sigmoid_slope, tanh, tanh_slope
from companion.numpy.recurrence import Recurrence, product


class GRU(Recurrence):
    """A gated recurrent unit (Cho et al. 2014), z weighting the candidate.

    Parameters, by name, in the gate order r, z, n: ``W`` (3, H, I), ``U`` (3, H, H) and ``b``
    (3, H); with ``reset_after`` also ``b_u`` (H,).

    Parameters
    ----------
    input_size, hidden_size, dtype, rng
        See :class:`companion.numpy.recurrence.Recurrence`, its errors too.
    reset_after
        Whether the reset gate acts on the recurrent product, U_n h_{t-1} + b_u, as in
        ``torch.nn`` and cuDNN, rather than on h_{t-1} before the product.
    """

    def __init__(self, input_size, hidden_size, dtype=np.float64, rng=None, *, reset_after=False):
        self.reset_after = spec.check_flag("reset_after", reset_after)
        self.spec = spec.GRU_RESET_AFTER if self.reset_after else spec.GRU
        super().__init__(input_size, hidden_size, dtype, rng)

    def _step(self, a, before, after):
        (h_before,), (h,) = before, after
        U_rz, U_n = self._recurrent_weights()
        a_rz = a[:, : len(U_rz)]
        a_rz += h_before @ U_rz.T
        r, z, n = self._split(a)  # views: what is written below stays in `a`
        r[...] = sigmoid(r)  # (4.3.22)
        z[...] = sigmoid(z)  # (4.3.23)
        if self.reset_after:
            n += r * (h_before @ U_n.T + self._parameters["b_u"])  # (4.3.31)
        else:
            n += (r * h_before) @ U_n.T  # (4.3.24)
        n[...] = tanh(n)
        h[...] = (1 - z) * h_before + z * n  # (4.3.25)

    def _step_back(self, d_a, a, before, after, d_state):
        (h_before,), (d_h,) = before, d_state
        U_rz, U_n = self._recurrent_weights()
        r, z, n = self._split(a)
        da_r, da_z, da_n = self._split(d_a)

        da_z[...] = d_h * (n - h_before) * sigmoid_slope(z)  # (4.3.26)
        da_n[...] = d_h * z * tanh_slope(n)  # (4.3.27)
        d_h = d_h * (1 - z)
        if self.reset_after:
            u = h_before @ U_n.T + self._parameters["b_u"]
            da_r[...] = da_n * u * sigmoid_slope(r)  # (4.3.32)
            d_h += (r * da_n) @ U_n  # (4.3.33)
        else:
            d_reset = da_n @ U_n  # the gradient of r ⊙ h_{t-1}
            da_r[...] = d_reset * h_before * sigmoid_slope(r)  # (4.3.28)
            d_h += r * d_reset  # (4.3.29)
        d_h += d_a[:, : len(U_rz)] @ U_rz  # (4.3.29), (4.3.33)
        return [d_h]

    def _weight_gradients(self, d_a, run):
        gradients = super()._weight_gradients(d_a, run)
        r, h_before, da_n = run.gates["r"], run.states["h"][:-1], self._split(d_a)[2]
        d_U_n = gradients["U"][2 * self.hidden_size :]
        if self.reset_after:
            d_U_n[...] = product(r * da_n, h_before)  # (4.3.34)
            return gradients | {"b_u": (r * da_n).sum(axis=(0, 1))}  # (4.3.35)
        d_U_n[...] = product(da_n, r * h_before)  # (4.3.30)
        return gradients

    def _recurrent_weights(self):
        """Return U_r above U_z, (2 H, H), which act on h_{t-1} as it is, and U_n, (H, H)."""
        U = self._stacked("U")
        return np.split(U, [2 * self.hidden_size])
