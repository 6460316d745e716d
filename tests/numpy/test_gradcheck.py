import numpy as np
import pytest

from companion.numpy import gradient_check


@pytest.fixture
def problem():
    """A loss whose gradients are known: sum(A³) + sum(B · sin A)."""
    rng = np.random.default_rng(0)
    arrays = {"A": rng.normal(size=(3, 2)), "B": rng.normal(size=(3, 2))}

    def loss():
        return float((arrays["A"] ** 3).sum() + (arrays["B"] * np.sin(arrays["A"])).sum())

    gradients = {
        "A": 3 * arrays["A"] ** 2 + arrays["B"] * np.cos(arrays["A"]),
        "B": np.sin(arrays["A"]),
    }
    return loss, arrays, gradients


def test_a_right_gradient_passes(problem):
    loss, arrays, gradients = problem
    report = gradient_check(loss, arrays, gradients)
    assert report.worst < 1e-8
    assert set(report.relative) == {"A", "B"}
    np.testing.assert_allclose(report.numeric["A"], gradients["A"], atol=1e-8)


@pytest.mark.parametrize("name", ["A", "B"])
def test_one_wrong_element_is_seen(problem, name):
    loss, arrays, gradients = problem
    gradients[name][1, 1] *= 1.001
    report = gradient_check(loss, arrays, gradients)
    assert report.worst == report.relative[name] > 1e-5


def test_the_relative_difference_is_of_norms(problem):
    loss, arrays, gradients = problem
    gradients["B"] = 2 * gradients["B"]
    assert gradient_check(loss, arrays, gradients).relative["B"] == pytest.approx(0.5, abs=1e-8)


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_gradient_that_is_not_a_number_never_passes(problem, name):
    loss, arrays, gradients = problem
    gradients[name][0, 0] = np.nan
    assert not gradient_check(loss, arrays, gradients).worst < 1e9


def test_the_arrays_come_back_unchanged(problem):
    loss, arrays, gradients = problem
    before = {name: array.tobytes() for name, array in arrays.items()}
    gradient_check(loss, arrays, gradients)
    assert {name: array.tobytes() for name, array in arrays.items()} == before


def test_two_zero_gradients_agree():
    report = gradient_check(lambda: 1.0, {"A": np.ones(2)}, {"A": np.zeros(2)})
    assert report.worst == 0


def test_a_smaller_step_has_a_smaller_truncation_error():
    arrays = {"A": np.array([0.5])}
    gradients = {"A": 3 * arrays["A"] ** 2}
    errors = [
        gradient_check(lambda: float(arrays["A"][0] ** 3), arrays, gradients, step).worst
        for step in (1e-1, 1e-2)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)


def test_bad_arguments_are_named(problem):
    loss, arrays, gradients = problem
    with pytest.raises(ValueError, match=r"gradients has the names \['A'\], expected \['A', 'B'\]"):
        gradient_check(loss, arrays, {"A": gradients["A"]})
    with pytest.raises(ValueError, match=r"gradients\['A'\] has shape \(2, 3\), expected \(3, 2\)"):
        gradient_check(loss, arrays, {**gradients, "A": gradients["A"].T})
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    with pytest.raises(TypeError, match=r"arrays\['A'\] has dtype float32, expected float64"):
        gradient_check(loss, single, gradients)
    with pytest.raises(TypeError, match=r"arrays\['A'\] is a list of 1, expected a NumPy array"):
        gradient_check(loss, {"A": [1.0]}, {"A": np.zeros(1)})


def test_a_loss_that_fails_leaves_the_arrays_as_they_were():
    array = np.array([1.0, 2.0])

    def loss():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gradient_check(loss, {"A": array}, {"A": np.zeros(2)})
    assert array.tolist() == [1.0, 2.0]
