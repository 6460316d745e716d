"""`fit` in one process: what it computes, what it refuses, and that nothing it saved is lost."""

import collections
import errno
import io
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

import companion.torch as ct
from companion.torch import training
from companion.torch.training import checkpoint, interruption

HERE = Path(__file__).resolve().parent
ITEMS, BATCH, EPOCHS = 22, 4, 4  # six batches an epoch, the last of two
STEPS = 6


class Model(nn.Module):
    def __init__(self, dropout=0.3):
        super().__init__()
        self.lstm = ct.LSTM(2, 5, batch_first=True)
        self.norm = nn.BatchNorm1d(5)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(5, 1)

    def forward(self, x):
        return self.out(self.dropout(self.norm(self.lstm(x)[0][:, -1])))


def data(n=ITEMS):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, 2, generator=generator)
    return TensorDataset(x, x.sum((1, 2))[:, None])


class Noisy(Dataset):
    """Items with noise from all three global generators."""

    def __len__(self):
        return ITEMS

    def __getitem__(self, k):
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        x, y = data()[k]
        return x + noise, y


def everything(seed=1, *, make=torch.optim.Adam, schedule=None, dropout=0.3, **options):
    """A model, its optimizer and scheduler, and a shuffling loader: fresh, always the same."""
    training.seed(seed)
    model = Model(dropout)
    optimizer = make(model.parameters(), lr=0.05, **options)
    scheduler = schedule(optimizer) if schedule else None
    return model, optimizer, scheduler, DataLoader(data(), BATCH, shuffle=True)


def run(folder=None, loss=nn.functional.mse_loss, loader=None, made=None, **arguments):
    """Train, and return all that must be equal: weights, optimizer, history without seconds."""
    model, optimizer, scheduler, batches = made or everything()
    defaults = {"epochs": EPOCHS, "validation": DataLoader(data(9), 4), "seed": 3}
    history = training.fit(
        model,
        batches if loader is None else loader,
        loss,
        optimizer,
        scheduler=scheduler,
        folder=folder,
        **(defaults | arguments),
    )
    return result(model, optimizer, history)


def result(model, optimizer, history):
    columns = {name: values for name, values in history.columns.items() if name != "seconds"}
    return model.state_dict(), optimizer.state_dict(), columns, history.stopped


def assert_same(got, expected):
    """Equal bit for bit, whatever it is made of."""
    if isinstance(expected, torch.Tensor):
        assert got.dtype == expected.dtype and torch.equal(got, expected)
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for name in expected:
            assert_same(got[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert type(got) is type(expected) and len(got) == len(expected)
        for pair in zip(got, expected, strict=True):
            assert_same(*pair)
    else:
        assert got == expected or (got != got and expected != expected)


@pytest.fixture(autouse=True)
def _as_in_the_foreground():
    """A shell starts what runs in the background such that it ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class At:
    """A loss that does something in its n-th call in training."""

    __qualname__ = "mse_loss"

    def __init__(self, n, action):
        self.n, self.action, self.calls = n, action, 0

    def __call__(self, output, target):
        if output.requires_grad:
            self.calls += 1
            if self.calls == self.n:
                done = self.action()
                if done is not None:
                    return done
        return nn.functional.mse_loss(output, target)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


# --- What it computes


def test_it_is_the_loop_that_one_would_write():
    model, optimizer, scheduler, batches = everything(
        make=torch.optim.AdamW, schedule=lambda o: lr_scheduler.StepLR(o, 2)
    )
    training.seed(3)
    losses, norms, held_out = [], [], []
    for _ in range(EPOCHS):
        model.train()
        own = []
        for x, y in batches:
            value = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            value.backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), 5.0).item())
            optimizer.step()
            own.append((value.item(), len(y)))
        losses.append(sum(v * n for v, n in own) / sum(n for _, n in own))
        scheduler.step()
        model.eval()
        with torch.no_grad():
            x, y = data(9)[:]
            held_out.append(nn.functional.mse_loss(model(x), y).item())
    made = everything(make=torch.optim.AdamW, schedule=lambda o: lr_scheduler.StepLR(o, 2))
    weights, state, columns, stopped = run(made=made, clip=5.0)
    assert_same(weights, model.state_dict())
    assert_same(state, optimizer.state_dict())
    assert columns["loss"] == pytest.approx(losses, rel=1e-12)
    assert columns["validation_loss"] == pytest.approx(held_out, rel=1e-6)
    means = [sum(norms[k : k + STEPS]) / STEPS for k in range(0, len(norms), STEPS)]
    assert columns["gradient_norm"] == pytest.approx(means, rel=1e-6)
    assert max(norms) > 5 > min(norms)  # else clipping would not have been seen
    assert columns["learning_rate"] == pytest.approx([0.05, 0.05, 0.005, 0.005])
    assert stopped == "epochs"


def test_validation_and_metrics_change_nothing():
    shuffled = DataLoader(data(9), 4, shuffle=True)
    plain = run(validation=None)
    validated = run(validation=shuffled, metrics={"mae": torchmetrics.MeanAbsoluteError()})
    assert_same(validated[:2], plain[:2])


def test_seed_settles_the_order_and_what_is_dropped():
    assert_same(run(), run())
    assert run(seed=4)[2]["loss"] != run()[2]["loss"]
    # What is drawn without a seed is what the caller's seed says.
    assert_same(run(seed=None), run(seed=None))


@pytest.mark.parametrize("collection", [False, True])
def test_evaluate_weighs_all_items_alike(collection):
    model, _, _, _ = everything()
    metrics = {"mae": torchmetrics.MeanAbsoluteError(), "mse": torchmetrics.MeanSquaredError()}
    metrics = torchmetrics.MetricCollection(metrics) if collection else metrics
    model.train()
    loss = nn.MSELoss()
    values = training.evaluate(model, DataLoader(data(9), 4), loss, metrics)
    assert model.training
    model.eval()
    x, y = data(9)[:]
    with torch.no_grad():
        output = model(x)
    assert values.keys() == {"loss", "mae", "mse"}
    assert values["loss"] == pytest.approx(loss(output, y).item(), rel=1e-6)
    assert values["mse"] == pytest.approx(values["loss"], rel=1e-6)
    assert values["mae"] == pytest.approx((output - y).abs().mean().item(), rel=1e-6)


def test_weight_says_over_how_many_items_a_loss_is_a_mean():
    # Mean over all valid steps, whatever batches they come in.
    batches = [(torch.zeros(2, 3), torch.tensor([3.0, 5.0])), (torch.zeros(1, 3), torch.ones(1))]
    model = nn.Linear(3, 1)
    nn.init.zeros_(model.bias)

    def loss(output, target):
        return target.mean() + 0 * output.sum()

    assert training.evaluate(model, batches, loss)["loss"] == pytest.approx(3)
    found = training.evaluate(model, batches, loss, weight=lambda batch: batch[-1].sum())
    assert found["loss"] == pytest.approx((4 * 8 + 1 * 1) / 9)
    history = training.fit(
        *(model, batches, loss, torch.optim.SGD(model.parameters(), 0.1)),
        epochs=1,
        weight=lambda batch: batch[-1].sum(),
    )
    assert history["loss"] == [pytest.approx((4 * 8 + 1 * 1) / 9)]


def test_patience_stops_and_the_best_weights_are_kept(tmp_path):
    losses, seen = iter([5.0, 3.0, 4.0, 3.0, 2.0]), []

    def loss(output, target):
        if output.requires_grad:
            return nn.functional.mse_loss(output, target)
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return torch.tensor(next(losses))

    model, optimizer, _, batches = everything()
    history = training.fit(
        *(model, batches, loss, optimizer),
        epochs=9,
        validation=[data(9)[:]],
        patience=2,
        folder=tmp_path,
    )
    assert history.stopped == "patience" and history["validation_loss"] == [5, 3, 4, 3]
    assert history.best_epoch == 2
    assert_same(dict(model.state_dict()), seen[3])
    training.load_weights(model, tmp_path / "best.safetensors")
    assert_same(dict(model.state_dict()), seen[1])
    training.load_weights(model, tmp_path / "last.safetensors")
    assert_same(dict(model.state_dict()), seen[3])
    with pytest.raises(ValueError, match="another model: there is no model.lstm"):
        training.load_weights(nn.Linear(2, 2), tmp_path / "best.safetensors")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("cell", [ct.LSTM, ct.PeepholeLSTM, ct.GRU, ct.RNN])
def test_mixed_precision_is_near_to_full(cell, precision):
    def trained(precision):
        training.seed(1)
        lstm, out = cell(2, 4, batch_first=True, bidirectional=True), nn.Linear(8, 1)
        model = nn.ModuleDict({"lstm": lstm, "out": out})
        model.forward = lambda x: out(lstm(x)[0][:, -1])
        optimizer = torch.optim.SGD(model.parameters(), 50.0)

        def loss(output, target):  # so small that the scaler skips no step
            return 1e-3 * nn.functional.mse_loss(output, target)

        batches = DataLoader(data(), BATCH)
        fitted = training.fit(*(model, batches, loss, optimizer), epochs=2, precision=precision)
        return fitted["loss"], model

    full, _ = trained("float32")
    mixed, model = trained(precision)
    assert mixed != full and mixed == pytest.approx(full, rel=0.02)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_steps_that_the_scaler_skips_are_no_errors(tmp_path):
    made = everything(make=torch.optim.SGD)
    weight, seen, factors = made[0].out.weight, [], iter([math.inf])
    weight.register_hook(lambda gradient: gradient * next(factors, 1.0))

    def loss(output, target):
        seen.append(weight.clone())
        return 1e-3 * nn.functional.mse_loss(output, target)

    found = run(tmp_path, loss, made=made, epochs=1, precision="float16")
    assert torch.equal(seen[1], seen[0]) and not torch.equal(seen[2], seen[1])
    assert math.isfinite(found[2]["gradient_norm"][0])
    assert checkpoint.load(tmp_path / "last.safetensors")["scaler"]["scale"] == 2.0**15


def test_packed_sequences_and_nested_inputs():
    packed = nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    Pair = collections.namedtuple("Pair", "a b")

    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = ct.LSTM(2, 3)

        def forward(self, sequences, others):
            assert isinstance(others["pair"], Pair) and others["rest"][1] == "text"
            return self.lstm(sequences)[1][0][0].sum(1) + others["pair"].a

    model = Nested()
    others = {"pair": Pair(torch.ones(2), torch.ones(2)), "rest": [torch.ones(1), "text"]}
    history = training.fit(
        *(model, [(packed, others, torch.zeros(2))], nn.MSELoss()),
        torch.optim.SGD(model.parameters(), 0.1),
        epochs=2,
    )
    assert history["loss"][1] < history["loss"][0]


# --- Going on


OPTIMIZERS = {
    "adam": {"make": torch.optim.Adam, "schedule": None, "amsgrad": True},
    "momentum": {
        "make": torch.optim.SGD,
        "schedule": lambda o: lr_scheduler.MultiStepLR(o, [1, 2]),
        "momentum": 0.9,
        "nesterov": True,
    },
    "rmsprop": {
        "make": torch.optim.RMSprop,
        "schedule": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5),
        "centered": True,
    },
    "chained": {
        "make": torch.optim.AdamW,
        "schedule": lambda o: lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.LinearLR(o, total_iters=2), lr_scheduler.LambdaLR(o, lambda n: 0.9**n)],
            [1],
        ),
    },
}


@pytest.mark.parametrize("options", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("stop", [1, STEPS, STEPS + 2, 3 * STEPS])
def test_interrupted_and_resumed_it_ends_as_if_it_never_was(tmp_path, options, stop):
    expected = run(made=everything(**options))
    with pytest.raises(KeyboardInterrupt, match="last.safetensors"):
        run(tmp_path, At(stop, interrupt), made=everything(**options))
    training.seed(99)
    assert_same(run(tmp_path, made=everything(seed=98, **options), resume=True), expected)


def test_a_schedule_by_the_step_goes_on(tmp_path):
    def made(seed=1):
        return everything(seed, schedule=lambda o: lr_scheduler.OneCycleLR(o, 0.1, EPOCHS * STEPS))

    arguments = {"scheduler_every": "step", "patience": 2}
    expected = run(made=made(), **arguments)
    assert len(set(expected[2]["learning_rate"])) == EPOCHS
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(9, interrupt), made=made(), **arguments)
    assert_same(run(tmp_path, made=made(5), resume=True, **arguments), expected)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_goes_on(tmp_path, precision):
    expected = run(precision=precision)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(9, interrupt), precision=precision)
    assert_same(run(tmp_path, resume=True, precision=precision), expected)


LOADERS = {
    "own generator": lambda: DataLoader(
        data(), BATCH, shuffle=True, generator=torch.Generator().manual_seed(8)
    ),
    "weighted": lambda: DataLoader(
        data(), BATCH, sampler=WeightedRandomSampler(torch.arange(1.0, 23), ITEMS)
    ),
    "noise while loading": lambda: DataLoader(Noisy(), BATCH, shuffle=True),
    "a list": lambda: [data()[k : k + BATCH] for k in range(0, ITEMS, BATCH)],
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_data_go_on_where_they_were(tmp_path, loader):
    expected = run(loader=loader())
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, At(11, lambda: 1 / 0), loader=loader(), save_every=2)
    assert_same(run(tmp_path, loader=loader(), resume=True, save_every=2), expected)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # a loader forks its workers
def test_workers_go_on_where_they_were(tmp_path):
    def loader():
        return DataLoader(Noisy(), 8, shuffle=True, num_workers=1)

    expected = run(loader=loader(), epochs=1)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, At(3, lambda: 1 / 0), loader=loader(), save_every=1, epochs=1)
    assert_same(run(tmp_path, loader=loader(), resume=True, epochs=1), expected)


def test_more_epochs_go_on_from_the_end(tmp_path):
    expected = run()
    run(tmp_path, epochs=2)
    assert_same(run(tmp_path, resume=True), expected)
    # Nothing is left to do: the weights are loaded, and the history is there.
    assert_same(run(tmp_path, resume=True, made=everything(7)), expected)
    read = training.History.from_json((tmp_path / "history.json").read_text())
    assert read.stopped == "epochs" and read["loss"] == expected[2]["loss"]
    # Where there is nothing, it starts.
    assert_same(run(tmp_path / "new" / "folder", resume=True), expected)


def test_resumed_in_the_same_process_with_the_objects_at_hand(tmp_path):
    def schedule(o):
        return lr_scheduler.ExponentialLR(o, 0.5)

    expected = run(made=everything(schedule=schedule))
    made = everything(schedule=schedule)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(2 * STEPS + 1, interrupt), made=made)
    assert_same(run(tmp_path, made=made, resume=True), expected)


def test_states_of_another_dtype_than_their_parameter_come_back(tmp_path):
    class Kahan(torch.optim.SGD):
        @torch.no_grad()
        def step(self):
            super().step()
            for p in self.param_groups[0]["params"]:
                error = self.state[p].setdefault("error", torch.zeros_like(p, dtype=torch.float64))
                error += p.double() / 3

    expected = run(made=everything(make=Kahan))
    run(tmp_path, made=everything(make=Kahan), epochs=1)
    found = run(tmp_path, made=everything(make=Kahan), resume=True)
    assert_same(found, expected)
    assert found[1]["state"][0]["error"].dtype == torch.float64


def test_a_second_interrupt_while_saving_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    run(tmp_path, epochs=1)
    before = contents(tmp_path)
    monkeypatch.setattr(interruption, "AGAIN", 0)
    monkeypatch.setattr(os, "replace", lambda *_: interrupt())
    with pytest.raises(KeyboardInterrupt, match="at once"):
        run(tmp_path, At(2, interrupt), resume=True)
    assert contents(tmp_path) == before
    monkeypatch.undo()
    assert_same(run(tmp_path, resume=True), run())


def test_without_a_folder_an_interrupt_is_one_too():
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt, match="No checkpoint"):
        run(None, At(2, interrupt))
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_what_raises_within_a_step_leaves_the_last_checkpoint(tmp_path):
    def raised():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(STEPS + 5, raised), save_every=2)
    assert checkpoint.load(tmp_path / "last.safetensors")["where"] == "epoch 2, step 4"
    assert_same(run(tmp_path, resume=True), run())


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_killed_with_its_process_at_any_moment_it_goes_on():
    """SIGKILL and SIGTERM at random moments, and a file-size limit; see what `killed.py` does."""
    # Python warns of a fork beside threads; there it has one.
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *warnings, str(HERE / "killed.py")]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


# --- Nothing is lost


@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_full_disk_leaves_checkpoint_and_weights(tmp_path, monkeypatch, what):
    run(tmp_path, epochs=2)
    before = contents(tmp_path)
    made = everything()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, what, full)
        with pytest.raises(OSError, match="No space left") as raised:
            run(tmp_path, made=made, resume=True)
    assert raised.value.errno == errno.ENOSPC
    assert Path(raised.value.filename).parent == tmp_path
    assert contents(tmp_path) == before
    # The model has learnt for one more epoch, and has kept it.
    assert_same(dict(made[0].state_dict()), dict(run(epochs=3)[0]))
    assert_same(run(tmp_path, resume=True), run())


def test_broken_off_between_its_two_files_the_best_is_written_again(tmp_path, monkeypatch):
    write = checkpoint.write

    def broken(path, content):
        if path.name == "best.safetensors":
            raise OSError(errno.EIO, "Input/output error")
        write(path, content)

    run(tmp_path / "whole", epochs=2)
    run(tmp_path / "broken", epochs=1)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", broken)
        with pytest.raises(OSError, match="Input/output"):
            run(tmp_path / "broken", epochs=2, resume=True)
    run(tmp_path / "broken", epochs=2, resume=True)
    best = [checkpoint.load(tmp_path / name / "best.safetensors") for name in ("whole", "broken")]
    assert best[0]["where"] == "epoch 2"
    assert_same(*best)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_cannot_be_written_is_found_before_training(tmp_path, resume, monkeypatch):
    (tmp_path / "file").touch()
    never = At(1, lambda: pytest.fail("trained"))
    with pytest.raises(OSError, match="folder cannot be written") as raised:
        run(tmp_path / "file" / "run", never, resume=resume)
    assert raised.value.filename == str(tmp_path / "file" / "run")

    def refused(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(PermissionError, match="Permission denied"):
        run(tmp_path, never, resume=resume)


def test_an_earlier_run_is_not_overwritten(tmp_path):
    run(tmp_path, epochs=1)
    before = contents(tmp_path)
    assert before.keys() == {"last.safetensors", "best.safetensors", "history.json"}
    with pytest.raises(FileExistsError, match="resume=True"):
        run(tmp_path)
    assert contents(tmp_path) == before


OTHERS = {
    "model.out.weight is 'float32 (2, 5)', in the checkpoint 'float32 (1, 5)'": {
        "made": lambda: (lambda m: (m[0].__setattr__("out", nn.Linear(5, 2)), m)[1])(everything()),
    },
    "there is no model.norm.weight": {
        "made": lambda: (lambda m: (m[0].__setattr__("norm", nn.Identity()), m)[1])(everything()),
    },
    "optimizer is 'SGD', in the checkpoint 'Adam'": {
        "made": lambda: everything(make=torch.optim.SGD)
    },
    "optimizer.param_groups[0]['weight_decay'] is 0.1": {
        "made": lambda: everything(weight_decay=0.1)
    },
    "scheduler is 'StepLR', in the checkpoint None": {
        "made": lambda: everything(schedule=lambda o: lr_scheduler.StepLR(o, 9))
    },
    "clip is 2, in the checkpoint None": {"clip": 2},
    "seed is 4": {"seed": 4},
    "precision is 'bfloat16'": {"precision": "bfloat16"},
    "loss is 'l1_loss', in the checkpoint 'mse_loss'": {"loss": nn.functional.l1_loss},
    "own generators is 1, in the checkpoint 0": {
        "loader": DataLoader(data(), BATCH, generator=torch.Generator())
    },
    "batches is 11, in the checkpoint 6": {"loader": DataLoader(data(), 2)},
    "columns is": {"metrics": {"mae": torchmetrics.MeanAbsoluteError()}},
}


@pytest.mark.parametrize("difference", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, difference):
    run(tmp_path, epochs=1)
    before = contents(tmp_path)
    arguments = dict(OTHERS[difference])
    made = arguments.pop("made", everything)()
    weights = {name: value.clone() for name, value in made[0].state_dict().items()}
    with pytest.raises(ValueError) as raised:
        run(tmp_path, made=made, resume=True, **arguments)
    assert difference in str(raised.value) and str(tmp_path) in str(raised.value)
    assert contents(tmp_path) == before
    assert_same(dict(made[0].state_dict()), weights)


@pytest.mark.parametrize("damage", ["empty", "cut", "another kind", "no json", "layout"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    import safetensors.torch

    run(tmp_path, epochs=1)
    path = tmp_path / "last.safetensors"
    entry = {"no json": "{", "layout": '{"layout": 0}'}.get(damage)
    path.write_bytes(
        {"empty": b"", "cut": path.read_bytes()[:-3]}.get(damage)
        if damage in ("empty", "cut")
        else safetensors.torch.save({"a": torch.ones(1)}, entry and {checkpoint.ENTRY: entry})
    )
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="last.safetensors is no checkpoint that can be read"):
        run(tmp_path, resume=True)
    assert contents(tmp_path) == before


def test_a_state_comes_back_as_it_was(tmp_path):
    tied = torch.ones(3)
    state = {
        "none": None,
        "numbers": [True, 1, -0.0, math.inf, 1e-320, 2**80],
        "tuple": (1, (2.5, "text"), [], {}),
        "keys": {1: tied, "1": tied, "a.b": torch.eye(2).T, "a": {"b": torch.zeros(())}},
        "counter": collections.Counter({3: 1}),
        "ordered": collections.OrderedDict(b=1, a=2),
        "numpy": [np.arange(3, dtype=np.uint32), np.float64(0.1), np.ones((2, 2), bool)],
        "dtypes": [torch.ones(2, dtype=d) for d in (torch.bfloat16, torch.bool, torch.uint8)],
    }
    checkpoint.save(tmp_path / "a", state)
    found = checkpoint.load(tmp_path / "a")
    arrays, found_arrays = state.pop("numpy"), found.pop("numpy")
    assert_same(found, state)
    assert type(found["counter"]) is collections.Counter
    assert type(found["ordered"]) is collections.OrderedDict
    for array, other in zip(arrays, found_arrays, strict=True):
        assert array.dtype == other.dtype and np.array_equal(array, other)
        assert type(array) is type(other)
    # Only what a safetensors file holds: whoever reads it executes nothing.
    header = (tmp_path / "a").read_bytes()[8:]
    assert json.loads(header[: header.rindex(b"}") + 1])["__metadata__"].keys() == {
        checkpoint.ENTRY
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"state": [{"f": print}]}, r"state\.0\.f is builtins\.builtin_function_or_method"),
        ({"a": {1.5: 0}}, "a has the key 1.5"),
        ({"a": torch.ones(2, 2).to_sparse()}, "a is a torch.sparse_coo tensor"),
        ({"a": np.array([None])}, "a is numpy.ndarray"),
    ],
)
def test_what_cannot_be_kept_is_named(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        checkpoint.save(tmp_path / "a", value)
    assert list(tmp_path.iterdir()) == []


# --- What it refuses


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_update(tmp_path, value):
    made = everything()

    def broken():
        broken.weights = {k: v.clone() for k, v in made[0].named_parameters()}
        return made[0].out.bias.sum() * value

    with pytest.raises(training.NonFiniteError) as raised:
        run(tmp_path, At(STEPS + 2, broken), made=made)
    text = str(raised.value)
    assert isinstance(raised.value, FloatingPointError)
    for words in ("the loss is", str(value), "epoch 2, step 2", "learning rate 0.05"):
        assert words in text
    assert re.search(r"last gradient norm \d", text)
    assert_same(dict(made[0].named_parameters()), broken.weights)
    assert_same(run(tmp_path, resume=True), run())


def test_a_gradient_that_is_not_finite_stops_before_the_update():
    made = everything()
    weights = {k: v.clone() for k, v in made[0].named_parameters()}
    made[0].out.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(training.NonFiniteError, match="gradient's norm is nan at epoch 1, step 1"):
        run(made=made)
    assert_same(dict(made[0].named_parameters()), weights)


def no_batches():
    return DataLoader(TensorDataset(torch.ones(0, 1)), 2)


class Drained:
    """Iterable, and without a length: that it is empty shows when it is asked."""

    def __iter__(self):
        return iter(())


def flat():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    return model, torch.optim.SGD(model.parameters(), 0.1), None, None


BAD = {
    "batches is empty": (ValueError, {"loader": no_batches()}),
    "batches is empty: there": (ValueError, {"loader": Drained()}),
    "batches is generator, which can be iterated only once": (
        TypeError,
        {"loader": (b for b in [data()[:]])},
    ),
    "batches is int, expected batches": (TypeError, {"loader": 3}),
    "batches has a tuple of 1, expected a tuple": (TypeError, {"loader": [(torch.ones(2),)]}),
    "batches has an array of shape (2,)": (TypeError, {"loader": [torch.ones(2)]}),
    "validation is empty": (ValueError, {"validation": []}),
    "validation is empty, or weight is 0": (ValueError, {"validation": Drained()}),
    "epochs is 0": (ValueError, {"epochs": 0}),
    "clip is 0": (ValueError, {"clip": 0}),
    "patience is 0": (ValueError, {"patience": 0}),
    "save_every is -1": (ValueError, {"save_every": -1}),
    "precision is 'float8'": (ValueError, {"precision": "float8"}),
    "scheduler_every is 'batch'": (ValueError, {"scheduler_every": "batch"}),
    "seed is -1": (ValueError, {"seed": -1}),
    "patience needs a validation set": (ValueError, {"patience": 1, "validation": None}),
    "metrics needs a validation set": (ValueError, {"metrics": {}, "validation": None}),
    "metrics is MeanAbsoluteError": (TypeError, {"metrics": torchmetrics.MeanAbsoluteError()}),
    "metrics has the name 'loss'": (
        ValueError,
        {"metrics": {"loss": torchmetrics.MeanAbsoluteError()}},
    ),
    "metrics['mae'] is an array of shape (2,)": (
        ValueError,
        {
            "metrics": {"mae": torchmetrics.MeanAbsoluteError(num_outputs=2)},
            "validation": [(torch.ones(2, 3, 2), torch.ones(2, 2))],
            "loss": lambda output, target: ((output - target) ** 2).mean(),
            "loader": [(torch.ones(2, 3, 2), torch.ones(2, 2))],
            "made": flat(),
        },
    ),
    "loss returns an array of shape (4, 1), expected a tensor of one number": (
        ValueError,
        {"loss": lambda output, target: output - target},
    ),
    "weight is 0 at epoch 1": (ValueError, {"weight": lambda batch: 0}),
    "weight is None, but the target is an array of shape ()": (
        ValueError,
        {"loader": [(torch.ones(1, 3, 2), torch.tensor(1.0))], "made": everything(dropout=0)},
    ),
    "resume is True, but folder is None": (ValueError, {"resume": True}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_refused(message):
    kind, arguments = BAD[message]
    with pytest.raises(kind) as raised:
        run(**arguments)
    assert message in str(raised.value)


# --- What it shows


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("progress", "terminal", "shown"),
    [(None, False, False), (None, True, True), (True, False, True), (False, True, False)],
)
def test_the_bar_is_for_terminals(monkeypatch, progress, terminal, shown):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    run(progress=progress)
    text = stream.getvalue()
    assert bool(text) == shown
    if shown:
        assert "epoch 4/4: 100%" in text and "24/24" in text and text.endswith("\n")


def test_the_bar_is_closed_when_training_fails(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError):
        run(None, At(2, lambda: 1 / 0))
    assert sys.stderr.getvalue().endswith("\n")


def test_history_is_json_and_plots(tmp_path):
    history = training.History({"loss": [2.0, 1.0], "validation_loss": [math.nan, math.inf]}, None)
    text = history.to_json()
    assert json.loads(text)["columns"]["loss"] == [2.0, 1.0] and "NaN" not in text
    again = training.History.from_json(text)
    assert repr(again) == repr(history) and again.best_epoch == 1
    history = training.History(
        {"loss": [2.0, 1.0], "validation_loss": [2.0, 3.0], "mae": [1.0, 2.0], "seconds": [1, 1]}
    )
    fig = history.plot()
    above, below = fig.axes
    assert [line.get_ydata().tolist() for line in above.lines[:2]] == [[2.0, 1.0], [2.0, 3.0]]
    assert above.lines[2].get_xdata() == [1, 1] and below.get_ylabel() == "mae"
    with pytest.raises(ValueError, match="no epoch"):
        training.History().plot()
    with pytest.raises(KeyError, match="no column 'f1', only loss"):
        history["f1"]
    with pytest.raises(ValueError, match="row has the columns"):
        history.append({"loss": 1.0})


def test_it_trains_in_a_thread_that_gets_no_signals():
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(run).result()
    assert_same(found, run())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_on_cuda_it_learns_and_goes_on(tmp_path, precision):
    expected = run(precision=precision)
    run(tmp_path, epochs=2, precision=precision)
    found = run(tmp_path, precision=precision, resume=True)
    assert found[0]["out.weight"].device.type == "cuda"
    assert found[2]["loss"] == pytest.approx(expected[2]["loss"], rel=1e-3)
    assert found[2]["loss"][-1] < found[2]["loss"][0]
