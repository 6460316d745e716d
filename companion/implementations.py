"""Every implementation of a cell behind the same few calls, to be compared or timed.

Each takes one set of canonical parameters and one batch. What :mod:`companion.parity` compares
is what :mod:`companion.bench` times. A framework is imported when its implementation is made.
"""

import importlib.util
import os
import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from companion import interchange, spec
from companion.interchange import Parameters, Parts


class Unavailable(Exception):
    """An implementation that cannot be made here; the message says why."""


@dataclass(frozen=True)
class Batch:
    """What a layer is run on.

    Attributes
    ----------
    x
        Input, (T, B, I).
    d_outputs
        Gradient of the loss with respect to the outputs, (T, B, ·).
    lengths
        Valid steps of each sequence, (B,), at least 1; all T if ``None``.
    """

    x: np.ndarray
    d_outputs: np.ndarray
    lengths: np.ndarray | None = None


def first_cell(tree) -> Parameters:
    """Return the first cell of a tree of parameters."""
    while isinstance(tree, Parts):
        tree = tree.parts[0]
    return tree


class Implementation:
    """One layer of one framework, with given weights, on one batch.

    Parameters
    ----------
    parameters
        A cell, or a pair of directions or a stack of equal cells (:mod:`companion.interchange`).
    batch
        The batch; cast to ``dtype``.
    dtype
        ``"float32"`` or ``"float64"``.
    device
        ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    Unavailable
        If the framework is not installed, or has no such cell, dtype or device.
    """

    name: str
    needs: tuple[str, ...] = ()
    devices = ("cpu",)
    trains = True

    def __init__(self, parameters, batch, dtype="float64", device="cpu"):
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                raise Unavailable(f"{module} is not installed")
        if device not in self.devices:
            raise Unavailable(f"{self.name} does not run on {device}")
        self.parameters, self.dtype, self.device = parameters, dtype, device
        self.cell = first_cell(parameters).spec
        self.batch = Batch(batch.x.astype(dtype), batch.d_outputs.astype(dtype), batch.lengths)
        self.prepare()

    def prepare(self):
        """Make the layer and bring the batch into the framework's own form."""
        raise NotImplementedError

    def infer(self):
        """Run forward only; return the outputs in the framework's own form."""
        raise NotImplementedError

    def train(self):
        """Run forward and backward; return outputs and gradients in the framework's own form."""
        raise NotImplementedError

    def wait(self, result):
        """Return when the result has been computed: devices and JAX answer earlier."""

    def outputs(self) -> np.ndarray:
        """Return the outputs, (T, B, ·)."""
        raise NotImplementedError

    def gradients(self) -> tuple[np.ndarray, Parameters | Parts]:
        """Return the gradients of x, (T, B, I), and of the parameters, in canonical form."""
        raise NotImplementedError

    def _class(self, classes):
        try:
            return classes[self.cell.name]
        except KeyError:
            raise Unavailable(f"{self.name} has no {self.cell.name}") from None


class NumPy(Implementation):
    """``companion.numpy``: the reference."""

    name = "companion.numpy"

    def prepare(self):
        """Make the layer."""
        import companion.numpy as cnp

        makers = {
            spec.RNN.name: cnp.RNN,
            spec.RNN_RELU.name: lambda *sizes: cnp.RNN(*sizes, activation="relu"),
            spec.LSTM.name: cnp.LSTM,
            spec.PEEPHOLE_LSTM.name: cnp.PeepholeLSTM,
            spec.GRU.name: cnp.GRU,
            spec.GRU_RESET_AFTER.name: lambda *sizes: cnp.GRU(*sizes, reset_after=True),
        }

        def made(tree):
            if isinstance(tree, Parameters):
                return makers[tree.spec.name](tree.input_size, tree.hidden_size, self.dtype)
            parts = [made(part) for part in tree.parts]
            return cnp.Stack(parts) if tree.kind == "stack" else cnp.Bidirectional(*parts)

        self.layer = made(self.parameters)
        interchange.load_parameters(self.layer, self.parameters)

    def infer(self):
        """Run forward."""
        return self.layer.forward(self.batch.x, lengths=self.batch.lengths)

    def train(self):
        """Run forward and backward."""
        return self.layer.backward(self.infer(), self.batch.d_outputs)

    def outputs(self):
        """Return the outputs, (T, B, ·)."""
        return self.infer().outputs

    def gradients(self):
        """Return the gradients of x and of the parameters."""
        gradients = self.train()

        def named(tree, d):
            if isinstance(tree, Parameters):
                return Parameters(tree.spec, d)
            parts = zip(tree.parts, d, strict=True)
            return Parts(tree.kind, tuple(named(part, d_part) for part, d_part in parts))

        return gradients.x, named(self.parameters, gradients.parameters)


class _Torch(Implementation):
    needs = ("torch",)
    devices = ("cpu", "cuda")

    def make(self, *sizes, **arguments):
        raise NotImplementedError

    def prepare(self):
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("PyTorch sees no CUDA device")
        tree, arguments = self.parameters, {}
        if isinstance(tree, Parts) and tree.kind == "stack":
            arguments["num_layers"] = len(tree.parts)
            tree = tree.parts[0]
        arguments["bidirectional"] = isinstance(tree, Parts)
        cell = first_cell(tree)
        self.layer = self.make(
            cell.input_size,
            cell.hidden_size,
            dtype=getattr(torch, self.dtype),
            device=self.device,
            **arguments,
        )
        interchange.load_parameters(self.layer, self.parameters)
        self.x = torch.tensor(self.batch.x, device=self.device, requires_grad=True)
        self.d_outputs = torch.tensor(self.batch.d_outputs, device=self.device)

    def run(self):
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        if self.batch.lengths is None:
            return self.layer(self.x)[0]
        packed = pack_padded_sequence(self.x, self.batch.lengths, enforce_sorted=False)
        return pad_packed_sequence(self.layer(packed)[0], total_length=len(self.x))[0]

    def infer(self):
        import torch

        with torch.inference_mode():
            return self.run()

    def train(self):
        import torch

        outputs = self.run()
        wanted = [self.x, *self.layer.parameters()]
        return outputs, torch.autograd.grad(outputs, wanted, self.d_outputs)

    def wait(self, result):
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()

    def outputs(self):
        return self.infer().cpu().numpy()

    def gradients(self):
        import copy

        import torch

        _, (d_x, *d_weights) = self.train()
        # The gradients stand in a layer of their own, so that interchange reads them as it reads
        # weights. Two biases that add up have the same gradient, which is that of their sum.
        holder = copy.deepcopy(self.layer)
        size = self.layer.hidden_size
        with torch.no_grad():
            for (name, parameter), d in zip(holder.named_parameters(), d_weights, strict=True):
                parameter.copy_(d)
                if name.startswith("bias_hh"):
                    parameter[: 2 * size if self.cell.reset_after else None] = 0
        return d_x.cpu().numpy(), interchange.parameters_of(holder)


class Torch(_Torch):
    """``companion.torch``."""

    name = "companion.torch"

    def make(self, *sizes, **arguments):
        """Make the layer."""
        import companion.torch as ct

        kind, more = self._class(
            {
                spec.RNN.name: (ct.RNN, {"nonlinearity": "tanh"}),
                spec.RNN_RELU.name: (ct.RNN, {"nonlinearity": "relu"}),
                spec.LSTM.name: (ct.LSTM, {}),
                spec.PEEPHOLE_LSTM.name: (ct.PeepholeLSTM, {}),
                spec.GRU.name: (ct.GRU, {"reset_after": False}),
                spec.GRU_RESET_AFTER.name: (ct.GRU, {"reset_after": True}),
            }
        )
        return kind(*sizes, **arguments, **more)


class TorchNN(_Torch):
    """``torch.nn``."""

    name = "torch.nn"

    def make(self, *sizes, **arguments):
        """Make the layer."""
        from torch import nn

        kind, more = self._class(
            {
                spec.RNN.name: (nn.RNN, {"nonlinearity": "tanh"}),
                spec.RNN_RELU.name: (nn.RNN, {"nonlinearity": "relu"}),
                spec.LSTM.name: (nn.LSTM, {}),
                spec.GRU_RESET_AFTER.name: (nn.GRU, {}),
            }
        )
        return kind(*sizes, **arguments, **more)


class _Keras(Implementation):
    needs = ("keras",)
    devices = ("cpu", "cuda")

    def layers(self):
        raise NotImplementedError

    def prepare(self):
        keras = imported_keras()
        if self.device == "cuda" and not _keras_sees_a_gpu():
            raise Unavailable(f"Keras on {keras.backend.backend()} sees no CUDA device")
        if self.dtype == "float64" and keras.backend.backend() == "jax":
            import jax

            if not jax.config.jax_enable_x64:
                raise Unavailable("JAX has float64 only with JAX_ENABLE_X64=1")
        kind, more = self._class(self.layers())
        arguments = {
            "return_sequences": True,
            "zero_output_for_mask": True,
            "dtype": self.dtype,
        } | more

        def made(tree):
            if isinstance(tree, Parameters):
                return kind(tree.hidden_size, **arguments)
            if tree.kind == "stack":
                stack = keras.Sequential([made(part) for part in tree.parts])
                stack.supports_masking = True  # all its layers do, which Keras does not look up
                return stack
            return keras.layers.Bidirectional(made(tree.parts[0]), dtype=self.dtype)

        self.layer = made(self.parameters)
        self.layer.build((None, None, first_cell(self.parameters).input_size))
        interchange.load_parameters(self.layer, self.parameters)
        n_steps = len(self.batch.x)
        self.x = keras.ops.convert_to_tensor(self.batch.x.swapaxes(0, 1))
        self.d_outputs = keras.ops.convert_to_tensor(self.batch.d_outputs.swapaxes(0, 1))
        self.mask = None
        if self.batch.lengths is not None:
            mask = np.arange(n_steps) < np.asarray(self.batch.lengths)[:, None]
            self.mask = keras.ops.convert_to_tensor(mask)

    def _functions(self):
        """Return forward alone, and forward with backward, as each backend has gradients."""
        import keras

        backend = keras.backend.backend()
        layer, mask = self.layer, self.mask

        def infer(x):
            return layer(x, mask=mask)

        if backend == "tensorflow":
            import tensorflow as tf

            def train(x, d_outputs):
                variables = [variable.value for variable in layer.trainable_variables]
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    outputs = layer(x, mask=mask)
                return outputs, tape.gradient(outputs, [x, *variables], d_outputs)

        elif backend == "jax":
            import jax

            fixed = [variable.value for variable in layer.non_trainable_variables]

            def run(x, variables):
                return layer.stateless_call(variables, fixed, x, mask=mask)[0]

            def train(x, d_outputs):
                variables = [variable.value for variable in layer.trainable_variables]
                outputs, pull_back = jax.vjp(run, x, variables)
                d_x, d_variables = pull_back(d_outputs)
                return outputs, [d_x, *d_variables]

        else:
            import torch

            infer = torch.inference_mode()(infer)

            def train(x, d_outputs):
                x = x.detach().requires_grad_()
                variables = [variable.value for variable in layer.trainable_variables]
                outputs = layer(x, mask=mask)
                return outputs, torch.autograd.grad(outputs, [x, *variables], d_outputs)

        return infer, train

    @cached_property
    def _compiled(self):
        """The same as a user's model runs them: as graphs, where the backend has graphs."""
        import keras

        infer, train = self._functions()
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            # Traced here, once, for this batch.
            infer = tf.function(infer).get_concrete_function(self.x)
            train = tf.function(train).get_concrete_function(self.x, self.d_outputs)
        elif backend == "jax":
            import jax

            infer, train = jax.jit(infer), jax.jit(train)
        return infer, train

    def infer(self):
        return self._compiled[0](self.x)

    def train(self):
        return self._compiled[1](self.x, self.d_outputs)

    def wait(self, result):
        import keras

        backend = keras.backend.backend()
        if backend == "jax":
            import jax

            jax.block_until_ready(result)
        elif self.device == "cuda" and backend == "torch":
            import torch

            torch.cuda.synchronize()
        elif self.device == "cuda":
            import tensorflow as tf

            tf.test.experimental.sync_devices()

    def outputs(self):
        from keras import ops

        infer, _ = self._functions()
        return ops.convert_to_numpy(infer(self.x)).swapaxes(0, 1)

    def gradients(self):
        import keras

        _, train = self._functions()
        _, (d_x, *d_weights) = train(self.x, self.d_outputs)
        arrays = [np.array(keras.ops.convert_to_numpy(d)) for d in d_weights]
        for variable, array in zip(self.layer.trainable_variables, arrays, strict=True):
            if variable.name == "bias" and array.ndim == 2:  # as in PyTorch: see there
                array[1, : 2 * array.shape[1] // 3] = 0
        weights = self.layer.get_weights()
        self.layer.set_weights(arrays)
        try:
            tree = interchange.parameters_of(self.layer)
        finally:
            self.layer.set_weights(weights)
        return keras.ops.convert_to_numpy(d_x).swapaxes(0, 1), tree


class Keras(_Keras):
    """``companion.keras``, on the backend that Keras runs on."""

    name = "companion.keras"

    def layers(self):
        """Return class and arguments for every cell."""
        import companion.keras as ck

        return {
            spec.RNN.name: (ck.SimpleRNN, {"activation": "tanh"}),
            spec.RNN_RELU.name: (ck.SimpleRNN, {"activation": "relu"}),
            spec.LSTM.name: (ck.LSTM, {}),
            spec.PEEPHOLE_LSTM.name: (ck.PeepholeLSTM, {}),
            spec.GRU.name: (ck.GRU, {"reset_after": False}),
            spec.GRU_RESET_AFTER.name: (ck.GRU, {"reset_after": True}),
        }


class KerasLayers(_Keras):
    """``keras.layers``, on the backend that Keras runs on."""

    name = "keras.layers"

    def layers(self):
        """Return class and arguments for every cell that Keras has."""
        from keras import layers

        return {
            spec.RNN.name: (layers.SimpleRNN, {"activation": "tanh"}),
            spec.RNN_RELU.name: (layers.SimpleRNN, {"activation": "relu"}),
            spec.LSTM.name: (layers.LSTM, {}),
            spec.GRU.name: (layers.GRU, {"reset_after": False}),
            spec.GRU_RESET_AFTER.name: (layers.GRU, {"reset_after": True}),
        }


class ONNXRuntime(Implementation):
    """ONNX Runtime on the model that ``interchange.to_onnx`` writes; float32, forward only."""

    name = "ONNX Runtime"
    needs = ("onnx", "onnxruntime")
    devices = ("cpu", "cuda")
    trains = False

    def prepare(self):
        """Write the model and open it."""
        import tempfile
        from pathlib import Path

        import onnxruntime

        if self.dtype != "float32":
            raise Unavailable("ONNX Runtime's recurrent operators compute in float32")
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[self.device]
        if provider not in onnxruntime.get_available_providers():
            raise Unavailable(f"ONNX Runtime has no {provider}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "layer.onnx"
            interchange.to_onnx(self.parameters, path)
            options = onnxruntime.SessionOptions()
            # It is built without OpenMP, so what limits the others' threads has to be told it.
            threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
            options.intra_op_num_threads = int(threads or 0)
            self.session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=[provider]
            )
        n_steps, batch, _ = self.batch.x.shape
        lengths = np.full(batch, n_steps) if self.batch.lengths is None else self.batch.lengths
        self.feed = {"x": self.batch.x, "lengths": np.asarray(lengths, np.int32)}
        for entry in self.session.get_inputs():
            if entry.name not in self.feed:
                self.feed[entry.name] = np.zeros((1, batch, entry.shape[2]), np.float32)

    def infer(self):
        """Run forward."""
        return self.session.run(["outputs"], self.feed)[0]

    def outputs(self):
        """Return the outputs, (T, B, ·)."""
        return self.infer()


def imported_keras():
    """Import Keras, and with it its backend, in silence.

    Whatever is set, TensorFlow reports while it loads that it has found no GPU. What goes to file
    descriptor 2 meanwhile goes nowhere.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        descriptor = os.dup(2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            import keras  # noqa: F401
        finally:
            os.dup2(descriptor, 2)
            os.close(descriptor)
    return sys.modules["keras"]


def _keras_sees_a_gpu():
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


#: All implementations, the reference first.
ALL = (NumPy, Torch, TorchNN, Keras, KerasLayers, ONNXRuntime)
