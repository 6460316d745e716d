"""Training in two processes; test_training_parallel.py runs this under torchrun."""

import contextlib
import io
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

import companion.torch as ct
from companion.torch import training

PROCESSES = int(os.environ.get("WORLD_SIZE", 1))
RANK = int(os.environ.get("RANK", 0))
#: Items and batch size: even parts; unequal ones; and a last batch of one item for two processes.
SIZES = {"even": (16, 4), "uneven": (15, 5), "one left": (13, 4)}


class Model(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.lstm = ct.LSTM(2, 5, batch_first=True)
        self.norm = nn.BatchNorm1d(3) if dropout else nn.Identity()  # its means are the parts'
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(5, 1)

    def forward(self, x):
        return self.out(self.dropout(self.norm(self.lstm(x)[0])))[..., 0]


def masked(output, target):
    """Squared error, mean over the steps that count: NaN if there are none."""
    return (((output - target) ** 2) * (target != 0)).sum() / (target != 0).sum()


def valid_steps(batch):
    return (batch[-1] != 0).sum()


def train(size="even", dtype=torch.float64, dropout=0.0, mask=False, loss=None, **arguments):
    """Train; return the weights and the history without seconds."""
    n, batch = SIZES[size]
    training.seed(1)
    x = torch.randn(n, 3, 2, dtype=dtype)
    y = x.sum(2)
    if mask:
        y *= torch.rand(n, 3) < 0.3  # in one item one step counts, in another none
    model = Model(dropout).to(dtype)
    torch.manual_seed(100 + RANK)  # only process 0 has the random numbers of one process
    if RANK == 0:
        torch.manual_seed(2)
    optimizer = torch.optim.SGD(model.parameters(), 0.3, momentum=0.9)
    history = training.fit(
        model,
        DataLoader(TensorDataset(x, y), batch, shuffle=True),
        loss or (masked if mask else nn.functional.mse_loss),
        optimizer,
        validation=DataLoader(TensorDataset(x[:7], y[:7]), 3),
        metrics=None if dropout else {"mae": mean_absolute_error()},
        weight=valid_steps if mask else None,
        **({"epochs": 3, "clip": 1.0, "device": "cpu", "progress": PROCESSES > 1} | arguments),
    )
    columns = {name: v for name, v in history.columns.items() if name != "seconds"}
    return {"weights": model.state_dict(), "columns": columns, "stopped": history.stopped}


def mean_absolute_error():
    import torchmetrics  # takes its time, and not all need it

    return torchmetrics.MeanAbsoluteError()


def cases():
    """Arguments of `train` whose results do not depend on the number of processes."""
    for size in SIZES:
        for dtype in (torch.float32, torch.float64):
            for mask in (False, True):
                yield {"size": size, "dtype": dtype, "mask": mask}


class Once:
    """A loss that does something in its n-th call in training, in process 1."""

    __qualname__ = "mse_loss"

    def __init__(self, n, action):
        self.n, self.action = n, action

    def __call__(self, output, target):
        self.n -= output.requires_grad
        if self.n == 0 and RANK == 1 and output.requires_grad:
            self.action()
        return nn.functional.mse_loss(output, target)


def refused(kind, action):
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


def fit(batches):
    model = nn.Linear(2, 1)
    return training.fit(
        *(model, batches, nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.1)), epochs=1
    )


def equal(root):
    """All that can be tried in one start of two processes."""
    with contextlib.redirect_stderr(io.StringIO()) as shown:
        found = {"cases": [train(**case) for case in cases()]}
    found["shown"] = shown.getvalue()
    found["drawn"] = []

    def drawing(output, target):
        if output.requires_grad:
            found["drawn"].append(torch.rand(()).item())
        return nn.functional.mse_loss(output, target)

    train(loss=drawing, epochs=1)
    # Interrupted in one process, both stop at the same step, and go on.
    found["dropout"] = train(dropout=0.5)
    folder, arguments = root / "interrupted", {"dropout": 0.5, "save_every": 3}
    loss = Once(6, lambda: os.kill(os.getpid(), signal.SIGINT))
    found["interrupt"] = refused(
        KeyboardInterrupt, lambda: train(folder=folder, loss=loss, **arguments)
    )
    found["resumed"] = train(folder=folder, resume=True, **arguments)
    # What one process has begun, two finish.
    found["from one"] = train(folder=root / "of one", resume=True)
    found["patience"] = train(epochs=60, patience=1, clip=None)
    data = TensorDataset(torch.ones(4, 2), torch.ones(4, 1))
    sampler = DistributedSampler(data)
    time_major = DataLoader(data, 4, collate_fn=lambda items: (torch.ones(3, 2), torch.ones(3, 1)))
    found["errors"] = [
        refused(TypeError, lambda: fit([(torch.ones(2, 2), torch.ones(2, 1))])),
        refused(TypeError, lambda: fit(DataLoader(Stream(), 2))),
        refused(TypeError, lambda: fit(DataLoader(data, batch_size=None))),
        refused(TypeError, lambda: fit(DataLoader(data, 2, sampler=sampler))),
        refused(ValueError, lambda: fit(time_major)),
        refused(FileExistsError, lambda: train(folder=root / "of one")),
        refused(NotADirectoryError, lambda: train(folder=root / "file" / "run")),
    ]
    return found


def dying(root):
    """Process 1 dies in its eighth step, the first time."""
    flag = root / "died"

    def die():
        if not flag.exists():
            flag.write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        return train(
            *("even", torch.float64, 0.5),
            loss=Once(8, die),
            folder=root / "run",
            resume=True,
            save_every=3,
        )
    except training.LostProcessError:
        (root / "noticed").write_text(str(time.time() - float(flag.read_text())))
        raise


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    root = Path(sys.argv[2])
    found = {"equal": equal, "dying": dying}[sys.argv[1]](root)
    torch.save(found, root / f"{sys.argv[1]}-{RANK}.pt")
