"""Losses against torch.nn.functional and central differences, and what they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from companion.numpy import binary_cross_entropy, cross_entropy, gradient_check, mse

T, B, C = 5, 4, 3
LENGTHS = np.array([5, 3, 0, 1])


def mse_problem(rng):
    return rng.normal(size=(T, B, C)), rng.normal(size=(T, B, C))


def binary_problem(rng):
    return 3 * rng.normal(size=(T, B, C)), rng.random((T, B, C))


def class_problem(rng):
    return 3 * rng.normal(size=(T, B, C)), rng.integers(C, size=(T, B))


def torch_cross_entropy(logits, targets, reduction="mean"):
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction=reduction)


LOSSES = {
    "mse": (mse, mse_problem, F.mse_loss),
    "binary_cross_entropy": (
        binary_cross_entropy,
        binary_problem,
        F.binary_cross_entropy_with_logits,
    ),
    "cross_entropy": (cross_entropy, class_problem, torch_cross_entropy),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def valid(lengths=LENGTHS):
    return np.arange(T)[:, None] < lengths


@every_loss
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["all", "lengths"])
def test_value_and_gradient_are_torchs(name, lengths):
    ours, problem, theirs = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(0))
    kept = np.ones((T, B), bool) if lengths is None else valid()
    leaf = torch.tensor(predictions, requires_grad=True)
    expected = theirs(leaf[torch.tensor(kept)], torch.tensor(targets)[torch.tensor(kept)])
    expected.backward()
    value, gradient = ours(predictions, targets, lengths)
    assert value == pytest.approx(expected.item(), abs=1e-12)
    np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=0, atol=1e-12)
    assert type(value) is float


@every_loss
def test_gradients_are_central_differences(name):
    ours, problem, _ = LOSSES[name]
    rng = np.random.default_rng(1)
    predictions, targets = problem(rng)
    arguments = targets, None, rng.random((T, B))
    report = gradient_check(
        lambda: ours(predictions, *arguments).value,
        {"p": predictions},
        {"p": ours(predictions, *arguments).gradient},
    )
    assert report.worst < 1e-8


@every_loss
def test_lengths_are_a_mask_are_weights(name):
    ours, problem, _ = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(2))
    by_length = ours(predictions, targets, lengths=LENGTHS)
    for weights in (valid(), 7.0 * valid()):
        other = ours(predictions, targets, weights=weights)
        assert other.value == pytest.approx(by_length.value, rel=1e-14)
        np.testing.assert_allclose(other.gradient, by_length.gradient, rtol=1e-14)
    assert (by_length.gradient[~valid()] == 0).all()


@every_loss
def test_weights_are_shares_of_the_mean(name):
    ours, problem, _ = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(3))
    weights = np.zeros((T, B))
    weights[1, 2], weights[4, 0] = 1, 3
    parts = [ours(predictions[at], targets[at]) for at in ((1, 2), (4, 0))]
    value, gradient = ours(predictions, targets, weights=weights)
    assert value == pytest.approx((parts[0].value + 3 * parts[1].value) / 4, rel=1e-14)
    np.testing.assert_allclose(gradient[4, 0], 0.75 * parts[1].gradient, rtol=1e-14)


@every_loss
def test_padding_may_hold_anything(name):
    ours, problem, _ = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(4))
    clean = ours(predictions, targets, LENGTHS)
    predictions[~valid()] = np.nan
    targets[~valid()] = -100 if name == "cross_entropy" else np.nan
    padded = ours(predictions, targets, LENGTHS)
    assert padded.value == clean.value
    np.testing.assert_array_equal(padded.gradient, clean.gradient)


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(name, dtype):
    ours, problem, _ = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(5))
    exact = ours(predictions, targets)
    value, gradient = ours(predictions.astype(dtype), targets)
    assert gradient.dtype == dtype
    assert value == pytest.approx(exact.value, rel=1e-5)


@every_loss
def test_what_was_given_is_not_changed(name):
    ours, problem, _ = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(6))
    before = predictions.tobytes(), targets.tobytes()
    ours(predictions, targets, LENGTHS)
    assert (predictions.tobytes(), targets.tobytes()) == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_neither_overflow_nor_lose_the_loss(dtype):
    # A warning would be an error here: see pyproject.toml.
    wrong = binary_cross_entropy(np.array([-1e4, 1e4], dtype), np.array([True, False]))
    assert wrong.value == 1e4
    np.testing.assert_array_equal(wrong.gradient, [-0.5, 0.5])
    right = binary_cross_entropy(np.array([1e4], dtype), np.array([True]))
    assert right.value == 0 and right.gradient == 0
    logits = np.array([[0, 1e4, -1e4]], dtype)
    for k, (value, slope) in enumerate([(1e4, -1), (0, 0), (2e4, -1)]):
        loss, gradient = cross_entropy(logits, np.array([k]))
        assert loss == value and gradient[0, k] == slope and gradient.sum() == 0


def test_a_small_loss_keeps_its_digits():
    loss, gradient = binary_cross_entropy(np.array([40.0]), np.array([1]))
    assert loss == pytest.approx(np.exp(-40), rel=1e-12)
    assert cross_entropy(np.array([50.0, 0.0, 0.0]), np.array(0)).value < 1e-20


def test_two_classes_are_a_yes_or_no():
    rng = np.random.default_rng(7)
    a, y = rng.normal(size=9), rng.integers(2, size=9)
    two = cross_entropy(np.stack([np.zeros(9), a], axis=-1), y)
    one = binary_cross_entropy(a, y)
    assert two.value == pytest.approx(one.value, rel=1e-14)
    np.testing.assert_allclose(two.gradient[:, 1], one.gradient, atol=1e-16)


@every_loss
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lengths": [1, 2]}, ValueError, r"lengths has shape \(2,\), expected \(4,\)"),
        ({"lengths": [6, 1, 1, 1]}, ValueError, "lengths has values from 1 to 6, expected 0 to 5"),
        ({"lengths": [1.0] * 4}, TypeError, "lengths has dtype float64, expected whole numbers"),
        ({"lengths": [0] * 4}, ValueError, "nothing counts"),
        ({"weights": np.zeros((T, B))}, ValueError, "nothing counts"),
        ({"weights": -np.ones((T, B))}, ValueError, "weights has values below 0 or not finite"),
        ({"weights": np.full((T, B), np.inf)}, ValueError, "weights has values below 0 or not"),
        ({"weights": np.ones((B, T))}, ValueError, r"weights has shape \(4, 5\), expected \(5, 4"),
        ({"weights": np.ones((T, B, C, 1))}, ValueError, r"weights has shape \(5, 4, 3, 1\), expe"),
        ({"weights": np.full(T, "a")}, TypeError, "weights has dtype <U1, expected numbers"),
        ({"lengths": LENGTHS, "weights": valid()}, ValueError, "lengths and weights are both"),
    ],
    ids=str,
)
def test_bad_lengths_and_weights_are_named(name, arguments, error, message):
    ours, problem, _ = LOSSES[name]
    with pytest.raises(error, match=message):
        ours(*problem(np.random.default_rng(8)), **arguments)


@every_loss
def test_bad_arrays_are_named(name):
    ours, problem, _ = LOSSES[name]
    predictions, targets = problem(np.random.default_rng(9))
    argument = "predictions" if name == "mse" else "logits"
    with pytest.raises(TypeError, match=f"{argument} has dtype int64, expected float32 or float64"):
        ours(predictions.astype(np.int64), targets)
    with pytest.raises(TypeError, match=f"{argument} is object, expected an array of numbers"):
        ours(object(), targets)
    with pytest.raises(ValueError, match=r"targets has shape \(4, 4.*\), expected \(5, 4.*\)"):
        ours(predictions, targets[1:])
    with pytest.raises(TypeError, match="targets has dtype complex128, expected .*numbers"):
        ours(predictions, targets + 1j)
    with pytest.raises(ValueError, match="nothing counts: there is no element"):
        ours(predictions[:0], targets[:0])
    with pytest.raises(
        ValueError, match=r"lengths is given for an array of shape \(3,\), expected"
    ):
        ours(np.zeros((3, 2) if name == "cross_entropy" else 3), np.zeros(3, int), [3])


def test_targets_out_of_range_are_named():
    for y in (1.5, -0.5, np.nan):
        with pytest.raises(ValueError, match="targets has values from .*, expected 0 to 1"):
            binary_cross_entropy(np.zeros(2), np.array([1, y]))
    for y in (-1, 3):
        with pytest.raises(ValueError, match=r"targets has values .*, expected 0 to 2 \(the C"):
            cross_entropy(np.zeros((2, 3)), np.array([1, y]))
    with pytest.raises(TypeError, match="targets has dtype float64, expected whole numbers"):
        cross_entropy(np.zeros((2, 3)), np.ones(2))
    for shape in ((), (2, 0)):
        with pytest.raises(ValueError, match=r"logits has shape \(.*\), expected \(\.\.\., C\)"):
            cross_entropy(np.zeros(shape), np.ones(2, int))
