"""The plain recurrent network as a Keras cell and layer."""

import keras

from companion import spec
from companion.keras.layer import RecurrentCell, RecurrentLayer, exact, product


@keras.saving.register_keras_serializable(package="companion")
class SimpleRNNCell(RecurrentCell, keras.layers.SimpleRNNCell):
    """One step of the plain recurrent network; arguments of ``keras.layers.SimpleRNNCell``.

    Weights: ``kernel`` (I, H), ``recurrent_kernel`` (H, H) and ``bias`` (H,).

    Raises
    ------
    ValueError
        If ``units`` is not a positive whole number or a dropout is outside 0 to 1.
    """

    state_names = spec.RNN.states

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs
            x_t, (B, I).
        states
            [h_{t-1}], or h_{t-1} itself, (B, H).
        training
            Whether dropout is applied.

        Returns
        -------
        tuple
            h_t, (B, H), twice, the second time in the form of ``states``.
        """
        (h,) = states if isinstance(states, list | tuple) else (states,)
        x, h = self._under_dropout(inputs, h, training)
        a = product(x, self.kernel) + product(h, self.recurrent_kernel)
        if self.use_bias:
            a = a + self.bias
        h = exact(self.activation)(a)  # (4.3.36)
        return h, [h] if isinstance(states, list | tuple) else h


@keras.saving.register_keras_serializable(package="companion")
class SimpleRNN(RecurrentLayer, keras.layers.SimpleRNN):
    """A plain recurrent network (Elman 1990) over sequences (B, T, I), equation (4.3.36).

    Takes the arguments of ``keras.layers.SimpleRNN`` and has its weights, so that ``set_weights``
    and weight files go both ways. The arithmetic is :class:`SimpleRNNCell`'s. Checks, errors and
    what Keras brings are those of :class:`companion.keras.LSTM`.

    Notes
    -----
    ``activity_regularizer`` is applied; ``keras.layers.SimpleRNN`` takes it and forgets it.
    """

    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"
