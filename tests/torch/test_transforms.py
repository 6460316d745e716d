"""Derivatives of the PyTorch layers: gradcheck, gradients of gradients, ``torch.func``, and
compilation, autocast and other devices.
"""

import contextlib
import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state
from torch.nn.utils.rnn import pack_padded_sequence

import companion.torch as ct
from companion.torch.recurrence import run, unrolled

T, B, I, H = 3, 2, 3, 2  # noqa: E741

FAMILY = {
    "RNN": ct.RNN,
    "RNN (ReLU)": partial(ct.RNN, nonlinearity="relu"),
    "LSTM": ct.LSTM,
    "PeepholeLSTM": ct.PeepholeLSTM,
    "GRU": partial(ct.GRU, reset_after=False),
    "GRU (reset after)": ct.GRU,
}
TWINS = {
    "RNN": nn.RNN,
    "RNN (ReLU)": partial(nn.RNN, nonlinearity="relu"),
    "LSTM": nn.LSTM,
    "GRU (reset after)": nn.GRU,
}
family = pytest.mark.parametrize("name", FAMILY)
# PyTorch's own forward mode uses what PyTorch itself has deprecated.
forward_mode = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


def close(got, expected, tolerance=1e-12):
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def random(*shape, seed=1, **keywords):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, **keywords)


def layer_of(name, seed=0, **arguments):
    torch.manual_seed(seed)
    return FAMILY[name](I, H, dtype=torch.float64, **arguments)


def parts_of(state):
    return list(state) if isinstance(state, tuple) else [state]


def leaves_of(layer):
    rows = layer.num_layers * (1 + layer.bidirectional)
    state = [random(rows, B, H, seed=2 + k) for k in range(len(layer.spec.states))]
    given = [random(T, B, I), *state, *(own.detach() for own in layer.parameters())]
    return [leaf.clone().requires_grad_() for leaf in given]


def as_function(layer, lengths=None):
    """The layer as a function of input, state and parameters, to outputs and state."""
    names = [name for name, _ in layer.named_parameters()]
    n_states = len(layer.spec.states)

    def function(x, *rest):
        state, weights = rest[:n_states], dict(zip(names, rest[n_states:], strict=True))
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, enforce_sorted=False)
        hx = state if n_states > 1 else state[0]
        output, final = functional_call(layer, weights, (x, hx))
        return output if lengths is None else output.data, *parts_of(final)

    return function


# Gradients, and gradients of gradients


@family
@pytest.mark.parametrize(
    ("arguments", "lengths"),
    [({}, None), ({"bias": False}, [1, 3]), ({"bidirectional": True}, [1, 3])],
)
def test_gradcheck(name, arguments, lengths):
    layer = layer_of(name, **arguments)
    assert torch.autograd.gradcheck(as_function(layer, lengths), leaves_of(layer))


@forward_mode
@family
@pytest.mark.parametrize("arguments", [{"bias": False}, {"bidirectional": True}])
def test_gradcheck_in_forward_mode(name, arguments):
    layer = layer_of(name, **arguments)
    checks = {"check_forward_ad": True, "check_backward_ad": False, "fast_mode": True}
    assert torch.autograd.gradcheck(as_function(layer), leaves_of(layer), **checks)


@family
@pytest.mark.parametrize("lengths", [None, [1, 3]])
def test_gradgradcheck(name, lengths):
    layer = layer_of(name, bidirectional=lengths is None)
    function, leaves = as_function(layer, lengths), leaves_of(layer)
    assert torch.autograd.gradgradcheck(function, leaves, fast_mode=True)


@family
@pytest.mark.parametrize("lengths", [None, [1, 3]])
@pytest.mark.parametrize("bias", [True, False])
def test_the_written_out_gradients_equal_those_left_to_pytorch(name, bias, lengths):
    layer = layer_of(name, bias=bias)
    valid = (
        None
        if lengths is None
        else torch.arange(T)[:, None, None] < torch.tensor(lengths)[None, :, None]
    )
    W, b, *recurrent = layer._weights(**layer._named("l0"))
    x, *initial = leaves_of(layer)[: 1 + len(layer.spec.states)]
    arguments = (layer.cell, valid, x, W, b, *[part[0] for part in initial], *recurrent)
    gradients = []
    for runner in (run, unrolled):
        results = runner(*arguments)
        loss = sum((part * random(*part.shape)).sum() for part in results)
        wanted = [x, *initial, *layer.parameters()]
        gradients += [[*results, *torch.autograd.grad(loss, wanted, retain_graph=True)]]
    close(*gradients)


@pytest.mark.parametrize("name", TWINS)
def test_a_penalty_on_gradients_equals_torch_nns(name):
    ours = layer_of(name, num_layers=2, bidirectional=True)
    theirs = TWINS[name](I, H, num_layers=2, bidirectional=True, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    results = []
    for layer in (ours, theirs):
        x = random(T, B, I, requires_grad=True)
        (d_x,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
        results += [torch.autograd.grad(d_x.square().sum(), list(layer.parameters()))]
    close(*results)


# torch.func


def loss_of(layer):
    """A scalar of the weights and one input, and the weights."""

    def loss(weights, x):
        outputs, final = functional_call(layer, weights, (x,))
        return outputs.square().sum() + sum(part.sin().sum() for part in parts_of(final))

    return loss, {name: own.detach() for name, own in layer.named_parameters()}


@family
def test_func_grad_and_vjp(name):
    layer = layer_of(name, num_layers=2)
    loss, weights = loss_of(layer)
    x = random(T, B, I)
    expected = torch.autograd.grad(loss(dict(layer.named_parameters()), x), [*layer.parameters()])
    close(list(torch.func.grad(loss)(weights, x).values()), expected)
    value, pull = torch.func.vjp(loss, weights, x)
    close(list(pull(torch.ones_like(value))[0].values()), expected)
    with torch.no_grad():
        close(list(pull(torch.ones_like(value))[0].values()), expected)


@family
def test_func_vmap_over_single_examples_and_over_an_ensemble(name):
    layers = [layer_of(name, seed, bidirectional=True) for seed in range(3)]
    x = random(T, B, I)
    loss, weights = loss_of(layers[0])

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))(weights, x)
    for k in range(B):
        expected = torch.func.grad(loss)(weights, x[:, k])
        close([own[k] for own in each.values()], list(expected.values()))

    stacked, buffers = stack_module_state(layers)
    assert not buffers
    outputs, final = torch.func.vmap(lambda w: functional_call(layers[0], w, (x,)))(stacked)
    for k, layer in enumerate(layers):
        own_outputs, own_final = layer(x)
        close(
            [outputs[k], *(part[k] for part in parts_of(final))],
            [own_outputs, *parts_of(own_final)],
        )
    # An ensemble is trained as one: gradients from outside, and from inside of vmap.
    total = torch.func.vmap(loss, in_dims=(0, None))(stacked, x).sum()
    outside = torch.autograd.grad(total, list(stacked.values()))
    inside = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None))(stacked, x)
    for k, layer in enumerate(layers):
        own = torch.autograd.grad(loss(dict(layer.named_parameters()), x), [*layer.parameters()])
        close([part[k] for part in outside], own)
        close([part[k] for part in inside.values()], own)

    def one(w):
        with torch.no_grad():
            value, pull = torch.func.vjp(loss, w, x)
            return pull(torch.ones_like(value))[0]

    with pytest.raises(NotImplementedError, match="not supported under torch.no_grad"):
        torch.func.vmap(one)(stacked)


@family
def test_func_vmap_over_packed_sequences(name):
    layers = [layer_of(name, seed) for seed in range(3)]
    packed = pack_padded_sequence(random(T, B, I), [1, 3], enforce_sorted=False)
    stacked, _ = stack_module_state(layers)

    def data(weights):
        return functional_call(layers[0], weights, (packed,))[0].data

    outputs = torch.func.vmap(data)(stacked)
    close(list(outputs), [layer(packed)[0].data for layer in layers])


@forward_mode
@family
def test_func_jacobians_agree_with_each_other_and_jvp(name):
    layer = layer_of(name)
    _, weights = loss_of(layer)
    x, tangent = random(T, B, I), random(T, B, I, seed=2)

    def outputs(x):
        return functional_call(layer, weights, (x,))[0]

    jacobian = torch.func.jacrev(outputs)(x)
    assert jacobian.shape == (T, B, H, T, B, I)
    close([torch.func.jacfwd(outputs)(x)], [jacobian])
    value, pushed = torch.func.jvp(outputs, (x,), (tangent,))
    close([value, pushed], [layer(x)[0], torch.einsum("tbhsci,sci->tbh", jacobian, tangent)])


@forward_mode
@family
@pytest.mark.parametrize("which", ["weight_hh_l0", "weight_ih_l0"])
def test_func_hessian_is_symmetric_whichever_way_it_is_taken(name, which):
    layer = layer_of(name)
    loss, weights = loss_of(layer)
    x = random(T, B, I)

    def of_one(weight):
        return loss(weights | {which: weight}, x)

    weight = weights[which]
    hessian = torch.func.hessian(of_one)(weight).reshape(weight.numel(), -1)
    assert hessian.any()
    close([hessian], [hessian.T])
    twice_back = torch.func.jacrev(torch.func.jacrev(of_one))(weight)
    close([twice_back.reshape(hessian.shape)], [hessian])


# torch.compile


@pytest.fixture(autouse=True)
def fresh_compiler():
    yield
    torch.compiler.reset()


# After any graph break PyTorch's compiler trips over its own warning where warnings are errors.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@family
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_it_gives_the_same_numbers(name, backend):
    layer = layer_of(name, num_layers=2, bidirectional=True)
    model = nn.ModuleDict({"layer": layer, "head": nn.Linear(2 * H, 1, dtype=torch.float64)})

    def loss(x):
        return model["head"](model["layer"](x)[0]).square().sum()

    x = random(T, B, I)
    expected = torch.autograd.grad(loss(x), list(model.parameters()))
    compiled = torch.compile(loss, backend=backend)
    close(torch.autograd.grad(compiled(x), list(model.parameters())), expected)


def test_compiling_without_a_break_is_refused_by_name():
    compiled = torch.compile(layer_of("LSTM"), backend="eager", fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="companion's recurrent layers"):
        compiled(random(T, B, I))


# PyTorch's tracer warns that it is on its way out, and of every size that it takes as it is.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@family
@pytest.mark.parametrize("record", ["trace", "export"])
def test_recorded_it_gives_the_same_numbers(name, record):
    layer = layer_of(name, num_layers=2, bidirectional=True)
    x, other = random(T, B, I), random(T, B, I, seed=7)
    if record == "trace":
        recorded = torch.jit.trace(layer, (x,))
    else:
        recorded = torch.export.export(layer, (x,), strict=False).module()
    got, expected = recorded(other), layer(other)
    close([got[0], *parts_of(got[1])], [expected[0], *parts_of(expected[1])])


# Autocast


@family
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_casts_at_the_boundary(name, dtype):
    layer = layer_of(name, num_layers=2, bidirectional=True).float()
    low = copy.deepcopy(layer).to(dtype)
    x = random(T, B, I).float()
    expected, expected_state = low(x.to(dtype))
    with torch.autocast("cpu", dtype=dtype):
        outputs, final = layer(x)
        close([outputs, *parts_of(final)], [expected, *parts_of(expected_state)], 0)
        assert torch.equal(layer(x.to(dtype))[0], outputs)  # as a layer below hands it over
        outputs.float().square().sum().backward()  # inside, which PyTorch advises against
    expected.float().square().sum().backward()
    for own, reference in zip(layer.parameters(), low.parameters(), strict=True):
        assert own.grad.dtype == torch.float32
        close([own.grad], [reference.grad.float()], 0)


@pytest.mark.parametrize("name", ["RNN", "LSTM"])  # those of torch.nn that the CPU casts too
def test_autocast_equals_torch_nns(name):
    layer = layer_of(name).float()
    theirs = TWINS[name](I, H)
    theirs.load_state_dict(layer.state_dict())
    x = random(T, B, I).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, expected = layer(x)[0], theirs(x)[0]
    assert outputs.dtype == expected.dtype == torch.bfloat16
    close([outputs], [expected], 0.02)


@family
def test_autocast_around_the_backward_pass_alone_changes_nothing(name):
    layer = layer_of(name).float()
    loss = layer(random(T, B, I).float())[0].square().sum()
    expected = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        close(torch.autograd.grad(loss, list(layer.parameters())), expected, 0)


def test_autocast_leaves_float64_alone_and_refuses_what_it_does_not_cast():
    layer = layer_of("LSTM")
    x = random(T, B, I)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x)[0], layer(x)[0].double())
        with pytest.raises(
            TypeError, match="input has dtype torch.float32, expected torch.float64"
        ):
            layer(x.float())
        with pytest.raises(
            TypeError, match="input has dtype torch.float64, expected torch.float32"
        ):
            layer.float()(x)
    with pytest.raises(TypeError, match="input has dtype torch.bfloat16, expected torch.float32"):
        layer(x.bfloat16())


# Other devices


def test_meta_tensors_tell_shapes():
    layer = ct.PeepholeLSTM(I, H, num_layers=2, device="meta")
    outputs, (h, c) = layer(torch.empty(T, B, I, device="meta"))
    assert outputs.shape == (T, B, H) and h.shape == c.shape == (2, B, H)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@family
@pytest.mark.parametrize("lengths", [None, [1, 3]])
def test_cuda_gives_the_cpus_numbers(name, lengths):
    layer = layer_of(name, num_layers=2, bidirectional=True)
    results = []
    for device in ("cpu", "cuda"):
        own = copy.deepcopy(layer).to(device)
        leaves = [leaf.detach().to(device).requires_grad_() for leaf in leaves_of(layer)]
        outputs = as_function(own, lengths)(*leaves)
        loss = sum((part * random(*part.shape).to(device)).sum() for part in outputs)
        gradients = torch.autograd.grad(loss, leaves)
        results += [[part.cpu() for part in (*outputs, *gradients)]]
    close(*results)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
def test_cuda_equals_cudnn(name, dtype):
    ours = layer_of(name, num_layers=2).float().cuda()
    theirs = TWINS[name](I, H, num_layers=2, device="cuda")
    theirs.load_state_dict(ours.state_dict())
    x = random(T, B, I).float().cuda()
    context = torch.autocast("cuda", dtype=dtype) if dtype else contextlib.nullcontext()
    results = []
    for layer in (ours, theirs):
        with context:
            outputs, _ = layer(x)
        gradients = torch.autograd.grad(outputs.float().square().sum(), list(layer.parameters()))
        results += [[outputs, *gradients]]
    assert results[0][0].dtype == (dtype or torch.float32)
    close(*results, 0.05 if dtype else 1e-3)
