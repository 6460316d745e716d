"""Load and read layers on the backend of Keras that KERAS_BACKEND names.

A program of its own, since a process has one backend: test_transfer.py runs it.
"""

import os

import keras
import numpy as np

from companion import spec
from companion.interchange import Parameters, load_parameters, parameters_of
from tests.interchange.kinds import FORMS, KERAS, H, assert_same, layer_of, leaves, one, tree

assert keras.backend.backend() == os.environ["KERAS_BACKEND"]

for cell in KERAS["companion.keras"]:
    for form in FORMS:
        sent, layer = tree(cell, form), layer_of("companion.keras", cell, form, "float32")
        for leaf in leaves(sent):
            for array in leaf.values():
                array[...] = array.astype("float32")
        load_parameters(layer, sent)
        received = parameters_of(layer)
        for ours, theirs in zip(leaves(received), leaves(sent), strict=True):
            narrow = {name: array.astype("float32") for name, array in theirs.items()}
            assert_same(ours, Parameters(theirs.spec, narrow))
        for leaf in leaves(received):  # a copy, and ours to write
            for array in leaf.values():
                array[...] = 7
        for ours, theirs in zip(leaves(parameters_of(layer)), leaves(sent), strict=True):
            np.testing.assert_array_equal(ours["W"], theirs["W"])
            assert "V" not in ours or (ours["V"] != 7).all()

layer = layer_of("keras.layers", spec.LSTM, dtype="bfloat16")
load_parameters(layer, one())
read = parameters_of(layer)
assert read["U"].dtype == np.float32
np.testing.assert_allclose(read["U"], one()["U"], rtol=2**-8)

# Without jax_enable_x64, JAX makes float32 of float64.
layer, large = keras.layers.LSTM(H, dtype="float64"), one()
large["U"].flat[-1] = 1e300
try:
    load_parameters(layer, large)
except ValueError as error:
    assert keras.backend.backend() == "jax", error
    assert "not finite in float32" in str(error)
    assert not layer.built
else:
    assert keras.backend.backend() == "torch"
    assert parameters_of(layer)["U"].flat[-1] == 1e300

print("done")
