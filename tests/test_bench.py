"""``companion bench``: everything is timed, in turn, and only what gives the same numbers."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import json

import numpy as np
import pytest

from companion import bench, spec
from companion.bench import Case, Timing
from companion.implementations import ALL, NumPy, ONNXRuntime, Torch

SMALL = {"steps": 4, "batch": 2, "size": 3}
NAMES = [each.name for each in ALL] + ["Python loop, autograd", "Python loop, gates fused"]


@pytest.fixture(scope="module")
def timings():
    ticks = []
    case = Case("PeepholeLSTM", **SMALL)
    found = bench.run(case, rounds=3, tick=lambda: ticks.append(1), pause=0)
    assert 0 < len(ticks) <= bench.turns(case, 3)
    return found


def test_everything_is_timed_in_both_modes(timings):
    found = {(t.mode, t.implementation): t for t in timings}
    assert len(found) == len(timings)
    for mode in bench.MODES:
        for name in [*NAMES, "torch.nn (LSTM, no peepholes)"]:
            timing = found[mode, name]
            if name in ("torch.nn", "keras.layers"):
                assert timing.missing == f"{name} has no PeepholeLSTM"
            elif (mode, name) == ("training", "ONNX Runtime"):
                assert timing.missing == "it does not train"
            else:
                assert timing.missing is None
                assert len(timing.seconds) == len(timing.ratios) == 3
                assert min(timing.seconds) > 0


def test_ratios_are_taken_within_a_round(timings):
    for mode in bench.MODES:
        own = {t.implementation: t for t in timings if t.mode == mode and t.seconds}
        reference = own["torch.nn (LSTM, no peepholes)"]
        assert reference.ratios == (1, 1, 1)
        for timing in own.values():
            assert timing.reference == "torch.nn (LSTM, no peepholes)"
            expected = np.divide(timing.seconds, reference.seconds)
            np.testing.assert_allclose(timing.ratios, expected)


def test_the_reference_is_torch_nn_where_it_has_the_cell():
    found = bench.run(Case("GRU (reset after)", **SMALL), rounds=1, pause=0)
    assert {t.reference for t in found if t.seconds} == {"torch.nn"}
    assert {t.implementation for t in found if t.seconds} == set(NAMES)


def test_without_a_reference_there_are_times_and_no_ratios():
    found = bench.run(Case("GRU", **SMALL), rounds=1, pause=0)
    assert all(t.ratios == () and t.reference is None for t in found)
    text = bench.table(found)
    assert "torch.nn has no GRU" in text and "times" not in text


def test_training_does_more_than_inference(monkeypatch):
    calls = []
    monkeypatch.setattr(NumPy, "train", lambda self: calls.append("train"))
    monkeypatch.setattr(NumPy, "infer", lambda self, infer=NumPy.infer: (
        calls.append("infer"), infer(self))[1])  # fmt: skip
    bench.run(Case("LSTM", **SMALL), rounds=2, pause=0)
    # Once for the comparison of the outputs; then two rounds of a call before the one that counts.
    assert calls == ["infer"] * calls.index("train") + ["train"] * 4 + ["infer"] * 4


def test_other_numbers_are_not_timed(monkeypatch):
    monkeypatch.setattr(Torch, "outputs", lambda self, right=Torch.outputs: right(self) + 1e-3)
    with pytest.raises(
        RuntimeError, match="companion.torch differs from companion.numpy by 1.0e-03"
    ):
        bench.run(Case("LSTM", **SMALL), rounds=1, pause=0)


def test_the_table_is_sorted_and_has_the_spread():
    case = Case("LSTM", **SMALL)
    text = bench.table(
        [
            Timing(case, mode, name, seconds, ratios, "torch.nn", missing)
            for mode in bench.MODES
            for name, seconds, ratios, missing in (
                ("torch.nn", (0.002, 0.002, 0.004), (1.0, 1.0, 1.0), None),
                ("ours", (0.001, 0.003, 0.001), (0.5, 1.5, 0.25), None),
                ("other", (), (), "it is not installed"),
            )
        ]
    )
    training, inference = text.strip().split("\n\n")
    assert training.replace("training", "inference") == inference
    title, header, first, second, third = training.splitlines()
    assert title == "LSTM, training: T=4 B=2 I=H=3, float32, cpu"
    assert header.endswith("times torch.nn")
    assert first.split() == ["ours", "1.00", "0.50", "(0.25", "to", "1.50)"]
    assert second.split() == ["torch.nn", "2.00", "1.00", "(1.00", "to", "1.00)"]
    assert third.endswith("–   it is not installed")


def test_json_holds_every_round(timings):
    written = json.loads(bench.to_json(timings, bench.machine()))
    assert {"processor", "cores", "python", "numpy", "torch", "keras"} <= set(written["machine"])
    assert len(written["timings"]) == len(timings)
    for got, timing in zip(written["timings"], timings, strict=True):
        assert got["case"]["cell"] == "PeepholeLSTM" and got["case"]["steps"] == 4
        assert got["seconds"] == list(timing.seconds)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("cell is 'SRU', expected one of 'RNN'", {"cell": "SRU"}),
        ("dtype is 'float16', expected one of", {"dtype": "float16"}),
        ("device is 'tpu', expected one of 'cpu', 'cuda'", {"device": "tpu"}),
        ("steps is 0, expected a whole number of at least 1", {"steps": 0}),
        ("size is 2.5, expected a whole number", {"size": 2.5}),
    ],
)
def test_refused_cases(message, arguments):
    with pytest.raises(ValueError, match=message):
        Case(**({"cell": "LSTM"} | arguments))
    with pytest.raises(ValueError, match="rounds is 0, expected a whole number"):
        bench.run(Case("LSTM", **SMALL), rounds=0)


@pytest.mark.parametrize("cell", spec.CELLS)
def test_both_loops_are_the_cell(cell):
    parameters, batch = Case(cell, **SMALL).problem()
    expected = NumPy(parameters, batch)
    for kind in (bench.PythonLoop, bench.FusedLoop):
        loop = kind(parameters, batch)
        np.testing.assert_allclose(loop.outputs(), expected.outputs(), rtol=0, atol=1e-12)
        _, (d_x, *_) = loop.train()
        np.testing.assert_allclose(d_x.numpy(), expected.gradients()[0], rtol=0, atol=1e-12)


def test_a_hand_written_backward_is_faster_than_a_python_loop():
    """At the sizes of the book's promise (factor 2); the margin is for shared machines."""
    case = Case("PeepholeLSTM", steps=128, batch=32, size=64)
    parameters, batch = case.problem()
    made = [kind(parameters, batch, "float32") for kind in (Torch, bench.PythonLoop)]
    seconds = {each.name: [] for each in made}
    for _ in range(8):
        for each in made:
            start = bench.time.perf_counter()
            each.train()
            seconds[each.name].append(bench.time.perf_counter() - start)
    ours, loop = (min(taken) for taken in seconds.values())
    assert loop > 1.5 * ours


@pytest.mark.parametrize(("variable", "threads"), [("1", 1), ("1,2", 1), ("", 0)])
def test_onnx_runtime_has_the_others_number_of_threads(monkeypatch, variable, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    made = ONNXRuntime(*Case("RNN", 2, 1, 1).problem(), "float32")
    assert made.session.get_session_options().intra_op_num_threads == threads
