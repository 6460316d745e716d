"""The folder of a run: what is written into it, and whether a checkpoint belongs to a run."""

import os
import re
import tempfile
from pathlib import Path

import torch

from companion.torch.training import checkpoint, randomness
from companion.torch.training.history import History

LAST = "last.safetensors"
BEST = "best.safetensors"
HISTORY = "history.json"


class Folder:
    """The checkpoints of a run, written by process 0 while the others wait.

    Parameters
    ----------
    folder
        The folder; ``None`` writes nothing.
    group
        The processes.
    kept
        What has a ``state_dict``, by name; ``model`` and ``optimizer`` among it.
    settings
        What has to be the same on resuming.
    generators
        The generators whose states belong to the run, beside the global ones.
    """

    def __init__(self, folder, group, kept, settings, generators):
        self.path = None if folder is None else Path(folder)
        self.group, self.kept, self.generators = group, kept, generators
        self.settings = settings | {
            "model": _shapes(kept["model"].state_dict()),
            "hyperparameters": _hyperparameters(kept["optimizer"].param_groups),
        }
        for name in ("optimizer", "scheduler"):
            self.settings[name] = type(kept[name]).__name__ if name in kept else None

    def open(self, resume: bool) -> dict | None:
        """Return the last checkpoint if it is to be resumed; make sure that one can be written."""
        if self.path is None:
            if resume:
                raise ValueError("resume is True, but folder is None: there is nothing to resume")
            return None
        data = self.group.by_first(lambda: self._opened(resume))
        if data is None:
            return None
        state = checkpoint.parsed(data, self.path / LAST)
        self._check_same(state)
        self._say_saved(state["where"])
        return state

    def _opened(self, resume):
        last = self.path / LAST
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.path).close()
        except OSError as error:
            reason = f"folder cannot be written: {error.strerror or error}"
            raise OSError(error.errno, reason, str(self.path)) from None
        if not last.exists():
            return None
        if not resume:
            raise FileExistsError(
                f"folder {str(self.path)!r} has a checkpoint of an earlier run, {LAST}: go on with "
                "resume=True, or choose another folder"
            )
        for path in self.path.glob(".*.tmp"):  # what a process that was killed had half-written
            if re.fullmatch(r"\.[0-9a-f]{16}\.tmp", path.name):
                path.unlink()
        return last.read_bytes()

    def restore(self, state: dict) -> dict:
        """Put everything where the checkpoint has it; return where the random numbers stand."""
        for name, part in self.kept.items():
            part.load_state_dict(state[name])
        _put_back(self.kept["optimizer"], state["optimizer"])
        # Else a scheduler whose turn it is would warn that the optimizer has taken no step.
        self.kept["optimizer"]._opt_called = True
        every, rank = state["random"], self.group.rank
        if len(every) == self.group.size:
            randomness.set_states(every[rank], self.generators)
        else:  # of another number of processes
            randomness.set_states(every[0], self.generators)
            if rank:
                randomness.diverge(every[0], rank)
        return randomness.states(self.generators)

    def save(self, history: History, running: dict | None, where: str, best=False) -> None:
        """Write ``last``, and before it ``best`` if this is the best epoch.

        In this order, killed in between, a resumed run writes the same ``best`` again.
        """
        if self.path is None:
            return
        state = {
            "where": where,
            "history": history.to_json(),
            "running": running,
            "settings": self.settings,
            "random": self.group.of_all(randomness.states(self.generators)),
        }

        def written():
            parts = {name: part.state_dict() for name, part in self.kept.items()}
            if best:
                checkpoint.save(self.path / BEST, {"where": where, "model": parts["model"]})
            checkpoint.save(self.path / LAST, parts | state)
            if running is None:
                self._write_history(history)

        self.group.by_first(written)
        self._say_saved(where)

    def finish(self, history: History) -> None:
        """Write why training ended."""
        if self.path is not None:
            self.group.by_first(lambda: self._write_history(history))

    def _write_history(self, history):
        checkpoint.write(self.path / HISTORY, history.to_json().encode())

    def _say_saved(self, where):
        self.group.saved = (
            f"The last checkpoint is {self.path / LAST}, after {where}: "
            "start again with resume=True to go on"
        )

    def _check_same(self, state):
        """Refuse a checkpoint of another run, naming the first difference."""
        saved, now = dict(state["settings"]), dict(self.settings)
        theirs, ours = saved.pop("hyperparameters"), now.pop("hyperparameters")
        differences = list(_differences(saved, now, ""))
        current = _hyperparameters(state["optimizer"]["param_groups"])
        if len(theirs) != len(ours):
            differences.append(f"optimizer has {len(ours)} groups, in the checkpoint {len(theirs)}")
        else:
            for k, (old, start, new) in enumerate(zip(current, theirs, ours, strict=True)):
                for name in start.keys() & old.keys() & new.keys():
                    # An optimizer may be new, or where the scheduler has brought it.
                    if new[name] not in (start[name], old[name]):
                        differences.append(
                            f"optimizer.param_groups[{k}][{name!r}] is {new[name]!r}, "
                            f"in the checkpoint {start[name]!r}"
                        )
        if differences:
            raise ValueError(
                f"{self.path / LAST} is of another run: {differences[0]}. Nothing was changed"
            )


def load_weights(model, path) -> None:
    """Load a model's weights from ``best.safetensors`` or ``last.safetensors``.

    Parameters
    ----------
    model
        A model like the one that was trained.
    path
        The file.

    Raises
    ------
    ValueError
        If the file is no checkpoint, or its model has other names, shapes or dtypes; nothing is
        loaded then.
    OSError
        If there is no such file or it cannot be read.
    """
    weights = checkpoint.load(path)["model"]
    for difference in _differences(_shapes(weights), _shapes(model.state_dict()), "model"):
        raise ValueError(f"{os.fspath(path)} is of another model: {difference}")
    model.load_state_dict(weights)


def _shapes(state_dict):
    return {
        name: f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        for name, value in state_dict.items()
        if isinstance(value, torch.Tensor)
    }


def _hyperparameters(param_groups):
    """Return what an optimizer was told of each group of parameters."""

    def plain(value):
        return value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value

    return [
        {name: plain(v) for name, v in group.items() if name != "params"}
        | {"number of parameters": len(group["params"])}
        for group in param_groups
    ]


def _differences(saved, now, where):
    """Yield in words where two settings differ."""
    for name in [*saved, *(name for name in now if name not in saved)]:
        place = f"{where}.{name}" if where else name
        if name not in now:
            yield f"there is no {place}, which the checkpoint has"
        elif name not in saved:
            yield f"the checkpoint has no {place}"
        elif isinstance(saved[name], dict) and isinstance(now[name], dict):
            yield from _differences(saved[name], now[name], place)
        elif saved[name] != now[name]:
            yield f"{place} is {now[name]!r}, in the checkpoint {saved[name]!r}"


def _put_back(optimizer, saved):
    """Undo what ``load_state_dict`` changes: it casts all states to their parameter's dtype."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, state in saved["state"].items():
        own = optimizer.state[parameters[number]]
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and own[name].dtype != value.dtype:
                own[name] = value.to(own[name].device)
