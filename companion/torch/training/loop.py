"""The training loop, to be read from top to bottom; what it takes for granted is beside it."""

import contextlib
import itertools
import math
import time
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import nn

from companion import spec
from companion.torch.training import randomness
from companion.torch.training.distributed import Group, part_size
from companion.torch.training.folder import Folder
from companion.torch.training.history import History
from companion.torch.training.interruption import Interruption

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_OWN_COLUMNS = ("loss", "validation_loss", "gradient_norm", "learning_rate", "seconds")


class NonFiniteError(FloatingPointError):
    """A loss or a gradient is NaN or infinite; the weights are those before the update."""


@dataclass
class Running:
    """The epoch that is running: where its random numbers began, and what it has added up."""

    random: dict
    step: int = 0
    loss: float = 0.0
    weight: float = 0.0
    norm: float = 0.0
    updates: int = 0
    seconds: float = 0.0


def fit(
    model,
    batches,
    loss,
    optimizer,
    *,
    epochs,
    validation=None,
    metrics=None,
    clip=None,
    scheduler=None,
    scheduler_every="epoch",
    patience=None,
    folder=None,
    resume=False,
    save_every=None,
    precision="float32",
    device=None,
    seed=None,
    weight=None,
    progress=None,
) -> History:
    """Train a model; a crash, Ctrl-C or a full disk costs nothing that was saved.

    One step is ``loss(model(*inputs), target)``, its gradient, clipped, and an update. With
    ``folder`` there is a checkpoint after every epoch. Killed at any moment and started again with
    ``resume=True``, training ends with the weights, optimizer and history of a run that was never
    killed: bit for bit on a CPU, on one machine with one number of threads, unless the model or
    the data draw random numbers from elsewhere than Python's ``random``, NumPy's global
    generator, PyTorch's, and the generators of the loaders, or the loaders' workers persist.

    Under ``torchrun`` the processes share the work: of every batch of the loader each takes its
    part, and gradients, losses and metrics are those of the whole batch, also where the parts are
    unequal. So the loader's batch size is that of all processes together. Process 0 writes the
    files and shows the progress. All shuffle as process 0 does; what is dropped out differs.
    The statistics of a ``BatchNorm`` layer are those of process 0's parts.

    Parameters
    ----------
    model
        The model; moved to the device, left with the weights of the last step. Those of the best
        epoch are in the folder: :func:`load_weights`.
    batches
        A ``DataLoader``, or anything that can be iterated anew for each epoch. A batch is
        ``(*inputs, target)``: tensors, ``PackedSequence``, or tuples, lists and dictionaries of
        them.
    loss
        A function or module: ``loss(output, target)`` is a mean over the batch.
    optimizer
        Any ``torch.optim`` optimizer whose ``step`` needs no closure.
    epochs
        After how many epochs to stop, those before a resume included.
    validation
        Batches to evaluate the model on after each epoch.
    metrics
        A dictionary of ``torchmetrics`` metrics, or a ``MetricCollection``, each one number;
        computed on ``validation``.
    clip
        The largest norm of the gradient, over all parameters together.
    scheduler
        A scheduler of ``torch.optim.lr_scheduler``; one that watches a number gets the validation
        loss, without a validation set the loss.
    scheduler_every
        When the scheduler takes its step: after each ``"epoch"`` or each ``"step"``.
    patience
        Stop when so many epochs have brought no lower validation loss.
    folder
        Where ``last.safetensors`` (all that is needed to go on), ``best.safetensors`` (the weights
        with the lowest validation loss, or loss) and ``history.json`` go. Each file is replaced
        as a whole.
    resume
        Whether to go on from ``last.safetensors`` if there is one.
    save_every
        A checkpoint also after every so many steps of an epoch. On resuming, the batches that were
        done are loaded again and passed over.
    precision
        ``"float32"`` leaves everything in the dtype that it has; ``"bfloat16"`` and ``"float16"``
        compute under ``torch.autocast``, the latter with the loss scaled.
    device
        Where to compute; ``None`` for CUDA if there is one, else where the model is.
    seed
        What a fresh run seeds all random numbers with (:func:`seed`). The model's initial weights
        were drawn before: for those, seed before the model is made.
    weight
        ``weight(batch)``: over how many items the batch's loss is a mean; ``None`` for
        ``len(target)``. Epochs' means and the gradients of several processes weight by it.
    progress
        Whether to show a progress bar on stderr; ``None`` for only where that is a terminal.

    Returns
    -------
    history : History
        Losses, metrics, norm of the gradient, learning rate and seconds of each epoch.

    Raises
    ------
    ValueError
        If ``batches`` or ``validation`` is empty, an argument is out of range, or the checkpoint
        is of another model, optimizer or setting; the message names it.
    TypeError
        If ``batches`` can be iterated only once, or not be divided among processes.
    NonFiniteError
        If loss or gradient is NaN or infinite, before the update.
    FileExistsError
        If the folder has a checkpoint and ``resume`` is false.
    OSError
        If the folder cannot be written: before training, if it can be known.
    KeyboardInterrupt
        After Ctrl-C, when the running step is done and saved; at once after a second one.
    LostProcessError
        If another process has died.
    """
    _check(epochs, metrics, validation, clip, scheduler_every, patience, save_every, precision)
    for argument, loader in (("batches", batches), ("validation", validation)):
        _check_batches(argument, loader)
    group = Group(device, model)
    _check_precision(precision, group.device)
    train, held_out = group.part("batches", batches), group.part("validation", validation)
    generators = randomness.generators_of(train, held_out)
    model.to(group.device)
    if isinstance(loss, nn.Module):
        loss.to(group.device)
    cast = _cast(precision, group.device)
    scaler = torch.amp.GradScaler(group.device.type, enabled=precision == "float16")
    kept = {"model": model, "optimizer": optimizer, "scaler": scaler}
    if scheduler is not None:
        kept["scheduler"] = scheduler
    names = ["validation_loss", *(metrics or ())] if validation is not None else []
    settings = {
        "loss": getattr(loss, "__qualname__", type(loss).__qualname__),
        "columns": ["loss", *names, "gradient_norm", "learning_rate", "seconds"],
        **{"batches": _length(batches), "own generators": len(generators)},
        **{"clip": clip, "precision": precision, "seed": seed},
        "scheduler_every": scheduler_every,
    }
    files = Folder(folder, group, kept, settings, generators)

    history, running, random_now = History(), None, None
    saved = files.open(resume)
    if saved:
        history = History.from_json(saved["history"])
        running = saved["running"] and Running(**saved["running"])
        random_now = files.restore(saved)
    elif seed is not None:
        randomness.seed(seed)

    parallel = group.parallel(model)
    norm = math.nan
    with Interruption() as interruption, _bar(progress, group, batches, epochs) as bar:
        bar.update(len(history) * (settings["batches"] or 0) + (running.step if running else 0))
        while True:
            history.stopped = _reason(history, epochs, patience)
            if history.stopped:
                break
            if running is None:
                running, random_now = Running(group.of_first(randomness.states(generators))), None
            began = time.perf_counter() - running.seconds
            bar.set_description(f"epoch {len(history) + 1}/{epochs}")
            model.train()
            for batch in _left(train, running, random_now, group, generators):
                # Forward: the loss of this process's part of the batch.
                batch = _to(batch, group.device)
                *inputs, target = batch
                part = part_size(train, running.step)
                items = _items(batch, weight, part)
                with group.exchange(), cast():
                    output = parallel(*inputs)
                    value = loss(output, target) if items else _nothing(model)
                _check_loss(value)
                # What all processes have to know: the loss of the whole batch, and of the wish.
                own = items * value.item()
                total, all_items, stop = group.sum(own, items, interruption.wished)
                where = f"epoch {len(history) + 1}, step {running.step + 1}"
                rate = float(optimizer.param_groups[0]["lr"])
                about = f"at {where} (learning rate {rate:g}, last gradient norm {norm:g})"
                if not all_items > 0:
                    raise ValueError(f"weight is {all_items:g} {about}, expected more than 0")
                if not math.isfinite(total):
                    raise NonFiniteError(f"the loss is {total / all_items} {about}: not updated")
                # Backward: the mean of the processes' gradients is that of the whole batch.
                optimizer.zero_grad(set_to_none=True)
                with group.exchange():
                    scaler.scale(value * (group.size * items / all_items)).backward()
                # Update.
                scaler.unscale_(optimizer)
                new_norm = _clipped(optimizer, clip)
                if math.isfinite(new_norm):
                    norm = new_norm
                    running.norm += norm
                    running.updates += 1
                elif not scaler.is_enabled():
                    raise NonFiniteError(f"the gradient's norm is {new_norm} {about}: not updated")
                scaler.step(optimizer)  # with a scaler, only if all gradients are finite
                scaler.update()
                if scheduler and scheduler_every == "step" and math.isfinite(new_norm):
                    scheduler.step()
                # Keep count.
                running.step += 1
                running.loss += total
                running.weight += all_items
                running.seconds = time.perf_counter() - began
                bar.set_postfix(loss=f"{running.loss / running.weight:.4g}", refresh=False)
                bar.update()
                if stop or (save_every and running.step % save_every == 0):
                    files.save(history, asdict(running), where)
                if stop:
                    interruption.fulfil(f"training was stopped after {where}. {group.saved}")
            group.settle(model)
            if not running.step:
                raise ValueError("batches is empty: there is nothing to train on")

            row = {"loss": running.loss / running.weight}
            if validation is not None:
                found = _evaluated(
                    model, held_out, "validation", loss, metrics, weight, cast, group
                )
                row |= {"validation_loss": found.pop("loss"), **found}
            row["gradient_norm"] = running.norm / running.updates if running.updates else math.nan
            row["learning_rate"] = float(optimizer.param_groups[0]["lr"])
            row["seconds"] = time.perf_counter() - began
            history.append(group.of_first(row))
            if scheduler and scheduler_every == "epoch":
                watched = row.get("validation_loss", row["loss"])
                watches = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
                scheduler.step(*[watched] if watches else [])
            running = None
            where = f"epoch {len(history)}"
            files.save(history, None, where, best=history.since_best == 0)
            if group.sum(interruption.wished)[0]:
                interruption.fulfil(f"training was stopped after {where}. {group.saved}")
        files.finish(history)
    return history


def evaluate(
    model, batches, loss, metrics=None, *, weight=None, precision="float32", device=None
) -> dict[str, float]:
    """Return the mean loss over all items, and metrics, without changing anything.

    The model is in evaluation mode meanwhile, no gradients are kept, and the global random numbers
    are left where they were. Under ``torchrun`` each process evaluates its part of every batch,
    and all return the result of the whole.

    Parameters
    ----------
    model, batches, loss, metrics, weight, precision, device
        As :func:`fit` takes them.

    Returns
    -------
    values : dict
        ``loss``, and each metric under its name.

    Raises
    ------
    ValueError, TypeError
        As :func:`fit`.
    """
    spec.check_choice("precision", precision, tuple(PRECISIONS))
    _check_metrics(metrics)
    _check_batches("batches", batches)
    group = Group(device, model)
    _check_precision(precision, group.device)
    model.to(group.device)
    if isinstance(loss, nn.Module):
        loss.to(group.device)
    cast = _cast(precision, group.device)
    part = group.part("batches", batches)
    return _evaluated(model, part, "batches", loss, metrics, weight, cast, group)


@torch.no_grad()
def _evaluated(model, batches, argument, loss, metrics, weight, cast, group):
    parts = [] if metrics is None else [metrics]
    if isinstance(metrics, dict):
        parts = list(metrics.values())
    for metric in parts:
        metric.to(group.device)
        metric.reset()
    training, total, all_items, updates = model.training, 0.0, 0.0, 0
    model.eval()
    before = randomness.states()
    if group.size > 1:  # a loader that shuffles does so alike everywhere
        own = randomness.generators_of(batches)
        randomness.set_states(group.of_first(randomness.states(own)), own)
    try:
        for number, batch in enumerate(batches):
            part = part_size(batches, number)
            if part == 0:
                continue
            batch = _to(batch, group.device)
            *inputs, target = batch
            items = _items(batch, weight, part)
            with cast():
                output = model(*inputs)
                value = loss(output, target)
            _check_loss(value)
            total += items * value.item() if items else 0.0  # the mean of nothing may be NaN
            all_items += items
            updates += 1
            for metric in parts:
                metric.update(output, target)
    finally:
        model.train(training)
        randomness.set_states(before)
    total, all_items, least = *group.sum(total, all_items), min(group.of_all(updates))
    if not all_items > 0:
        raise ValueError(f"{argument} is empty, or weight is 0 for all of it")
    if parts and not least:  # torchmetrics cannot add what one process has not
        raise ValueError(f"{argument} has fewer items than there are processes, {group.size}")
    values = {"loss": total / all_items}
    if isinstance(metrics, dict):
        values |= {name: metric.compute() for name, metric in metrics.items()}
    elif metrics is not None:
        values |= metrics.compute()
    for name, value in values.items():
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            raise ValueError(f"metrics[{name!r}] is {spec.describe(value)}, expected one number")
    return {name: float(value) for name, value in values.items()}


def _left(batches, running, random_now, group, generators):
    """Yield the batches of an epoch that are still to do, in the order that it began with."""
    done = running.step
    randomness.set_states(running.random, generators)
    iterator = iter(batches)
    for number in itertools.count():
        if random_now is not None and number == done:
            randomness.set_states(random_now, generators)
        try:
            batch = next(iterator)
        except StopIteration:
            return
        if number == 0 and group.rank:  # the order is drawn; all else is this process's own
            randomness.diverge(running.random, group.rank)
        if number >= done:
            _check_batch(batch)
            yield batch


def _reason(history, epochs, patience):
    """Return why there is no further epoch, or ``None``."""
    if len(history) >= epochs:
        return "epochs"
    if patience is not None and history.since_best >= patience:
        return "patience"
    return None


def _nothing(model):
    """Return a loss of 0 with gradients of 0: for a part of a batch in which nothing counts."""
    return sum((0 * p).sum() for p in model.parameters() if p.requires_grad)


def _clipped(optimizer, clip):
    """Clip the gradient, and return the norm that it had."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return nn.utils.clip_grad_norm_(parameters, math.inf if clip is None else clip).item()


def _cast(precision, device):
    if precision == "float32":
        return contextlib.nullcontext
    return partial(torch.autocast, device.type, dtype=PRECISIONS[precision])


def _bar(progress, group, batches, epochs):
    from tqdm import tqdm

    steps = epochs * length if (length := _length(batches)) else None
    hidden = None if progress is None else not progress  # None: unless stderr is a terminal
    return tqdm(total=steps, unit="step", disable=True if group.rank else hidden)


def _to(value, device):
    """Return tensors, and what is made of tensors, on a device."""
    if hasattr(value, "to"):  # a PackedSequence, which is a tuple, too
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_to(part, device) for part in value))
    if isinstance(value, list | tuple):
        return type(value)(_to(part, device) for part in value)
    if isinstance(value, dict):
        return {name: _to(part, device) for name, part in value.items()}
    return value


def _items(batch, weight, part) -> float:
    """Return over how many items the loss of a batch is a mean; 0 for an empty part of one."""
    if part == 0:
        return 0.0
    if weight is not None:
        return float(weight(batch))
    target = batch[-1]
    if not isinstance(target, torch.Tensor) or target.dim() == 0:
        raise ValueError(
            f"weight is None, but the target is {spec.describe(target)}, which has no items to "
            "count: give weight, a function of the batch"
        )
    if part is not None and len(target) != part:
        raise ValueError(
            f"weight is None, but the target's first axis has size {len(target)} where the batch "
            f"has {part} items: give weight, over how many items the loss of a batch is a mean"
        )
    return float(len(target))


def _check(epochs, metrics, validation, clip, scheduler_every, patience, save_every, precision):
    spec.check_size("epochs", epochs)
    for name, value in (("patience", patience), ("save_every", save_every)):
        if value is not None:
            spec.check_size(name, value)
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip!r}, expected a number greater than 0")
    spec.check_choice("scheduler_every", scheduler_every, ("epoch", "step"))
    spec.check_choice("precision", precision, tuple(PRECISIONS))
    _check_metrics(metrics)
    for name, value in (("metrics", metrics), ("patience", patience)):
        if value is not None and validation is None:
            raise ValueError(f"{name} needs a validation set, but validation is None")


def _check_metrics(metrics):
    if metrics is None:
        return
    if not isinstance(metrics, dict) and not (
        hasattr(metrics, "compute") and "keys" in dir(metrics)
    ):
        raise TypeError(
            f"metrics is {type(metrics).__name__}, expected a dictionary of torchmetrics' metrics "
            "or a MetricCollection"
        )
    for name in metrics.keys() & set(_OWN_COLUMNS):
        raise ValueError(f"metrics has the name {name!r}, which the history has already")


def _check_batches(argument, batches):
    if batches is None and argument == "validation":
        return
    if not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
        raise TypeError(f"{argument} is {type(batches).__name__}, expected batches to iterate over")
    if hasattr(batches, "__next__"):
        raise TypeError(
            f"{argument} is {type(batches).__name__}, which can be iterated only once, expected a "
            "DataLoader or a list"
        )
    if _length(batches) == 0:
        raise ValueError(f"{argument} is empty, expected at least one batch")


def _length(batches) -> int | None:
    """Return how many batches there are, if that is known."""
    try:
        return len(batches)
    except TypeError:  # a DataLoader has a length, but its stream may have none
        return None


def _check_batch(batch):
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise TypeError(f"batches has {spec.describe(batch)}, expected a tuple (*inputs, target)")


def _check_loss(value):
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise ValueError(f"loss returns {spec.describe(value)}, expected a tensor of one number")


def _check_precision(precision, device):
    if precision != "float32" and not torch.amp.is_autocast_available(device.type):
        raise ValueError(f"precision is {precision!r}, but {device.type} has no autocast")
