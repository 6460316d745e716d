"""The sea's data: nothing of the future is read, and the rivals are what they are called."""

import numpy as np
import pytest

from companion import datasets
from companion.applications.sst import SeaSurfaceTemperature
from companion.datasets import Series

SERIES = datasets.elnino()
FIRST_VALIDATED, FIRST_TESTED = 12 * 35, 12 * 47


@pytest.fixture(params=[(12, 1), (5, 3)], ids=["default", "three months ahead"])
def application(request):
    window, horizon = request.param
    return SeaSurfaceTemperature(window=window, horizon=horizon)


def test_each_window_ends_the_horizon_before_its_target(application):
    data, window, horizon = application.prepare(), application.window, application.horizon
    for part in ("train", "validation", "test"):
        split, months = getattr(data, part), data.months[part]
        (inputs,) = split.inputs
        assert inputs.shape == (len(months), window, 3) and inputs.dtype == np.float32
        for k in (0, len(months) // 2, -1):
            t = months[k]
            read = np.arange(t - horizon - window + 1, t - horizon + 1)
            anomaly = (SERIES.values[read] - data.season[read]) / data.scale
            np.testing.assert_allclose(inputs[k, :, 0], anomaly, atol=1e-6)
            angle = 2 * np.pi * (read % 12) / 12
            np.testing.assert_allclose(
                inputs[k, :, 1:], np.c_[np.sin(angle), np.cos(angle)], atol=1e-6
            )
            forecast = data.season[t] + data.scale * split.target[k]
            assert forecast == pytest.approx(SERIES.values[t], abs=1e-5)


def test_the_parts_follow_one_another(application):
    months = application.prepare().months
    assert months["train"][0] == application.window + application.horizon - 1
    assert months["train"][-1] + 1 == months["validation"][0] == FIRST_VALIDATED
    assert months["validation"][-1] + 1 == months["test"][0] == FIRST_TESTED
    assert months["test"][-1] == len(SERIES) - 1
    assert SERIES.times[FIRST_TESTED] == np.datetime64("1997-01")
    together = np.concatenate(list(months.values()))
    assert (np.diff(together) == 1).all()


def test_nothing_is_fitted_to_what_comes_after_training(application, monkeypatch):
    before = application.prepare()
    values = SERIES.values.copy()
    values[FIRST_VALIDATED:] = 40.0
    monkeypatch.setattr(datasets, "elnino", lambda: Series(SERIES.times, values, "°C"))
    after = application.prepare()
    assert (after.scale, after.damping) == (before.scale, before.damping)
    np.testing.assert_array_equal(after.season, before.season)
    np.testing.assert_array_equal(after.train.inputs[0], before.train.inputs[0])
    np.testing.assert_array_equal(after.train.target, before.train.target)


def test_the_rivals(application):
    data, horizon = application.prepare(), application.horizon
    y = SERIES.values
    season = np.array([y[:FIRST_VALIDATED][m::12].mean() for m in range(12)])
    errors = {"damped persistence": [], "seasonal persistence": [], "last year": []}
    for t in range(FIRST_TESTED, len(y)):
        anomaly = y[t - horizon] - season[(t - horizon) % 12]
        errors["damped persistence"].append(season[t % 12] + data.damping * anomaly - y[t])
        errors["seasonal persistence"].append(season[t % 12] + anomaly - y[t])
        errors["last year"].append(y[t - 12] - y[t])
    found = application.baselines(data)
    assert found.keys() == errors.keys()
    for name, each in errors.items():
        assert found[name] == pytest.approx(np.sqrt(np.mean(np.square(each))), rel=1e-12)
    # The damping is the slope of the later anomaly on the earlier one.
    anomaly = y[:FIRST_VALIDATED] - np.tile(season, FIRST_VALIDATED // 12)
    slope = np.linalg.lstsq(anomaly[:-horizon, None], anomaly[horizon:], rcond=None)[0][0]
    assert data.damping == pytest.approx(slope, rel=1e-12)


def test_the_score_is_in_degrees(application):
    data = application.prepare()
    assert application.score(data, "test", data.test.target) < 1e-6
    off = data.validation.target + 1
    assert application.score(data, "validation", off) == pytest.approx(data.scale, rel=1e-5)
