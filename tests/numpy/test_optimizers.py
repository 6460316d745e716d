"""Optimizers against torch.optim and keras.optimizers on an LSTM's gradients, and refusals."""

import os

import numpy as np
import pytest
import torch

import companion.numpy as cnp

UPDATES = 100
# On TensorFlow, Keras rounds such numbers to float32 first. These need no rounding.
μ = β_1 = 0.875
β_2 = 1 - 2**-7
RULES = {
    "gradient descent": (
        lambda: cnp.SGD(0.05),
        lambda p: torch.optim.SGD(p, 0.05),
        lambda keras: keras.optimizers.SGD(0.05),
    ),
    "momentum": (
        lambda: cnp.SGD(0.02, momentum=μ),
        lambda p: torch.optim.SGD(p, 0.02, momentum=μ),
        lambda keras: keras.optimizers.SGD(0.02, momentum=μ),
    ),
    "Nesterov": (
        lambda: cnp.SGD(0.02, momentum=μ, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.02, momentum=μ, nesterov=True),
        lambda keras: keras.optimizers.SGD(0.02, momentum=μ, nesterov=True),
    ),
    "RMSProp": (
        lambda like: cnp.RMSProp(0.01, β_2, 1e-3, like),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=β_2, eps=1e-3),
        lambda keras: keras.optimizers.RMSprop(0.01, rho=β_2, epsilon=1e-3),
    ),
    "Adam": (
        lambda like: cnp.Adam(0.01, β_1, β_2, 1e-3, like),
        lambda p: torch.optim.Adam(p, 0.01, (β_1, β_2), eps=1e-3),
        lambda keras: keras.optimizers.Adam(0.01, β_1, β_2, epsilon=1e-3),
    ),
    "AdamW": (
        lambda like: cnp.AdamW(0.01, β_1, β_2, 1e-3, like, weight_decay=0.125),
        lambda p: torch.optim.AdamW(p, 0.01, (β_1, β_2), eps=1e-3, weight_decay=0.125),
        lambda keras: keras.optimizers.AdamW(0.01, 0.125, β_1, β_2, epsilon=1e-3),
    ),
}
every_rule = pytest.mark.parametrize("rule", RULES)


def ours(rule, like):
    make = RULES[rule][0]
    return make(like) if make.__code__.co_argcount else make()


def trained(update, seed=0):
    """An LSTM's parameters along UPDATES updates; `update` changes arrays, given gradients."""
    rng = np.random.default_rng(seed)
    layer = cnp.LSTM(2, 3, rng=rng)
    path = []
    for _ in range(UPDATES):
        x = rng.normal(size=(6, 4, 2))
        run = layer.forward(x)
        loss = cnp.mse(run.outputs, np.repeat(x[..., :1], 3, axis=2))
        update(layer.parameters, layer.backward(run, loss.gradient).parameters)
        path.append(np.concatenate([array.ravel() for array in layer.parameters.values()]))
    return np.array(path)


def by_torch(make):
    optimizer, tensors = None, {}

    def update(parameters, gradients):
        nonlocal optimizer
        if optimizer is None:  # the tensors share the arrays' memory
            tensors.update({name: torch.from_numpy(p) for name, p in parameters.items()})
            optimizer = make(tensors.values())
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradients[name])
        optimizer.step()

    return update


def by_keras(keras, make):
    optimizer, variables = None, {}

    def update(parameters, gradients):
        nonlocal optimizer
        if optimizer is None:
            optimizer = make(keras)
            variables.update({k: keras.Variable(p, dtype="float64") for k, p in parameters.items()})
        pairs = [(keras.ops.array(gradients[k]), v) for k, v in variables.items()]
        optimizer.apply(*zip(*pairs, strict=True))
        for name, array in parameters.items():
            array[...] = variables[name].numpy()

    return update


@pytest.fixture
def keras():
    """Keras in float64, where it keeps the learning rate too."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes
    import keras

    keras.config.set_floatx("float64")
    yield keras
    keras.config.set_floatx("float32")


@every_rule
def test_the_path_is_torchs(rule):
    path, theirs = trained(ours(rule, "torch").step), trained(by_torch(RULES[rule][1]))
    assert np.ptp(path, axis=0).min() > 1e-6  # every number moved
    np.testing.assert_allclose(path, theirs, rtol=0, atol=1e-10)


@every_rule
def test_the_path_is_keras(rule, keras):
    path, theirs = trained(ours(rule, "keras").step), trained(by_keras(keras, RULES[rule][2]))
    np.testing.assert_allclose(path, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rule", ["RMSProp", "Adam", "AdamW"])
def test_the_place_of_epsilon_matters(rule):
    one, other = (trained(ours(rule, like).step) for like in ("torch", "keras"))
    assert np.abs(one - other).max() > 1e-4


def test_a_learning_rate_may_change_on_the_way():
    optimizer, theirs = cnp.SGD(0.1, momentum=0.9), []

    def scheduled(parameters, gradients):
        optimizer.learning_rate = 0.1 / (1 + optimizer.n_updates)
        optimizer.step(parameters, gradients)

    def make(tensors):
        theirs.append(torch.optim.SGD(tensors, 0.1, momentum=0.9))
        return theirs[0]

    update = by_torch(make)

    def scheduled_by_torch(parameters, gradients):
        for k, group in enumerate(theirs[0].param_groups if theirs else ()):
            assert k == 0
            group["lr"] = 0.1 / (1 + group.setdefault("n", 1))
            group["n"] += 1
        update(parameters, gradients)

    np.testing.assert_allclose(trained(scheduled), trained(scheduled_by_torch), atol=1e-10)
    assert optimizer.n_updates == UPDATES


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_rule
def test_trees_are_walked_and_changed_in_place(rule, dtype):
    rng = np.random.default_rng(0)
    stack = cnp.Stack([cnp.LSTM(2, 3, dtype), cnp.GRU(3, 2, dtype)])
    tree = {
        "layer": stack.parameters,
        "out": (rng.normal(size=2).astype(dtype), np.zeros((), dtype)),
    }
    arrays = [*stack.parameters[0].values(), *stack.parameters[1].values(), *tree["out"]]
    slopes = [rng.normal(size=array.shape).astype(dtype) for array in arrays]
    one_by_one = [array.copy() for array in arrays]
    gradients = {
        "out": [slopes[6], slopes[7][()]],  # another order, a list, and a NumPy scalar
        "layer": [dict(zip("WUb", slopes[k : k + 3], strict=True)) for k in (0, 3)],
    }
    together = ours(rule, "torch")
    alone = [ours(rule, "torch") for _ in arrays]
    for _ in range(3):
        together.step(tree, gradients)
        for optimizer, array, slope in zip(alone, one_by_one, slopes, strict=True):
            optimizer.step(array, slope)
    for array, expected in zip(arrays, one_by_one, strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == dtype


@every_rule
def test_a_gradient_of_zero_moves_nothing_at_first(rule):
    w = np.array([1.0, -2.0])
    ours(rule, "torch").step([w], [np.zeros(2)])
    expected = np.array([1.0, -2.0]) * (1 - 0.01 * 0.125 if rule == "AdamW" else 1)
    np.testing.assert_allclose(w, expected, rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-4, 1, 1e6])
def test_adams_first_step_is_the_learning_rate(scale):
    w = np.zeros(3)
    cnp.Adam(0.01).step(w, scale * np.array([1.0, -2.0, 0.5]))
    np.testing.assert_allclose(w, [-0.01, 0.01, -0.01], rtol=1e-3)


W, G = {"a": np.zeros(2), "b": [np.zeros(1)]}, {"a": np.ones(2), "b": [np.ones(1)]}


@pytest.mark.parametrize(
    ("parameters", "gradients", "error", "message"),
    [
        (
            W,
            {"a": np.ones(2)},
            ValueError,
            r"gradients has the names \['a'\], expected \['a', 'b'\]",
        ),
        (W, [1, 2], TypeError, "gradients is a list of 2, expected names and arrays"),
        (W, G | {"b": []}, TypeError, r"gradients\['b'\] is a list of 0, expected a tuple"),
        (
            W,
            G | {"b": [np.ones(3)]},
            ValueError,
            r"gradients\['b'\]\[0\] has shape \(3,\), expected \(1,\)",
        ),
        (
            W,
            G | {"a": np.ones(2, np.float32)},
            TypeError,
            r"gradients\['a'\] has dtype float32, expected float64",
        ),
        (W, G | {"a": None}, TypeError, r"gradients\['a'\] is NoneType, expected a NumPy array"),
        ([1.0], [1.0], TypeError, r"parameters\[0\] is float, expected a NumPy array that can"),
        ([np.arange(2)], [np.ones(2)], TypeError, r"parameters\[0\] has dtype int64, expected fl"),
        (
            [np.broadcast_to(0.0, 2)],
            [np.ones(2)],
            TypeError,
            r"parameters\[0\] is an array of shape \(2,\), expected .* changed in place",
        ),
    ],
)
def test_trees_that_do_not_fit_are_refused_before_anything_changes(
    parameters, gradients, error, message
):
    optimizer = cnp.SGD(1.0)
    with pytest.raises(error, match=message):
        optimizer.step(parameters, gradients)
    assert not W["a"].any() and optimizer.n_updates == 0


def test_an_optimizer_serves_one_set():
    optimizer = cnp.Adam()
    optimizer.step([np.zeros(2)], [np.ones(2)])
    for other in ([np.zeros(3)], [np.zeros(2, np.float32)], {"w": np.zeros(2)}):
        with pytest.raises(
            ValueError, match="parameters has other names, shapes or dtypes than at"
        ):
            optimizer.step(other, other)
    assert optimizer.n_updates == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cnp.SGD(0), "learning_rate is 0, expected a number above 0"),
        (lambda: cnp.SGD(-1.0), "learning_rate is -1.0, expected a number above 0"),
        (lambda: cnp.SGD(np.nan), "learning_rate is nan, expected a number above 0"),
        (lambda: cnp.SGD("fast"), "learning_rate is 'fast', expected a number above 0"),
        (lambda: cnp.SGD(True), "learning_rate is True, expected a number above 0"),
        (lambda: cnp.SGD(0.1, 1.0), "momentum is 1.0, expected a number of at least 0 and below 1"),
        (lambda: cnp.SGD(0.1, nesterov=True), "nesterov is True and momentum is 0, expected"),
        (lambda: cnp.RMSProp(beta_2=-0.1), "beta_2 is -0.1, expected a number of at least 0 and"),
        (lambda: cnp.RMSProp(epsilon=0), "epsilon is 0, expected a number above 0"),
        (lambda: cnp.RMSProp(epsilon_like="jax"), "epsilon_like is 'jax', expected one of 'torch'"),
        (lambda: cnp.Adam(beta_1=1), "beta_1 is 1, expected a number of at least 0 and below 1"),
        (lambda: cnp.Adam(beta_2=1), "beta_2 is 1, expected a number of at least 0 and below 1"),
        (lambda: cnp.Adam(epsilon=-1), "epsilon is -1, expected a number above 0"),
        (lambda: cnp.Adam(epsilon_like=1), "epsilon_like is 1, expected one of 'torch', 'keras'"),
        (lambda: cnp.AdamW(weight_decay=-1), "weight_decay is -1, expected a number of at least 0"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_flag_that_is_none_and_a_rate_assigned_later():
    with pytest.raises(TypeError, match="nesterov is 1, expected True or False"):
        cnp.SGD(0.1, 0.9, nesterov=1)
    optimizer = cnp.Adam()
    with pytest.raises(ValueError, match="learning_rate is 0, expected a number above 0"):
        optimizer.learning_rate = 0
    assert optimizer.learning_rate == 0.001
