"""The same numbers and gradients on every backend of Keras, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keras.family import FAMILY

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_every_layer_equals_numpy(backend):
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "JAX_ENABLE_X64": "1",  # without it JAX has no float64
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # it compiles in less time
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.keras.on_backend"]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == list(FAMILY)
