"""What all PyTorch layers share: ``torch.nn``'s signature around a cell's own arithmetic.

Layers, directions, packed sequences, states and their checks are here; a subclass adds its
equations as ``_run``.
"""

import math

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from companion import spec


class Recurrent(nn.Module):
    """Base of the PyTorch layers; arguments, shapes and ``state_dict`` keys are ``torch.nn``'s.

    Parameters
    ----------
    input_size
        I, the number of features of each step.
    hidden_size
        H, the number of hidden units.
    num_layers
        How many layers are stacked; each reads the outputs of the one below.
    bias
        Whether the layers have ``bias_ih`` and ``bias_hh``.
    batch_first
        Whether input and output are (B, T, ·) instead of (T, B, ·).
    dropout
        Probability with which an output of every layer but the last is dropped in training.
    bidirectional
        Whether a second direction reads each sequence from its own end.
    proj_size
        Accepted for the signature's sake; only 0 is supported.
    device, dtype
        As for every ``torch.nn`` module.

    Raises
    ------
    ValueError
        If a size is not a positive whole number, ``dropout`` is outside 0 to 1, or ``proj_size``
        is not 0.
    """

    spec: spec.CellSpec

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.input_size = spec.check_size("input_size", input_size)
        self.hidden_size = spec.check_size("hidden_size", hidden_size)
        self.num_layers = spec.check_size("num_layers", num_layers)
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is {dropout!r}, expected a probability from 0 to 1")
        if proj_size != 0:
            raise ValueError(f"proj_size is {proj_size!r}, expected 0: projections are not built")
        self.bias = bool(bias)
        self.batch_first = bool(batch_first)
        self.dropout = float(dropout)
        self.bidirectional = bool(bidirectional)
        self.proj_size = proj_size

        n_rows = len(self.spec.gates) * self.hidden_size
        for layer in range(self.num_layers):
            below = self.input_size if layer == 0 else self.hidden_size * self._directions
            for suffix in self._suffixes(layer):
                shapes = {"weight_ih": (n_rows, below), "weight_hh": (n_rows, self.hidden_size)}
                if self.bias:
                    shapes |= {"bias_ih": (n_rows,), "bias_hh": (n_rows,)}
                for name, shape in shapes.items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_{suffix}", parameter)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw every parameter uniformly from (-1/√H, 1/√H), in ``torch.nn``'s order."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self):
        """Do nothing: for scripts that call it on ``torch.nn``'s layers, for cuDNN's sake."""

    def forward(self, input, hx=None):
        """Run the layer.

        Parameters
        ----------
        input
            (T, B, I), or (B, T, I) with ``batch_first``, or (T, I) for one sequence, or a
            ``PackedSequence`` for sequences of unequal lengths.
        hx
            The initial state: for an LSTM ``(h_0, c_0)``, each (num_layers · directions, B, H);
            zeros if ``None``.

        Returns
        -------
        output
            (T, B, H · directions), or in the form of ``input``.
        state
            In the form of ``hx``: after each sequence's last step, in the reverse direction
            after its first.

        Raises
        ------
        ValueError
            If a shape does not fit.
        TypeError
            If dtype or device differ from the layer's, or ``hx`` is not of the right form.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        self._check_like_weights("input", input)
        batched = input.dim() == 3
        if not batched:
            spec.check_shape("input", input.shape, ("T", self.input_size))
            input = input.unsqueeze(1)
        elif self.batch_first:
            spec.check_shape("input", input.shape, ("B", "T", self.input_size))
            input = input.transpose(0, 1)
        else:
            spec.check_shape("input", input.shape, ("T", "B", self.input_size))

        output, state = self._layers(input, self._states(hx, input.shape[1], batched), None)
        if not batched:
            return output.squeeze(1), self._form([part.squeeze(1) for part in state])
        return output.transpose(0, 1) if self.batch_first else output, self._form(state)

    def _forward_packed(self, packed, hx):
        self._check_like_weights("input", packed.data)
        spec.check_shape("input", packed.data.shape, ("steps", self.input_size))
        padded, lengths = pad_packed_sequence(packed)
        # Padding comes back in the caller's order, which is also the order of `hx`.
        states = self._states(hx, padded.shape[1], batched=True)
        output, state = self._layers(padded, states, lengths.to(padded.device))
        # Sorting again would order sequences of equal length as it likes: keep the given order.
        if packed.sorted_indices is not None:
            output, lengths = (
                output.index_select(1, packed.sorted_indices),
                lengths[packed.sorted_indices.cpu()],
            )
        data = pack_padded_sequence(output, lengths).data
        output = PackedSequence(
            data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
        )
        return output, self._form(state)

    def _layers(self, x, states, lengths):
        """Run all layers and directions over time-major x; states are (layers·directions, B, H)."""
        valid = reverse = None
        steps = torch.arange(x.shape[0], device=x.device)[:, None]
        if lengths is not None:
            valid = (steps < lengths)[:, :, None]
            # Each sequence turned round within its own length; padding stays behind it.
            reverse = torch.where(steps < lengths, lengths - 1 - steps, steps)[:, :, None]

        def turned(sequence):
            if reverse is None:
                return sequence.flip(0)
            return sequence.gather(0, reverse.expand_as(sequence))

        finals = []
        for layer in range(self.num_layers):
            outputs = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                initial = [part[len(finals)] for part in states]
                output, final = self._run(
                    turned(x) if direction else x, initial, self._weights(suffix), valid
                )
                outputs.append(turned(output) if direction else output)
                finals.append(final)
            x = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]
            if self.dropout and layer < self.num_layers - 1:
                x = nn.functional.dropout(x, self.dropout, self.training)
        return x, [torch.stack(parts) for parts in zip(*finals, strict=True)]

    def _run(self, x, state, weights, valid):
        """One layer in one direction: x (T, B, ·) to outputs (T, B, H) and the final state.

        ``valid`` (T, B, 1) says which steps count; ``None`` when all do.
        """
        raise NotImplementedError

    @property
    def _directions(self):
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer):
        return [f"l{layer}", f"l{layer}_reverse"][: self._directions]

    def _weights(self, suffix):
        """Return W, U and the one bias that the two of ``torch.nn`` add up to (or None)."""
        W, U = getattr(self, f"weight_ih_{suffix}"), getattr(self, f"weight_hh_{suffix}")
        if not self.bias:
            return W, U, None
        return W, U, getattr(self, f"bias_ih_{suffix}") + getattr(self, f"bias_hh_{suffix}")

    def _states(self, hx, batch, batched):
        """Return the initial state as a list of parts, each (layers·directions, B, H)."""
        names = self.spec.states
        rows = self.num_layers * self._directions
        if hx is None:
            zeros = self.weight_ih_l0.new_zeros(rows, batch, self.hidden_size)
            return [zeros] * len(names)
        if len(names) == 1:
            labelled = [("hx", hx)]
        elif isinstance(hx, tuple | list) and len(hx) == len(names):
            labelled = [(f"hx[{k}]", part) for k, part in enumerate(hx)]
        else:
            raise TypeError(f"hx is {type(hx).__name__}, expected a tuple ({', '.join(names)})")
        expected = (rows, batch, self.hidden_size) if batched else (rows, self.hidden_size)
        for argument, part in labelled:
            self._check_like_weights(argument, part)
            spec.check_shape(argument, part.shape, expected)
        return [part if batched else part.unsqueeze(1) for _, part in labelled]

    def _form(self, parts):
        return tuple(parts) if len(parts) > 1 else parts[0]

    def _check_like_weights(self, argument, tensor):
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{argument} is {type(tensor).__name__}, expected a torch.Tensor")
        weight = self.weight_ih_l0
        if tensor.dtype != weight.dtype:
            raise TypeError(f"{argument} has dtype {tensor.dtype}, expected {weight.dtype}")
        if tensor.device != weight.device:
            raise TypeError(f"{argument} is on {tensor.device}, expected {weight.device}")

    def extra_repr(self):
        """Return the arguments that differ from their defaults, as ``torch.nn`` prints them."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text
