"""One cell run over time, and back.

A cell adds its own equations, as ``step`` and ``step_back``; what is done with them at every
step, and with sequences that end early, is the same for all cells and stands here, twice:
:func:`unrolled` leaves the gradients to PyTorch, :class:`Recurrence` writes them out.
"""

import contextlib

import torch

from companion import spec

#: Of how many steps the slopes are found at once: enough to be quick, few enough for the cache.
BLOCK = 16


class Cell:
    """Base of the cells: their equations, and nothing that belongs to one layer.

    Attributes
    ----------
    spec
        The cell's names.
    n_kept
        How many arrays (B, H) the backward pass needs of each step, beside the states.
    """

    spec: spec.CellSpec
    n_kept: int

    def step(self, a, before, out, *recurrent):
        """Take one step.

        Parameters
        ----------
        a
            W x_t + b, (B, G · H); left as it is.
        before
            The states of step t - 1, each (B, H).
        out
            For each array returned, where it may be written, or ``None``; with ``None``
            everywhere, PyTorch can differentiate the step.
        recurrent
            The weights that a step needs beside ``a``; which ones is the cell's own choice.

        Returns
        -------
        kept
            What :meth:`slopes` needs, ``n_kept`` arrays (B, H), the gates first.
        after
            The states of step t.
        """
        raise NotImplementedError

    def slopes(self, kept, before, *recurrent):
        """Return what the gradients of a step's states are multiplied with on the way back.

        It is known when the forward pass ends, so it is found for many steps at once: ``kept`` and
        ``before`` are over time here, (steps, B, H), and so is each array returned.
        """
        raise NotImplementedError

    def step_back(self, d_a, slopes, d_state, *recurrent):
        """Take one step back.

        ``slopes`` are those of step t, ``d_state`` the gradients of its states. The gradient of
        ``a`` is written into ``d_a`` (B, G · H); what is returned are the gradients of the states
        of step t - 1.
        """
        raise NotImplementedError

    def recurrent_gradients(self, d_a, kept, before, after):
        """Return the gradients of ``recurrent``, each as one product or sum over all steps.

        Everything is over time here: ``d_a`` (T, B, G · H), ``kept`` and the states ``before`` and
        ``after`` each step, (T, B, H).
        """
        raise NotImplementedError


def unrolled(cell, valid, x, W, b, *rest):
    """Run a cell over time, gradients left to PyTorch.

    Parameters
    ----------
    cell
        A :class:`Cell`.
    valid
        Which steps count, (T, B, 1); ``None`` when all do.
    x, W, b
        Input (T, B, I), weights (G · H, I) and biases (G · H,) or ``None``.
    rest
        The initial states, each (B, H), then what the cell's ``step`` takes as ``recurrent``.

    Returns
    -------
    outputs
        h of every step, (T, B, H); 0 past each sequence's end.
    final
        One entry for each state, (B, H): that of the last valid step.
    """
    states, recurrent = _split(cell, rest)
    # W x_t + b waits for nothing, so it is one product over all steps.
    a = torch.nn.functional.linear(x, W, b)
    outputs = []
    nowhere = [None] * (cell.n_kept + len(states))
    for t, a_t in enumerate(a.unbind()):
        _, after = cell.step(a_t, states, nowhere, *recurrent)
        if valid is not None:  # past its end a sequence keeps its state
            after = _held(valid[t], after, states)
        states = after
        outputs.append(states[0])
    outputs = torch.stack(outputs)
    return outputs if valid is None else torch.where(valid, outputs, 0), *states


class Recurrence(torch.autograd.Function):
    """The same as :func:`unrolled`, with the backward pass written out.

    Gradients of the gradient, and vectorised or forward-mode derivatives, are taken of
    :func:`unrolled`, which PyTorch can transform any number of times.
    """

    @staticmethod
    def forward(cell, valid, x, W, b, *rest):
        """Return outputs and final states; then the tape: what was kept, other states."""
        states, recurrent = _split(cell, rest)
        n_steps, batch, _ = x.shape
        size = states[0].shape[1]
        # W x_t + b waits for nothing, so it is one product over all steps.
        a = torch.nn.functional.linear(x, W, b)
        kept = [x.new_empty(n_steps, batch, size) for _ in range(cell.n_kept)]
        over_time = [torch.empty_like(kept[0]) for _ in states]
        # Cut into steps all at once, which is quicker than cutting at every step.
        out = zip(*(part.unbind() for part in (*kept, *over_time)), strict=True)

        for t, (a_t, out_t) in enumerate(zip(a.unbind(), out, strict=True)):
            keep, after = cell.step(a_t, states, out_t, *recurrent)
            states = after if valid is None else _held(valid[t], after, states)
            for place, new in zip(out_t, (*keep, *states), strict=True):
                if new is not place:
                    place.copy_(new)

        if valid is not None:
            over_time[0].masked_fill_(~valid, 0)
        return over_time[0], *(s.clone() for s in states), *kept, *over_time[1:]

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Save what the backward pass needs."""
        ctx.cell, ctx.valid, *tensors = inputs
        outputs, tape = output[0], output[1 + len(ctx.cell.spec.states) :]
        ctx.mark_non_differentiable(*tape)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, outputs, *tape)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx, *d):
        """Return the gradients of all inputs."""
        n_inputs = len(ctx.needs_input_grad) - 2
        saved = ctx.saved_tensors  # asked for once: checkpointing recomputes them
        tensors, tape = saved[:n_inputs], saved[n_inputs:]
        recorded = tape[1].dim() == 3
        initial, _ = _split(ctx.cell, tensors[3:])
        d = [
            torch.zeros_like(like) if given is None else given
            for given, like in zip(d, [tape[0], *initial], strict=False)
        ]
        with without_autocast(d[0].device.type):  # as in the forward pass
            if torch.is_grad_enabled():
                return None, None, *_vjp(ctx.cell, ctx.valid, tensors, d)
            if not recorded:  # by `vmap` below; a vjp within a vjp is beyond PyTorch here
                raise NotImplementedError(
                    "torch.func.vmap over torch.func.vjp is not supported under torch.no_grad()"
                )
            return None, None, *_backward(ctx, tensors, tape, d)

    @staticmethod
    def jvp(ctx, _cell, _valid, *tangents):
        """Return the tangents of all outputs."""
        cell, valid, tensors = ctx.cell, ctx.valid, ctx.saved_tensors
        given = [tensor for tensor in tensors if tensor is not None]
        tangents = [
            torch.zeros_like(tensor) if tangent is None else tangent
            for tensor, tangent in zip(tensors, tangents, strict=True)
            if tensor is not None
        ]
        # J t is the gradient of v -> vᵀ J, weighted by t: that needs no forward mode in here,
        # which PyTorch does not nest.
        outputs, vjp = torch.func.vjp(_of_tensors(cell, valid, tensors), *given)
        _, transposed = torch.func.vjp(vjp, tuple(torch.zeros_like(part) for part in outputs))
        (d,) = transposed(tuple(tangents))
        return *d, *[None] * _n_taped(cell)

    @staticmethod
    def vmap(info, in_dims, cell, valid, *tensors):
        """Map :func:`unrolled` over a batch."""
        outputs = torch.vmap(unrolled, in_dims)(cell, valid, *tensors)
        untaped = [outputs[0].new_empty(0)] * _n_taped(cell)
        return (*outputs, *untaped), (*[0] * len(outputs), *[None] * len(untaped))


def run(cell, valid, x, W, b, *rest):
    """Run a cell over time; arguments and results are those of :func:`unrolled`."""
    tensors = (x, W, b, *rest)
    if not torch.is_grad_enabled() or not any(t is not None and t.requires_grad for t in tensors):
        return unrolled(cell, valid, *tensors)  # no way back: nothing has to be kept
    results = Recurrence.apply(cell, valid, *tensors)
    return results[: 1 + len(cell.spec.states)]


def autocast_is_on(device_type):
    """Whether autocast acts on a kind of device; some, such as meta, know no autocast."""
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


def without_autocast(device_type):
    """Return a context in which autocast does not act."""
    if autocast_is_on(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def _backward(ctx, tensors, tape, d):
    cell, valid = ctx.cell, ctx.valid
    x, W, b, *rest = tensors
    initial, recurrent = _split(cell, rest)
    kept, others = tape[1 : 1 + cell.n_kept], tape[1 + cell.n_kept :]
    outputs = tape[0]
    states = [outputs, *others]
    n_steps, batch, _ = outputs.shape
    d_outputs, *d_state = d
    d_a = x.new_empty(n_steps, batch, len(W))

    before = [earlier(*pair) for pair in zip(initial, states, strict=True)]
    for start in reversed(range(0, n_steps, BLOCK)):
        block = slice(start, start + BLOCK)
        slopes = cell.slopes(*([part[block] for part in own] for own in (kept, before)), *recurrent)
        steps = list(zip(d_a[block], d_outputs[block], *slopes, strict=True))
        for t, (d_a_t, d_output, *slopes_t) in reversed(list(enumerate(steps, start))):
            later = d_state
            d_h = later[0] + d_output  # (4.3.1)
            d_state = cell.step_back(d_a_t, slopes_t, [d_h, *later[1:]], *recurrent)
            if valid is not None:  # past its end a sequence only hands its state on
                d_a_t.masked_fill_(~valid[t], 0)
                d_state = _held(valid[t], d_state, later)

    flat = d_a.flatten(0, 1)
    needed = ctx.needs_input_grad[2:]
    d_x = (flat @ W).reshape(x.shape) if needed[0] else None  # (4.3.9)
    d_W = product(d_a, x) if needed[1] else None  # (4.3.10)
    d_b = flat.sum(0) if needed[2] else None  # (4.3.12)
    d_recurrent = cell.recurrent_gradients(d_a, kept, before, states)
    d_recurrent = [
        d if w is not None else None for d, w in zip(d_recurrent, recurrent, strict=True)
    ]
    return d_x, d_W, d_b, *d_state, *d_recurrent


def _of_tensors(cell, valid, tensors):
    """Return ``unrolled`` as a function of those tensors that are not ``None``."""

    def function(*given):
        given = iter(given)
        return unrolled(cell, valid, *(None if t is None else next(given) for t in tensors))

    return function


def _vjp(cell, valid, tensors, d):
    """Return the gradients of ``unrolled``, which can be differentiated again."""
    given = [tensor for tensor in tensors if tensor is not None]
    _, vjp = torch.func.vjp(_of_tensors(cell, valid, tensors), *given)
    gradients = iter(vjp(tuple(d)))
    return [None if tensor is None else next(gradients) for tensor in tensors]


def _n_taped(cell):
    """Return how many results of :class:`Recurrence` are only there for its backward pass."""
    return cell.n_kept + len(cell.spec.states) - 1


def _split(cell, rest):
    """Return initial states and recurrent weights."""
    n_states = len(cell.spec.states)
    return list(rest[:n_states]), rest[n_states:]


def _held(valid, new, old):
    """Return the new arrays where a step is valid, the old ones elsewhere."""
    return [torch.where(valid, *pair) for pair in zip(new, old, strict=True)]


def product(d_a, inputs):
    """Return Σ_t δa_t inputs_tᵀ, summed over the batch too: (T, B, M) and (T, B, N) to (M, N)."""
    return d_a.flatten(0, 1).T @ inputs.flatten(0, 1)


def earlier(initial, states):
    """Return what each step started from: the states over time, (T, B, H), one step later."""
    return torch.cat([initial[None], states[:-1]])
