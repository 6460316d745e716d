"""Two processes on this machine train as one does, and outlive each other."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from companion.torch import training
from tests.torch import parallel

SCRIPT = Path(parallel.__file__)
# float64 as close as one can ask; float32 as the issue of this does.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}

#: Else a restarted process may be told where the dead ones listened: pytorch/pytorch#167288.
RESTARTS = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def torchrun(root, what, *options):
    """Run the script in two processes; return what came of it, and what each has found."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *options]
    done = subprocess.run(
        [*command, "--nproc_per_node", "2", str(SCRIPT), what, str(root)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "OMP_NUM_THREADS": "1"} | RESTARTS,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done, [torch.load(root / f"{what}-{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A function that runs the script once: what fails in it is a test's failure."""

    @functools.cache
    def run():
        root = tmp_path_factory.mktemp("two")
        (root / "file").touch()
        parallel.train(folder=root / "of one", epochs=1)
        return torchrun(root, "equal")

    return run


def furthest(found, expected):
    pairs = [(found["weights"][name], value) for name, value in expected["weights"].items()]
    return max((a - b).abs().max().item() for a, b in pairs)


@pytest.mark.parametrize(("number", "case"), list(enumerate(parallel.cases())))
def test_two_processes_make_the_updates_of_one(two, number, case):
    _, found = two()
    expected = parallel.train(**case)
    tolerance = TOLERANCE[case["dtype"]]
    for each in found:
        each = each["cases"][number]
        assert furthest(each, expected) <= tolerance
        assert each["columns"].keys() == expected["columns"].keys()
        for name, column in expected["columns"].items():
            # torchmetrics adds in float32, whatever it is given.
            rel = 1e-6 if name == "mae" else 10 * tolerance
            assert each["columns"][name] == pytest.approx(column, rel=rel)


def test_all_processes_end_with_the_same(two):
    _, (first, second) = two()
    for one, other in zip(first["cases"], second["cases"], strict=True):
        assert one["columns"] == other["columns"] and furthest(one, other) == 0
    assert first["errors"] == second["errors"]
    assert first["patience"]["columns"] == second["patience"]["columns"]
    assert first["patience"]["stopped"] == second["patience"]["stopped"] == "patience"


def test_one_bar_for_all(two):
    _, found = two()
    assert "epoch 3/3: 100%" in found[0]["shown"]
    assert found[1]["shown"] == ""


def test_each_drops_out_its_own(two):
    _, found = two()
    alone = parallel.train(dropout=0.5)
    assert furthest(found[0]["dropout"], found[1]["dropout"]) == 0
    assert furthest(found[0]["dropout"], alone) > 1e-3
    drawn = [each["drawn"] for each in found]
    assert not set(drawn[0]) & set(drawn[1])


def test_an_interrupt_of_one_stops_all_at_one_step_and_they_go_on(two):
    _, found = two()
    for each in found:
        assert "stopped after epoch 2, step 2" in each["interrupt"]
        assert furthest(each["resumed"], found[0]["dropout"]) == 0
        assert each["resumed"]["columns"] == found[0]["dropout"]["columns"]


def test_two_go_on_with_what_one_began(two):
    _, found = two()
    for each in found:
        assert furthest(each["from one"], parallel.train()) <= 1e-12


def test_what_cannot_be_divided_is_refused(two):
    _, (found, _) = two()
    messages = [
        "batches is a list, but 2 processes can only divide",
        "DataLoader over an IterableDataset",
        "DataLoader without a batch size",
        "DataLoader with a DistributedSampler: fit divides",
        "first axis has size 3 where the batch has 2 items: give weight",
        "resume=True",
        "folder cannot be written",
    ]
    for message, error in zip(messages, found["errors"], strict=True):
        assert message in error


def test_a_killed_process_ends_the_job_clearly_and_it_goes_on(tmp_path, two):
    done, found = torchrun(tmp_path, "dying", "--max-restarts", "1")
    message = f"The last checkpoint is {tmp_path}/run/last.safetensors, after epoch 2, step 3"
    (line,) = [line for line in done.stderr.splitlines() if message in line]
    assert "process 0 of 2 could not reach the others" in line and "resume=True" in line
    assert float((tmp_path / "noticed").read_text()) < 10  # seconds
    _, expected = two()
    for each in found:
        assert furthest(each, expected[0]["dropout"]) == 0
        assert each["columns"] == expected[0]["dropout"]["columns"]


def test_a_process_that_meets_nobody_at_the_start_says_so_in_a_line(monkeypatch):
    def refused(*_, **__):
        raise RuntimeError("Gloo connectFullMesh failed with Connection refused. More\nlines")

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(torch.distributed, "init_process_group", refused)
    model = torch.nn.Linear(1, 1)
    with pytest.raises(training.LostProcessError, match=r"^process 1 of 2 could not .*again$"):
        training.evaluate(model, [(torch.ones(1, 1),) * 2], torch.nn.functional.mse_loss)
