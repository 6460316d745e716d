"""The LSTM, without and with peepholes, line by line from the equations of pages 3.1 and 4.3."""

import torch

from companion import spec
from companion.torch.activations import through_sigmoid, through_tanh
from companion.torch.layer import Recurrent
from companion.torch.recurrence import Cell, product


class LSTMCell(Cell):
    """The equations of an LSTM, ``recurrent`` being U (4 H, H), and with peepholes V's rows."""

    n_kept = 5

    def __init__(self, peepholes):
        self.spec = spec.PEEPHOLE_LSTM if peepholes else spec.LSTM

    def step(self, a, before, out, U, *V):  # noqa: D102
        (h_before, c_before), (at_i, at_f, at_g, at_o, at_tanh_c, at_h, at_c) = before, out
        i, f, g, o = torch.addmm(a, h_before, U.T).chunk(4, 1)
        if V:
            i = torch.addcmul(i, V[0], c_before)  # (4.3.14)
            f = torch.addcmul(f, V[1], c_before)  # (4.3.15)
        i = torch.sigmoid(i, out=at_i)  # (3.1.1)
        f = torch.sigmoid(f, out=at_f)  # (3.1.2)
        g = torch.tanh(g, out=at_g)  # (3.1.3)
        c = torch.addcmul(f * c_before, i, g, out=at_c)  # (3.1.4)
        if V:
            o = torch.addcmul(o, V[2], c)  # (4.3.16)
        o = torch.sigmoid(o, out=at_o)  # (3.1.5)
        tanh_c = torch.tanh(c, out=at_tanh_c)
        h = torch.mul(o, tanh_c, out=at_h)  # (3.1.6)
        return (i, f, g, o, tanh_c), (h, c)

    def slopes(self, kept, before, U, *V):  # noqa: D102
        i, f, g, o, tanh_c = kept
        _, c_before = before
        o_h = through_sigmoid(tanh_c, o)  # (4.3.2)
        c_h = through_tanh(o, tanh_c)  # (4.3.3)
        i_c = through_sigmoid(g, i)  # (4.3.4)
        f_c = through_sigmoid(c_before, f)  # (4.3.5)
        g_c = through_tanh(i, g)  # (4.3.6)
        c_back = f  # (4.3.7)
        if V:
            c_h.addcmul_(V[2], o_h)  # (4.3.17)
            c_back = torch.addcmul(f, V[0], i_c).addcmul_(V[1], f_c)  # (4.3.18)
        return o_h, c_h, i_c, f_c, g_c, c_back

    def step_back(self, d_a, slopes, d_state, U, *V):  # noqa: D102
        o_h, c_h, i_c, f_c, g_c, c_back = slopes
        da_i, da_f, da_g, da_o = d_a.chunk(4, 1)
        d_h, later_c = d_state
        torch.mul(d_h, o_h, out=da_o)  # (4.3.2)
        d_c = torch.addcmul(later_c, d_h, c_h)  # (4.3.3), (4.3.17)
        torch.mul(d_c, i_c, out=da_i)  # (4.3.4)
        torch.mul(d_c, f_c, out=da_f)  # (4.3.5)
        torch.mul(d_c, g_c, out=da_g)  # (4.3.6)
        return [d_a @ U, d_c.mul_(c_back)]  # (4.3.8); (4.3.7), (4.3.18)

    def recurrent_gradients(self, d_a, kept, before, after):  # noqa: D102
        (h_before, c_before), (_, c) = before, after
        d_U = product(d_a, h_before)  # (4.3.11)
        if not self.spec.peepholes:
            return [d_U]
        da_i, da_f, _, da_o = d_a.chunk(4, 2)
        return [
            d_U,
            (da_i * c_before).sum((0, 1)),  # (4.3.19)
            (da_f * c_before).sum((0, 1)),  # (4.3.20)
            (da_o * c).sum((0, 1)),  # (4.3.21)
        ]


class LSTM(Recurrent):
    """Long short-term memory with a forget gate (Gers et al. 2000), as on page 3.1.

    Forward (3.1.1) to (3.1.6), backward (4.3.1) to (4.3.12). Signature, shapes and
    ``state_dict`` keys are those of ``torch.nn.LSTM``, so a checkpoint of either loads into the
    other. Gate order i, f, g, o; the state is ``(h, c)``.

    Parameters
    ----------
    proj_size
        Accepted for the signature's sake; only 0 is supported, all else is a ``ValueError``.
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        See :class:`companion.torch.layer.Recurrent`, also for input, state, dtypes and errors.

    Examples
    --------
    >>> import torch
    >>> layer = LSTM(2, 3, num_layers=2)
    >>> outputs, (h, c) = layer(torch.zeros(5, 1, 2))
    >>> tuple(outputs.shape), tuple(c.shape)
    ((5, 1, 3), (2, 1, 3))
    """

    mode = "LSTM"
    _peepholes = False

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        if proj_size != 0:
            raise ValueError(f"proj_size is {proj_size!r}, expected 0: projections are not built")
        super().__init__(
            LSTMCell(self._peepholes),
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


class PeepholeLSTM(LSTM):
    """An LSTM whose gates also read the cell state (Gers and Schmidhuber 2000).

    The input and the forget gate read c_{t-1}, the output gate c_t, each unit its own cell
    only: (4.3.14) to (4.3.21). Arguments, input, state and parameters are those of
    :class:`LSTM`; beside them, ``weight_peephole_l{k}`` and, with ``bidirectional``,
    ``weight_peephole_l{k}_reverse``, each (3, H) with the rows i, f, o.
    """

    _peepholes = True

    def _shapes(self, below):
        return super()._shapes(below) | {"weight_peephole": (3, self.hidden_size)}

    def _weights(self, weight_peephole, **weights):
        W, b, *recurrent = super()._weights(**weights)
        return W, b, *recurrent, *weight_peephole.unbind()
