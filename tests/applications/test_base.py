"""Settings, metrics and the list of applications."""

import dataclasses
import math
import subprocess
import sys

import pytest

from companion.applications import (
    APPLICATIONS,
    Metric,
    UnknownApplication,
    application,
    options,
)
from companion.applications.base import Application

KINDS = [application(name) for name in APPLICATIONS]
WRONG = {
    "epochs is 0, expected a whole number of at least 1": {"epochs": 0},
    "epochs is True, expected a whole number of at least 1": {"epochs": True},
    "units is 2.0, expected a whole number of at least 1": {"units": 2.0},
    "dropout is 1, expected a number of at least 0 and of at most 0.95": {"dropout": 1},
    "learning_rate is 0.0, expected a number above 0": {"learning_rate": 0.0},
    "learning_rate is nan, expected a number above 0": {"learning_rate": math.nan},
    "clip is inf, expected a number above 0": {"clip": math.inf},
    "cell is 'SRU', expected one of 'RNN', ": {"cell": "SRU"},
    "cell is None, expected a text": {"cell": None},
    "seed is -1, expected a whole number of at least 0": {"seed": -1},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_setting_is_named(message):
    with pytest.raises(ValueError) as error:
        KINDS[0](**WRONG[message])
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("kind", KINDS, ids=list(APPLICATIONS))
def test_every_setting_has_its_help(kind):
    said = options(kind)
    assert list(said) == [field.name for field in dataclasses.fields(kind)]
    assert said.keys() > options(Application).keys()
    assert all(option.help for option in said.values())
    assert kind.name in APPLICATIONS and issubclass(kind, Application)


def test_an_unknown_application_gets_the_nearest_name():
    with pytest.raises(UnknownApplication, match="^no application 'sts', did you mean sst"):
        application("sts")
    with pytest.raises(UnknownApplication, match="^no application 'zzzz', expected one of sst, "):
        application("zzzz")


def test_applications_load_no_framework():
    code = (
        "import sys\n"
        "from companion.applications import APPLICATIONS, application\n"
        "assert 'numpy' not in sys.modules\n"
        "[application(name) for name in APPLICATIONS]\n"
        "sys.exit(bool({'torch', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_best_score():
    scores = {"a": 2.0, "b": 1.0, "c": math.nan, "d": 1.0}
    error, share = Metric("RMSE", "°C"), Metric("accuracy", "", higher_is_better=True)
    assert (error.best(scores), share.best(scores)) == ("b", "a")
    assert error.better(1, 2) and not error.better(2, 1) and not error.better(1, 1)
    assert share.better(2, 1) and not share.better(1, 2) and not share.better(math.nan, 1)
    assert (str(error), str(share)) == ("RMSE in °C", "accuracy")
