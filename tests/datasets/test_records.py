"""The records say what there is: each set has its loader, and what is said of it is complete."""

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from companion import datasets
from companion.datasets.records import RECORDS, Package, Record, Repository

DOWNLOADED = {name: r for name, r in RECORDS.items() if isinstance(r.origin, Repository)}


def test_every_set_has_a_loader_and_every_loader_a_set():
    loaders = {
        name
        for name in datasets.__all__
        if inspect.isfunction(function := getattr(datasets, name))
        and function.__module__.split(".")[-1] in ("bundled", "downloaded")
    }
    assert loaders == set(RECORDS)
    for name, known in RECORDS.items():
        home = "bundled" if isinstance(known.origin, Package) else "downloaded"
        assert getattr(datasets, name).__module__ == f"companion.datasets.{home}"


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_complete(name):
    known = RECORDS[name]
    assert known.name == name and re.fullmatch(r"[a-z][a-z0-9_]*", name)
    for field in fields(Record):
        value = getattr(known, field.name)
        assert value or field.name == "split", field.name
        if isinstance(value, str):
            assert value == value.strip() and "  " not in value
            if field.name in ("about", "holds", "caution"):
                assert value.endswith("."), field.name
    for url in (known.licence_url, known.source):
        assert url.startswith("https://") and " " not in url
    assert known.size > 0


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_downloaded_set_is_pinned(name):
    origin = DOWNLOADED[name].origin
    assert re.fullmatch(r"[\w-]+/[\w-]+", origin.name)
    assert re.fullmatch(r"[0-9a-f]{40}", origin.commit)
    assert origin.files and origin.size == sum(file.size for file in origin.files)
    for file in origin.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256) and file.size > 0
        parts = file.path.split("/")
        assert not {"", ".", ".."} & set(parts) and "\\" not in file.path
    assert len({file.path for file in origin.files}) == len(origin.files)


def test_no_two_files_share_a_place():
    places = [(r.origin.name, f.path) for r in DOWNLOADED.values() for f in r.origin.files]
    assert len(set(places)) == len(places)


def test_the_manifest_has_every_digit_of_every_speaker():
    paths = {file.path for file in RECORDS["spoken_digits"].origin.files}
    speakers = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    assert paths == {
        f"recordings/{digit}_{speaker}_{take}.wav"
        for digit in range(10)
        for speaker in speakers
        for take in range(10)
    }


@pytest.mark.parametrize("name", RECORDS)
def test_a_docstring_gives_no_number_that_the_record_does_not(name):
    """Whole numbers from 100 on: who changes one of the two has to change the other."""

    def numbers(*texts):
        found = re.findall(r"(?<![\w.,-])(?:\d{3,}|\d{1,3}(?:,\d{3})+)(?![\w,]\d)", " ".join(texts))
        return {int(number.replace(",", "")) for number in found}

    known = RECORDS[name]
    documented = numbers(getattr(datasets, name).__doc__)
    assert documented - numbers(known.title, known.about, known.holds) == set()


def test_records_and_the_package_load_nothing_heavy():
    code = (
        "import sys, json, companion.datasets\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    heavy = {"pooch", "requests", "tqdm", "statsmodels", "pandas", "matplotlib", "sklearn", "scipy"}
    assert loaded & (heavy | {"torch", "keras", "tensorflow", "safetensors"}) == set()
