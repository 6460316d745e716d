"""Checkpoints: all that training needs to go on, in one file that is replaced as a whole.

The file is safetensors: reading it executes nothing. Its tensors are called by where they were,
``model.weight_ih_l0`` or ``optimizer.state.0.exp_avg``; all else is JSON in the entry
``companion.training`` of its metadata, which is nested as the state was and names the tensors.
"""

import collections
import json
import os

import numpy as np
import torch

from companion import atomic

LAYOUT = 1
ENTRY = "companion.training"
#: Mappings that a state may be made of, by the name that they have in the file.
_MAPPINGS = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
}


def save(path, state: dict) -> None:
    """Write a nested state: all of it, or the file stays what it was.

    Parameters
    ----------
    path
        The file.
    state
        Dictionaries, lists and tuples of tensors, NumPy arrays, numbers, strings and ``None``.

    Raises
    ------
    TypeError
        If there is something else in the state; the message says where and what.
    OSError
        If the file cannot be written; its path is in the message.
    """
    import safetensors.torch

    tensors = {}
    about = json.dumps({"layout": LAYOUT, "state": _encoded(state, "", tensors)})
    data = safetensors.torch.save(tensors, {ENTRY: about})
    write(path, data)


def write(path, data: bytes) -> None:
    """Write a file whole or not at all; an error names the path."""
    try:
        atomic.write(path, data)
    except OSError as error:
        reason = f"cannot be written, and stays what it was: {error.strerror or error}"
        raise OSError(error.errno, reason, os.fspath(path)) from None


def load(path) -> dict:
    """Read a state that :func:`save` wrote; tensors are on the CPU.

    Raises
    ------
    ValueError
        If the file is no checkpoint or is damaged; the message names path and reason.
    OSError
        If there is no such file or it cannot be read.
    """
    with open(path, "rb") as file:
        return parsed(file.read(), path)


def parsed(data: bytes, path) -> dict:
    """Return the state in a file's bytes; as :func:`load`."""
    import safetensors.torch

    def refused(reason):
        return ValueError(f"{os.fspath(path)} is no checkpoint that can be read: {reason}")

    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (safetensors.SafetensorError, ValueError) as error:
        raise refused(error) from None
    metadata = header.get("__metadata__") or {}
    if ENTRY not in metadata:
        raise refused(f"its metadata have no entry {ENTRY!r}")
    try:
        about = json.loads(metadata[ENTRY])
    except ValueError as error:
        raise refused(f"its metadata are damaged ({error})") from None
    try:
        if about["layout"] != LAYOUT:
            raise refused(f"it has layout {about['layout']!r}, this version reads {LAYOUT}")
        return _decoded(about["state"], tensors)
    except (KeyError, TypeError) as error:
        raise refused(f"its metadata are damaged ({error!r})") from None


def _encoded(value, where, tensors):
    """Return a part of the state as JSON; its tensors go into ``tensors``."""
    if value is None or type(value) in (bool, int, float, str):
        return value  # JSON in Python keeps floats exactly, nan and inf too
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.is_quantized:
            raise TypeError(f"{where} is a {value.layout} tensor, which a checkpoint cannot hold")
        # A copy: safetensors refuses tensors that share their memory, as tied weights do.
        return {"tensor": _named(where, value.detach().to("cpu", copy=True).contiguous(), tensors)}
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        kept = torch.from_numpy(_signed(value).copy())
        return {"array": _named(where, kept, tensors), "dtype": value.dtype.str}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"number": value.item(), "dtype": value.dtype.str}
    if type(value) in (list, tuple):
        parts = [_encoded(part, _join(where, i), tensors) for i, part in enumerate(value)]
        return {type(value).__name__: parts}
    if type(value) in _MAPPINGS.values():
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"{where} has the key {key!r}, expected a string or whole number")
        pairs = [[key, _encoded(part, _join(where, key), tensors)] for key, part in value.items()]
        return {type(value).__name__: pairs}
    raise TypeError(
        f"{where} is {type(value).__module__}.{type(value).__qualname__}, but a checkpoint holds "
        "only tensors, numbers, strings and None, and lists, tuples and dictionaries of them"
    )


def _decoded(value, tensors):
    if not isinstance(value, dict):
        return value
    kind = next(iter(value))
    if kind == "tensor":
        return tensors[value[kind]]
    if kind == "array":
        return tensors[value[kind]].numpy().view(value["dtype"])
    if kind == "number":
        return np.dtype(value["dtype"]).type(value[kind])
    if kind in ("list", "tuple"):
        parts = [_decoded(part, tensors) for part in value[kind]]
        return parts if kind == "list" else tuple(parts)
    return _MAPPINGS[kind]({key: _decoded(part, tensors) for key, part in value[kind]})


def _named(where, tensor, tensors):
    """Put a tensor among the others, and return its name: another one if that is taken."""
    while where in tensors:  # a dictionary may have the keys 1 and "1"
        where += "'"
    tensors[where] = tensor
    return where


def _signed(array):
    """Return unsigned numbers as signed ones of the same bytes: safetensors.torch knows few."""
    return array.view(array.dtype.str.replace("u", "i")) if array.dtype.kind == "u" else array


def _join(where, key):
    return f"{where}.{key}" if where else str(key)
