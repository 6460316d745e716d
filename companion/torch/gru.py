"""The gated recurrent unit in both reset forms, line by line from the equations of page 4.3.

In ``torch.nn``, whose parameters these are, z weights the old state, where page 4.3 lets it
weight the candidate: z here is 1 - z there.
"""

import torch

from companion import spec
from companion.torch.activations import through_sigmoid, through_tanh
from companion.torch.layer import Recurrent, summed
from companion.torch.recurrence import Cell, product


class GRUCell(Cell):
    """The equations of a GRU that resets h before the product: U_r above U_z, and U_n."""

    spec = spec.GRU
    n_kept = 3

    def step(self, a, before, out, U_rz, U_n):  # noqa: D102
        (h_before,), (at_r, at_z, at_n, at_h) = before, out
        a_rz, a_n = a.split(U_rz.shape[0], 1)
        a_r, a_z = torch.addmm(a_rz, h_before, U_rz.T).chunk(2, 1)
        r = torch.sigmoid(a_r, out=at_r)  # (4.3.22)
        z = torch.sigmoid(a_z, out=at_z)  # (4.3.23)
        n = torch.tanh(torch.addmm(a_n, r * h_before, U_n.T), out=at_n)  # (4.3.24)
        h = torch.lerp(n, h_before, z, out=at_h)  # (4.3.25): n + z (h_before - n)
        return (r, z, n), (h,)

    def slopes(self, kept, before, U_rz, U_n):  # noqa: D102
        r, z, n = kept
        (h_before,) = before
        z_h = through_sigmoid(h_before - n, z)  # (4.3.26)
        n_h = through_tanh(1 - z, n)  # (4.3.27)
        r_reset = through_sigmoid(h_before, r)  # (4.3.28)
        return r, z, z_h, n_h, r_reset

    def step_back(self, d_a, slopes, d_state, U_rz, U_n):  # noqa: D102
        r, z, z_h, n_h, r_reset = slopes
        da_r, da_z, da_n = d_a.chunk(3, 1)
        (d_h,) = d_state
        torch.mul(d_h, z_h, out=da_z)  # (4.3.26)
        torch.mul(d_h, n_h, out=da_n)  # (4.3.27)
        d_reset = da_n @ U_n  # the gradient of r ⊙ h_{t-1}
        torch.mul(d_reset, r_reset, out=da_r)  # (4.3.28)
        past_gates = torch.addcmul(d_h * z, r, d_reset)
        return [past_gates.addmm_(d_a[:, : len(U_rz)], U_rz)]  # (4.3.29)

    def recurrent_gradients(self, d_a, kept, before, after):  # noqa: D102
        r, (h_before,) = kept[0], before
        d_rz, da_n = d_a.split(2 * r.shape[2], 2)
        return [product(d_rz, h_before), product(da_n, r * h_before)]  # (4.3.11), (4.3.30)


class GRUResetAfterCell(Cell):
    """The equations of a GRU that resets the product: U (3 H, H), and the biases added to it.

    Those biases are (3 H,) and may be ``None``; the last H of them are b_u.
    """

    spec = spec.GRU_RESET_AFTER
    n_kept = 4

    def step(self, a, before, out, U, b):  # noqa: D102
        (h_before,), (at_r, at_z, at_n, _, at_h) = before, out
        u = h_before @ U.T if b is None else torch.addmm(b, h_before, U.T)
        u_rz, u_n = u.split(2 * h_before.shape[1], 1)
        a_rz, a_n = a.split(2 * h_before.shape[1], 1)
        a_r, a_z = (a_rz + u_rz).chunk(2, 1)
        r = torch.sigmoid(a_r, out=at_r)  # (4.3.22)
        z = torch.sigmoid(a_z, out=at_z)  # (4.3.23)
        n = torch.tanh(torch.addcmul(a_n, r, u_n), out=at_n)  # (4.3.31)
        h = torch.lerp(n, h_before, z, out=at_h)  # (4.3.25): n + z (h_before - n)
        return (r, z, n, u_n), (h,)

    def slopes(self, kept, before, U, b):  # noqa: D102
        r, z, n, u_n = kept
        (h_before,) = before
        z_h = through_sigmoid(h_before - n, z)  # (4.3.26)
        n_h = through_tanh(1 - z, n)  # (4.3.27)
        r_n = through_sigmoid(u_n, r)  # (4.3.32)
        return r, z, z_h, n_h, r_n

    def step_back(self, d_a, slopes, d_state, U, b):  # noqa: D102
        r, z, z_h, n_h, r_n = slopes
        da_r, da_z, da_n = d_a.chunk(3, 1)
        (d_h,) = d_state
        torch.mul(d_h, z_h, out=da_z)  # (4.3.26)
        torch.mul(d_h, n_h, out=da_n)  # (4.3.27)
        torch.mul(da_n, r_n, out=da_r)  # (4.3.32)
        d_u = torch.cat([d_a[:, : 2 * len(U) // 3], r * da_n], 1)
        return [torch.addmm(d_h * z, d_u, U)]  # (4.3.33)

    def recurrent_gradients(self, d_a, kept, before, after):  # noqa: D102
        r, (h_before,) = kept[0], before
        d_rz, da_n = d_a.split(2 * r.shape[2], 2)
        d_u = torch.cat([d_rz, r * da_n], 2)
        return [
            product(d_u, h_before),  # (4.3.11), (4.3.34)
            d_u.sum((0, 1)),  # (4.3.12), (4.3.35)
        ]


class GRU(Recurrent):
    """A gated recurrent unit (Cho et al. 2014), equations (4.3.22) to (4.3.35).

    Signature, shapes and ``state_dict`` keys are those of ``torch.nn.GRU``, so a checkpoint of
    either loads into the other. Gate order r, z, n; z weights the old state, as in ``torch.nn``
    (on page 4.3 it weights the candidate).

    Parameters
    ----------
    reset_after
        Whether the reset gate acts on the recurrent product and its bias, as in ``torch.nn`` and
        cuDNN, rather than on the state before the product. Without it, ``bias_ih`` and
        ``bias_hh`` are added for every gate.
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        See :class:`companion.torch.layer.Recurrent`, also for input, state, dtypes and errors.

    Examples
    --------
    >>> import torch
    >>> layer = GRU(2, 3, bidirectional=True)
    >>> outputs, h = layer(torch.zeros(5, 1, 2))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((5, 1, 6), (2, 1, 3))
    """

    mode = "GRU"

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
        *,
        reset_after=True,
    ):
        spec.check_flag("reset_after", reset_after)
        super().__init__(
            GRUResetAfterCell() if reset_after else GRUCell(),
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device,
            dtype,
        )
        self.reset_after = reset_after

    def _weights(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
        if self.reset_after:
            return weight_ih, bias_ih, weight_hh, bias_hh
        U_rz, U_n = weight_hh.split([2 * self.hidden_size, self.hidden_size])
        return weight_ih, summed(bias_ih, bias_hh), U_rz, U_n

    def extra_repr(self):
        """Return the arguments that differ from their defaults, as ``torch.nn`` prints them."""
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")
