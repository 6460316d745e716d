"""``companion check``'s comparison: it covers everything, and a wrong number does not pass."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import numpy as np
import pytest

from companion import implementations, parity, spec
from companion.implementations import ALL, Batch, NumPy, ONNXRuntime, Torch, TorchNN, Unavailable

# What no other library has: peepholes in torch.nn and Keras, the reset before in torch.nn.
MISSING = {
    ("PeepholeLSTM", "torch.nn"),
    ("PeepholeLSTM", "keras.layers"),
    ("GRU", "torch.nn"),
}


@pytest.fixture(scope="module")
def results():
    return list(parity.compare())


def test_every_cell_is_compared_with_every_implementation(results):
    found = {(result.cell, result.implementation) for result in results}
    names = ["central differences", *(each.name for each in ALL[1:])]
    assert found == {(cell, name) for cell in spec.CELLS for name in names}
    assert len(results) == len(found)


def test_all_agree(results):
    for result in results:
        assert result.holds, result
        if (result.cell, result.implementation) in MISSING:
            assert f"{result.implementation} has no {result.cell}" == result.missing
            continue
        assert result.missing is None
        assert (result.forward is None) == (result.implementation == "central differences")
        assert (result.gradient is None) == (result.implementation == "ONNX Runtime")


def test_the_tolerances_are_the_books(results):
    allowed = {result.implementation: result.tolerance for result in results}
    assert allowed == {
        "central differences": 1e-7,
        "companion.torch": 1e-10,
        "torch.nn": 1e-12,
        "companion.keras": 1e-10,
        "keras.layers": 1e-10,
        "ONNX Runtime": 2e-6,
    }


def one(cell, implementation):
    (found,) = (r for r in parity.compare([cell]) if r.implementation == implementation)
    return found


@pytest.mark.parametrize("off", [2e-10, -1.0, np.nan])
def test_wrong_outputs_fail(monkeypatch, off):
    right = Torch.outputs

    def wrong(self):
        outputs = right(self)
        outputs[2, 1, 0] += off
        return outputs

    monkeypatch.setattr(Torch, "outputs", wrong)
    found = one("GRU", "companion.torch")
    assert not found.holds and not found.forward <= 1e-10 and found.gradient <= 1e-10


@pytest.mark.parametrize("name", ["x", "W", "b_u"])
def test_a_wrong_gradient_fails(monkeypatch, name):
    right = TorchNN.gradients

    def wrong(self):
        d_x, tree = right(self)
        if name == "x":
            d_x[0, 0, 0] += 1e-6
        else:
            parity.arrays(tree)[list(spec.GRU_RESET_AFTER.shapes(1, 1)).index(name)].flat[0] += 1e-6
        return d_x, tree

    monkeypatch.setattr(TorchNN, "gradients", wrong)
    found = one("GRU (reset after)", "torch.nn")
    assert not found.holds and found.forward <= 1e-12 and found.gradient == pytest.approx(1e-6)


def test_central_differences_judge_numpy(monkeypatch):
    import companion.numpy as cnp

    right = cnp.LSTM._step_back
    monkeypatch.setattr(
        cnp.LSTM, "_step_back", lambda *given: [d * (1 + 1e-6) for d in right(*given)]
    )
    assert not one("LSTM", "central differences").holds


@pytest.mark.parametrize("form", parity.FORMS)
def test_the_implementations_see_the_lengths(form):
    tree, batch = parity.problem(spec.LSTM, form)
    assert sorted(batch.lengths) != [6, 6, 6]
    padding = np.arange(6)[:, None] >= batch.lengths
    for kind in ALL:
        dtype = "float64" if kind.trains else "float32"
        outputs = kind(tree, batch, dtype).outputs()
        assert not outputs[padding].any() and outputs[~padding].all()
        everywhere = kind(tree, Batch(batch.x, batch.d_outputs), dtype).outputs()
        assert everywhere[padding].all()


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr(implementations.importlib.util, "find_spec", lambda name: None)
    found = {r.implementation: r for r in parity.compare(["LSTM"])}
    assert found["torch.nn"].missing == "torch is not installed"
    assert found["torch.nn"].holds and found["torch.nn"].forward is None
    assert found["central differences"].gradient < 1e-7


def test_unknown_cells_dtypes_and_devices():
    with pytest.raises(ValueError, match="cells is 'SRU', expected one of 'RNN', "):
        list(parity.compare(["SRU"]))
    tree, batch = parity.problem(spec.LSTM, "one layer")
    with pytest.raises(Unavailable, match="companion.numpy does not run on cuda"):
        NumPy(tree, batch, device="cuda")
    with pytest.raises(Unavailable, match="compute in float32"):
        ONNXRuntime(tree, batch, "float64")
