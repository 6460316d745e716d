"""The LSTM, without and with peepholes, as Keras cells and layers."""

import keras
from keras import ops

from companion import spec
from companion.keras.layer import RecurrentCell, RecurrentLayer, exact, product


@keras.saving.register_keras_serializable(package="companion")
class LSTMCell(RecurrentCell, keras.layers.LSTMCell):
    """One step of the LSTM (equations of page 3.1); arguments of ``keras.layers.LSTMCell``.

    Weights: ``kernel`` (I, 4 H), ``recurrent_kernel`` (H, 4 H) and ``bias`` (4 H,), columns in
    the gate order i, f, g, o, where Keras calls g "c".

    Raises
    ------
    ValueError
        If ``units`` is not a positive whole number or a dropout is outside 0 to 1.
    """

    state_names = spec.LSTM.states
    peephole_kernel = None

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
        V = self.peephole_kernel
        gate, squash = exact(self.recurrent_activation), exact(self.activation)
        x, h = self._under_dropout(inputs, h, training)
        a = product(x, self.kernel) + product(h, self.recurrent_kernel)
        if self.use_bias:
            a = a + self.bias
        a_i, a_f, a_g, a_o = ops.split(a, 4, axis=1)
        if V is not None:
            a_i = a_i + V[0] * c  # (4.3.14)
            a_f = a_f + V[1] * c  # (4.3.15)
        i = gate(a_i)  # (3.1.1)
        f = gate(a_f)  # (3.1.2)
        g = squash(a_g)  # (3.1.3)
        c = f * c + i * g  # (3.1.4)
        if V is not None:
            a_o = a_o + V[2] * c  # (4.3.16)
        o = gate(a_o)  # (3.1.5)
        h = o * squash(c)  # (3.1.6)
        return h, [h, c]


@keras.saving.register_keras_serializable(package="companion")
class LSTM(RecurrentLayer, keras.layers.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), as on page 3.1.

    Runs over sequences (B, T, I) by equations (3.1.1) to (3.1.6).

    Takes the arguments of ``keras.layers.LSTM`` and has its weights, so that ``set_weights`` and
    weight files go both ways. Masks (B, T), ``initial_state``, ``return_sequences``,
    ``return_state``, ``go_backwards``, ``stateful``, ``unroll``, dropout, mixed precision,
    ``keras.layers.Bidirectional`` and saving work as in Keras, on each of its backends. The
    arithmetic is :class:`LSTMCell`'s, never a fused kernel.

    Raises
    ------
    ValueError
        If ``units`` is not a positive whole number, a dropout is outside 0 to 1, or
        ``use_cudnn`` is ``True``: cuDNN's LSTM is not this one. When called, if a shape does not
        fit.
    TypeError
        When called, if an array is not of floats (floats of another width are cast, as in
        Keras), or the state is not (h, c).

    Notes
    -----
    ``dtype="float64"`` is float64 throughout; the JAX backend needs ``jax_enable_x64`` for it.
    NaN is not looked for: it spreads to the outputs.

    The loop over time is Keras', faults included. In Keras 3.15, ``unroll`` forgets
    ``zero_output_for_mask`` on the JAX backend and fails under a mask with ``go_backwards`` on the
    PyTorch backend, where a stateful layer in mixed precision also forgets its state; and a mask
    that travels with the sequences is not seen by a layer called with ``initial_state``, to which
    it has to be given as ``mask``.
    """

    cell_class = LSTMCell
    cell_name = "lstm_cell"


@keras.saving.register_keras_serializable(package="companion")
class PeepholeLSTMCell(LSTMCell):
    """One step of the LSTM with peepholes (equations of pages 3.1 and 4.3).

    Weights: those of :class:`LSTMCell`, and ``peephole_kernel`` (3, H), rows i, f, o.

    Parameters
    ----------
    *args, **kwargs
        Those of ``keras.layers.LSTMCell``.
    peephole_initializer, peephole_regularizer, peephole_constraint
        What Keras' other weights have, for ``peephole_kernel``.
    """

    state_names = spec.PEEPHOLE_LSTM.states

    def __init__(
        self,
        *args,
        peephole_initializer="glorot_uniform",
        peephole_regularizer=None,
        peephole_constraint=None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.peephole_initializer = keras.initializers.get(peephole_initializer)
        self.peephole_regularizer = keras.regularizers.get(peephole_regularizer)
        self.peephole_constraint = keras.constraints.get(peephole_constraint)

    def build(self, input_shape):
        """Create the weights for inputs of this shape, (B, I)."""
        super().build(input_shape)
        self.peephole_kernel = self.add_weight(
            shape=(3, self.units),
            name="peephole_kernel",
            initializer=self.peephole_initializer,
            regularizer=self.peephole_regularizer,
            constraint=self.peephole_constraint,
        )

    def get_config(self):
        """Return the constructor's arguments."""
        return super().get_config() | self._peephole_config()

    def _peephole_config(self):
        return {
            "peephole_initializer": keras.initializers.serialize(self.peephole_initializer),
            "peephole_regularizer": keras.regularizers.serialize(self.peephole_regularizer),
            "peephole_constraint": keras.constraints.serialize(self.peephole_constraint),
        }


@keras.saving.register_keras_serializable(package="companion")
class PeepholeLSTM(LSTM):
    """An LSTM whose gates also read the cell state (Gers and Schmidhuber 2000).

    The input and the forget gate read c_{t-1}, the output gate c_t, each unit its own cell only:
    (4.3.14) to (4.3.16). Works, checks and refuses as :class:`LSTM`; the arithmetic is
    :class:`PeepholeLSTMCell`'s.

    Parameters
    ----------
    *args, **kwargs
        Those of ``keras.layers.LSTM``.
    peephole_initializer, peephole_regularizer, peephole_constraint
        What Keras' other weights have, for ``peephole_kernel`` (3, H), rows i, f, o.
    """

    cell_class = PeepholeLSTMCell
    cell_name = "peephole_lstm_cell"

    @property
    def peephole_initializer(self):
        """How ``peephole_kernel`` begins."""
        return self.cell.peephole_initializer

    @property
    def peephole_regularizer(self):
        """What ``peephole_kernel`` adds to the loss."""
        return self.cell.peephole_regularizer

    @property
    def peephole_constraint(self):
        """What ``peephole_kernel`` is kept within."""
        return self.cell.peephole_constraint

    def get_config(self):
        """Return the constructor's arguments."""
        return super().get_config() | self.cell._peephole_config()
