"""From data to result: the same for the same seed, tested with the best weights, resumed."""

import json
import math

import numpy as np
import pytest
import torch

from companion import spec
from companion.applications import running
from companion.applications.networks import Forecaster, LanguageModel
from companion.applications.sst import SeaSurfaceTemperature
from companion.applications.text import Text
from companion.torch import training

SMALL = {"units": 4, "window": 4, "batch": 64}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_same_seed_gives_the_same_result(tmp_path):
    settings = SeaSurfaceTemperature(epochs=2, **SMALL)
    said = []
    one = running.train(settings, tmp_path / "a", say=said.append)
    same = running.train(settings)  # without a folder
    other = running.train(SeaSurfaceTemperature(epochs=2, seed=1, **SMALL))
    assert str(one) == str(same) and one.score == same.score != other.score
    assert one.baselines == other.baselines
    assert [line.split(":")[0] for line in said] == ["Data", "Network"]
    written = json.loads((tmp_path / "a" / "result.json").read_text(encoding="utf-8"))
    assert written["score"] == one.score and written["baselines"] == one.baselines
    assert written["metric"] == "RMSE in °C" and written["settings"]["window"] == 4


def test_it_is_tested_with_the_best_weights(tmp_path):
    settings = SeaSurfaceTemperature(epochs=8, learning_rate=0.3, clip=100.0, **SMALL)
    result = running.train(settings, tmp_path)
    assert result.history.best_epoch < len(result.history)
    data = settings.prepare()
    network = settings.network(data)
    scores = []
    for name in ("best", "last"):
        training.load_weights(network, tmp_path / f"{name}.safetensors")
        network.eval()
        with torch.no_grad():
            outputs = network(torch.from_numpy(data.test.inputs[0])).numpy()
        scores.append(settings.score(data, "test", outputs))
    assert result.score == pytest.approx(scores[0], rel=1e-5) != pytest.approx(scores[1], rel=1e-3)


def test_text_is_written_at_the_end(monkeypatch):
    from companion.datasets import topics

    short = {"one": topics()["assert"], "two": topics()["compound"][:20_000]}
    monkeypatch.setattr("companion.datasets.topics", lambda: short)
    result = running.train(Text(epochs=1, units=4, characters=30))
    assert result.sample.startswith("The ") and len(result.sample) == 34
    assert str(result).endswith(result.sample) and not result.wins
    assert "The baseline wins: " in str(result)


def test_who_wins():
    def of(score, baselines):
        history = training.History({"loss": [1.0]})
        return running.RunResult(SeaSurfaceTemperature(), score, baselines, "", history)

    wins = of(1.0, {"a": 2.0, "b": 1.5})
    assert wins.wins and str(wins).endswith(
        "better than the best baseline, b, by 0.500 °C with this seed."
    )
    loses = of(1.7, {"a": 2.0, "b": 1.5})
    assert not loses.wins and "The baseline wins: b is better than the LSTM by 0.200" in str(loses)
    assert not of(math.nan, {"a": 2.0}).wins


def test_a_run_goes_on_as_if_nothing_had_been(tmp_path):
    whole = running.train(SeaSurfaceTemperature(epochs=4, **SMALL), tmp_path / "whole")
    running.train(SeaSurfaceTemperature(epochs=2, **SMALL), tmp_path / "parts")
    parts = running.train(SeaSurfaceTemperature(epochs=4, **SMALL), tmp_path / "parts", resume=True)
    assert parts.score == whole.score and str(parts) == str(whole)


def test_what_a_folder_is_refused_for(tmp_path):
    run, kind = tmp_path / "run", SeaSurfaceTemperature
    with pytest.raises(running.RunError, match="has no run"):
        running.train(kind(**SMALL), run, resume=True)
    running.train(kind(epochs=1, **SMALL), run)
    files = {path.name: path.read_bytes() for path in run.iterdir()}

    def refused(message, settings, **how):
        with pytest.raises(running.RunError, match=message):
            running.train(settings, how.pop("folder", run), **how)
        assert {path.name: path.read_bytes() for path in run.iterdir()} == files

    refused("has a run", kind(epochs=1, **SMALL))
    refused("a run of sst, not of text", Text(), resume=True)
    refused("seed is 1, but the run in .* has 0", kind(seed=1, **SMALL), resume=True)
    refused("cannot be written: ", kind(), folder=run / "run.json" / "below")

    for damaged in (b"{", b"[]", b'{"application": "sst", "settings": 3}', b"\xff"):
        (run / "run.json").write_bytes(damaged)
        files["run.json"] = damaged
        refused("run.json is damaged", kind(**SMALL), resume=True)
    (run / "run.json").write_bytes(b'{"application": "sst", "settings": {"epochs": 1}}')
    files["run.json"] = (run / "run.json").read_bytes()
    refused("of another version", kind(**SMALL), resume=True)


@pytest.mark.parametrize("cell", spec.CELLS)
def test_every_cell_has_its_layer(cell):
    torch.manual_seed(0)
    settings = Text(cell=cell, units=5, layers=2, dropout=0.5)
    network = LanguageModel(settings, 6)
    assert network.layer.spec.name == cell and network.layer.dropout == 0.5
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 6, (3, 7)))
    assert network(codes).shape == (3, 7, 6)
    window = torch.randn(3, 7, 2)
    forecaster = Forecaster(settings, 2)
    assert forecaster(window).shape == (3,)
    # One layer has nothing between layers: there dropout is before the head only.
    assert LanguageModel(Text(cell=cell, units=5, dropout=0.5), 6).layer.dropout == 0.0
