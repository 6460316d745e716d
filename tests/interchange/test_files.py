"""Parameters in files: what comes back, and what is refused."""

import base64
import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import companion.numpy as cnp
from companion import interchange, spec
from companion.interchange import Parameters, Parts, files, load, save
from tests.interchange.kinds import (
    FORMS,
    HAVE,
    KERAS,
    H,
    I,
    assert_same,
    built,
    layer_of,
    memory,
    one,
    tree,
)

ROOT = Path(__file__).parents[2]
ENTRY = "companion.interchange"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "layer.safetensors"


def bytes_of(parameters, folder):
    path = folder / "some.safetensors"
    save(path, parameters)
    return path.read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A tree whose file is short, and that file."""
    parameters = Parts("bidirectional", [one(spec.GRU_RESET_AFTER, 1, 1), one(spec.RNN_RELU, 1, 1)])
    return parameters, bytes_of(parameters, tmp_path_factory.mktemp("small"))


# There and back


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", spec.CELLS)
def test_what_is_saved_comes_back_bit_by_bit(cell, form, path):
    sent = tree(spec.CELLS[cell], form)
    save(path, sent)
    assert_same(load(path), sent)


@pytest.mark.parametrize(("kind", "cell"), HAVE)
def test_a_layer_is_saved_and_loaded(kind, cell, path):
    layer, other = (layer_of(kind, spec.CELLS[cell], "stack of pairs") for _ in range(2))
    if kind in KERAS:
        built(layer)
    save(path, layer)
    interchange.load_parameters(other, load(path))
    received = interchange.parameters_of(other)
    assert_same(received, interchange.parameters_of(layer))


def test_any_tree_is_saved(path):
    stack = Parts("stack", [one(), one(spec.RNN, H, 3)])
    sent = Parts(
        "stack",
        [Parts("bidirectional", [stack, one(spec.PEEPHOLE_LSTM)]), one(spec.GRU, 3 + H, 1)],
    )
    save(path, sent)
    assert_same(load(path), sent)
    deep = one()
    for _ in range(32):
        deep = Parts("stack", [deep])
    save(path, deep)
    assert_same(load(path), deep)


def test_dtypes_stay_as_they_are(path):
    arrays = dict(one())
    arrays["b"] = arrays["b"].astype("float32")
    sent = Parts("stack", [Parameters(spec.LSTM, arrays), one(input_size=H)])
    save(path, sent)
    assert_same(load(path), sent)


def test_what_is_loaded_may_be_changed(path):
    save(path, one())
    received = load(path)
    received["W"][...] = 7
    assert_same(load(path), one())


def test_the_same_parameters_give_the_same_bytes(tmp_path):
    data = {bytes_of(tree(form="stack of pairs"), tmp_path) for _ in range(20)}
    strided = {name: np.repeat(array, 2, axis=-1)[..., ::2] for name, array in one().items()}
    assert len(data) == 1
    assert bytes_of(Parameters(spec.LSTM, strided), tmp_path) == bytes_of(one(), tmp_path)


def test_the_layout_is_as_described_and_safetensors_reads_it(tmp_path):
    sent = tree(spec.PEEPHOLE_LSTM, "stack of pairs")
    data = bytes_of(sent, tmp_path)
    tensors = safetensors.numpy.load(data)
    assert sorted(tensors) == sorted(
        f"{layer}.{side}.{name}" for layer in "01" for side in "01" for name in "WUbV"
    )
    np.testing.assert_array_equal(tensors["1.0.V"], sent[1][0]["V"])
    header, _ = taken_apart(data)
    about = json.loads(header["__metadata__"][ENTRY])
    assert about["layout"] == 1
    pair = {"bidirectional": ["PeepholeLSTM"] * 2}
    assert json.loads(about["structure"]) == {"stack": [pair, pair]}
    assert set(safetensors.numpy.load(bytes_of(one(), tmp_path))) == {"W", "U", "b"}


OF_TODAY = (
    "WAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJjb21wYW5pb24uaW50ZXJjaGFuZ2UiOiJ7XCJsYXlvdXRcIjogMSwg"
    "XCJzdHJ1Y3R1cmVcIjogXCJcXFwiUk5OXFxcIlwiLCBcInNoYTI1NlwiOiBcImMxN2YzZTg3OTZiZTU0ZWJiY2Zi"
    "NTdlMDE3Y2JkOGIyOGRmMTU3ZDc4NWI0NzE3MWRkNzQ0NWM2MzA3YTBhMzlcIn0ifSwiVSI6eyJkdHlwZSI6IkYz"
    "MiIsInNoYXBlIjpbMSwxLDFdLCJkYXRhX29mZnNldHMiOlswLDRdfSwiVyI6eyJkdHlwZSI6IkYzMiIsInNoYXBl"
    "IjpbMSwxLDFdLCJkYXRhX29mZnNldHMiOls0LDhdfSwiYiI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMSwxXSwi"
    "ZGF0YV9vZmZzZXRzIjpbOCwxMl19fQAAAMAAAMA/AACAPg=="
)


def test_a_file_of_today_is_read_tomorrow(path):
    """Layout 1, as first written."""
    path.write_bytes(base64.b64decode(OF_TODAY))
    received = load(path)
    assert received.spec == spec.RNN
    assert (received["W"], received["U"], received["b"]) == (1.5, -2.0, 0.25)


def test_nothing_is_saved_that_could_not_be_loaded(path):
    for value in (np.nan, np.inf):
        spoiled = one()
        spoiled["U"].flat[-1] = value
        with pytest.raises(
            ValueError, match=r"^parameters\[1\]\['U'\] has values that are not fin"
        ):
            save(path, Parts("bidirectional", [one(), spoiled]))
    other = dataclasses.replace(spec.LSTM, name="mine")
    with pytest.raises(ValueError, match="^parameters are of cell mine, which no file can hold"):
        save(path, Parameters(other, dict(one())))
    with pytest.raises(TypeError, match="^layer is builtins.dict, expected a recurrent layer"):
        save(path, {})
    assert not path.exists()


def test_too_many_arrays_are_refused_before_writing(path, monkeypatch):
    monkeypatch.setattr(files, "MAX_HEADER", 100)
    with pytest.raises(ValueError, match="^parameters are of 3 arrays, which is too many"):
        save(path, one())
    assert not path.exists()


# Files that are not what they should be


def refused(path, data, reason=""):
    path.write_bytes(data)
    with pytest.raises(ValueError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path} cannot be loaded: ")
    assert reason in message
    assert len(message) < len(str(path)) + 300


def taken_apart(data):
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def put_together(header, data):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_every_single_bit_counts(small, path):
    _, data = small
    for position in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[position] ^= 1 << bit
            refused(path, bytes(altered))


def test_a_file_that_is_cut_off_anywhere_or_goes_on_is_refused(small, path):
    _, data = small
    for length in range(len(data)):
        refused(path, data[:length])
    for more in (b"\0", b" ", data):
        refused(path, data + more)


def test_a_file_whose_pages_were_lost_is_refused(path, tmp_path):
    data = bytes_of(one(spec.LSTM, 30, 30), tmp_path)
    assert len(data) > 3 * 4096
    for start in range(0, len(data), 4096):
        page = slice(start, start + 4096)
        refused(path, data[: page.start] + bytes(len(data[page])) + data[page.stop :])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_damage_of_any_kind_is_refused(small, tmp_path_factory, data):
    _, whole = small
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    put = data.draw(st.binary(max_size=64))
    damaged = whole[:start] + put + whole[stop:]
    if damaged != whole:
        refused(tmp_path_factory.mktemp("damaged") / "x", damaged)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.booleans())
def test_what_is_no_such_file_is_refused(tmp_path_factory, data, as_header):
    refused(tmp_path_factory.mktemp("random") / "x", put_together(data, b"") if as_header else data)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PLACES = [
    ("__metadata__",),
    ("__metadata__", ENTRY),
    *[("__metadata__", ENTRY, name) for name in ("layout", "structure", "sha256")],
    ("0.W",),
    *[("0.W", name) for name in ("dtype", "shape", "data_offsets")],
    ("0.W", "shape", 0),
    ("0.W", "data_offsets", 1),
    ("more",),
]


def changed(data, place, value):
    """The file with something else at a place of its header."""
    header, rest = taken_apart(data)
    about = json.loads(header["__metadata__"][ENTRY])
    inner = place[:2] == ("__metadata__", ENTRY) and len(place) == 3
    target = about if inner else header
    for key in place[2:-1] if inner else place[:-1]:
        target = target[key]
    target[place[-1]] = value
    if inner:
        header["__metadata__"][ENTRY] = json.dumps(about)
    return put_together(header, rest)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(PLACES), ANY_JSON)
def test_any_json_in_any_place_is_refused(small, tmp_path_factory, place, value):
    _, data = small
    altered = changed(data, place, value)
    if taken_apart(altered) != taken_apart(data):
        refused(tmp_path_factory.mktemp("json") / "x", altered)


def test_a_header_in_other_words_is_the_same_header(small, path):
    """Spaces and order are not the content."""
    parameters, data = small
    header, rest = taken_apart(data)
    other = json.dumps(dict(reversed(header.items())), indent=1).encode()
    path.write_bytes(put_together(other, rest))
    assert_same(load(path), parameters)


def honest(structure, tensors, **more):
    """A file with a checksum that fits, whatever it holds."""
    digest = files._checksum(structure, tensors)
    about = {"layout": 1, "structure": structure, "sha256": digest} | more
    return safetensors.numpy.save(tensors, {ENTRY: json.dumps(about)})


def tensors_of(parameters, prefix=""):
    return {f"{prefix}{name}": array for name, array in parameters.items()}


def deep(depth, innermost='"LSTM"'):
    return '{"stack": [' * depth + innermost + "]}" * depth


LSTM = json.dumps("LSTM")
HONEST = {
    "layout 2": (honest(LSTM, tensors_of(one()), layout=2), "has layout 2, and this version reads"),
    "layout true": (honest(LSTM, tensors_of(one()), layout=True), "has layout True, and this"),
    "more metadata": (honest(LSTM, tensors_of(one()), more=1), "are not layout, structure and"),
    "sha256 of another kind": (honest(LSTM, tensors_of(one()), sha256=1), "sha256 is not a string"),
    "unknown cell": (honest('"LSTN"', tensors_of(one())), "a cell 'LSTN', which is not known"),
    "another cell": (honest('"RNN"', tensors_of(one())), "has shape (4, 4, 2), expected (1, 4, 2)"),
    "unknown kind": (honest('{"pile": ["LSTM"]}', tensors_of(one())), "part that is no cell"),
    "two kinds": (
        honest('{"stack": ["LSTM"], "bidirectional": []}', tensors_of(one(), "0.")),
        "part that is no cell",
    ),
    "empty stack": (honest('{"stack": []}', {}), "parts is empty"),
    "three directions": (
        honest(
            '{"bidirectional": ["LSTM", "LSTM", "LSTM"]}',
            {k: v for side in "012" for k, v in tensors_of(one(), f"{side}.").items()},
        ),
        "expected two directions",
    ),
    "sizes that do not chain": (
        honest('{"stack": ["LSTM", "LSTM"]}', tensors_of(one(), "0.") | tensors_of(one(), "1.")),
        "parts[1] has input_size 2, expected 4",
    ),
    "structure twice": (
        honest('{"stack": ["LSTM"], "stack": ["LSTM"]}', tensors_of(one(), "0.")),
        "the structure has a name twice",
    ),
    "structure no JSON": (honest("LSTM", tensors_of(one())), "the structure is not JSON"),
    "structure of another kind": (honest("[]", tensors_of(one())), "JSON of another kind"),
    "33 deep": (honest(deep(33), tensors_of(one(), "0." * 33)), "more than 32 deep"),
    "100000 deep": (honest(deep(100_000), tensors_of(one())), "the structure is not JSON"),
    "missing": (
        honest(LSTM, {k: v for k, v in tensors_of(one()).items() if k != "b"}),
        "it has no tensor 'b'",
    ),
    "extra": (honest(LSTM, tensors_of(one()) | {"c": np.ones(1)}), "a tensor 'c', which its"),
    "not finite": (
        honest(LSTM, tensors_of(one()) | {"b": np.full((4, H), np.nan)}),
        "tensor 'b' has values that are not finite",
    ),
    "no units": (
        honest(LSTM, {"W": np.ones((4, 0, 2)), "U": np.ones((4, 0, 0)), "b": np.ones((4, 0))}),
        "tensor 'W' has shape (4, 0, 2), expected (G, H, I)",
    ),
    "flat": (
        honest(LSTM, tensors_of(one()) | {"W": np.ones((16, 2))}),
        "tensor 'W' has shape (16, 2), expected (G, H, I)",
    ),
    "too wide": (
        honest(LSTM, tensors_of(one()) | {"U": np.ones((4, 4, 5))}),
        "tensor 'U' has shape (4, 4, 5), expected (4, 4, 4)",
    ),
    "of pytorch": (safetensors.numpy.save({"W": np.ones(3)}, {"format": "pt"}), "of another kind"),
    "no metadata": (safetensors.numpy.save({"W": np.ones(3)}), "of another kind"),
    **{
        dtype: (
            honest(LSTM, tensors_of(one()) | {"b": np.ones((4, H), dtype)}),
            f"tensor 'b' has dtype '{name}', expected F32 or F64",
        )
        for dtype, name in (("float16", "F16"), ("int64", "I64"), ("bool", "BOOL"))
    },
}


@pytest.mark.parametrize("fault", HONEST)
def test_a_file_with_a_checksum_that_fits_is_refused_all_the_same(fault, path):
    refused(path, *HONEST[fault])


def described(**more):
    return {"0.W": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]} | more}


def crafted():
    """Headers that make fun of those who read them."""
    about = {"layout": 1, "structure": LSTM, "sha256": ""}
    metadata = {"__metadata__": {ENTRY: json.dumps(about)}}
    entry = '"W":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}'
    start = json.dumps(metadata)[:-1].encode()
    shapes = {"W": [4, 1, 1], "U": [4, 1, 1], "b": [4, 1]}

    def tensor(shape):
        return {"dtype": "F64", "shape": shape, "data_offsets": [0, 32]}

    huge = {"shape": [2**62, 2**62, 2**62], "data_offsets": [0, 8]}
    return {
        "empty": (b"", "it has 0 bytes"),
        "short": (b"\0" * 7, "it has 7 bytes"),
        "header of no bytes": (b"\0" * 8, "the header is not JSON"),
        "header longer than the file": (
            (2**63).to_bytes(8, "little") + b"{}",
            "more than there are or may be",
        ),
        "header longer by one": (b"\3" + b"\0" * 7 + b"{}", "more than there are or may be"),
        "header of 20 MiB": (put_together(b" " * (20 * 2**20), b""), "more than there are or may"),
        "a name twice": (
            put_together(start + f",{entry},{entry}}}".encode(), bytes(8)),
            "the header has a name twice",
        ),
        "metadata twice": (
            put_together(start + b"," + start[1:] + b"}", b""),
            "the header has a name twice",
        ),
        "shape overflows": (
            put_together(metadata | described(**huge), bytes(8)),
            "has another size than its shape",
        ),
        "shape of wrap": (
            put_together(metadata | described(shape=[2**32, 2**32], data_offsets=[0, 0]), b""),
            "has another size than its shape",
        ),
        "negative": (put_together(metadata | described(shape=[-1]), bytes(8)), "not whole"),
        "fraction": (put_together(metadata | described(shape=[1.0]), bytes(8)), "not whole"),
        "boolean": (put_together(metadata | described(shape=[True]), bytes(8)), "not whole"),
        "many digits": (
            put_together(start + b',"W":{"shape":[' + b"9" * 10_000 + b"]}}", b""),
            "the header is not JSON",
        ),
        "a thousand axes": (
            put_together(metadata | described(shape=[1] * 1000), bytes(8)),
            "has 1000 axes",
        ),
        "lists in lists": (put_together(b"[" * 10**6, b""), "the header is not JSON"),
        "objects in objects": (put_together(b'{"a":' * 10**6, b""), "the header is not JSON"),
        "not UTF-8": (put_together(b"\xff\xfe{}", b""), "the header is not JSON"),
        "a list": (put_together(b"[]", b""), "the header is JSON of another kind"),
        "offsets overlap": (
            put_together(
                metadata | {name: tensor(shape) for name, shape in shapes.items()},
                bytes(32),
            ),
            "safetensors cannot read it",
        ),
        "a name of a megabyte": (
            put_together(metadata | {"A" * 10**6: tensor([4, 1, 1])}, bytes(32)),
            "it has a tensor 'AAA",
        ),
        "a tensor of a megabyte": (
            put_together(metadata | {"W" * 10**6: []}, b""),
            "tensor 'WWW",
        ),
        "pickle": (b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00", "more than there are"),
    }


CRAFTED = crafted()


@pytest.mark.parametrize("fault", CRAFTED)
def test_a_hostile_header_is_refused(fault, path):
    refused(path, *CRAFTED[fault])


def test_a_file_larger_than_allowed_is_not_read(small, path, monkeypatch):
    parameters, data = small
    path.write_bytes(data)
    assert_same(load(path, max_bytes=len(data)), parameters)
    monkeypatch.setattr(files, "_parsed", None)
    with pytest.raises(ValueError, match=f"has {len(data)} bytes, more than max_bytes, which is 9"):
        load(path, max_bytes=9)


def test_a_file_of_a_terabyte_is_refused_at_once(path):
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="has 1099511627776 bytes, more than max_bytes"):
        load(path)


def test_what_is_no_file_is_an_oserror_or_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(OSError):
        load(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="pipe cannot be loaded: it is not a regular file"):
            load(tmp_path / "pipe")  # which would wait for ever


def test_a_refused_file_leaves_a_layer_alone(small, path):
    _, data = small
    layer = cnp.LSTM(I, H)
    before = memory(layer)
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError):
        interchange.load_parameters(layer, load(path))
    assert memory(layer) == before


# Writing


class Failed(Exception):
    pass


def fail(*arguments):
    raise Failed


@pytest.mark.parametrize("which", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("write", ["save", "to_onnx"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(which, write, path, monkeypatch):
    def written(seed):
        if write == "save":
            save(path, one(seed=seed))
        else:
            interchange.to_onnx(one(seed=seed), path)

    written(seed=1)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, which, fail)
        with pytest.raises(Failed):
            written(seed=2)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    written(seed=2)
    assert path.read_bytes() != before
    assert os.listdir(path.parent) == [path.name]


def in_another_process(path, code):
    """Run code, then save other parameters to the path."""
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from companion import interchange, spec
{code}
shapes = spec.LSTM.shapes(30, 30)
parameters = interchange.Parameters(spec.LSTM, {{k: np.ones(s) for k, s in shapes.items()}})
try:
    interchange.save({str(path)!r}, parameters)
except OSError as error:
    print(type(error).__name__, error.errno)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path):
    resource = pytest.importorskip("resource")
    save(path, one())
    before = path.read_bytes()
    limit = f"import resource; resource.setrlimit({resource.RLIMIT_FSIZE}, (5000, 5000))"
    ran = in_another_process(path, limit)
    assert ran.stdout.startswith("OSError"), ran.stderr
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_process_that_is_killed_leaves_the_old_file(path):
    save(path, one())
    before = path.read_bytes()
    for moment in ("fsync", "replace"):
        in_another_process(path, f"os.{moment} = lambda *arguments: os._exit(9)")
        assert path.read_bytes() == before
    assert len(os.listdir(path.parent)) == 3  # and its temporary files, hidden
    assert all(name.startswith(".") for name in os.listdir(path.parent) if name != path.name)


def test_it_is_all_on_the_disk_before_it_takes_its_place(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        calls.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def noted_replace(source, target):
        calls.append(("replace", os.stat(source).st_size))
        assert os.path.dirname(source) == os.path.dirname(target)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save(path, one())
    size = path.stat().st_size
    assert calls == [("fsync", size), ("replace", size)]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_and_links_are_those_of_every_file(tmp_path):
    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o027)
    try:
        path = tmp_path / "new"
        save(path, one())
        assert mode(path) == 0o640
    finally:
        os.umask(before)
    path.chmod(0o604)
    save(path, one(seed=1))
    assert mode(path) == 0o604
    link = tmp_path / "link"
    link.symlink_to("new")
    save(link, one(seed=2))
    assert link.is_symlink() and not path.is_symlink()
    assert_same(load(path), one(seed=2))


def test_a_path_may_be_a_string_and_a_folder_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("here.safetensors", one())
    assert_same(load("here.safetensors"), one())
    with pytest.raises(FileNotFoundError):
        save("nowhere/here", one())
    os.mkdir("folder")
    with pytest.raises(OSError):
        save("folder", one())
    with pytest.raises(TypeError):
        save(one(), "here.safetensors")
    for folder in ("folder", "new/", ""):
        with pytest.raises(IsADirectoryError, match="is a folder, expected the path of a file"):
            save(folder, one())
    os.mkfifo("pipe")
    with pytest.raises(OSError, match="'pipe' is not a regular file"):
        save("pipe", one())
    save(b"bytes", one(seed=2))
    assert_same(load(b"bytes"), one(seed=2))
    assert sorted(os.listdir()) == ["bytes", "folder", "here.safetensors", "pipe"]
