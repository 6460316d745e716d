"""Training that is killed, in processes of its own: run by test_training.py.

One process loads PyTorch; each training is a fork of it, which is killed and started anew.
"""

import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import companion.torch as ct
from companion.torch import training

torch.set_num_threads(1)  # a fork has no other threads


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = ct.LSTM(2, 5, num_layers=2, dropout=0.2, batch_first=True)
        self.out = nn.Linear(5, 1)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


def train(folder, each_step=lambda: None, epochs=6):
    """One script, always the same; return all that it ends with, but for seconds."""
    training.seed(1)
    x = torch.randn(22, 3, 2)
    data = TensorDataset(x, x.sum((1, 2))[:, None])
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)

    def mse_loss(output, target):
        each_step()
        return nn.functional.mse_loss(output, target)

    history = training.fit(
        *(model, DataLoader(data, 4, shuffle=True), mse_loss, optimizer),
        validation=[data[:9]],
        scheduler=scheduler,
        epochs=epochs,
        patience=4,
        clip=1.0,
        seed=2,
        save_every=2,
        folder=folder,
        resume=True,
    )
    columns = [v for name, v in history.columns.items() if name != "seconds"]
    state = optimizer.state_dict()
    slots = [slot[name] for slot in state["state"].values() for name in sorted(slot)]
    rates = [group["lr"] for group in state["param_groups"]]
    return [*model.state_dict().values(), *slots], [columns, rates, history.stopped]


def forked(action):
    """Run an action in a fork; return its process id. It exits with 0 unless the action fails."""
    child = os.fork()
    if child:
        return child
    try:
        action()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def assert_is(got, expected):
    assert all(torch.equal(*pair) for pair in zip(got[0], expected[0], strict=True))
    assert got[1] == expected[1]


def killed_at_random(folder, expected, seed, number):
    """Kill it at random moments, start it again, until it ends by itself."""
    chance = random.Random(seed)
    kills = 0
    while True:
        # At least as long as it takes to get on, so that it ends.
        child = forked(lambda: train(folder, lambda: time.sleep(0.002)))
        time.sleep(chance.uniform(0.05, 0.3))
        os.kill(child, number)
        code = ended(child)
        assert code in (-number, 0), code
        if code == 0 or kills == 40:
            break
        kills += 1
    assert_is(train(folder), expected)
    names = {"last.safetensors", "best.safetensors", "history.json"}
    assert {path.name for path in folder.iterdir()} == names  # nothing half-written is left
    return kills


def file_too_large(folder, expected):
    """No file may have more than 2000 bytes: as a full disk, the write breaks off in the middle."""
    train(folder, epochs=2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            train(folder)
        except OSError as error:
            assert error.filename == str(folder / "last.safetensors"), error.filename
            return
        raise AssertionError("nothing failed")

    assert ended(forked(limited)) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert_is(train(folder), expected)


def main():
    loaded = {name.split(".")[0] for name in sys.modules}
    assert not loaded & {"torchmetrics", "lightning_utilities", "matplotlib", "IPython"}, loaded
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        expected = train(root / "whole")
        assert len(expected[1][0][0]) > 3  # epochs
        for number in (signal.SIGKILL, signal.SIGTERM):
            for seed in range(3):
                folder = root / f"{number}-{seed}"
                kills = killed_at_random(folder, expected, seed, number)
                print(f"{signal.Signals(number).name}, seed {seed}: killed {kills} times")
        file_too_large(root / "small", expected)


if __name__ == "__main__":
    main()
