"""The command: output, exit status, and one line for bad usage."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up notes

import pytest

from companion import __version__, bench, parity
from companion.cli import main

SMALL = ["--cell", "LSTM", "--size", "3", "--steps", "4", "--batch", "2", "--rounds", "1"]


def test_check_says_ok_and_ends_with_0(capsys):
    assert main(["check", "--cell", "GRU"]) == 0
    environment, output = capsys.readouterr().out.split("against NumPy")
    assert re.search(r"^\[OK\]   numpy +\d", environment, re.MULTILINE)
    assert re.search(r"^\[OK\]   data cache +/", environment, re.MULTILINE)
    assert "[FAIL]" not in environment
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


def test_check_fails_for_the_environment_too(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COMPANION_DATA", str(tmp_path / "file" / "cache"))
    assert main(["check", "--cell", "RNN"]) == 1
    output = capsys.readouterr().out
    assert f"[FAIL] data cache        {tmp_path}/file/cache cannot be written" in output
    assert "1 of the lines about the environment say [FAIL]." in output
    assert output.rstrip().endswith("All that is installed agrees.")


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
    "train: error: the following arguments are required: application": ["train"],
    "argument application: no application 'sts', did you mean sst?": ["train", "sts"],
    "argument application: no application 'q', expected one of sst, text": ["train", "q"],
    "argument --epochs: epochs is 0, expected a whole number": ["train", "sst", "--epochs", "0"],
    "argument --units: units is 'many', expected": ["train", "sst", "--units", "many"],
    "argument --dropout: dropout is 1.0, expected": ["train", "text", "--dropout", "1"],
    "argument --learning-rate: learning_rate is nan,": ["train", "sst", "--learning-rate", "nan"],
    "argument --cell: cell is 'SRU', expected one of": ["train", "sst", "--cell", "SRU"],
    "argument --device: invalid choice: 'tpu'": ["train", "sst", "--device", "tpu"],
    "sst: error: unrecognized arguments: --start": ["train", "sst", "--start", "The"],
    "argument --folder: /dev/null/run cannot be written": [
        "train",
        "sst",
        "--folder",
        "/dev/null/run",
    ],
    "argument --resume: /nowhere has no run": ["train", "sst", "--folder", "/nowhere", "--resume"],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_usage_is_one_line_and_status_2(capsys, message):
    with pytest.raises(SystemExit) as end:
        main(BAD[message])
    captured = capsys.readouterr()
    assert end.value.code == 2 and captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("companion") and message in line


@pytest.mark.parametrize("command", [["bench"], ["train", "sst"]], ids=" ".join)
def test_cuda_without_a_gpu_is_refused(capsys, command):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit) as end:
        main([*command, "--device", "cuda"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"companion{' train sst' if 'sst' in command else ''}: error: "
        "argument --device: PyTorch sees no CUDA device\n"
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


@pytest.fixture
def sst(tmp_path):
    """A quick `companion train sst`: the words of the command, but for the folder and the rest."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    words = ["train", "sst", "--units", "4", "--window", "4", "--batch", "64"]
    yield lambda folder, *more: [*words, "--folder", str(tmp_path / folder), *more]
    torch.set_num_threads(threads)


def test_train_prints_the_same_for_the_same_seed(capsys, sst, tmp_path):
    assert main(sst("run", "--epochs", "1")) == 0
    one = capsys.readouterr()
    assert one.err == ""  # no progress bar where there is no terminal
    assert "RMSE in °C on the test set:\n  LSTM, epoch 1 of 1 " in one.out
    assert "The baseline wins: damped persistence is better than the LSTM by " in one.out
    again = f"companion train sst --folder {tmp_path / 'run'} --resume"
    assert f"{again} --epochs 2\n" in one.out
    assert main(sst("again", "--epochs", "1")) == 0
    assert capsys.readouterr().out == one.out.replace(
        str(tmp_path / "run"), str(tmp_path / "again")
    )
    # A second run in the same folder is not begun, and the first is not lost.
    with pytest.raises(SystemExit) as end:
        main(sst("run", "--epochs", "1"))
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"has a run: `{again}` goes on with it, or take another folder")
    # Going on needs none of the settings, and takes no others.
    assert main(["train", "sst", "--folder", str(tmp_path / "run"), "--resume"]) == 0
    assert capsys.readouterr().out == one.out
    with pytest.raises(SystemExit) as end:
        main(sst("run", "--units", "5", "--resume"))
    assert end.value.code == 2
    assert "argument --resume: units is 5, but the run in " in capsys.readouterr().err


def test_a_command_that_torchrun_starts_again_resumes(capsys, monkeypatch, sst):
    assert main(sst("run", "--epochs", "1")) == 0
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    one = capsys.readouterr().out
    assert main(sst("run", "--epochs", "1")) == 0
    assert capsys.readouterr().out == one
    assert main(sst("new", "--epochs", "1")) == 0  # lost before there was anything


def test_the_bar_is_there_in_a_terminal(monkeypatch, sst):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(sst("run", "--epochs", "1")) == 0
    assert "epoch 1/1" in terminal.getvalue() and "%|" in terminal.getvalue()


def test_killed_interrupted_and_resumed_is_as_if_nothing_had_been(capsys, sst, tmp_path):
    last = tmp_path / "run" / "last.safetensors"
    command = [sys.executable, "-m", "companion", *sst("run", "--epochs", "25")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    while not last.exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    before = last.stat().st_mtime_ns

    def interrupt():
        deadline = time.monotonic() + 60
        while last.stat().st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert main(sst("run", "--resume")) == 130
    finally:
        thread.join()
    captured = capsys.readouterr()
    again = f"companion train sst --folder {tmp_path / 'run'} --resume"
    assert captured.err == f"companion train sst: stopped; `{again}` goes on\n"
    assert "test set" not in captured.out

    assert main(sst("run", "--resume")) == 0
    resumed = capsys.readouterr().out
    assert main(sst("whole", "--epochs", "25")) == 0
    whole = capsys.readouterr().out
    assert resumed == whole.replace(str(tmp_path / "whole"), str(tmp_path / "run"))
    assert (tmp_path / "whole" / "best.safetensors").read_bytes() == (
        tmp_path / "run" / "best.safetensors"
    ).read_bytes()


def test_what_fails_while_it_runs_is_one_line_and_status_1(capsys, sst, monkeypatch):
    wild = ("--cell", "RNN (ReLU)", "--learning-rate", "1e30")
    assert main(sst("nan", *wild)) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("companion train sst: error: the ") and "not updated" in line

    from companion import datasets
    from companion.applications import running

    def full(*_):
        raise OSError(28, "No space left on device", "last.safetensors")

    monkeypatch.setattr(running.training, "fit", lambda *a, **k: full())
    assert main(sst("full")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line and "last.safetensors" in line

    def missing():
        raise ImportError("datasets.elnino needs statsmodels: pip install x")

    monkeypatch.setattr(datasets, "elnino", missing)
    with pytest.raises(SystemExit) as end:
        main(sst("missing"))
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "companion train sst: error: datasets.elnino needs statsmodels: pip install x"


def test_train_without_pytorch_says_what_to_install(capsys, monkeypatch, sst):
    monkeypatch.setitem(sys.modules, "companion.applications.running", None)
    monkeypatch.delattr("companion.applications.running", raising=False)
    with pytest.raises(SystemExit) as end:
        main(sst("run"))
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(': pip install "gate-by-gate[torch,data]"')


def test_a_damaged_checkpoint_is_one_line(capsys, sst, tmp_path):
    assert main(sst("run", "--epochs", "1")) == 0
    (tmp_path / "run" / "last.safetensors").write_bytes(b"nothing")
    capsys.readouterr()
    assert main(sst("run", "--resume")) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("companion train sst: error: ") and "last.safetensors" in line


def test_help_lists_the_applications_and_their_defaults(capsys):
    for words, wanted in (
        (["train", "--help"], ("sst ", "text ", "forecast the sea")),
        (["train", "sst", "--help"], ("--learning-rate X", "(default 0.003)", "--horizon N")),
        (["train", "text", "--help"], ("--temperature X", "(default 'The ')", "runs/text")),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        output = capsys.readouterr().out
        assert end.value.code == 0 and all(text in output for text in wanted)


def test_two_processes_print_once_and_find_the_same(sst, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launcher, "-m", "companion", *sst("two", "--epochs", "1", "--dropout", "0")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("RMSE in °C on the test set:") == done.stdout.count("Data: ") == 1
    assert main(sst("one", "--epochs", "1", "--dropout", "0")) == 0
    two, one = (
        json.loads((tmp_path / name / "result.json").read_text()) for name in ("two", "one")
    )
    assert two["score"] == pytest.approx(one["score"], rel=1e-4)
