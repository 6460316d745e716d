"""Layers on top of each other."""

from collections.abc import Iterable

from companion import spec
from companion.numpy.layer import Composite, CompositeRun, Gradients


class Stack(Composite):
    """A deep network: each layer reads the outputs of the one below.

    Parameters
    ----------
    layers
        At least one layer of ``companion.numpy``, of any kinds, none of them twice; the input
        size of each is the output size of the one below.

    Raises
    ------
    ValueError
        If there is no layer, sizes do not fit, or a layer occurs twice.
    TypeError
        If there is no list, one is no layer, or dtypes differ.
    """

    def __init__(self, layers):
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers is {spec.describe(layers)}, expected a list of layers")
        layers = tuple(layers)
        if not layers:
            raise ValueError("layers is empty, expected at least one layer")
        super().__init__([f"layers[{k}]" for k in range(len(layers))], layers)
        for k in range(1, len(layers)):
            got, expected = layers[k].input_size, layers[k - 1].output_size
            if got != expected:
                raise ValueError(
                    f"layers[{k}] has input_size {got}, expected {expected}, "
                    f"the output_size of layers[{k - 1}]"
                )
        self.layers = layers
        self.input_size, self.output_size = layers[0].input_size, layers[-1].output_size

    def _forward(self, x, state, lengths):
        runs = []
        for layer, initial in zip(self.layers, state, strict=True):
            runs.append(layer._forward(x, initial, lengths))
            x = runs[-1].outputs
        return CompositeRun(x, [run.state for run in runs], tuple(runs), lengths)

    def _backward(self, run, d_outputs, d_state):
        below = []
        for layer, own, d_own in zip(
            self.layers[::-1], run.parts[::-1], d_state[::-1], strict=True
        ):
            gradients = layer._backward(own, d_outputs, d_own)
            below.append(gradients)
            d_outputs = gradients.x
        parts = below[::-1]
        return Gradients(
            x=d_outputs,
            state=[part.state for part in parts],
            parameters=[part.parameters for part in parts],
        )
