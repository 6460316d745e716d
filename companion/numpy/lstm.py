"""The LSTM, without and with peepholes, line by line from the equations of pages 3.1 and 4.3."""

import numpy as np

from companion import spec
from companion.numpy.activations import sigmoid, sigmoid_slope, tanh, tanh_slope
from companion.numpy.recurrence import Recurrence


class LSTM(Recurrence):
    """Long short-term memory with a forget gate (Gers et al. 2000), as on page 3.1.

    Parameters, by name, in the gate order i, f, g, o: ``W`` (4, H, I), ``U`` (4, H, H) and
    ``b`` (4, H). See :class:`companion.numpy.recurrence.Recurrence` for the constructor's
    arguments and errors.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(2, 3, rng=np.random.default_rng(0))
    >>> run = layer.forward(np.zeros((5, 1, 2)))
    >>> run.outputs.shape, run.state[1].shape
    ((5, 1, 3), (1, 3))
    """

    spec = spec.LSTM

    def _step(self, a, before, after):
        (h_before, c_before), (h, c) = before, after
        V = self._parameters.get("V")
        a += h_before @ self._stacked("U").T
        i, f, g, o = self._split(a)  # views: what is written below stays in `a`
        if V is not None:
            i += V[0] * c_before  # (4.3.14)
            f += V[1] * c_before  # (4.3.15)
        i[...] = sigmoid(i)  # (3.1.1)
        f[...] = sigmoid(f)  # (3.1.2)
        g[...] = tanh(g)  # (3.1.3)
        c[...] = f * c_before + i * g  # (3.1.4)
        if V is not None:
            o += V[2] * c  # (4.3.16)
        o[...] = sigmoid(o)  # (3.1.5)
        h[...] = o * tanh(c)  # (3.1.6)

    def _step_back(self, d_a, a, before, after, d_state):
        (_, c_before), (_, c), (d_h, later_c) = before, after, d_state
        V = self._parameters.get("V")
        i, f, g, o = self._split(a)
        da_i, da_f, da_g, da_o = self._split(d_a)
        tanh_c = tanh(c)

        da_o[...] = d_h * tanh_c * sigmoid_slope(o)  # (4.3.2)
        d_c = later_c + d_h * o * tanh_slope(tanh_c)  # (4.3.3)
        if V is not None:
            d_c += V[2] * da_o  # (4.3.17)
        da_i[...] = d_c * g * sigmoid_slope(i)  # (4.3.4)
        da_f[...] = d_c * c_before * sigmoid_slope(f)  # (4.3.5)
        da_g[...] = d_c * i * tanh_slope(g)  # (4.3.6)
        d_c *= f  # (4.3.7)
        if V is not None:
            d_c += V[0] * da_i + V[1] * da_f  # (4.3.18)
        d_h = d_a @ self._stacked("U")  # (4.3.8)
        return [d_h, d_c]


class PeepholeLSTM(LSTM):
    """An LSTM whose gates also read the cell state (Gers and Schmidhuber 2000).

    The input and the forget gate read c_{t-1}, the output gate c_t, each unit its own cell
    only. Parameters: those of :class:`LSTM`, and ``V`` (3, H) for i, f and o.
    """

    spec = spec.PEEPHOLE_LSTM

    def _weight_gradients(self, d_a, run):
        da_i, da_f, _, da_o = self._split(d_a)
        c = run.states["c"]
        d_V = [
            (da_i * c[:-1]).sum(axis=(0, 1)),  # (4.3.19)
            (da_f * c[:-1]).sum(axis=(0, 1)),  # (4.3.20)
            (da_o * c[1:]).sum(axis=(0, 1)),  # (4.3.21)
        ]
        return super()._weight_gradients(d_a, run) | {"V": np.stack(d_V)}
