"""The command: output, exit status, and one line for bad usage."""

import json
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import pytest

from companion import __version__, bench, parity
from companion.cli import main

SMALL = ["--cell", "LSTM", "--size", "3", "--steps", "4", "--batch", "2", "--rounds", "1"]


def test_check_says_ok_and_ends_with_0(capsys):
    assert main(["check", "--cell", "GRU"]) == 0
    output = capsys.readouterr().out
    assert output.count("[OK]") == 5 and output.count("[--]") == 1
    assert "[--]   GRU               torch.nn               torch.nn has no GRU" in output
    assert "[FAIL]" not in output
    assert output.rstrip().endswith("All that is installed agrees.")


def test_check_says_fail_and_ends_with_1(capsys, monkeypatch):
    monkeypatch.setitem(parity.TOLERANCES, "torch.nn", 1e-30)
    assert main(["check", "--cell", "RNN", "--cell", "LSTM"]) == 1
    output = capsys.readouterr().out
    assert output.count("[FAIL]") == 2 and "[FAIL] LSTM              torch.nn " in output
    assert output.rstrip().endswith("2 of the comparisons fail.")


def test_bench_prints_a_table_and_writes_json(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "PAUSE", 0)
    file = tmp_path / "times.json"
    assert main(["bench", *SMALL, "--json", str(file)]) == 0
    captured = capsys.readouterr()
    assert "LSTM, training: T=4 B=2 I=H=3, float32, cpu" in captured.out
    assert "times torch.nn" in captured.out
    assert captured.err == ""  # no progress bar where there is no terminal
    written = json.loads(file.read_text())
    assert {timing["implementation"] for timing in written["timings"]} >= {
        "companion.numpy",
        "companion.torch",
        "torch.nn",
        "companion.keras",
        "keras.layers",
        "ONNX Runtime",
        "Python loop, autograd",
        "Python loop, gates fused",
    }


BAD = {
    "argument --size: 0 is not a whole number of at least 1": ["bench", "--size", "0"],
    "argument --size: many is not a whole number of at least 1": ["bench", "--size", "many"],
    "argument --cell: invalid choice: 'SRU'": ["check", "--cell", "SRU"],
    "argument --seed: -1 is not a whole number of at least 0": ["check", "--seed", "-1"],
    "argument --seed: 1.5 is not a whole number of at least 0": ["check", "--seed", "1.5"],
    "argument --json: / is a folder": ["bench", "--json", "/"],
    "argument --json: there is no folder": ["bench", "--json", "/nowhere/at/all.json"],
    "the following arguments are required: command": [],
    "argument command: invalid choice: 'fly'": ["fly"],
    "unrecognized arguments: --fast": ["check", "--fast"],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_usage_is_one_line_and_status_2(capsys, message):
    with pytest.raises(SystemExit) as end:
        main(BAD[message])
    captured = capsys.readouterr()
    assert end.value.code == 2 and captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("companion") and message in line


def test_cuda_without_a_gpu_is_refused(capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit) as end:
        main(["bench", "--device", "cuda"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "companion: error: argument --device: PyTorch sees no CUDA device\n"
    )


def test_as_a_module_and_as_a_command():
    command = os.path.join(os.path.dirname(sys.executable), "companion")
    for words in ([sys.executable, "-m", "companion"], [command]):
        done = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"companion {__version__}\n"
    code = (
        "import sys, companion.cli; "
        "sys.exit(bool({'numpy', 'torch', 'keras', 'tqdm'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
