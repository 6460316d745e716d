"""The LSTM as a replacement for ``torch.nn.LSTM``: forward and backward written out."""

import torch
from torch.autograd.function import once_differentiable

from companion import spec
from companion.torch.layer import Recurrent


class LSTM(Recurrent):
    """Long short-term memory (Gers et al. 2000), equations of pages 3.1 and 4.3.

    Arguments, shapes and ``state_dict`` keys are those of ``torch.nn.LSTM``, so a checkpoint of
    either loads into the other. Gate order i, f, g, o. See
    :class:`companion.torch.layer.Recurrent` for arguments and errors. Gradients are of first
    order: a second one is refused with an error.
    """

    spec = spec.LSTM

    def _run(self, x, state, weights, valid):
        outputs, h, c = _LSTMFunction.apply(x, *state, *weights, valid)
        return outputs, (h, c)


class _LSTMFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h_0, c_0, W, U, b, valid):
        n_steps, batch, _ = x.shape
        size = U.shape[1]
        # W x_t + b waits for nothing, so it is one product over all steps.
        a = x @ W.T if b is None else torch.addmm(b, x.flatten(0, 1), W.T)
        a = a.reshape(n_steps, batch, 4 * size)
        h = x.new_empty(n_steps + 1, batch, size)
        c = torch.empty_like(h)
        h[0], c[0] = h_0, c_0

        for t in range(n_steps):
            a[t].addmm_(h[t], U.T)
            i, f, g, o = a[t].chunk(4, dim=1)  # views: what is written below stays in `a`
            i.sigmoid_()  # (3.1.1)
            f.sigmoid_()  # (3.1.2)
            g.tanh_()  # (3.1.3)
            o.sigmoid_()  # (3.1.5)
            torch.addcmul(f * c[t], i, g, out=c[t + 1])  # (3.1.4)
            torch.mul(o, c[t + 1].tanh(), out=h[t + 1])  # (3.1.6)
            if valid is not None:
                c[t + 1] = torch.where(valid[t], c[t + 1], c[t])
                h[t + 1] = torch.where(valid[t], h[t + 1], h[t])

        outputs = h[1:].clone() if valid is None else torch.where(valid, h[1:], 0)
        ctx.save_for_backward(x, W, U, a, h, c, valid)
        ctx.has_bias = b is not None
        return outputs, h[-1].clone(), c[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, d_outputs, d_h, d_c):
        x, W, U, a, h, c, valid = ctx.saved_tensors
        n_steps, batch, _ = x.shape
        size = U.shape[1]
        d_a = torch.empty_like(a)
        if valid is not None:
            d_outputs = torch.where(valid, d_outputs, 0)

        for t in reversed(range(n_steps)):
            i, f, g, o = a[t].chunk(4, dim=1)
            da_i, da_f, da_g, da_o = d_a[t].chunk(4, dim=1)
            tanh_c = c[t + 1].tanh()

            later_h, later_c = d_h, d_c
            d_h = later_h + d_outputs[t]  # (4.3.1)
            torch.mul(d_h * tanh_c, o * (1 - o), out=da_o)  # (4.3.2)
            d_c = later_c + d_h * o * (1 - tanh_c * tanh_c)  # (4.3.3)
            torch.mul(d_c * g, i * (1 - i), out=da_i)  # (4.3.4)
            torch.mul(d_c * c[t], f * (1 - f), out=da_f)  # (4.3.5)
            torch.mul(d_c * i, 1 - g * g, out=da_g)  # (4.3.6)
            d_c = d_c * f  # (4.3.7)
            d_h = d_a[t] @ U  # (4.3.8)
            if valid is not None:  # past its end a sequence only hands its state on
                d_a[t] = torch.where(valid[t], d_a[t], 0)
                d_h = torch.where(valid[t], d_h, later_h)
                d_c = torch.where(valid[t], d_c, later_c)

        flat = d_a.reshape(n_steps * batch, 4 * size)
        d_x = (flat @ W).reshape(x.shape)  # (4.3.9)
        d_W = flat.T @ x.flatten(0, 1)  # (4.3.10)
        d_U = flat.T @ h[:-1].reshape(n_steps * batch, size)  # (4.3.11)
        d_b = flat.sum(0) if ctx.has_bias else None  # (4.3.12)
        return d_x, d_h, d_c, d_W, d_U, d_b, None
