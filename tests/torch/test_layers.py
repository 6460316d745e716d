"""The PyTorch LSTM against ``torch.nn.LSTM`` and the NumPy LSTM, and what it refuses."""

import copy
import pickle
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import companion.numpy as cnp
import companion.torch as ct

T, B, I, H = 6, 4, 3, 5  # noqa: E741
SHORT = settings(database=None, deadline=None, derandomize=True, max_examples=25)


def close(got, expected, tolerance=1e-12):
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def pair(*sizes, dtype=torch.float64, **arguments):
    """Our layer and torch.nn's, with the same weights."""
    torch.manual_seed(0)
    theirs = nn.LSTM(*(sizes or (I, H)), dtype=dtype, **arguments)
    ours = ct.LSTM(*(sizes or (I, H)), dtype=dtype, **arguments)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def random(*shape, seed=1, **keywords):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, **keywords)


def results(layer, x, hx, pack=lambda x: x):
    """Outputs, states and every gradient of one loss, as a flat list."""
    leaves = [part.clone().requires_grad_() for part in (x, *(hx or ()))]
    output, (h, c) = layer(pack(leaves[0]), tuple(leaves[1:]) or None)
    data = output.data if isinstance(output, PackedSequence) else output
    loss = sum((part * random(*part.shape, seed=k)).sum() for k, part in enumerate([data, h, c]))
    return [data, h, c, *torch.autograd.grad(loss, [*leaves, *layer.parameters()])]


# Against torch.nn


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize(
    ("num_layers", "bidirectional", "bias", "batch_first"),
    list(product([1, 2, 3], [False, True], [False, True], [False, True])),
)
def test_equals_torch_nn(num_layers, bidirectional, bias, batch_first, with_state):
    ours, theirs = pair(
        num_layers=num_layers, bidirectional=bidirectional, bias=bias, batch_first=batch_first
    )
    x = random(*((B, T, I) if batch_first else (T, B, I)))
    rows = num_layers * (1 + bidirectional)
    hx = tuple(random(rows, B, H, seed=k) for k in (2, 3)) if with_state else None
    close(results(ours, x, hx), results(theirs, x, hx))

    one = x[0] if batch_first else x[:, 0]
    hx = hx and tuple(part[:, 0] for part in hx)
    close(results(ours, one, hx), results(theirs, one, hx))


@pytest.mark.parametrize("lengths", [[6, 4, 4, 1], [1, 6, 3, 6], [2, 2, 2, 2]])
@pytest.mark.parametrize(
    ("num_layers", "bidirectional", "batch_first", "with_state"),
    list(product([1, 2], [False, True], [False, True], [False, True])),
)
def test_equals_torch_nn_on_packed_sequences(
    lengths, num_layers, bidirectional, batch_first, with_state
):
    ours, theirs = pair(num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first)
    x = random(*((B, T, I) if batch_first else (T, B, I)))
    rows = num_layers * (1 + bidirectional)
    hx = tuple(random(rows, B, H, seed=k) for k in (2, 3)) if with_state else None
    descending = sorted(lengths, reverse=True) == lengths
    for enforce_sorted in {False, descending}:

        def pack(x, enforce_sorted=enforce_sorted):
            return pack_padded_sequence(x, lengths, batch_first, enforce_sorted)

        close(results(ours, x, hx, pack), results(theirs, x, hx, pack))
        packed, expected = ours(pack(x))[0], theirs(pack(x))[0]
        for field in ("batch_sizes", "sorted_indices", "unsorted_indices"):
            got, want = getattr(packed, field), getattr(expected, field)
            assert (got is None and want is None) or torch.equal(got, want)


def test_equals_torch_nn_at_the_smallest_sizes():
    ours, theirs = pair(1, 1)
    hx = (random(1, 1, 1), random(1, 1, 1, seed=2))
    close(results(ours, random(1, 1, 1), hx), results(theirs, random(1, 1, 1), hx))


def test_an_empty_batch():
    ours, theirs = pair()
    for got, expected in zip(ours(random(T, 0, I))[1], theirs(random(T, 0, I))[1], strict=True):
        assert got.shape == expected.shape == (1, 0, H)


def test_float32_is_the_default_and_equals_torch_nn_to_round_off():
    ours, theirs = pair(num_layers=2, bidirectional=True, dtype=None)
    x = random(T, B, I).float()
    (output, state), (expected, expected_state) = ours(x), theirs(x)
    assert output.dtype == torch.float32
    close([output, *state], [expected, *expected_state], 1e-6)


def test_large_inputs_saturate_and_do_not_overflow():
    ours, theirs = pair()
    x = 1e4 * random(T, B, I)
    close(results(ours, x, None), results(theirs, x, None))


# Against NumPy


@SHORT
@given(st.tuples(*[st.integers(1, 5)] * 4), st.booleans(), st.integers(0, 99), st.data())
def test_equals_numpy_forward_and_backward(sizes, with_lengths, seed, data):
    steps, batch, inputs, hidden = sizes
    lengths = None
    if with_lengths:
        per_sequence = st.lists(st.integers(1, steps), min_size=batch, max_size=batch)
        lengths = data.draw(per_sequence, label="lengths")
    reference = cnp.LSTM(inputs, hidden, rng=np.random.default_rng(seed))
    layer = ct.LSTM(inputs, hidden, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor(reference.parameters["W"]).flatten(0, 1))
        layer.weight_hh_l0.copy_(torch.tensor(reference.parameters["U"]).flatten(0, 1))
        # Two biases that add up to the one.
        layer.bias_ih_l0.copy_(2 * torch.tensor(reference.parameters["b"]).flatten())
        layer.bias_hh_l0.copy_(-torch.tensor(reference.parameters["b"]).flatten())

    x, h_0, c_0 = random(steps, batch, inputs), random(batch, hidden), random(batch, hidden, seed=2)
    leaves = [x.clone().requires_grad_(), h_0[None].requires_grad_(), c_0[None].requires_grad_()]
    given = leaves[0]
    if lengths is not None:
        given = pack_padded_sequence(given, lengths, enforce_sorted=False)
    output, (h, c) = layer(given, tuple(leaves[1:]))
    if lengths is not None:
        output = nn.utils.rnn.pad_packed_sequence(output, total_length=steps)[0]
    run = reference.forward(x.numpy(), (h_0.detach().numpy(), c_0.detach().numpy()), lengths)
    close([output, h[0], c[0]], [torch.tensor(part) for part in (run.outputs, *run.state)], 1e-10)

    d_outputs, d_h, d_c = (random(*part.shape, seed=9) for part in (output, h[0], c[0]))
    loss = (output * d_outputs).sum() + (h * d_h).sum() + (c * d_c).sum()
    got = torch.autograd.grad(loss, [*leaves, *layer.parameters()])
    expected = reference.backward(run, d_outputs.numpy(), (d_h.numpy(), d_c.numpy()))
    W, U, b = (expected.parameters[name] for name in "WUb")
    arrays = [expected.x, *expected.state, W, U, b, b]
    close(
        got,
        [torch.tensor(array).reshape(d.shape) for array, d in zip(arrays, got, strict=True)],
        1e-10,
    )


# Derivatives


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_gradcheck(bias, bidirectional):
    layer = ct.LSTM(2, 3, bias=bias, bidirectional=bidirectional, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]
    rows = 2 if bidirectional else 1

    def run(x, h, c, *weights):
        packed = pack_padded_sequence(x, [4, 2], enforce_sorted=False)
        output, state = torch.func.functional_call(
            layer, dict(zip(names, weights, strict=True)), (packed, (h, c))
        )
        return output.data, *state

    leaves = [random(4, 2, 2), random(rows, 2, 3), random(rows, 2, 3, seed=2)]
    leaves += [parameter.detach() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(run, [leaf.clone().requires_grad_() for leaf in leaves])


def test_a_second_gradient_is_refused():
    layer = ct.LSTM(I, H, dtype=torch.float64)
    x = random(T, B, I, requires_grad=True)
    (d_x,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        d_x.sum().backward()


def test_only_the_state_or_only_the_input_may_need_a_gradient():
    ours, theirs = pair()
    for layer in (ours, theirs):
        layer.requires_grad_(False)
    gradients = []
    for layer in (ours, theirs):
        x = random(T, B, I, requires_grad=True)
        _, (_, c) = layer(x)  # the outputs are not used
        gradients.append(torch.autograd.grad(c.square().sum(), x)[0])
    close(gradients[:1], gradients[1:])


def test_nothing_given_is_changed():
    ours, _ = pair(num_layers=2)
    x, hx = random(T, B, I), (random(2, B, H), random(2, B, H, seed=2))
    before = [part.clone() for part in (x, *hx, *ours.parameters())]
    results(ours, x, hx)
    for part, old in zip((x, *hx, *ours.parameters()), before, strict=True):
        assert torch.equal(part, old)


# A module like any other


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bias": False},
        {"num_layers": 3, "bidirectional": True},
        {"num_layers": 2, "batch_first": True, "dropout": 0.5},
    ],
)
def test_a_replacement_down_to_names_seeds_and_repr(arguments):
    torch.manual_seed(3)
    theirs = nn.LSTM(I, H, **arguments)
    torch.manual_seed(3)
    ours = ct.LSTM(I, H, **arguments)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, parameter in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(name), parameter)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "arguments", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}]
)
def test_checkpoints_load_both_ways(arguments):
    x = random(T, B, I).float()
    for source, target in ((ct.LSTM, nn.LSTM), (nn.LSTM, ct.LSTM)):
        first, second = source(I, H, **arguments), target(I, H, **arguments)
        second.load_state_dict(first.state_dict(), strict=True)
        close([second(x)[0]], [first(x)[0]], 1e-6)


def test_pickle_and_deepcopy():
    layer = ct.LSTM(I, H, num_layers=2, dtype=torch.float64)
    x = random(T, B, I)
    expected = layer(x)[0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x)[0], expected)
        nn.init.zeros_(other.weight_hh_l0)
        assert torch.equal(layer(x)[0], expected)


def test_dropout_acts_between_layers_and_only_in_training():
    ours, theirs = pair(num_layers=2, dropout=0.5)
    x = random(T, B, I)
    for layer in (ours, theirs):
        layer.eval()
    close([ours(x)[0]], [theirs(x)[0]])

    def trained(layer):
        torch.manual_seed(5)
        return layer.train()(x)[0]

    close([trained(ours)], [trained(theirs)])  # the same elements dropped
    assert not torch.allclose(trained(ours), ours.eval()(x)[0])
    lone = ct.LSTM(I, H, dropout=0.5, dtype=torch.float64)
    assert torch.equal(lone.train()(x)[0], lone.eval()(x)[0])


def test_one_training_step_equals_torch_nn():
    ours, theirs = pair(num_layers=2)
    x = random(T, B, I)
    for layer in (ours, theirs):
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x)[0].square().sum().backward()
            optimizer.step()
    close(list(ours.parameters()), list(theirs.parameters()), 1e-9)


# Refusals


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("input_size is 0, expected a whole number", {"input_size": 0}),
        ("hidden_size is 1.5, expected a whole number", {"hidden_size": 1.5}),
        ("num_layers is -1, expected a whole number", {"num_layers": -1}),
        ("dropout is 1.1, expected a probability from 0 to 1", {"dropout": 1.1}),
        ("dropout is -0.1, expected a probability from 0 to 1", {"dropout": -0.1}),
        ("proj_size is 2, expected 0", {"proj_size": 2}),
    ],
)
def test_constructor_refuses(message, arguments):
    with pytest.raises(ValueError, match=message):
        ct.LSTM(**({"input_size": I, "hidden_size": H} | arguments))


X, S = torch.zeros(T, B, I), torch.zeros(2, B, H)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, r"input has shape \(6, 4, 2\), expected \(T, B, 3\)", (X[..., :2],)),
        (ValueError, r"input has shape \(6, 2\), expected \(T, 3\)", (X[:, 0, :2],)),
        (ValueError, r"input has shape \(3,\), expected \(T, 3\)", (X[0, 0],)),
        (TypeError, "input has dtype torch.float64, expected torch.float32", (X.double(),)),
        (TypeError, "input has dtype torch.int64, expected torch.float32", (X.long(),)),
        (TypeError, "input is ndarray, expected a torch.Tensor", (X.numpy(),)),
        (TypeError, "input is on meta, expected cpu", (X.to("meta"),)),
        (TypeError, r"hx is Tensor, expected a tuple \(h, c\)", (X, S)),
        (TypeError, r"hx is tuple, expected a tuple \(h, c\)", (X, (S,))),
        (ValueError, r"hx\[1\] has shape \(1, 4, 5\), expected \(2, 4, 5\)", (X, (S, S[:1]))),
        (ValueError, r"hx\[0\] has shape \(2, 3, 5\), expected \(2, 4, 5\)", (X, (S[:, :3], S))),
        (ValueError, r"hx\[0\] has shape \(2, 4, 5\), expected \(2, 5\)", (X[:, 0], (S, S))),
        (TypeError, r"hx\[0\] has dtype torch.float64, expected", (X, (S.double(), S))),
        (TypeError, r"hx\[1\] is float, expected a torch.Tensor", (X, (S, 0.0))),
        (
            ValueError,
            r"input has shape \(5, 2\), expected \(steps, 3\)",
            (pack_sequence([torch.zeros(3, 2), torch.zeros(2, 2)]),),
        ),
    ],
)
def test_forward_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        ct.LSTM(I, H, num_layers=2)(*arguments)


def test_batch_first_is_named_in_its_own_order():
    with pytest.raises(ValueError, match=r"input has shape \(6, 4, 2\), expected \(B, T, 3\)"):
        ct.LSTM(I, H, batch_first=True)(X[..., :2])


def test_scripts_that_flatten_parameters_run():
    ours, _ = pair()
    before = copy.deepcopy(ours.state_dict())
    ours.flatten_parameters()
    close(ours.state_dict().values(), before.values(), tolerance=0)
