"""An application from its data to its result: what is the same for all."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from companion import atomic
from companion.applications.base import Application, Split, options
from companion.torch import training
from companion.torch.training.folder import BEST, LAST

#: What is known of a run beside the files of `companion.torch.training.fit`.
RUN, RESULT = "run.json", "result.json"


class RunError(ValueError):
    """A folder cannot be used as was asked: it holds a run, none, or another one."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run has found.

    Attributes
    ----------
    application
        The application, with its settings.
    score
        The network's metric on the test set, with the weights of the best epoch.
    baselines
        The baselines' metrics on the same test set.
    sample
        Something that the network has made; empty if the application makes nothing.
    history
        Of the training.
    """

    application: Application
    score: float
    baselines: dict[str, float]
    sample: str
    history: training.History

    @property
    def wins(self) -> bool:
        """Whether the network is better than every baseline."""
        metric = self.application.metric
        return metric.better(self.score, self.baselines[metric.best(self.baselines)])

    def __str__(self) -> str:
        metric, cell = self.application.metric, self.application.cell
        best = metric.best(self.baselines)
        rows = {f"{cell}, epoch {self.history.best_epoch} of {len(self.history)}": self.score}
        rows |= self.baselines
        width = max(map(len, rows)) + 2
        lines = [f"{metric} on the test set:"]
        lines += [f"  {name:<{width}}{value:>8.3f}" for name, value in rows.items()]
        apart = f"{abs(self.score - self.baselines[best]):.3f} {metric.unit}".strip()
        if self.wins:
            lines.append(
                f"The {cell} is better than the best baseline, {best}, by {apart} with this seed."
            )
        else:
            lines.append(
                f"The baseline wins: {best} is better than the {cell} by {apart} with this seed."
            )
        if self.sample:
            lines += ["", "A sample:", self.sample]
        return "\n".join(lines)


def train(
    application: Application,
    folder=None,
    *,
    resume: bool = False,
    device=None,
    progress: bool | None = None,
    say: Callable[[str], object] | None = None,
) -> RunResult | None:
    """Train an application's network, and test it beside its baselines.

    The test set is looked at once, with the weights of the epoch that was best in validation.

    Parameters
    ----------
    application
        The application with its settings.
    folder
        Where checkpoints, ``run.json`` (the settings) and ``result.json`` go; ``None`` keeps
        nothing.
    resume, device, progress
        As :func:`companion.torch.training.fit` takes them.
    say
        Called with a line for people at a time, before training.

    Returns
    -------
    result : RunResult
        ``None`` in all processes but the first, where ``torchrun`` has started several.

    Raises
    ------
    RunError
        If the folder cannot be written; has a run, and ``resume`` is false; has none, or one with
        other settings, and ``resume`` is true.
    """
    first = int(os.environ.get("RANK", 0)) == 0
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
        folder = Path(folder)
        _check_folder(application, folder, resume)
        run = {"application": application.name, "settings": asdict(application)}
        if first:
            _write_run(folder, run)

        data = application.prepare()
        training.seed(application.seed)
        network = application.network(data)
        if say is not None:
            count = sum(parameter.numel() for parameter in network.parameters())
            say(f"Data: {data.about}.")
            say(f"Network: {application.cell}, {application.units} units, {count:,} parameters.")
        optimizer = torch.optim.AdamW(
            network.parameters(),
            application.learning_rate,
            weight_decay=application.weight_decay,
        )
        history = training.fit(
            network,
            _loader(data.train, application),
            application.loss,
            optimizer,
            epochs=application.epochs,
            validation=_loader(data.validation, application, shuffle=False),
            clip=application.clip,
            scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer, application.decay),
            patience=application.patience or None,
            folder=folder,
            resume=resume and (folder / LAST).exists(),
            device=device,
            seed=application.seed,
            progress=progress,
        )
        if not first:
            return None
        training.load_weights(network, folder / BEST)
        result = RunResult(
            application,
            application.score(data, "test", _outputs(network, data.test, application)),
            application.baselines(data),
            application.sample(network, data),
            history,
        )
        found = {"metric": str(application.metric), "score": result.score}
        atomic.write(folder / RESULT, _json(run | found | {"baselines": result.baselines}))
        return result


def saved_settings(kind: type[Application], folder) -> dict:
    """Return the settings of the run of an application that a folder has.

    Raises
    ------
    RunError
        If there is none, or one of another application.
    """
    path = Path(folder) / RUN
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        found, settings = run["application"], dict(run["settings"])
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} has no run") from None
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path} is damaged") from None
    if found != kind.name:
        raise RunError(f"{folder} has a run of {found}, not of {kind.name}")
    if settings.keys() != options(kind).keys():
        raise RunError(f"{folder} has a run of another version of {found}")
    return settings


def _check_folder(application, folder, resume):
    if not resume:
        if (folder / LAST).exists():
            raise RunError(f"{folder} has a run")
        return
    settings, now = saved_settings(type(application), folder), asdict(application)
    for name, said in options(application).items():
        if settings[name] != now[name] and not said.free:
            raise RunError(
                f"{name} is {now[name]!r}, but the run in {folder} has {settings[name]!r}"
            )


def _write_run(folder, run):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write(folder / RUN, _json(run))
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from None


def _loader(split: Split, application, shuffle=True):
    tensors = (torch.from_numpy(array) for array in (*split.inputs, split.target))
    return DataLoader(
        TensorDataset(*tensors),
        batch_size=application.batch,
        shuffle=shuffle,
        generator=torch.Generator().manual_seed(application.seed),
    )


@torch.no_grad()
def _outputs(network, split, application) -> np.ndarray:
    network.eval()
    device = next(network.parameters()).device
    outputs = []
    for *inputs, _ in _loader(split, application, shuffle=False):
        outputs.append(network(*(array.to(device) for array in inputs)).cpu().numpy())
    return np.concatenate(outputs)


def _json(value) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
