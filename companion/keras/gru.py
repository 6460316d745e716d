"""The gated recurrent unit in both reset forms, as a Keras cell and layer."""

import keras
from keras import ops

from companion import spec
from companion.keras.layer import RecurrentCell, RecurrentLayer, exact, product


@keras.saving.register_keras_serializable(package="companion")
class GRUCell(RecurrentCell, keras.layers.GRUCell):
    """One step of the GRU (equations of page 4.3); arguments of ``keras.layers.GRUCell``.

    Weights: ``kernel`` (I, 3 H), ``recurrent_kernel`` (H, 3 H) and ``bias``, columns in Keras'
    gate order z, r, n, where Keras calls n "h". The bias is (2, 3 H) with ``reset_after``, its
    second row for the recurrent products, and (3 H,) without.

    Raises
    ------
    ValueError
        If ``units`` is not a positive whole number or a dropout is outside 0 to 1.
    """

    state_names = spec.GRU.states

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
        (h_before,) = states if isinstance(states, list | tuple) else (states,)
        gate, squash = exact(self.recurrent_activation), exact(self.activation)
        x, h = self._under_dropout(inputs, h_before, training)
        U, b, b_u = self.recurrent_kernel, self.bias, None
        if self.use_bias and self.reset_after:
            b, b_u = self.bias[0], self.bias[1]

        a = product(x, self.kernel)
        if b is not None:
            a = a + b
        a_z, a_r, a_n = ops.split(a, 3, axis=1)
        if self.reset_after:
            u = product(h, U)
            if b_u is not None:
                u = u + b_u
            u_z, u_r, u_n = ops.split(u, 3, axis=1)
        else:
            U_zr, U_n = ops.split(U, [2 * self.units], axis=1)
            u_z, u_r = ops.split(product(h[:2], U_zr), 2, axis=1)

        # Keras' z weights the old state: it is 1 - z of the book, so (4.3.23) and (4.3.25) hold
        # with 1 - z for z. The weights of z then have the opposite sign: 1 - σ(a) = σ(-a).
        r = gate(a_r + u_r)  # (4.3.22)
        z = gate(a_z + u_z)  # (4.3.23)
        if self.reset_after:
            n = squash(a_n + r * u_n)  # (4.3.31)
        else:
            n = squash(a_n + (r * h[-1]) @ U_n)  # (4.3.24)
        h = z * h_before + (1 - z) * n  # (4.3.25)
        return h, [h] if isinstance(states, list | tuple) else h


@keras.saving.register_keras_serializable(package="companion")
class GRU(RecurrentLayer, keras.layers.GRU):
    """A gated recurrent unit (Cho et al. 2014) over sequences (B, T, I).

    Equations (4.3.22) to (4.3.25), and (4.3.31) for the reset after the product.

    Takes the arguments of ``keras.layers.GRU`` and has its weights, so that ``set_weights`` and
    weight files go both ways: z weights the old state, and ``reset_after`` is ``True`` unless it
    is said otherwise, with n of equation (4.3.31). The arithmetic is :class:`GRUCell`'s. Checks,
    errors and what Keras brings are those of :class:`companion.keras.LSTM`.
    """

    cell_class = GRUCell
    cell_name = "gru_cell"
