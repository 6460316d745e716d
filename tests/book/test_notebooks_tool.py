"""``tools/notebooks.py`` on small notebooks: what it stores, what it leaves alone, what it says."""

import json
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import notebooks as tool

HEAD = "# 1.1 Small\n\n**The question.** Why?\n\n**Run time.** Not yet\nmeasured.\n\nAfter it."


@pytest.fixture
def store(tmp_path):
    """Return a function that stores a notebook with these code cells and returns its path."""

    def write(name, *sources, head=HEAD):
        notebook = new_notebook(
            cells=[new_markdown_cell(head), *(new_code_cell(source) for source in sources)]
        )
        path = tmp_path / "notebooks" / "1-part" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write


def run(root, *arguments):
    return tool.main([*arguments], root)


def test_running_twice_stores_the_same_bytes(store, tmp_path, capsys, monkeypatch):
    # A busy machine may take long over one of the two runs, and that is another test's matter.
    monkeypatch.setattr(tool, "NOISE_SECONDS", 1000)
    path = store(
        "1-1-small",
        "import sys, time\nprint('°C')\nsys.stdout.flush()\ntime.sleep(0.3)\nprint(2)",
        "import numpy\n{'a': numpy.pi}",
    )
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["metadata"]["execution"] = {"iopub.execute_input": "2026"}
    notebook["cells"][1]["metadata"]["tags"] = ["setup"]
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
    path.write_text(json.dumps(notebook))
    ids = [cell["id"] for cell in notebook["cells"]]

    assert run(tmp_path) == 0
    assert "stored" in capsys.readouterr().out
    first = path.read_bytes()
    assert run(tmp_path) == 0
    assert "unchanged" in capsys.readouterr().out
    assert path.read_bytes() == first

    text = first.decode("utf-8")
    assert text.startswith('{\n "cells"') and text.endswith("}\n") and not text.endswith("\n\n")
    assert "°C" in text
    stored = json.loads(text)
    assert [cell["id"] for cell in stored["cells"]] == ids
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    assert stored["metadata"]["language_info"] == {"name": "python"}
    head, printed, value = stored["cells"]
    assert printed["metadata"] == {"tags": ["setup"]}
    assert [cell["execution_count"] for cell in (printed, value)] == [1, 2]
    assert printed["outputs"] == [
        {"name": "stdout", "output_type": "stream", "text": ["°C\n", "2\n"]}
    ]
    assert value["outputs"][0]["data"] == {"text/plain": ["{'a': 3.141592653589793}"]}

    record = stored["metadata"]["companion"]
    assert set(record) == {"cores", "date", "peak_memory_mb", "processor", "seconds", "versions"}
    assert record["seconds"] > 0.3 and record["peak_memory_mb"] > 20
    assert set(record["versions"]) == {"python", "numpy"}
    paragraphs = "".join(head["source"]).split("\n\n")
    assert paragraphs[2:] == [tool.run_time_paragraph(record), "After it."]


def test_a_failing_page_is_left_as_it_was_and_the_others_run(store, tmp_path, capfd):
    bad = store("1-1-bad", "print('fine')", "1 / 0")
    dead = store("1-2-dead", "import os\nos._exit(1)")
    good = store("1-3-good", "print('fine')")
    before = {path: path.read_bytes() for path in (bad, dead, good)}
    assert run(tmp_path) == 1
    out, err = capfd.readouterr()
    cell = nbformat.read(bad, as_version=4).cells[2]
    assert f"[1/3] notebooks/1-part/1-1-bad.ipynb: cell 3 ({cell.id}) failed" in out
    assert "ZeroDivisionError: division by zero" in out and "\x1b" not in out
    assert "[2/3] notebooks/1-part/1-2-dead.ipynb: the kernel died in cell 2" in out
    assert err == "Failed: notebooks/1-part/1-1-bad.ipynb, notebooks/1-part/1-2-dead.ipynb\n"
    assert bad.read_bytes() == before[bad] and dead.read_bytes() == before[dead]
    assert good.read_bytes() != before[good]
    assert sorted(bad.parent.iterdir()) == [bad, dead, good]


def test_a_cell_that_does_not_end_is_stopped(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "CELL_TIMEOUT", 1)
    store("1-1-endless", "import time\ntime.sleep(1000)")
    assert run(tmp_path) == 1
    out = capsys.readouterr().out
    assert "cell 2 (" in out and "timed out" in out


def test_what_an_author_saves_meanwhile_is_kept(store, tmp_path, monkeypatch, capsys):
    path = store("1-1-one")
    saved = path.read_text().replace("Small", "Smaller")
    monkeypatch.setattr(
        tool, "execute", lambda notebook, on_cell: path.write_text(saved) and measurement()
    )
    assert run(tmp_path) == 1
    assert path.read_text() == saved
    assert "someone saved the page while it ran" in capsys.readouterr().out


def test_a_page_meets_this_python_an_empty_folder_and_nobodys_settings(
    store, tmp_path, monkeypatch
):
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": ["no-such-python"], "display_name": "Other", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("COMPANION_DATA", "mine")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    path = store(
        "1-1-small",
        "import os, sys, warnings",
        f"assert sys.executable == {sys.executable!r}",
        "assert os.listdir() == []",
        f"assert {str(tmp_path)!r} not in [os.getcwd(), *sys.path]",
        "assert 'COMPANION_DATA' not in os.environ",
        "assert os.environ.get('MPLBACKEND') != 'agg'",
        "assert os.environ['PYTHONHASHSEED'] == '0'",
        "if hasattr(os, 'sched_getaffinity'):\n    assert len(os.sched_getaffinity(0)) <= 2",
        "warnings.warn('seen')",
    )
    assert run(tmp_path) == 0
    assert "UserWarning: seen" in path.read_text()


def test_a_terminal_sees_the_cells_counted(store, tmp_path, monkeypatch, capsys):
    store("1-1-one", "1", "2")
    monkeypatch.setattr(tool.sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(tool, "execute", lambda notebook, on_cell: on_cell(2) or measurement())
    assert run(tmp_path) == 0
    head = "[1/1] notebooks/1-part/1-1-one.ipynb"
    lines = [line.removesuffix("\x1b[K") for line in capsys.readouterr().out.rstrip().split("\r")]
    assert lines == [head, f"{head}: cell 2/3", f"{head}: 20.0 s, 300 MB, stored"]


@pytest.fixture
def executed(monkeypatch):
    """Let the tool only note which pages it would run."""
    names = []

    def run_page(path, on_cell):
        names.append(path.stem)
        return {"seconds": 1.0, "peak_memory_mb": 1}, False

    monkeypatch.setattr(tool, "run_page", run_page)
    return names


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], ["1-1-one", "1-2-two", "1-3-three"]),
        (["1-2"], ["1-2-two"]),
        (["three", "one"], ["1-1-one", "1-3-three"]),
        (["notebooks/1-part/1-3-three.ipynb"], ["1-3-three"]),
        (["1-part"], ["1-1-one", "1-2-two", "1-3-three"]),
    ],
)
def test_pages_are_chosen_by_a_part_of_their_path(store, tmp_path, executed, patterns, expected):
    for name in ("1-3-three", "1-1-one", "1-2-two", ".ipynb_checkpoints/1-1-one"):
        store("1-1-one").parent.joinpath(".ipynb_checkpoints").mkdir(exist_ok=True)
        store(name)
    assert run(tmp_path, *patterns) == 0
    assert executed == expected


def test_an_unknown_page_is_refused_before_anything_runs(store, tmp_path, executed, capsys):
    store("1-1-one")
    store("1-2-two")
    assert run(tmp_path, "one", "9-9") == 2
    assert capsys.readouterr().err == ("No page's path contains '9-9'. Pages: 1-1-one, 1-2-two\n")
    assert executed == []


def test_a_book_without_notebooks_is_an_error(tmp_path, capsys):
    assert run(tmp_path) == 2
    assert capsys.readouterr().err == "There are no notebooks to run.\n"


def test_a_page_without_a_run_time_or_of_another_format_is_not_executed(store, tmp_path, capsys):
    store("1-1-one", head="# 1.1 One")
    store("1-2-two").write_text("Not JSON")
    assert run(tmp_path) == 1
    out = capsys.readouterr().out
    assert "1-1-one.ipynb: cell 1 has no paragraph that begins with **Run time.**" in out
    assert "1-2-two.ipynb: the file is not a notebook" in out


def test_a_page_is_replaced_whole_or_not_at_all(store, tmp_path, monkeypatch):
    path = store("1-1-one")
    before = path.read_bytes()

    def fail(source, target):
        raise OSError("No space left on device")

    monkeypatch.setattr(tool, "execute", lambda notebook, on_cell: measurement())
    monkeypatch.setattr(tool.os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        run(tmp_path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("seconds", "cores", "expected"),
    [
        (0.4, 2, "Under 5 s on two CPU cores."),
        (4.9, 2, "Under 5 s on two CPU cores."),
        (5, 2, "About 5 s on two CPU cores."),
        (5.1, 1, "About 10 s on one CPU core."),
        (43.2, 8, "About 45 s on 8 CPU cores."),
    ],
)
def test_the_run_time_is_said_in_steps_of_five_seconds(seconds, cores, expected):
    paragraph = tool.run_time_paragraph({"seconds": seconds, "cores": cores})
    assert paragraph == f"**Run time.** {expected}"


def measurement(**changes):
    record = {
        "cores": 2,
        "date": "2026-11-20",
        "peak_memory_mb": 300,
        "processor": "one",
        "seconds": 20.0,
        "versions": {"python": "3.11", "numpy": "2.4.6"},
    }
    return record | changes


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ({}, {"date": "2026-11-21", "processor": "two"}, True),
        ({}, {"seconds": 29.9}, True),
        ({}, {"seconds": 13.4}, True),
        ({}, {"seconds": 30.1}, False),
        ({}, {"seconds": 13.2}, False),
        ({"seconds": 1.0}, {"seconds": 2.9}, True),
        ({"seconds": 1.0}, {"seconds": 3.1}, False),
        ({"seconds": 59.0}, {"seconds": 61.0}, False),
        ({"seconds": 61.0}, {"seconds": 59.0}, False),
        ({}, {"peak_memory_mb": 440}, True),
        ({}, {"peak_memory_mb": 460}, False),
        ({}, {"cores": 4}, False),
        ({}, {"versions": {"python": "3.12", "numpy": "2.4.6"}}, False),
    ],
)
def test_a_record_is_kept_until_it_is_wrong(before, now, kept):
    stored, measured = measurement(**before), measurement(**before | now)
    assert tool.keep_or_replace(stored, measured) is (stored if kept else measured)


@pytest.mark.parametrize("stored", [None, {"seconds": 20.0}])
def test_a_missing_or_older_record_is_replaced(stored):
    assert tool.keep_or_replace(stored, measurement()) == measurement()
