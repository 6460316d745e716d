"""What all PyTorch layers share: ``torch.nn``'s signature around a cell.

Layers, directions, packed sequences, states, autocast and the checks of all that is given stand
here; how a cell runs over time is in :mod:`companion.torch.recurrence`.
"""

import inspect
import math
import warnings
from functools import partial
from numbers import Real

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from companion import spec
from companion.torch.recurrence import autocast_is_on, run, unrolled, without_autocast

#: What autocast casts; it leaves float64 and whole numbers alone.
AUTOCAST_FROM = (torch.float16, torch.bfloat16, torch.float32)

# Unrolled by a compiler, a hundred steps take minutes to compile.
_why = {"reason": "companion's recurrent layers run as they are, as torch.nn.LSTM does"}
if "reason" not in inspect.signature(torch.compiler.disable).parameters:  # an older PyTorch
    _why = {}


class Recurrent(nn.Module):
    """Base of the PyTorch layers; arguments, shapes and ``state_dict`` keys are ``torch.nn``'s.

    Input, state and parameters are of one dtype: ``float16``, ``bfloat16``, ``float32`` or
    ``float64``. Under ``torch.autocast`` all three are cast to its dtype, and results come in
    it, on every device; a ``float64`` layer is left alone.

    ``torch.func``'s transforms, forward-mode derivatives and gradients of gradients work, by
    PyTorch's own differentiation of the same steps (:func:`companion.torch.recurrence.unrolled`),
    so at a slower pace. ``torch.compile`` runs the layer as it is, between compiled parts;
    ``fullgraph=True``, which forbids that, is refused by PyTorch, as it is for ``torch.nn.LSTM``.
    ``torch.jit.trace`` and ``torch.export.export(..., strict=False)`` record the steps, so what
    they make is for as many steps as they were shown; ``torch.jit.script`` does not work.

    Parameters
    ----------
    cell
        The cell (:class:`companion.torch.recurrence.Cell`); given by the subclass.
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
    device, dtype
        As for every ``torch.nn`` module.

    Raises
    ------
    ValueError
        If a size is not a positive whole number, ``dropout`` is outside 0 to 1, or an argument
        of the subclass is not one of its choices.
    TypeError
        If a flag is neither ``True`` nor ``False``, ``dropout`` is no number, or ``dtype`` is
        no floating-point dtype.
    """

    mode: str

    def __init__(
        self,
        cell,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.cell = cell
        self.input_size = spec.check_size("input_size", input_size)
        self.hidden_size = spec.check_size("hidden_size", hidden_size)
        self.num_layers = spec.check_size("num_layers", num_layers)
        self.bias = spec.check_flag("bias", bias)
        self.batch_first = spec.check_flag("batch_first", batch_first)
        self.bidirectional = spec.check_flag("bidirectional", bidirectional)
        self.dropout = _probability("dropout", dropout)
        if self.dropout and self.num_layers == 1:
            warnings.warn(
                f"dropout is {self.dropout}, but it acts between layers and num_layers is 1",
                stacklevel=3,
            )
        self.proj_size = 0
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"dtype is {dtype}, expected a floating-point dtype")

        for layer in range(self.num_layers):
            below = self.input_size if layer == 0 else self.hidden_size * self._directions
            for suffix in self._suffixes(layer):
                for name, shape in self._shapes(below).items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_{suffix}", parameter)
        self.reset_parameters()

    @property
    def spec(self) -> spec.CellSpec:
        """The cell's gates, states and conventions."""
        return self.cell.spec

    @property
    def all_weights(self):
        """The parameters, a list for every layer and direction, as ``torch.nn`` has it."""
        return [
            list(self._named(suffix).values())
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def reset_parameters(self):
        """Draw every parameter uniformly from (-1/√H, 1/√H), in ``torch.nn``'s order."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self):
        """Do nothing: for scripts that call it on ``torch.nn``'s layers, for cuDNN's sake."""

    @partial(torch.compiler.disable, **_why)
    def forward(self, input, hx=None):
        """Run the layer.

        Parameters
        ----------
        input
            (T, B, I), or (B, T, I) with ``batch_first``, or (T, I) for one sequence, or a
            ``PackedSequence`` for sequences of unequal lengths. At least one step; the batch may
            be empty. NaN is not looked for: it spreads to the outputs, as it does in ``torch.nn``.
        hx
            The initial state: h, or ``(h, c)`` for an LSTM, each (num_layers · directions, B, H)
            or without B for one sequence; zeros if ``None``.

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
            If a shape does not fit, there is no step, or a ``PackedSequence``'s parts do not fit
            together.
        TypeError
            If dtype or device differ from the layer's, or ``hx`` is not of the right form.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        self._check_like_weights("input", input)
        batched = input.dim() > 2
        if not batched:
            spec.check_shape("input", input.shape, ("T", self.input_size))
            input = input.unsqueeze(1)
        elif self.batch_first:
            spec.check_shape("input", input.shape, ("B", "T", self.input_size))
            input = input.transpose(0, 1)
        else:
            spec.check_shape("input", input.shape, ("T", "B", self.input_size))
        if input.shape[0] == 0:
            raise ValueError("input has 0 steps, expected at least 1")

        output, state = self._layers(input, self._states(hx, input.shape[1], batched), None)
        if not batched:
            return output.squeeze(1), self._form([part.squeeze(1) for part in state])
        return output.transpose(0, 1) if self.batch_first else output, self._form(state)

    def _forward_packed(self, packed, hx):
        self._check_like_weights("input", packed.data)
        spec.check_shape("input", packed.data.shape, ("steps", self.input_size))
        _check_packed(packed)
        sizes, order = packed.batch_sizes, packed.sorted_indices
        n_steps, batch = len(sizes), int(sizes[0])
        # Row k of the data is step t[k] of sequence column[k], in the caller's order of sequences,
        # which is also the order of `hx`.
        t = torch.arange(n_steps).repeat_interleave(sizes)
        column = torch.arange(len(t)) - (sizes.cumsum(0) - sizes)[t]
        rows, column = (t * batch).to(packed.data.device), column.to(packed.data.device)
        rows = rows + (column if order is None else order[column])
        valid = torch.zeros(n_steps * batch, dtype=torch.bool, device=rows.device)
        valid = valid.index_fill(0, rows, True).reshape(n_steps, batch, 1)
        x = packed.data.new_zeros(n_steps * batch, self.input_size)
        x = x.index_copy(0, rows, packed.data).reshape(n_steps, batch, self.input_size)

        output, state = self._layers(x, self._states(hx, batch, batched=True), valid)
        data = output.flatten(0, 1).index_select(0, rows)
        return packed._replace(data=data), self._form(state)

    def _layers(self, x, states, valid):
        """Run all layers and directions over time-major x; states are (layers·directions, B, H).

        ``valid`` (T, B, 1) says which steps count; ``None`` when all do.
        """
        if valid is not None:
            # Each sequence turned round within its own length; padding stays behind it.
            steps, lengths = torch.arange(len(x), device=x.device)[:, None, None], valid.sum(0)
            reverse = torch.where(valid, lengths - 1 - steps, steps)

        def turned(sequence):
            if valid is None:
                return sequence.flip(0)
            return sequence.gather(0, reverse.expand_as(sequence))

        # Under autocast everything takes its dtype here, once, and nothing below is cast again.
        weight = self.weight_ih_l0
        dtype = torch.get_autocast_dtype(weight.device.type) if self._casts else weight.dtype
        x, *states = (part.to(dtype) for part in (x, *states))
        # Tracing and exporting record operations, of which those of a hand-written backward pass
        # make a graph that is wrong.
        recorded = torch.jit.is_tracing() or torch.compiler.is_compiling()
        over_time = unrolled if recorded else run
        finals = []
        with without_autocast(x.device.type):
            for layer in range(self.num_layers):
                outputs = []
                for direction, suffix in enumerate(self._suffixes(layer)):
                    weights = {name: w.to(dtype) for name, w in self._named(suffix).items()}
                    W, b, *recurrent = self._weights(**weights)
                    initial = [part[len(finals)] for part in states]
                    sequence = turned(x) if direction else x
                    output, *final = over_time(
                        self.cell, valid, sequence, W, b, *initial, *recurrent
                    )
                    outputs.append(turned(output) if direction else output)
                    finals.append(final)
                x = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]
                if self.dropout and layer < self.num_layers - 1:
                    x = nn.functional.dropout(x, self.dropout, self.training)
        return x, [torch.stack(parts) for parts in zip(*finals, strict=True)]

    # What a subclass may have otherwise: its parameters, and what its cell makes of them.

    def _shapes(self, below):
        """Return the shape of every parameter of one layer and direction, in order."""
        n_rows = len(self.spec.gates) * self.hidden_size
        shapes = {"weight_ih": (n_rows, below), "weight_hh": (n_rows, self.hidden_size)}
        if self.bias:
            shapes |= {"bias_ih": (n_rows,), "bias_hh": (n_rows,)}
        return shapes

    def _weights(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
        """Return W, b and what the cell's steps take as ``recurrent``."""
        return weight_ih, summed(bias_ih, bias_hh), weight_hh

    @property
    def _directions(self):
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer):
        return [f"l{layer}", f"l{layer}_reverse"][: self._directions]

    def _named(self, suffix):
        """Return the parameters of one layer and direction by their names without suffix."""
        return {name: getattr(self, f"{name}_{suffix}") for name in self._shapes(self.input_size)}

    def _states(self, hx, batch, batched):
        """Return the initial state as a list of parts, each (layers·directions, B, H)."""
        names = self.spec.states
        rows = self.num_layers * self._directions
        if hx is None:
            zeros = self.weight_ih_l0.new_zeros(rows, batch, self.hidden_size)
            return [zeros] * len(names)
        if len(names) == 1:
            labelled = [("hx", hx)]
        else:
            spec.check_parts("hx", hx, names)
            labelled = [(f"hx[{k}]", part) for k, part in enumerate(hx)]
        expected = (rows, batch, self.hidden_size) if batched else (rows, self.hidden_size)
        for argument, part in labelled:
            self._check_like_weights(argument, part)
            spec.check_shape(argument, part.shape, expected)
        return [part if batched else part.unsqueeze(1) for _, part in labelled]

    def _form(self, parts):
        return tuple(parts) if len(parts) > 1 else parts[0]

    @property
    def _casts(self):
        """Whether autocast is on and acts on this layer."""
        weight = self.weight_ih_l0
        return weight.dtype != torch.float64 and autocast_is_on(weight.device.type)

    def _check_like_weights(self, argument, tensor):
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{argument} is {type(tensor).__name__}, expected a torch.Tensor")
        weight = self.weight_ih_l0
        if not (self._casts and tensor.dtype in AUTOCAST_FROM):
            spec.check_dtype(argument, tensor.dtype, weight.dtype)
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


def summed(bias_ih, bias_hh):
    """Return the one bias that ``torch.nn``'s two add up to, or ``None`` without biases."""
    return None if bias_ih is None else bias_ih + bias_hh


def _probability(argument, got):
    if isinstance(got, bool) or not isinstance(got, Real):
        raise TypeError(f"{argument} is {got!r}, expected a number")
    if not 0 <= got <= 1:
        raise ValueError(f"{argument} is {got!r}, expected a probability from 0 to 1")
    return float(got)


def _check_packed(packed):
    """Refuse a hand-made ``PackedSequence`` whose parts do not fit together."""
    sizes = packed.batch_sizes
    rows = packed.data.shape[0]
    if sizes.dim() != 1 or len(sizes) == 0 or (sizes[1:] > sizes[:-1]).any() or sizes[-1] < 1:
        raise ValueError(
            f"input.batch_sizes is {sizes.tolist()}, expected sizes that never grow, at least 1"
        )
    if sizes.sum() != rows:
        raise ValueError(
            f"input.data has {rows} rows, expected {int(sizes.sum())}, the sum of input.batch_sizes"
        )
    for name in ("sorted_indices", "unsorted_indices"):
        order = getattr(packed, name)
        if order is not None:
            spec.check_shape(f"input.{name}", order.shape, (int(sizes[0]),))
