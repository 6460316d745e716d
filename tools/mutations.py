"""Plant faults in the package, one at a time, and see that the tests catch each.

    python tools/mutations.py          all faults, two at a time
    python tools/mutations.py gru      those whose file or description holds a word

A suite that lets a fault through is not worth its run time. Each fault below is one that a person
could make, or has made in print. It is planted in a copy of the package; the tests that answer
for the file run there until the first fails. Exit status 1 if one lets a fault through.
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Fault:
    """One line of the package, and what it is turned into."""

    what: str
    file: str
    line: str
    fault: str
    tests: str


NUMPY, TORCH, KERAS = "tests/numpy", "tests/torch", "tests/keras"
INTERCHANGE = "tests/interchange"
TRAINING, PARALLEL = "tests/torch/test_training.py", "tests/torch/test_training_parallel.py"
IN_BROWSER = "tests/browser/test_cells_js.py"
FAULTS = [
    # NumPy
    Fault(
        "i and f swapped",
        "companion/numpy/lstm.py",
        "i, f, g, o = self._split(a)  # views",
        "f, i, g, o = self._split(a)  # views",
        NUMPY,
    ),
    Fault(
        "o's peephole reads the old cell",
        "companion/numpy/lstm.py",
        "o += V[2] * c  #",
        "o += V[2] * c_before  #",
        NUMPY,
    ),
    Fault(
        "δc without the peephole of o",
        "companion/numpy/lstm.py",
        "d_c += V[2] * da_o",
        "d_c += 0 * da_o",
        NUMPY,
    ),
    Fault(
        "δc handed back before its last use",
        "companion/numpy/lstm.py",
        "da_f[...] = d_c * c_before * sigmoid_slope(f)",
        "da_f[...] = d_c * f * c_before * sigmoid_slope(f)",
        NUMPY,
    ),
    Fault(
        "o's peephole gradient from the old cell",
        "companion/numpy/lstm.py",
        "(da_o * c[1:])",
        "(da_o * c[:-1])",
        NUMPY,
    ),
    Fault(
        "reset form inverted",
        "companion/numpy/gru.py",
        "spec.GRU_RESET_AFTER if self.reset_after else spec.GRU\n        super().__init__"
        "(input_size, hidden_size, dtype, rng)",
        "spec.GRU_RESET_AFTER if self.reset_after else spec.GRU\n        super().__init__"
        "(input_size, hidden_size, dtype, rng)\n        self.reset_after = not reset_after\n"
        '        self._parameters.setdefault("b_u", np.zeros(self.hidden_size, self.dtype))',
        NUMPY,
    ),
    Fault(
        "z weights the old state",
        "companion/numpy/gru.py",
        "h[...] = (1 - z) * h_before + z * n",
        "h[...] = z * h_before + (1 - z) * n",
        NUMPY,
    ),
    Fault(
        "reset-after backward with the reset outside the product",
        "companion/numpy/gru.py",
        "d_h += (r * da_n) @ U_n",
        "d_h += r * (da_n @ U_n)",
        NUMPY,
    ),
    Fault(
        "U_n's gradient without the reset",
        "companion/numpy/gru.py",
        "product(da_n, r * h_before)",
        "product(da_n, h_before)",
        NUMPY,
    ),
    Fault(
        "U transposed",
        "companion/numpy/recurrence.py",
        '"U": product(d_a, run.states["h"][:-1]),',
        '"U": product(run.states["h"][:-1], d_a),',
        NUMPY,
    ),
    Fault(
        "U's gradient from the new state",
        "companion/numpy/recurrence.py",
        'product(d_a, run.states["h"][:-1])',
        'product(d_a, run.states["h"][1:])',
        NUMPY,
    ),
    Fault(
        "lengths ignored forward",
        "companion/numpy/recurrence.py",
        "np.copyto(new, old, where=ended[t])",
        "pass",
        NUMPY,
    ),
    Fault(
        "lengths ignored backward",
        "companion/numpy/recurrence.py",
        "np.copyto(d, d_later, where=ended[t])",
        "pass",
        NUMPY,
    ),
    Fault(
        "outputs kept past the end",
        "companion/numpy/recurrence.py",
        "outputs=h if ended is None else np.where(ended, 0, h)",
        "outputs=h",
        NUMPY,
    ),
    Fault(
        "gradient from behind lost",
        "companion/numpy/recurrence.py",
        "d_h = later[0] + d_outputs[t]",
        "d_h = d_outputs[t]",
        NUMPY,
    ),
    Fault(
        "padding turned round with the sequence",
        "companion/numpy/bidirectional.py",
        "    if lengths is None:\n        return sequences[::-1]",
        "    if True:\n        return sequences[::-1]",
        NUMPY,
    ),
    Fault(
        "both directions read forward",
        "companion/numpy/bidirectional.py",
        "self.backward_layer._forward(turned(x, lengths), state[1], lengths)",
        "self.backward_layer._forward(x, state[1], lengths)",
        NUMPY,
    ),
    Fault(
        "ReLU's slope is 1 everywhere",
        "companion/numpy/activations.py",
        "return (y > 0).astype(y.dtype)",
        "return np.ones_like(y)",
        NUMPY,
    ),
    Fault(
        "a mean over all steps, whatever the weights",
        "companion/numpy/losses.py",
        "share = w / w.sum()",
        "share = w / w.size",
        NUMPY,
    ),
    Fault(
        "the padding's NaN let in",
        "companion/numpy/losses.py",
        "a, y = np.where(w, a, 0), np.where(w, _numbers",
        "a, y = a, np.where(w, _numbers",
        NUMPY,
    ),
    Fault(
        "softmax without its shift",
        "companion/numpy/losses.py",
        "a = a - a.max(axis=-1, keepdims=True)",
        "a = a - 0",
        NUMPY,
    ),
    Fault(
        "Nesterov's step with the old momentum",
        "companion/numpy/optimizers.py",
        "m[...] = μ * m + δ  # (4.6.3)\n        if self.nesterov:\n"
        "            w -= η * (δ + μ * m)",
        "old, m[...] = m.copy(), μ * m + δ\n        if self.nesterov:\n"
        "            w -= η * (δ + μ * old)",
        NUMPY,
    ),
    Fault(
        "ε inside and beside the root exchanged",
        "companion/numpy/optimizers.py",
        "w -= η * δ / np.sqrt(v + ε)",
        "w -= η * δ / (np.sqrt(v) + ε)",
        NUMPY,
    ),
    Fault(
        "Adam's squares without their correction",
        "companion/numpy/optimizers.py",
        "v_hat = v / (1 - β_2**n)",
        "v_hat = v",
        NUMPY,
    ),
    Fault(
        "weight decay through Adam's division",
        "companion/numpy/optimizers.py",
        "w -= self.learning_rate * self.weight_decay * w",
        "δ = δ + self.weight_decay * w",
        NUMPY,
    ),
    # PyTorch
    Fault(
        "o's peephole reads the old cell",
        "companion/torch/lstm.py",
        "o = torch.addcmul(o, V[2], c)",
        "o = torch.addcmul(o, V[2], c_before)",
        TORCH,
    ),
    Fault(
        "δc without the peephole of o",
        "companion/torch/lstm.py",
        "c_h.addcmul_(V[2], o_h)",
        "pass",
        TORCH,
    ),
    Fault(
        "the peepholes' way back forgotten",
        "companion/torch/lstm.py",
        "torch.addcmul(f, V[0], i_c).addcmul_(V[1], f_c)",
        "f",
        TORCH,
    ),
    Fault(
        "one bias dropped",
        "companion/torch/layer.py",
        "else bias_ih + bias_hh",
        "else bias_ih",
        TORCH,
    ),
    Fault(
        "reset form inverted",
        "companion/torch/gru.py",
        "GRUResetAfterCell() if reset_after else GRUCell()",
        "GRUCell() if reset_after else GRUResetAfterCell()",
        TORCH,
    ),
    Fault(
        "U_n's gradient without the reset",
        "companion/torch/gru.py",
        "product(da_n, r * h_before)",
        "product(da_n, h_before)",
        TORCH,
    ),
    Fault(
        "lengths ignored",
        "companion/torch/recurrence.py",
        "states = after if valid is None else _held(valid[t], after, states)",
        "states = after",
        TORCH,
    ),
    Fault(
        "lengths ignored backward",
        "companion/torch/recurrence.py",
        "d_state = _held(valid[t], d_state, later)",
        "pass",
        TORCH,
    ),
    Fault(
        "reverse direction turns the padding round",
        "companion/torch/layer.py",
        "reverse = torch.where(valid, lengths - 1 - steps, steps)",
        "reverse = len(x) - 1 - steps + 0 * lengths",
        TORCH,
    ),
    Fault(
        "dropout after the last layer",
        "companion/torch/layer.py",
        "if self.dropout and layer < self.num_layers - 1:",
        "if self.dropout:",
        TORCH,
    ),
    # Training
    Fault(
        "clip ignored",
        "companion/torch/training/loop.py",
        "math.inf if clip is None else clip",
        "math.inf",
        TRAINING,
    ),
    Fault(
        "a batch's loss not weighted",
        "companion/torch/training/loop.py",
        "own = items * value.item()",
        "own = value.item()",
        TRAINING,
    ),
    Fault(
        "an update with a loss that is NaN",
        "companion/torch/training/loop.py",
        "if not math.isfinite(total):",
        "if False:",
        TRAINING,
    ),
    Fault(
        "the epoch's order not the one that it began with",
        "companion/torch/training/loop.py",
        "    randomness.set_states(running.random, generators)",
        "    pass",
        TRAINING,
    ),
    Fault(
        "random numbers not where the checkpoint has them",
        "companion/torch/training/loop.py",
        "            randomness.set_states(random_now, generators)",
        "            pass",
        TRAINING,
    ),
    Fault(
        "patience of one epoch more",
        "companion/torch/training/loop.py",
        "history.since_best >= patience",
        "history.since_best > patience",
        TRAINING,
    ),
    Fault(
        "the optimizer starts anew",
        "companion/torch/training/folder.py",
        "            part.load_state_dict",
        '            name == "optimizer" or part.load_state_dict',
        TRAINING,
    ),
    Fault(
        "last written before best",
        "companion/torch/training/folder.py",
        "            if best:\n",
        "            checkpoint.save(self.path / LAST, parts | state)\n            if best:\n",
        TRAINING,
    ),
    Fault(
        "parts of a batch that count alike, whatever is in them",
        "companion/torch/training/loop.py",
        "(group.size * items / all_items)",
        "1.0",
        PARALLEL,
    ),
    Fault(
        "NaN from a part in which nothing counts",
        "companion/torch/training/loop.py",
        "value = loss(output, target) if items else _nothing(model)",
        "value = loss(output, target)",
        PARALLEL,
    ),
    Fault(
        "each process shuffles by itself",
        "companion/torch/training/loop.py",
        "Running(group.of_first(randomness.states(generators)))",
        "Running(randomness.states(generators))",
        PARALLEL,
    ),
    # Keras
    Fault(
        "i and f swapped",
        "companion/keras/lstm.py",
        "a_i, a_f, a_g, a_o = ops.split(a, 4, axis=1)",
        "a_f, a_i, a_g, a_o = ops.split(a, 4, axis=1)",
        KERAS,
    ),
    Fault(
        "o's peephole reads the old cell",
        "companion/keras/lstm.py",
        """        c = f * c + i * g  # (3.1.4)
        if V is not None:
            a_o = a_o + V[2] * c""",
        """        c, c_before = f * c + i * g, c  # (3.1.4)
        if V is not None:
            a_o = a_o + V[2] * c_before""",
        KERAS,
    ),
    Fault(
        "the reset after the product left out",
        "companion/keras/gru.py",
        "(a_n + r * u_n)",
        "(a_n + u_n)",
        KERAS,
    ),
    # Parameters on their way
    Fault(
        "z's sign not turned",
        "companion/interchange/places.py",
        "array[z] = -array[z]",
        "pass",
        INTERCHANGE,
    ),
    Fault(
        "ONNX's gates in the book's order",
        "companion/interchange/onnx_models.py",
        '("LSTM", ("i", "o", "f", "g"))',
        '("LSTM", ("i", "f", "g", "o"))',
        INTERCHANGE,
    ),
    Fault(
        "one bias dropped",
        "companion/interchange/places.py",
        "return np.where(b_recurrent == 0, b, b + b_recurrent)",
        "return b",
        INTERCHANGE,
    ),
    Fault(
        "the state of an empty sequence lost in ONNX",
        "companion/interchange/onnx_models.py",
        'graph.node("Where", ["empty", before, after], [final])',
        'graph.node("Identity", [after], [final])',
        INTERCHANGE,
    ),
    Fault(
        "a file's checksum not compared",
        "companion/interchange/files.py",
        'if _checksum(about["structure"], tensors) != about["sha256"]:',
        "if False:",
        INTERCHANGE,
    ),
    # In the browser
    Fault(
        "the forget gate takes the input gate's sum",
        "companion/explorers/cells.js",
        "s.f = a.f.map(sigmoid);",
        "s.f = a.i.map(sigmoid);",
        IN_BROWSER,
    ),
    Fault(
        "δc without the peephole of o",
        "companion/explorers/cells.js",
        "+ V[2][k] * a.o[k]);",
        ");",
        IN_BROWSER,
    ),
    Fault(
        "z weights the old state",
        "companion/explorers/cells.js",
        "(1 - s.z[k]) * h + s.z[k] * s.n[k]",
        "s.z[k] * h + (1 - s.z[k]) * s.n[k]",
        IN_BROWSER,
    ),
    # Applications and the command
    Fault(
        "seasons that know the years to come",
        "companion/applications/sst.py",
        "series.values[trained & (calendar == m)].mean()",
        "series.values[calendar == m].mean()",
        "tests/applications/test_sst.py",
    ),
    Fault(
        "a scale that knows the years to come",
        "companion/applications/sst.py",
        "scale = float(anomaly[trained].std())",
        "scale = float(anomaly.std())",
        "tests/applications/test_sst.py",
    ),
    Fault(
        "the window ends at its target",
        "companion/applications/sst.py",
        "last = of - self.horizon  #",
        "last = of  #",
        "tests/applications/test_sst.py",
    ),
    Fault(
        "last year is eleven months ago",
        "companion/applications/sst.py",
        "data.celsius[months - 12]",
        "data.celsius[months - 11]",
        "tests/applications/test_sst.py",
    ),
    Fault(
        "a paragraph counts again where it is quoted",
        "companion/applications/text.py",
        "if words not in seen:",
        "if words is not None:",
        "tests/applications/test_text.py",
    ),
    Fault(
        "nats for bits",
        "companion/applications/text.py",
        "- likely) / np.log(2))",
        "- likely))",
        "tests/applications/test_text.py",
    ),
    Fault(
        "a context that was never seen says nothing is likely",
        "companion/applications/text.py",
        "known = total > 0",
        "known = total >= 0",
        "tests/applications/test_text.py",
    ),
    Fault(
        "each character is written from a state of zero",
        "companion/applications/networks.py",
        "logits, state = self.after(codes, state)",
        "logits, state = self.after(codes)",
        "tests/applications/test_text.py",
    ),
    Fault(
        "tested with the last weights",
        "companion/applications/running.py",
        "training.load_weights(network, folder / BEST)",
        "training.load_weights(network, folder / LAST)",
        "tests/applications/test_running.py",
    ),
    Fault(
        "tested with dropout",
        "companion/applications/running.py",
        "    network.eval()\n",
        "    network.train()\n",
        "tests/applications/test_running.py",
    ),
    Fault(
        "an equal score wins",
        "companion/applications/base.py",
        "return a > b if self.higher_is_better else a < b",
        "return a > b if self.higher_is_better else a <= b",
        "tests/applications/test_base.py",
    ),
    Fault(
        "a run that is there is trained over",
        "companion/applications/running.py",
        "if (folder / LAST).exists():\n            raise",
        "if False:\n            raise",
        "tests/applications/test_running.py",
    ),
    Fault(
        "a process that was lost starts afresh",
        "companion/cli.py",
        "resume = resume or (folder",
        "resume = resume and (folder",
        "tests/test_cli.py",
    ),
    Fault(
        "an optional package that is missing fails",
        "companion/environment.py",
        "None if extra else False",
        "False",
        "tests/test_environment.py",
    ),
]


def planted(fault: Fault) -> str:
    """Return the file's text with the fault; ValueError unless the line is there exactly once."""
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    if text.count(fault.line) != 1:
        raise ValueError(
            f"{fault.file} holds {fault.line!r} {text.count(fault.line)} times, expected once"
        )
    return text.replace(fault.line, fault.fault)


def caught_by(fault: Fault | None, tests: str) -> str | None:
    """Return the first test that fails with the fault planted, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("companion", "tests", "tools"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        for name in ("pyproject.toml", "_config.yml"):
            shutil.copy(ROOT / name, copy)
        if fault:
            (copy / fault.file).write_text(planted(fault), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
        command += tests.split()
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        if done.returncode == 0:
            return None
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        if done.returncode != 1 or not failed:
            raise RuntimeError(f"{fault}: the tests did not run\n{done.stdout}{done.stderr}")
        return failed[0].removeprefix("FAILED ").split(" - ")[0]


def main(words: list[str]) -> int:
    """Plant the faults that the words name; all without words."""
    chosen = [
        fault
        for fault in FAULTS
        if not words or any(word in fault.file + fault.what for word in words)
    ]
    if not chosen:
        print(f"Error: no fault has {' or '.join(words)} in its file or description.")
        return 2
    survived = 0
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda fault: caught_by(fault, fault.tests), chosen)
        for fault, test in zip(chosen, found, strict=True):
            survived += test is None
            mark = "[CAUGHT]" if test else "[MISSED]"
            print(f"{mark} {fault.file}: {fault.what}", flush=True)
            if test:
                print(f"         {test}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} faults are caught.")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
