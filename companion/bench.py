"""Time the implementations of a cell against each other, in one run, on one machine.

Times differ from machine to machine and from minute to minute; ratios measured together do so
far less. So every round times every implementation once, in turn, on the same weights and the
same batch, and each ratio is taken within a round. Between turns there is a pause. Before anything
is timed, its outputs are compared with those of :mod:`companion.numpy`: what gives other numbers
is not timed.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from companion import spec
from companion.implementations import ALL, Batch, Implementation, Torch, Unavailable
from companion.interchange import Parameters

MODES = ("training", "inference")
#: Seconds to let the threads of the implementation before fall asleep.
PAUSE = 0.25
#: Largest difference from NumPy at which a result still counts as the same, by dtype.
SAME = {"float32": 1e-4, "float64": 1e-9}


class PythonLoop(Torch):
    """The cell as one writes it from the equations: gate by gate, step by step, autograd after."""

    name = "Python loop, autograd"

    def prepare(self):
        """Make a tensor of every W_k, U_k, b_k and V_k."""
        import torch

        super().prepare()
        self.weights = {
            name: [
                torch.tensor(own.astype(self.dtype), device=self.device, requires_grad=True)
                for own in ([array] if name == "b_u" else array)
            ]
            for name, array in self.parameters.items()
        }

    def run(self):
        """Run forward: equations (3.1.1) to (3.1.6), and those of page 4.3."""
        import torch
        from torch import sigmoid, tanh

        cell, x = self.cell, self.x
        W, U, b = (self.weights[name] for name in "WUb")
        h = c = x.new_zeros(x.shape[1], U[0].shape[0])
        outputs = []

        def a(k, h):
            return x_t @ W[k].T + h @ U[k].T + b[k]

        for x_t in x:
            if "c" in cell.states:
                V = self.weights.get("V", [0, 0, 0])
                i = sigmoid(a(0, h) + V[0] * c)
                f = sigmoid(a(1, h) + V[1] * c)
                g = tanh(a(2, h))
                c = f * c + i * g
                o = sigmoid(a(3, h) + V[2] * c)
                h = o * tanh(c)
            elif "z" in cell.gates:
                r, z = sigmoid(a(0, h)), sigmoid(a(1, h))
                if cell.reset_after:
                    u = h @ U[2].T + self.weights["b_u"][0]
                    n = tanh(x_t @ W[2].T + b[2] + r * u)
                else:
                    n = tanh(a(2, r * h))
                h = (1 - z) * h + z * n
            else:
                h = getattr(torch, cell.activation)(a(0, h))
            outputs.append(h)
        return torch.stack(outputs)

    def train(self):
        """Run forward, and leave the way back to PyTorch."""
        import torch

        outputs = self.run()
        wanted = [self.x, *(own for each in self.weights.values() for own in each)]
        return outputs, torch.autograd.grad(outputs, wanted, self.d_outputs)


class FusedLoop(Torch):
    """The same with all gates in one product, and that of all inputs before the loop."""

    name = "Python loop, gates fused"

    def run(self):
        """Run forward, a step at a time."""
        from companion.torch.recurrence import unrolled

        layer = self.layer
        W, b, *recurrent = layer._weights(**layer._named("l0"))
        zeros = self.x.new_zeros(self.x.shape[1], layer.hidden_size)
        initial = [zeros for _ in layer.spec.states]
        return unrolled(layer.cell, None, self.x, W, b, *initial, *recurrent)[0]


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes
    ----------
    cell
        The cell's name, a key of :data:`companion.spec.CELLS`.
    steps, batch, size
        T, B, and both I and H.
    dtype
        ``"float32"`` or ``"float64"``.
    device
        ``"cpu"`` or ``"cuda"``.
    """

    cell: str
    steps: int = 128
    batch: int = 32
    size: int = 128
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self):
        spec.check_choice("cell", self.cell, tuple(spec.CELLS))
        spec.check_choice("dtype", self.dtype, tuple(SAME))
        spec.check_choice("device", self.device, ("cpu", "cuda"))
        for name in ("steps", "batch", "size"):
            spec.check_size(name, getattr(self, name))

    def problem(self) -> tuple[Parameters, Batch]:
        """Return weights as initialised by default, and a batch."""
        rng = np.random.default_rng(0)
        cell, bound = spec.CELLS[self.cell], 1 / np.sqrt(self.size)
        shapes = cell.shapes(self.size, self.size)
        arrays = {name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}
        x, d_outputs = rng.normal(size=(2, self.steps, self.batch, self.size))
        return Parameters(cell, arrays), Batch(x, d_outputs)


@dataclass(frozen=True)
class Timing:
    """One implementation in one case and mode.

    Attributes
    ----------
    case, mode, implementation
        What was timed; mode is ``"training"`` (forward and backward) or ``"inference"``.
    seconds
        Seconds a call, one number a round.
    ratios
        The same over those of the reference in the same round.
    reference
        The name of the implementation that has ratio 1.
    missing
        Why nothing was timed, or ``None``.
    """

    case: Case
    mode: str
    implementation: str
    seconds: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    reference: str | None = None
    missing: str | None = None


def run(case: Case, rounds: int = 5, tick=lambda: None, pause: float | None = None) -> list[Timing]:
    """Time every implementation of a case, in both modes.

    Parameters
    ----------
    case
        What to time.
    rounds
        How often; in each round, a call that is not counted goes before the one that is.
    tick
        Called after every implementation's turn: ``rounds`` times each, in each mode.
    pause
        Seconds before each turn; :data:`PAUSE` if ``None``. A library's threads go on waiting for
        work, busily, for some time after its last call, and would slow down whoever is next.

    Returns
    -------
    timings : list of Timing
        By mode, in the order of :data:`companion.implementations.ALL`. The reference is
        ``torch.nn`` where it has the cell, and ``torch.nn``'s LSTM for the peephole LSTM, which
        it does not have.

    Raises
    ------
    RuntimeError
        If an implementation's outputs are not those of ``companion.numpy``.
    """
    spec.check_size("rounds", rounds)
    pause = PAUSE if pause is None else pause
    made, missing = _made(case)
    timings = []
    for mode in MODES:
        calls = {
            name: (each.train if mode == "training" else each.infer, each.wait)
            for name, each in made.items()
            if mode == "inference" or each.trains
        }
        seconds = {name: [] for name in calls}
        for _ in range(rounds):
            for name, (call, wait) in calls.items():
                time.sleep(pause)
                wait(call())  # compiles, fills caches, wakes threads
                start = time.perf_counter()
                wait(call())
                seconds[name].append(time.perf_counter() - start)
                tick()
        reference = next((name for name in calls if name.startswith("torch.nn")), None)
        for name in [each.name for each in ALL] + [n for n in made if n not in _NAMES]:
            if name in seconds:
                ratios = ()
                if reference:
                    pairs = zip(seconds[name], seconds[reference], strict=True)
                    ratios = tuple(own / other for own, other in pairs)
                timings.append(Timing(case, mode, name, tuple(seconds[name]), ratios, reference))
            elif mode == "training" or name in missing:
                why = missing.get(name, "it does not train")
                timings.append(Timing(case, mode, name, missing=why))
    return timings


def turns(case: Case, rounds: int) -> int:
    """Return the largest number of times that :func:`run` calls ``tick``."""
    return rounds * len(MODES) * (len(ALL) + 3)


_NAMES = {each.name for each in ALL}


def _made(case):
    """Make every implementation, and see that each gives NumPy's numbers."""
    parameters, batch = case.problem()
    made, missing = {}, {}
    kinds: list[tuple[str, type[Implementation], Parameters]] = [
        (kind.name, kind, parameters) for kind in (*ALL, PythonLoop, FusedLoop)
    ]
    if spec.CELLS[case.cell].peepholes:
        lstm = {name: array for name, array in parameters.items() if name != "V"}
        torch_nn = next(kind for kind in ALL if kind.name == "torch.nn")
        without = Parameters(spec.LSTM, lstm)
        kinds.append(("torch.nn (LSTM, no peepholes)", torch_nn, without))
    for name, kind, own in kinds:
        try:
            device = "cpu" if name == "companion.numpy" else case.device
            made[name] = kind(own, batch, case.dtype, device)
        except Unavailable as reason:
            missing[name] = str(reason)
            continue
        if own is parameters:
            apart = np.abs(made[name].outputs() - made["companion.numpy"].outputs()).max()
            if not apart <= SAME[case.dtype]:
                raise RuntimeError(f"{name} differs from companion.numpy by {apart:.1e}")
    return made, missing


def equal_precision() -> None:
    """Make every framework on a GPU multiply in float32, not TF32, which keeps 10 bits of it."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        import tensorflow as tf
    except ImportError:
        return
    tf.config.experimental.enable_tensor_float_32_execution(False)


def machine(device: str = "cpu") -> dict[str, str | int]:
    """Return what a timing depends on: processor, cores, threads, versions, and the GPU's name."""
    found = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    for package in ("numpy", "torch", "keras", "tensorflow", "jax", "onnxruntime"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if "torch" in found:
        import torch

        found["threads"] = torch.get_num_threads()
        if device == "cuda":
            found["gpu"] = torch.cuda.get_device_name()
            found["tf32"] = bool(torch.backends.cudnn.allow_tf32)
    return found


def _processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def table(timings: Sequence[Timing]) -> str:
    """Return the timings of one case as text: a line an implementation, fastest first."""
    lines = []
    for mode in MODES:
        own = [timing for timing in timings if timing.mode == mode]
        case = own[0].case
        sizes = f"T={case.steps} B={case.batch} I=H={case.size}"
        reference = next((timing.reference for timing in own if timing.reference), None)
        beside = f"times {reference}" if reference else ""
        lines.append(f"{case.cell}, {mode}: {sizes}, {case.dtype}, {case.device}")
        lines.append(f"  {'':<30} {'ms':>9}   {beside}")
        timed = sorted((t for t in own if t.seconds), key=lambda t: statistics.median(t.seconds))
        for timing in timed:
            milliseconds = 1000 * statistics.median(timing.seconds)
            line = f"  {timing.implementation:<30} {milliseconds:>9.2f}"
            if timing.ratios:
                low, high = min(timing.ratios), max(timing.ratios)
                middle = statistics.median(timing.ratios)
                line += f"   {middle:.2f}  ({low:.2f} to {high:.2f})"
            lines.append(line)
        for timing in own:
            if timing.missing:
                lines.append(f"  {timing.implementation:<30} {'–':>9}   {timing.missing}")
        lines.append("")
    return "\n".join(lines)


def to_json(timings: Sequence[Timing], machine: dict) -> str:
    """Return machine and timings, every round's seconds included, as JSON."""
    return json.dumps({"machine": machine, "timings": [asdict(t) for t in timings]}, indent=1)
