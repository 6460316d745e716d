"""Parameters in files: safetensors, with what they belong to and a checksum beside them.

A file is numbers and names. Reading one executes nothing, and what is not exactly what
:func:`save` writes is refused. The checksum is against accidents: whoever means harm can write a
file with other numbers and a checksum that fits.

Layout 1. The tensors, F32 or F64, are called by the path of their cell and their name: ``W`` for a
single cell, ``0.1.W`` for the second direction of the first layer. The metadata have one entry,
``companion.interchange``, which is JSON:

``layout``
    The number 1.
``structure``
    A string of JSON: a cell's name from :data:`companion.spec.CELLS`, ``{"stack": [...]}`` or
    ``{"bidirectional": [..., ...]}``.
``sha256``
    In hexadecimal, the SHA-256 of ``1``, a newline, the structure and a newline; then, for every
    tensor in the order of their names, of name, dtype and shape, as in ``0.1.W float32 (4, 3, 2)``,
    a newline, and its bytes as they stand in the file.
"""

import hashlib
import json
import math
import os
import stat

import numpy as np

from companion import atomic, spec
from companion.interchange.transfer import tree_of
from companion.interchange.tree import MAX_DEPTH, Parameters, Parts, cells, check_finite, indexed

LAYOUT = 1
ENTRY = "companion.interchange"
MAX_HEADER = 2**24
DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def save(path, layer_or_parameters) -> None:
    """Write parameters into a safetensors file, all of it or nothing.

    The same parameters give the same bytes.

    Parameters
    ----------
    path
        The file. If it exists, it is replaced once the new one is complete; if anything fails
        before, it stays as it is.
    layer_or_parameters
        Any layer that :func:`parameters_of` reads, :class:`Parameters` or :class:`Parts`.

    Raises
    ------
    TypeError, ValueError
        As :func:`parameters_of`; also if a value is not finite.
    OSError
        If the file cannot be written.
    """
    import safetensors.numpy

    path = os.fspath(path)
    tree = tree_of(layer_or_parameters)
    tensors = {}
    for where, parameters in cells(tree):
        for name, array in parameters.items():
            check_finite(f"{indexed('parameters', where)}[{name!r}]", array, array.dtype)
            little = array.dtype.newbyteorder("<")
            tensors[_named(where, name)] = np.ascontiguousarray(array, dtype=little)
    structure = _structure(tree)
    about = {"layout": LAYOUT, "structure": structure, "sha256": _checksum(structure, tensors)}
    # One entry, because safetensors writes several in no fixed order.
    data = safetensors.numpy.save(tensors, {ENTRY: json.dumps(about)})
    if int.from_bytes(data[:8], "little") > MAX_HEADER:
        raise ValueError(f"parameters are of {len(tensors)} arrays, which is too many for a file")
    atomic.write(path, data)


def load(path, *, max_bytes: int = 2**30) -> Parameters | Parts:
    """Read parameters from a file that :func:`save` wrote; :func:`load_parameters` takes them.

    Parameters
    ----------
    path
        The file.
    max_bytes
        How large a file may be, 1 GiB if nothing is said; looked at before it is read.

    Returns
    -------
    parameters : Parameters or Parts
        Bit by bit what was saved.

    Raises
    ------
    ValueError
        If the file is too large, of another kind or layout, cut off, or altered in any bit;
        the message names path and reason.
    OSError
        If there is no such file or it cannot be read.
    """
    path = os.fspath(path)
    data = _bytes(path, max_bytes)
    try:
        return _parsed(data)
    except _Refused as reason:
        raise ValueError(f"{os.fsdecode(path)} cannot be loaded: {reason}") from None


class _Refused(Exception):
    """Why a file is not what it should be."""


def _bytes(path, max_bytes):
    def refuse(reason):
        raise ValueError(f"{os.fsdecode(path)} cannot be loaded: {reason}")

    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder is an OSError when opened
        refuse("it is not a regular file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            refuse(f"it has {size} bytes, more than max_bytes, which is {max_bytes}")
        data = file.read(size + 1)
    if len(data) != size:
        refuse("it changed while it was read")
    return data


def _parsed(data):
    about, entries = _header(data)
    tree = _json("the structure", about["structure"], wanted=str | dict)
    names = {}  # of every cell: its spec and its path
    _walk(tree, (), names)
    wanted = {_named(path, name) for path, cell in names.items() for name in cell.shapes(1, 1)}
    for name in sorted(wanted ^ entries.keys()):
        raise _Refused(
            f"it has no tensor {name!r:.60}"
            if name in wanted
            else f"it has a tensor {name!r:.60}, which its structure does not name"
        )
    for path, cell in names.items():
        _check_shapes(path, cell, entries)
    tensors = _tensors(data, entries)
    if _checksum(about["structure"], tensors) != about["sha256"]:
        raise _Refused("its checksum does not fit: it has been altered")
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise _Refused(f"tensor {name!r} has values that are not finite")
    try:
        return _built(tree, (), tensors)
    except ValueError as error:  # sizes that do not chain
        raise _Refused(str(error)) from None


def _header(data):
    """Return the metadata's one entry and dtype and shape of all tensors, checked."""
    if len(data) < 8:
        raise _Refused(f"it has {len(data)} bytes, fewer than a safetensors file's first eight")
    size = int.from_bytes(data[:8], "little")
    if size > min(len(data) - 8, MAX_HEADER):
        raise _Refused(f"it says that its header has {size} bytes, more than there are or may be")
    header = _json("the header", data[8 : 8 + size], wanted=dict)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.keys() != {ENTRY}:
        raise _Refused(f"its metadata do not have the one entry {ENTRY!r}: it is of another kind")
    about = _json("the metadata", metadata[ENTRY], wanted=dict)
    layout = about.get("layout")
    if type(layout) is not int or layout != LAYOUT:
        raise _Refused(f"it has layout {layout!r:.40}, and this version reads layout {LAYOUT}")
    if about.keys() != {"layout", "structure", "sha256"}:
        raise _Refused("its metadata are not layout, structure and sha256")
    for name in ("structure", "sha256"):
        if not isinstance(about[name], str):
            raise _Refused(f"the metadata's {name} is not a string")
    return about, {name: _entry(name, entry) for name, entry in header.items()}


def _entry(name, entry):
    """Return dtype and shape of a tensor."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _Refused(f"tensor {name!r:.60} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _Refused(f"tensor {name!r:.60} has dtype {dtype!r:.40}, expected F32 or F64")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise _Refused(f"tensor {name!r:.60} has a shape or offsets that are not whole numbers")
    if len(shape) > 3 or len(offsets) != 2:
        raise _Refused(f"tensor {name!r:.60} has {len(shape)} axes and {len(offsets)} offsets")
    if math.prod(shape) * DTYPES[dtype].itemsize != offsets[1] - offsets[0]:
        raise _Refused(f"tensor {name!r:.60} has another size than its shape {tuple(shape)} says")
    return DTYPES[dtype], tuple(shape)


def _check_shapes(path, cell, entries):
    _, shape = entries[_named(path, "W")]
    if len(shape) != 3 or 0 in shape:
        raise _Refused(f"tensor {_named(path, 'W')!r} has shape {shape}, expected (G, H, I)")
    for name, expected in cell.shapes(shape[2], shape[1]).items():
        name = _named(path, name)
        try:
            spec.check_shape(f"tensor {name!r}", entries[name][1], expected)
        except ValueError as error:
            raise _Refused(str(error)) from None


def _tensors(data, entries):
    import safetensors
    import safetensors.numpy

    try:
        tensors = safetensors.numpy.load(data)
    except safetensors.SafetensorError as error:
        raise _Refused(f"safetensors cannot read it: {error}") from None
    if {name: (array.dtype, array.shape) for name, array in tensors.items()} != entries:
        raise _Refused("safetensors reads other tensors from it than its header names")
    return tensors


def _json(what, text, wanted):
    """Parse JSON in which no name occurs twice."""

    def unique(pairs):
        if len(dict(pairs)) != len(pairs):
            raise _Refused(f"{what} has a name twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, TypeError, RecursionError) as error:
        raise _Refused(f"{what} is not JSON: {error}") from None
    if not isinstance(value, wanted):
        raise _Refused(f"{what} is JSON of another kind")
    return value


def _walk(tree, path, names):
    """Collect every cell of a structure by its path."""
    if len(path) > MAX_DEPTH:
        raise _Refused(f"its structure is more than {MAX_DEPTH} deep")
    if isinstance(tree, str):
        if tree not in spec.CELLS:
            raise _Refused(f"its structure names a cell {tree!r:.40}, which is not known")
        names[path] = spec.CELLS[tree]
        return
    kinds = list(tree) if isinstance(tree, dict) else []
    if kinds not in (["stack"], ["bidirectional"]) or not isinstance(tree[kinds[0]], list):
        raise _Refused("its structure has a part that is no cell, stack or pair of directions")
    for k, part in enumerate(tree[kinds[0]]):
        _walk(part, (*path, k), names)


def _built(tree, path, tensors):
    if isinstance(tree, str):
        cell = spec.CELLS[tree]
        return Parameters(cell, {name: tensors[_named(path, name)] for name in cell.shapes(1, 1)})
    ((kind, parts),) = tree.items()
    return Parts(kind, tuple(_built(part, (*path, k), tensors) for k, part in enumerate(parts)))


def _structure(tree):
    def described(tree):
        if isinstance(tree, Parameters):
            if spec.CELLS.get(tree.spec.name) != tree.spec:
                raise ValueError(f"parameters are of cell {tree.spec.name}, which no file can hold")
            return tree.spec.name
        return {tree.kind: [described(part) for part in tree.parts]}

    return json.dumps(described(tree))


def _named(path, name):
    return ".".join([*map(str, path), name])


def _checksum(structure, tensors):
    """Return the SHA-256 of layout, structure and every tensor, in the order of their names."""
    digest = hashlib.sha256(f"{LAYOUT}\n{structure}\n".encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).ravel())
    return digest.hexdigest()
