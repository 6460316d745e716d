"""``companion datasets list`` and ``fetch``: output, exit status, one line for what goes wrong."""

import importlib.util
import subprocess
import sys

import pytest

from companion import datasets
from companion.cli import main
from companion.datasets import RECORDS
from companion.datasets.records import Repository
from tests.datasets.served import CONTENTS, ONE, SMALL, TWO


def listed(capsys):
    """What `list` prints, by name: the rest of the line."""
    assert main(["datasets", "list"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    head, *lines = captured.out.splitlines()
    assert head.split() == ["name", "what", "size", "here", "licence"]
    return {line.split()[0]: line for line in lines}


def test_list_has_a_line_for_each_set(capsys, folder):
    lines = listed(capsys)
    assert list(lines) == list(RECORDS)
    for name, known in RECORDS.items():
        assert known.title in lines[name] and lines[name].endswith(known.licence)
        here = "to be fetched" if isinstance(known.origin, Repository) else "with "
        assert here in lines[name]
        assert len(lines[name]) < 120  # a line on a screen
    assert " 266 kB" in lines["nyc_taxi"] and " 5.5 MB" in lines["scitldr"]
    assert not folder.exists()


def test_list_says_what_is_cached_and_what_is_missing(capsys, small, server, folder, monkeypatch):
    monkeypatch.setattr(datasets, "RECORDS", {"elnino": RECORDS["elnino"], "small": SMALL})
    assert "to be fetched" in listed(capsys)["small"]
    datasets.fetch("small")
    assert "cached" in listed(capsys)["small"]
    place = folder / "owner" / "things" / ONE
    place.write_bytes(b"damaged")
    assert "to be fetched" in listed(capsys)["small"]
    place.unlink()
    place.mkdir()
    assert "cannot be read" in listed(capsys)["small"]
    monkeypatch.delenv("COMPANION_DATA")
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert "needs pooch" in listed(capsys)["small"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "needs statsmodels" in listed(capsys)["elnino"]


def test_list_needs_no_framework_and_no_pooch():
    missing = ("torch", "keras", "tensorflow", "pooch", "statsmodels", "matplotlib", "sklearn")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing}));"
        "from companion.cli import main; sys.exit(main(['datasets', 'list']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert len(done.stdout.splitlines()) == 1 + len(RECORDS)


def test_fetch_downloads_and_says_where(capsys, small, server, folder):
    assert main(["datasets", "fetch", "small", "elnino", "small"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        f"small: 2 files, 40 kB, in {folder / 'owner' / 'things'}",
        "elnino comes with statsmodels: nothing to fetch",
    ]
    assert server.asked == [ONE, TWO] and datasets.is_cached("small")


def test_fetch_all_takes_each_that_is_downloaded(capsys, folder, monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "fetch", lambda name: asked.append(name) or [folder])
    assert main(["datasets", "fetch", "--all"]) == 0
    assert asked == [n for n, known in RECORDS.items() if isinstance(known.origin, Repository)]
    assert capsys.readouterr().out.count(": 1 file, ") == len(asked)


def test_a_failed_fetch_is_one_line_and_status_1_and_the_others_go_on(
    capsys, small, server, folder
):
    server.answers[TWO] = lambda handler: handler.give(CONTENTS[ONE])
    assert main(["datasets", "fetch", "small", "elnino"]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("companion: error: small: ") and "SHA-256" in line
    assert captured.out == "elnino comes with statsmodels: nothing to fetch\n"


@pytest.mark.parametrize("name", ["nyc_taxi", "spoken_digits"])
def test_without_a_network_it_is_one_line_and_status_1(capsys, folder, monkeypatch, name):
    monkeypatch.setenv("COMPANION_DATA_URL", "http://127.0.0.1:9")
    assert main(["datasets", "fetch", name]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"companion: error: {name}: ") and "Connection refused" in line
    assert captured.out == ""


def test_without_pooch_it_is_one_line_and_status_1(capsys, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["datasets", "fetch", "nyc_taxi"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'pip install "gate-by-gate[data]"' in line


BAD = {
    "argument name: there is no data set 'elnini': did you mean elnino?": ["fetch", "elnini"],
    "did you mean seattle_weather?": ["fetch", "nyc_taxi", "Seattle-Wether"],
    "argument name: expected names of data sets, or --all in their place": ["fetch"],
    "argument name: expected names of data sets, or": ["fetch", "nyc_taxi", "--all"],
    "the following arguments are required: action": [],
    "argument action: invalid choice: 'remove'": ["remove"],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_usage_is_one_line_and_status_2(capsys, folder, message):
    with pytest.raises(SystemExit) as end:
        main(["datasets", *BAD[message]])
    captured = capsys.readouterr()
    assert end.value.code == 2 and captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("companion") and message in line
    assert not folder.exists()  # nothing of the names that are right was downloaded either
