"""The PyTorch layers against ``torch.nn`` and the NumPy layers, and what they refuse."""

import copy
import pickle
from functools import partial
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
from companion import spec

T, B, I, H = 6, 4, 3, 5  # noqa: E741
SHORT = settings(database=None, deadline=None, derandomize=True, max_examples=25)

#: Every layer that torch.nn has too: ours and theirs.
TWINS = {
    "RNN": (ct.RNN, nn.RNN),
    "RNN (ReLU)": (
        partial(ct.RNN, nonlinearity="relu"),
        partial(nn.RNN, nonlinearity="relu"),
    ),
    "LSTM": (ct.LSTM, nn.LSTM),
    "GRU (reset after)": (ct.GRU, nn.GRU),
}
#: Every cell: the layer in PyTorch and in NumPy.
FAMILY = {
    "RNN": (ct.RNN, cnp.RNN),
    "RNN (ReLU)": (TWINS["RNN (ReLU)"][0], partial(cnp.RNN, activation="relu")),
    "LSTM": (ct.LSTM, cnp.LSTM),
    "PeepholeLSTM": (ct.PeepholeLSTM, cnp.PeepholeLSTM),
    "GRU": (partial(ct.GRU, reset_after=False), cnp.GRU),
    "GRU (reset after)": (ct.GRU, partial(cnp.GRU, reset_after=True)),
}
twins = pytest.mark.parametrize("name", TWINS)
family = pytest.mark.parametrize("name", FAMILY)


def test_every_cell_of_the_spec_is_here():
    assert set(FAMILY) == set(spec.CELLS)
    for name, (layer, _) in FAMILY.items():
        assert layer(I, H).spec == spec.CELLS[name]


def close(got, expected, tolerance=1e-12):
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def pair(name, *sizes, dtype=torch.float64, **arguments):
    """Our layer and torch.nn's, with the same weights."""
    ours, theirs = TWINS[name]
    torch.manual_seed(0)
    theirs = theirs(*(sizes or (I, H)), dtype=dtype, **arguments)
    ours = ours(*(sizes or (I, H)), dtype=dtype, **arguments)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def random(*shape, seed=1, **keywords):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, **keywords)


def state(name, *shape):
    """A state: a list of one part, or of two."""
    return [random(*shape, seed=2 + k) for k in range(len(spec.CELLS[name].states))]


def as_given(parts):
    """A state in the form in which a layer takes it."""
    return tuple(parts) if len(parts) > 1 else parts[0]


def parts_of(state):
    return list(state) if isinstance(state, tuple) else [state]


def results(layer, x, hx, pack=lambda x: x):
    """Outputs, states and every gradient of one loss, as a flat list."""
    leaves = [part.clone().requires_grad_() for part in (x, *(hx or ()))]
    output, final = layer(pack(leaves[0]), as_given(leaves[1:]) if hx else None)
    data = output.data if isinstance(output, PackedSequence) else output
    got = [data, *parts_of(final)]
    loss = sum((part * random(*part.shape, seed=k)).sum() for k, part in enumerate(got))
    return [*got, *torch.autograd.grad(loss, [*leaves, *layer.parameters()])]


# Against torch.nn


@twins
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize(
    ("num_layers", "bidirectional", "bias", "batch_first"),
    list(product([1, 2, 3], [False, True], [False, True], [False, True])),
)
def test_equals_torch_nn(name, num_layers, bidirectional, bias, batch_first, with_state):
    ours, theirs = pair(
        name, num_layers=num_layers, bidirectional=bidirectional, bias=bias, batch_first=batch_first
    )
    x = random(*((B, T, I) if batch_first else (T, B, I)))
    rows = num_layers * (1 + bidirectional)
    hx = state(name, rows, B, H) if with_state else None
    close(results(ours, x, hx), results(theirs, x, hx))

    one = x[0] if batch_first else x[:, 0]
    hx = hx and [part[:, 0] for part in hx]
    close(results(ours, one, hx), results(theirs, one, hx))


@twins
@pytest.mark.parametrize("lengths", [[6, 4, 4, 1], [1, 6, 3, 6], [2, 2, 2, 2]])
@pytest.mark.parametrize(
    ("num_layers", "bidirectional", "batch_first", "with_state"),
    list(product([1, 2], [False, True], [False, True], [False, True])),
)
def test_equals_torch_nn_on_packed_sequences(
    name, lengths, num_layers, bidirectional, batch_first, with_state
):
    ours, theirs = pair(
        name, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first
    )
    x = random(*((B, T, I) if batch_first else (T, B, I)))
    rows = num_layers * (1 + bidirectional)
    hx = state(name, rows, B, H) if with_state else None
    descending = sorted(lengths, reverse=True) == lengths
    for enforce_sorted in {False, descending}:

        def pack(x, enforce_sorted=enforce_sorted):
            return pack_padded_sequence(x, lengths, batch_first, enforce_sorted)

        close(results(ours, x, hx, pack), results(theirs, x, hx, pack))
        packed, expected = ours(pack(x))[0], theirs(pack(x))[0]
        for field in ("batch_sizes", "sorted_indices", "unsorted_indices"):
            got, want = getattr(packed, field), getattr(expected, field)
            assert (got is None and want is None) or torch.equal(got, want)


@twins
def test_equals_torch_nn_at_the_smallest_sizes(name):
    ours, theirs = pair(name, 1, 1)
    hx = state(name, 1, 1, 1)
    close(results(ours, random(1, 1, 1), hx), results(theirs, random(1, 1, 1), hx))


@twins
@pytest.mark.parametrize("arguments", [{}, {"num_layers": 2, "bidirectional": True}])
def test_an_empty_batch(name, arguments):
    ours, theirs = pair(name, **arguments)
    close(results(ours, random(T, 0, I), None), results(theirs, random(T, 0, I), None))


@twins
def test_float32_is_the_default_and_equals_torch_nn_to_round_off(name):
    ours, theirs = pair(name, num_layers=2, bidirectional=True, dtype=None)
    x = random(T, B, I).float()
    (output, final), (expected, expected_final) = ours(x), theirs(x)
    assert output.dtype == torch.float32
    close([output, *parts_of(final)], [expected, *parts_of(expected_final)], 1e-6)


@family
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_the_same_to_its_own_round_off(name, dtype):
    layer = FAMILY[name][0](I, H, num_layers=2, dtype=dtype)
    exact = copy.deepcopy(layer).double()
    x = random(T, B, I).to(dtype).requires_grad_()
    outputs, expected = layer(x)[0], exact(x.double())[0]
    assert outputs.dtype == dtype
    close([outputs.double()], [expected], 0.05)
    for output in (outputs, expected):
        output.sum().backward()
    for parameter, reference in zip(layer.parameters(), exact.parameters(), strict=True):
        assert parameter.grad.dtype == dtype
        scale = 1 + reference.grad.abs().max().item()
        close([parameter.grad.double()], [reference.grad], 0.05 * scale)


@pytest.mark.parametrize("name", ["LSTM", "RNN", "GRU (reset after)"])
def test_large_inputs_saturate_and_do_not_overflow(name):
    ours, theirs = pair(name)
    x = 1e4 * random(T, B, I)
    close(results(ours, x, None), results(theirs, x, None))


@family
def test_not_a_number_spreads_to_its_own_sequence_only(name):
    layer = FAMILY[name][0](I, H, dtype=torch.float64)
    x = random(T, B, I)
    expected = layer(x)[0]
    x[2, 1, 0] = torch.nan
    outputs = layer(x)[0]
    assert outputs[2:, 1].isnan().all()
    outputs[2:, 1] = expected[2:, 1]
    assert torch.equal(outputs, expected)


# Against NumPy


def flipped(name, array):
    """Canonical gates to torch.nn's, or back: z weights the candidate in one, h in the other."""
    array = np.array(array)
    if name.startswith("GRU"):
        array[1] *= -1
    return array


def numpy_twin(name, layer, suffix="l0"):
    """The NumPy layer with the parameters of one layer and direction."""
    own = {key: getattr(layer, f"{key}_{suffix}").detach().numpy() for key in keys(name)}
    gates, hidden = len(layer.spec.gates), layer.hidden_size
    twin = FAMILY[name][1](own["weight_ih"].shape[1], hidden, rng=np.random.default_rng(0))
    b_ih, b_hh = (own[key].reshape(gates, hidden).copy() for key in ("bias_ih", "bias_hh"))
    new = {
        "W": flipped(name, own["weight_ih"].reshape(gates, hidden, -1)),
        "U": flipped(name, own["weight_hh"].reshape(gates, hidden, hidden)),
    }
    if name == "GRU (reset after)":
        new["b_u"] = b_hh[2].copy()
        b_hh[2] = 0
    if name == "PeepholeLSTM":
        new["V"] = own["weight_peephole"]
    twin.parameters = new | {"b": flipped(name, b_ih + b_hh)}
    return twin


def keys(name):
    peephole = ["weight_peephole"] if name == "PeepholeLSTM" else []
    return ["weight_ih", "weight_hh", "bias_ih", "bias_hh", *peephole]


def torch_gradients(name, gradients):
    """Gradients of a NumPy layer's parameters as torch.nn's, in the order of its parameters."""
    W, U, b = (flipped(name, gradients[key]) for key in "WUb")
    b_hh = b.copy()
    if name == "GRU (reset after)":
        b_hh[2] = gradients["b_u"]
    arrays = [W.reshape(-1, W.shape[2]), U.reshape(-1, U.shape[2]), b.ravel(), b_hh.ravel()]
    return arrays + ([gradients["V"]] if name == "PeepholeLSTM" else [])


def tensors(arrays):
    return [torch.tensor(np.asarray(array)) for array in arrays]


@family
@SHORT
@given(st.tuples(*[st.integers(1, 5)] * 4), st.booleans(), st.booleans(), st.data())
def test_equals_numpy_forward_and_backward(name, sizes, with_lengths, with_state, data):
    steps, batch, inputs, hidden = sizes
    lengths = None
    if with_lengths:
        per_sequence = st.lists(st.integers(1, steps), min_size=batch, max_size=batch)
        lengths = data.draw(per_sequence, label="lengths")
    torch.manual_seed(data.draw(st.integers(0, 99), label="seed"))
    layer = FAMILY[name][0](inputs, hidden, dtype=torch.float64)
    reference = numpy_twin(name, layer)

    x = random(steps, batch, inputs, requires_grad=True)
    initial = [part.requires_grad_() for part in state(name, 1, batch, hidden)]
    initial = initial if with_state else []
    given = x
    if lengths is not None:
        given = pack_padded_sequence(given, lengths, enforce_sorted=False)
    output, final = layer(given, as_given(initial) if with_state else None)
    if lengths is not None:
        output = nn.utils.rnn.pad_packed_sequence(output, total_length=steps)[0]
    got = [output, *(part[0] for part in parts_of(final))]
    own = as_given([part[0].detach().numpy() for part in initial]) if with_state else None
    run = reference.forward(x.detach().numpy(), own, lengths)
    close(got, tensors([run.outputs, *parts_of(run.state)]), 1e-10)

    d_got = [random(*part.shape, seed=9 + k) for k, part in enumerate(got)]
    loss = sum((d * part).sum() for d, part in zip(d_got, got, strict=True))
    gradients = torch.autograd.grad(loss, [x, *initial, *layer.parameters()])
    d_outputs, *d_state = (d.numpy() for d in d_got)
    expected = reference.backward(run, d_outputs, as_given(d_state))
    d_initial = [d[None] for d in parts_of(expected.state)] if with_state else []
    arrays = [expected.x, *d_initial, *torch_gradients(name, expected.parameters)]
    close(gradients, tensors(arrays), 1e-10)


@family
@pytest.mark.parametrize("lengths", [None, [6, 1, 4, 3]])
def test_layers_and_directions_equal_numpys_stack_of_pairs(name, lengths):
    layer = FAMILY[name][0](I, H, num_layers=2, bidirectional=True, dtype=torch.float64)
    suffixes = [["l0", "l0_reverse"], ["l1", "l1_reverse"]]
    reference = cnp.Stack(
        cnp.Bidirectional(*(numpy_twin(name, layer, suffix) for suffix in both))
        for both in suffixes
    )
    x, initial = random(T, B, I), state(name, 4, B, H)

    def pack(x):
        return x if lengths is None else pack_padded_sequence(x, lengths, enforce_sorted=False)

    def unpack(output):
        return output if lengths is None else nn.utils.rnn.pad_packed_sequence(output)[0]

    def nested(parts):
        """Rows of (4, B, H) as a stack of pairs holds them."""
        rows = [as_given([part[k].numpy() for part in parts]) for k in range(4)]
        return [rows[:2], rows[2:]]

    def flat(nested):
        rows = [parts_of(row) for both in nested for row in both]
        return [np.stack(parts) for parts in zip(*rows, strict=True)]

    leaves = [part.clone().requires_grad_() for part in (x, *initial)]
    output, final = layer(pack(leaves[0]), as_given(leaves[1:]))
    got = [unpack(output), *parts_of(final)]
    run = reference.forward(x.numpy(), nested(initial), lengths)
    close(got, tensors([run.outputs, *flat(run.state)]), 1e-10)

    d_got = [random(*part.shape, seed=9 + k) for k, part in enumerate(got)]
    loss = sum((d * part).sum() for d, part in zip(d_got, got, strict=True))
    gradients = torch.autograd.grad(loss, [*leaves, *layer.parameters()])
    expected = reference.backward(run, d_got[0].numpy(), nested(d_got[1:]))
    of_weights = [
        array
        for both in expected.parameters
        for own in both
        for array in torch_gradients(name, own)
    ]
    close(gradients, tensors([expected.x, *flat(expected.state), *of_weights]), 1e-10)


@family
def test_outputs_past_the_end_are_zero_and_states_those_of_the_last_step(name):
    layer = FAMILY[name][0](I, H, dtype=torch.float64)
    x, lengths = random(T, B, I), [3, 6, 1, 2]
    packed, final = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    outputs = nn.utils.rnn.pad_packed_sequence(packed, total_length=T)[0]
    for k, length in enumerate(lengths):
        alone, last = layer(x[:length, k])
        close([outputs[:length, k]], [alone])
        assert not outputs[length:, k].any()
        close([part[:, k] for part in parts_of(final)], parts_of(last))


# Gradients in use


@twins
def test_only_the_state_or_only_the_input_may_need_a_gradient(name):
    gradients = []
    for layer in pair(name):
        layer.requires_grad_(False)
        x = random(T, B, I, requires_grad=True)
        _, final = layer(x)  # the outputs are not used
        gradients.append(torch.autograd.grad(parts_of(final)[-1].square().sum(), x)[0])
        hx = [part.requires_grad_() for part in state(name, 1, B, H)]
        outputs, _ = layer(x.detach(), as_given(hx))
        gradients.append(torch.autograd.grad(outputs.square().sum(), hx)[0])
    close(gradients[:2], gradients[2:])


@family
def test_some_weights_may_be_frozen(name):
    layer = FAMILY[name][0](I, H, dtype=torch.float64)
    x = random(T, B, I)
    expected = torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters()))
    for own, gradient in zip(layer.parameters(), expected, strict=True):
        layer.requires_grad_(False)
        own.requires_grad_()
        close(torch.autograd.grad(layer(x)[0].square().sum(), own), [gradient])


@family
def test_nothing_given_is_changed_and_backward_may_run_twice(name):
    layer = FAMILY[name][0](I, H, num_layers=2, dtype=torch.float64)
    x, hx = random(T, B, I), state(name, 2, B, H)
    before = [part.clone() for part in (x, *hx, *layer.parameters())]
    leaves = [part.requires_grad_() for part in (x, *hx)]
    outputs, final = layer(x, as_given(hx))
    seen = outputs.detach().clone()
    loss = outputs.square().sum() + sum(part.sum() for part in parts_of(final))
    first = torch.autograd.grad(loss, [*leaves, *layer.parameters()], retain_graph=True)
    second = torch.autograd.grad(loss, [*leaves, *layer.parameters()])
    for one, other in zip([*first, outputs], [*second, seen], strict=True):
        assert torch.equal(one, other)
    for part, old in zip((x, *hx, *layer.parameters()), before, strict=True):
        assert torch.equal(part, old)


@family
def test_checkpointing_gives_the_same_gradients(name):
    layer = FAMILY[name][0](I, H, dtype=torch.float64)
    x = random(T, B, I)
    expected = torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters()))
    outputs, _ = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)
    close(torch.autograd.grad(outputs.square().sum(), list(layer.parameters())), expected, 0)


# A module like any other


@twins
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bias": False},
        {"num_layers": 3, "bidirectional": True},
        {"num_layers": 2, "batch_first": True, "dropout": 0.5},
    ],
)
def test_a_replacement_down_to_names_seeds_and_repr(name, arguments):
    torch.manual_seed(3)
    theirs = TWINS[name][1](I, H, **arguments)
    torch.manual_seed(3)
    ours = TWINS[name][0](I, H, **arguments)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, parameter in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(key), parameter)
    assert repr(ours) == repr(theirs)
    assert len(ours.all_weights) == len(theirs.all_weights)
    for group, expected in zip(ours.all_weights, theirs.all_weights, strict=True):
        close(group, expected, 0)
    attributes = ["mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first"]
    attributes += ["dropout", "bidirectional", "proj_size"]
    attributes += ["nonlinearity"] if ours.mode.startswith("RNN") else []
    for attribute in attributes:
        assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_positional_arguments_are_in_torch_nns_order():
    assert ct.RNN(I, H, 2, "relu", False, True, 0.5, True).nonlinearity == "relu"
    for layer, module in ((ct.RNN(I, H, 2, "relu", False, True, 0.5, True), nn.RNN),):
        assert repr(layer) == repr(module(I, H, 2, "relu", False, True, 0.5, True))
    for ours, theirs in ((ct.LSTM, nn.LSTM), (ct.PeepholeLSTM, nn.LSTM), (ct.GRU, nn.GRU)):
        arguments = (I, H, 2, False, True, 0.5, True)
        shown = repr(theirs(*arguments)).partition("(")[2]
        assert repr(ours(*arguments)).partition("(")[2] == shown
    assert repr(ct.GRU(I, H, reset_after=False)) == "GRU(3, 5, reset_after=False)"


@twins
@pytest.mark.parametrize(
    "arguments", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}]
)
def test_checkpoints_load_both_ways(name, arguments):
    x = random(T, B, I).float()
    ours, theirs = TWINS[name]
    for source, target in ((ours, theirs), (theirs, ours)):
        first, second = source(I, H, **arguments), target(I, H, **arguments)
        second.load_state_dict(first.state_dict(), strict=True)
        close([second(x)[0]], [first(x)[0]], 1e-6)


def test_peepholes_are_the_last_parameters_and_drawn_like_the_others():
    layer = ct.PeepholeLSTM(I, H, num_layers=2, bidirectional=True)
    names = list(layer.state_dict())
    for suffix in ("l0", "l0_reverse", "l1", "l1_reverse"):
        own = [name for name in names if name.endswith("_" + suffix)]
        assert own[-1] == f"weight_peephole_{suffix}" and len(own) == 5
        V = layer.get_parameter(own[-1])
        assert V.shape == (3, H) and 0 < V.abs().max() <= H**-0.5
    assert [len(group) for group in layer.all_weights] == [5] * 4


def test_without_peepholes_it_is_the_lstm_to_the_bit():
    plain, peephole = ct.LSTM(I, H), ct.PeepholeLSTM(I, H)
    nn.init.zeros_(peephole.weight_peephole_l0)
    peephole.load_state_dict(plain.state_dict(), strict=False)
    x = random(T, B, I).float()
    assert torch.equal(peephole(x)[0], plain(x)[0])


@family
def test_pickle_and_deepcopy(name):
    layer = FAMILY[name][0](I, H, num_layers=2, dtype=torch.float64)
    x = random(T, B, I)
    expected = layer(x)[0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x)[0], expected)
        assert repr(other) == repr(layer)
        nn.init.zeros_(other.weight_hh_l0)
        assert torch.equal(layer(x)[0], expected)


@twins
def test_dropout_acts_between_layers_and_only_in_training(name):
    ours, theirs = pair(name, num_layers=2, dropout=0.5)
    x = random(T, B, I)
    for layer in (ours, theirs):
        layer.eval()
    close([ours(x)[0]], [theirs(x)[0]])

    def trained(layer):
        torch.manual_seed(5)
        return layer.train()(x)[0]

    close([trained(ours)], [trained(theirs)])  # the same elements dropped
    assert not torch.allclose(trained(ours), ours.eval()(x)[0])
    with pytest.warns(UserWarning, match="dropout is 0.5, but it acts between layers"):
        lone = TWINS[name][0](I, H, dropout=0.5, dtype=torch.float64)
    assert torch.equal(lone.train()(x)[0], lone.eval()(x)[0])


@twins
def test_training_steps_equal_torch_nn(name):
    ours, theirs = pair(name, num_layers=2)
    x = random(T, B, I)
    for layer in (ours, theirs):
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x)[0].square().sum().backward()
            optimizer.step()
    close(list(ours.parameters()), list(theirs.parameters()), 1e-9)


# Refusals


@family
@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "input_size is 0, expected a whole number", {"input_size": 0}),
        (ValueError, "hidden_size is 1.5, expected a whole number", {"hidden_size": 1.5}),
        (ValueError, "num_layers is -1, expected a whole number", {"num_layers": -1}),
        (ValueError, "dropout is 1.1, expected a probability from 0 to 1", {"dropout": 1.1}),
        (ValueError, "dropout is -0.1, expected a probability from 0 to 1", {"dropout": -0.1}),
        (ValueError, "dropout is nan, expected a probability from 0 to 1", {"dropout": np.nan}),
        (TypeError, "dropout is '0.1', expected a number", {"dropout": "0.1"}),
        (TypeError, "dropout is True, expected a number", {"dropout": True}),
        (TypeError, "bias is 'relu', expected True or False", {"bias": "relu"}),
        (TypeError, "batch_first is 1, expected True or False", {"batch_first": 1}),
        (TypeError, "bidirectional is None, expected True or False", {"bidirectional": None}),
        (TypeError, "dtype is torch.int64, expected a floating-point dtype", {"dtype": torch.long}),
    ],
)
def test_constructor_refuses(name, error, message, arguments):
    with pytest.raises(error, match=message):
        FAMILY[name][0](**({"input_size": I, "hidden_size": H} | arguments))


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (ValueError, "proj_size is 2, expected 0", lambda: ct.LSTM(I, H, proj_size=2)),
        (ValueError, "proj_size is 2, expected 0", lambda: ct.PeepholeLSTM(I, H, proj_size=2)),
        (
            ValueError,
            "nonlinearity is 'sigmoid', expected one of 'tanh', 'relu'",
            lambda: ct.RNN(I, H, nonlinearity="sigmoid"),
        ),
        (
            TypeError,
            "reset_after is 'yes', expected True or False",
            lambda: ct.GRU(I, H, reset_after="yes"),
        ),
    ],
)
def test_constructor_refuses_what_only_one_has(error, message, make):
    with pytest.raises(error, match=message):
        make()


X, S = torch.zeros(T, B, I), torch.zeros(2, B, H)


@family
@pytest.mark.parametrize(
    ("error", "message", "x"),
    [
        (ValueError, r"input has shape \(6, 4, 2\), expected \(T, B, 3\)", X[..., :2]),
        (ValueError, r"input has shape \(6, 2\), expected \(T, 3\)", X[:, 0, :2]),
        (ValueError, r"input has shape \(3,\), expected \(T, 3\)", X[0, 0]),
        (ValueError, r"input has shape \(1, 6, 4, 3\), expected \(T, B, 3\)", X[None]),
        (ValueError, "input has 0 steps, expected at least 1", X[:0]),
        (TypeError, "input has dtype torch.float64, expected torch.float32", X.double()),
        (TypeError, "input has dtype torch.int64, expected torch.float32", X.long()),
        (TypeError, "input is ndarray, expected a torch.Tensor", X.numpy()),
        (TypeError, "input is on meta, expected cpu", X.to("meta")),
        (
            ValueError,
            r"input has shape \(5, 2\), expected \(steps, 3\)",
            pack_sequence([torch.zeros(3, 2), torch.zeros(2, 2)]),
        ),
        (
            TypeError,
            "input has dtype torch.float64, expected torch.float32",
            pack_sequence([torch.zeros(3, 3).double()]),
        ),
        (
            ValueError,
            r"input.data has 5 rows, expected 4, the sum of input.batch_sizes",
            PackedSequence(X[0, :1].expand(5, I), torch.tensor([2, 1, 1])),
        ),
        (
            ValueError,
            r"input.batch_sizes is \[1, 2\], expected sizes that never grow, at least 1",
            PackedSequence(X[0, :3], torch.tensor([1, 2])),
        ),
        (
            ValueError,
            r"input.batch_sizes is \[3, 0\], expected sizes that never grow, at least 1",
            PackedSequence(X[0, :3], torch.tensor([3, 0])),
        ),
        (
            ValueError,
            r"input.sorted_indices has shape \(3,\), expected \(2,\)",
            PackedSequence(X[0, :3], torch.tensor([2, 1]), torch.tensor([0, 1, 2])),
        ),
    ],
)
def test_forward_refuses(name, error, message, x):
    with pytest.raises(error, match=message):
        FAMILY[name][0](I, H, num_layers=2)(x)


@pytest.mark.parametrize("name", ["LSTM", "PeepholeLSTM"])
@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, r"hx is an array of shape \(2, 4, 5\), expected a tuple \(h, c\)", (X, S)),
        (TypeError, r"hx is a tuple of 1, expected a tuple \(h, c\)", (X, (S,))),
        (ValueError, r"hx\[1\] has shape \(1, 4, 5\), expected \(2, 4, 5\)", (X, (S, S[:1]))),
        (ValueError, r"hx\[0\] has shape \(2, 3, 5\), expected \(2, 4, 5\)", (X, (S[:, :3], S))),
        (ValueError, r"hx\[0\] has shape \(2, 4, 5\), expected \(2, 5\)", (X[:, 0], (S, S))),
        (TypeError, r"hx\[0\] has dtype torch.float64, expected", (X, (S.double(), S))),
        (TypeError, r"hx\[1\] is float, expected a torch.Tensor", (X, (S, 0.0))),
        (TypeError, r"hx\[1\] is on meta, expected cpu", (X, (S, S.to("meta")))),
    ],
)
def test_forward_refuses_a_state_of_two(name, error, message, arguments):
    with pytest.raises(error, match=message):
        FAMILY[name][0](I, H, num_layers=2)(*arguments)


@pytest.mark.parametrize("name", ["RNN", "GRU", "GRU (reset after)"])
@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "hx is tuple, expected a torch.Tensor", (X, (S, S))),
        (ValueError, r"hx has shape \(1, 4, 5\), expected \(2, 4, 5\)", (X, S[:1])),
        (ValueError, r"hx has shape \(2, 4, 5\), expected \(2, 5\)", (X[:, 0], S)),
        (ValueError, r"hx has shape \(2, 4, 5\), expected \(2, 3, 5\)", (X[:, :3], S)),
        (TypeError, "hx has dtype torch.float16, expected torch.float32", (X, S.half())),
    ],
)
def test_forward_refuses_a_state_of_one(name, error, message, arguments):
    with pytest.raises(error, match=message):
        FAMILY[name][0](I, H, num_layers=2)(*arguments)


def test_batch_first_is_named_in_its_own_order():
    with pytest.raises(ValueError, match=r"input has shape \(6, 4, 2\), expected \(B, T, 3\)"):
        ct.LSTM(I, H, batch_first=True)(X[..., :2])


@family
def test_scripts_that_flatten_parameters_run(name):
    layer = FAMILY[name][0](I, H)
    before = copy.deepcopy(layer.state_dict())
    layer.flatten_parameters()
    close(list(layer.state_dict().values()), list(before.values()), tolerance=0)
