"""The LSTM as a Keras cell and layer, with the step written out in ``keras.ops``.

Keras' own classes supply what is not the cell's arithmetic: weights, initializers, dropout
masks, the loop over time, masking, configuration and saving.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="companion")
class LSTMCell(keras.layers.LSTMCell):
    """One step of the LSTM (equations of page 3.1); arguments of ``keras.layers.LSTMCell``.

    Weights: ``kernel`` (I, 4 H), ``recurrent_kernel`` (H, 4 H) and ``bias`` (4 H,), columns in
    the gate order i, f, g, o, where Keras calls g "c".

    Notes
    -----
    ``dtype="float64"`` is float64 throughout on the TensorFlow backend. On the PyTorch backend
    ``keras.ops.matmul`` rounds products to float32.
    """

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs
            x_t, (B, I).
        states
            [h_{t-1}, c_{t-1}], each (B, H).
        training
            Whether dropout is applied.

        Returns
        -------
        tuple
            h_t and [h_t, c_t], each (B, H).
        """
        h, c = states
        x_gates = self._for_each_gate(inputs, self.get_dropout_mask(inputs) if training else None)
        h_gates = self._for_each_gate(h, self.get_recurrent_dropout_mask(h) if training else None)
        if len(x_gates) == len(h_gates) == 1:
            a = ops.matmul(x_gates[0], self.kernel) + ops.matmul(h_gates[0], self.recurrent_kernel)
        else:
            a = ops.concatenate(
                [
                    ops.matmul(x_k, W_k) + ops.matmul(h_k, U_k)
                    for x_k, W_k, h_k, U_k in zip(
                        x_gates * (4 // len(x_gates)),
                        ops.split(self.kernel, 4, axis=1),
                        h_gates * (4 // len(h_gates)),
                        ops.split(self.recurrent_kernel, 4, axis=1),
                        strict=True,
                    )
                ],
                axis=1,
            )
        if self.use_bias:
            a = a + self.bias
        a_i, a_f, a_g, a_o = ops.split(a, 4, axis=1)
        i = self.recurrent_activation(a_i)  # (3.1.1)
        f = self.recurrent_activation(a_f)  # (3.1.2)
        g = self.activation(a_g)  # (3.1.3)
        c = f * c + i * g  # (3.1.4)
        o = self.recurrent_activation(a_o)  # (3.1.5)
        h = o * self.activation(c)  # (3.1.6)
        return h, [h, c]

    @staticmethod
    def _for_each_gate(value, masks):
        """Return value under each gate's dropout mask; one entry when all gates see the same."""
        if masks is None:
            return [value]
        if not isinstance(masks, list):
            masks = [masks]
        return [value * mask for mask in masks]


@keras.saving.register_keras_serializable(package="companion")
class LSTM(keras.layers.LSTM):
    """The LSTM over a batch of sequences, (B, T, I); arguments of ``keras.layers.LSTM``.

    Masks, ``return_sequences``, ``return_state``, ``go_backwards``, ``stateful``, dropout and
    ``keras.layers.Bidirectional`` work as in Keras. The arithmetic is :class:`LSTMCell`'s, never
    a fused kernel.

    Raises
    ------
    ValueError
        If ``use_cudnn`` is ``True``: cuDNN's LSTM is not this one.
    """

    def __init__(self, units, *args, use_cudnn="auto", **kwargs):
        if use_cudnn is True:
            raise ValueError("use_cudnn is True, expected 'auto' or False: the step is written out")
        super().__init__(units, *args, use_cudnn=False, **kwargs)
        # Keras has made its own cell, with every setting in place, and goes on tracking whatever
        # layer it was given. So that cell is not replaced: it becomes ours, with another step.
        self.cell.__class__ = LSTMCell
