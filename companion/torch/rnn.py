"""The plain recurrent network, forward and backward, from the equations of page 4.3."""

import torch

from companion import spec
from companion.torch.activations import through_relu, through_tanh
from companion.torch.layer import Recurrent
from companion.torch.recurrence import Cell, product


class RNNCell(Cell):
    """The equations of a plain recurrent cell, ``recurrent`` being U (H, H)."""

    n_kept = 1

    def __init__(self, nonlinearity):
        tanh = nonlinearity == "tanh"
        self.spec = spec.RNN if tanh else spec.RNN_RELU
        self._squash, self._through = (
            (torch.tanh, through_tanh) if tanh else (torch.relu, through_relu)
        )

    def step(self, a, before, out, U):  # noqa: D102
        (h_before,) = before
        h = self._squash(torch.addmm(a, h_before, U.T))  # (4.3.36)
        return (h,), (h,)

    def slopes(self, kept, before, U):  # noqa: D102
        (h,) = kept
        return [self._through(torch.ones_like(h), h)]

    def step_back(self, d_a, slopes, d_state, U):  # noqa: D102
        (a_h,), (d_h,) = slopes, d_state
        torch.mul(d_h, a_h, out=d_a)  # (4.3.37)
        return [d_a @ U]  # (4.3.8)

    def recurrent_gradients(self, d_a, kept, before, after):  # noqa: D102
        (h_before,) = before
        return [product(d_a, h_before)]  # (4.3.11)


class RNN(Recurrent):
    """A plain recurrent network (Elman 1990), equations (4.3.36) and (4.3.37).

    Signature, shapes and ``state_dict`` keys are those of ``torch.nn.RNN``, so a checkpoint of
    either loads into the other.

    Parameters
    ----------
    nonlinearity
        ``"tanh"`` or ``"relu"``.
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        See :class:`companion.torch.layer.Recurrent`, also for input, state, dtypes and errors.

    Examples
    --------
    >>> import torch
    >>> layer = RNN(2, 3, nonlinearity="relu")
    >>> outputs, h = layer(torch.zeros(5, 1, 2))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((5, 1, 3), (1, 1, 3))
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        spec.check_choice("nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(
            RNNCell(nonlinearity),
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
        self.nonlinearity = nonlinearity
        self.mode = f"RNN_{nonlinearity.upper()}"
