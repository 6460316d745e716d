"""The LSTM, forward and backward, line by line from the equations of pages 3.1 and 4.3."""

import numpy as np

from companion import spec
from companion.numpy.activations import sigmoid, sigmoid_slope, tanh, tanh_slope
from companion.numpy.layer import Gradients, Layer, Run


class LSTM(Layer):
    """Long short-term memory with a forget gate (Gers et al. 2000), as on page 3.1.

    Parameters, by name, in the gate order i, f, g, o: ``W`` (4, H, I), ``U`` (4, H, H) and
    ``b`` (4, H). See :class:`companion.numpy.layer.Layer` for the constructor's arguments.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(2, 3, rng=np.random.default_rng(0))
    >>> run = layer.forward(np.zeros((5, 1, 2)))
    >>> run.outputs.shape, run.state[1].shape
    ((5, 1, 3), (1, 3))
    """

    spec = spec.LSTM

    def _forward(self, x, state, valid):
        n_steps, batch, _ = x.shape
        size = self.hidden_size
        U, W, b = self._stacked("U"), self._stacked("W"), self._stacked("b")

        # W x_t + b waits for nothing, so it is one product over all steps; U h_{t-1} cannot be.
        flat = x.reshape(n_steps * batch, self.input_size)
        a = (flat @ W.T + b).reshape(n_steps, batch, 4 * size)
        h = np.empty((n_steps + 1, batch, size), self.dtype)
        c = np.empty_like(h)
        h[0], c[0] = state["h"], state["c"]
        outputs = h[1:] if valid is None else np.empty_like(h[1:])

        for t in range(n_steps):
            a[t] += h[t] @ U.T
            i, f, g, o = self._split(a[t])  # views: what is written below stays in `a`
            i[...] = sigmoid(i)  # (3.1.1)
            f[...] = sigmoid(f)  # (3.1.2)
            g[...] = tanh(g)  # (3.1.3)
            o[...] = sigmoid(o)  # (3.1.5)
            c[t + 1] = f * c[t] + i * g  # (3.1.4)
            h[t + 1] = o * tanh(c[t + 1])  # (3.1.6)
            if valid is not None:
                outputs[t] = np.where(valid[t], h[t + 1], 0)
                c[t + 1] = np.where(valid[t], c[t + 1], c[t])
                h[t + 1] = np.where(valid[t], h[t + 1], h[t])

        gates = dict(zip(self.spec.gates, self._split(a), strict=True))
        return Run(outputs, (h[-1], c[-1]), gates, {"h": h, "c": c}, x, valid)

    def _backward(self, run, d_outputs, d_state):
        n_steps, batch, _ = run.x.shape
        size = self.hidden_size
        U, W = self._stacked("U"), self._stacked("W")
        c = run.states["c"]
        d_h, d_c = d_state["h"], d_state["c"]
        d_a = np.empty((n_steps, batch, 4 * size), self.dtype)

        for t in reversed(range(n_steps)):
            i, f, g, o = (run.gates[gate][t] for gate in self.spec.gates)
            da_i, da_f, da_g, da_o = self._split(d_a[t])
            tanh_c = tanh(c[t + 1])

            later_h, later_c = d_h, d_c
            d_h = later_h + d_outputs[t]  # (4.3.1)
            da_o[...] = d_h * tanh_c * sigmoid_slope(o)  # (4.3.2)
            d_c = later_c + d_h * o * tanh_slope(tanh_c)  # (4.3.3)
            da_i[...] = d_c * g * sigmoid_slope(i)  # (4.3.4)
            da_f[...] = d_c * c[t] * sigmoid_slope(f)  # (4.3.5)
            da_g[...] = d_c * i * tanh_slope(g)  # (4.3.6)
            d_c = d_c * f  # (4.3.7)
            d_h = d_a[t] @ U  # (4.3.8)
            if run.valid is not None:  # past its end a sequence only hands its state on
                d_a[t] = np.where(run.valid[t], d_a[t], 0)
                d_h = np.where(run.valid[t], d_h, later_h)
                d_c = np.where(run.valid[t], d_c, later_c)

        # Each weight is used at every step, so its gradient is a sum over steps: one product.
        flat = d_a.reshape(n_steps * batch, 4 * size)
        d_x = flat @ W  # (4.3.9)
        d_W = flat.T @ run.x.reshape(n_steps * batch, self.input_size)  # (4.3.10)
        d_U = flat.T @ run.states["h"][:-1].reshape(n_steps * batch, size)  # (4.3.11)
        d_b = flat.sum(axis=0)  # (4.3.12)
        parameters = {"W": d_W, "U": d_U, "b": d_b}
        return Gradients(
            x=d_x.reshape(run.x.shape),
            state=(d_h, d_c),
            parameters={name: d.reshape(self.shapes[name]) for name, d in parameters.items()},
        )

    def _stacked(self, name):
        """Return the parameter with its gates stacked: W as (4H, I), U as (4H, H), b as (4H,)."""
        array = self._parameters[name]
        return array.reshape(-1, *array.shape[2:])

    def _split(self, a):
        """Yield views of the four gates, each (…, H), in canonical order."""
        return (a[..., k * self.hidden_size : (k + 1) * self.hidden_size] for k in range(4))
