"""Two layers that read the same sequences from both ends."""

import numpy as np

from companion.numpy.layer import Composite, CompositeRun, Gradients


class Bidirectional(Composite):
    """A layer forward in time beside a layer backward in time (Schuster and Paliwal 1997).

    The second layer starts at each sequence's own end. At every step the outputs of both stand
    side by side: (T, B, H_forward + H_backward).

    Parameters
    ----------
    forward_layer, backward_layer
        Layers of ``companion.numpy``, not the same object, with equal input size and dtype.

    Raises
    ------
    ValueError
        If input sizes differ or both are the same object.
    TypeError
        If one is no layer, or dtypes differ.
    """

    def __init__(self, forward_layer, backward_layer):
        super().__init__(("forward_layer", "backward_layer"), (forward_layer, backward_layer))
        if backward_layer.input_size != forward_layer.input_size:
            raise ValueError(
                f"backward_layer has input_size {backward_layer.input_size}, "
                f"expected {forward_layer.input_size}"
            )
        self.forward_layer, self.backward_layer = forward_layer, backward_layer
        self.input_size = forward_layer.input_size
        self.output_size = forward_layer.output_size + backward_layer.output_size

    def _forward(self, x, state, lengths):
        ahead = self.forward_layer._forward(x, state[0], lengths)
        back = self.backward_layer._forward(turned(x, lengths), state[1], lengths)
        return CompositeRun(
            outputs=np.concatenate([ahead.outputs, turned(back.outputs, lengths)], axis=2),
            state=[ahead.state, back.state],
            parts=(ahead, back),
            lengths=lengths,
        )

    def _backward(self, run, d_outputs, d_state):
        d_ahead, d_back = np.split(d_outputs, [self.forward_layer.output_size], axis=2)
        d_back = turned(d_back, run.lengths)
        ahead = self.forward_layer._backward(run.parts[0], d_ahead, d_state[0])
        back = self.backward_layer._backward(run.parts[1], d_back, d_state[1])
        return Gradients(
            x=ahead.x + turned(back.x, run.lengths),
            state=[ahead.state, back.state],
            parameters=[ahead.parameters, back.parameters],
        )


def turned(sequences, lengths):
    """Turn each sequence of (T, B, ·) round within its own length; padding stays behind it.

    Turning twice gives back what was given, so this is its own inverse and its own gradient.
    """
    if lengths is None:
        return sequences[::-1]
    steps = np.arange(len(sequences))[:, None]
    source = np.where(steps < lengths, lengths - 1 - steps, steps)
    return np.take_along_axis(sequences, source[:, :, None], axis=0)
