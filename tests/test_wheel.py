"""The wheel holds the package alone, imports quickly, and is all that a page needs of us."""

import json
import os
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import companion

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(ROOT.glob("notebooks/*/3-1-*.ipynb"))
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime"}
# What `import companion` keeps away from, because each takes longer than the package itself.
HEAVY = FRAMEWORKS | {"numpy", "matplotlib", "scipy", "pandas", "sklearn", "statsmodels", "IPython"}
# Frameworks that a module may load; keras needs one of the others to compute with, and TensorFlow
# loads JAX where it finds it.
LOADS = {"torch": {"torch"}, "keras": {"keras", "tensorflow", "jax"}}
MODULES = sorted(
    path.stem
    for path in (ROOT / "companion").iterdir()
    if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
)


def pip(*arguments: object) -> None:
    """Run pip offline, as the environment has all it needs."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def target(wheel, tmp_path_factory):
    """A directory into which the wheel, and nothing else, is installed."""
    folder = tmp_path_factory.mktemp("target")
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


@pytest.fixture
def away(target, tmp_path, monkeypatch):
    """An empty working directory, where Python finds the wheel's package before the checkout's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(target))
    return tmp_path


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_wheel_holds_the_package_alone(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    about = f"gate_by_gate-{companion.__version__}.dist-info/"
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "companion").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith(about)} == sources
    assert about + "METADATA" in names
    assert any(name.startswith(about + "licenses/LICENSE") for name in names)


def test_import_takes_no_time(away):
    code = "import time; t = time.perf_counter(); import companion; print(time.perf_counter() - t)"
    python(code)  # compiles it
    assert statistics.median(float(python(code)) for _ in range(5)) < 0.3


def test_import_is_that_of_the_wheel(away, target):
    file = python("import companion; print(companion.__file__)").strip()
    assert Path(file) == target / "companion" / "__init__.py"


def loaded(module: str) -> set[str]:
    """Top-level packages in `sys.modules` after an import."""
    code = f"import sys, json, {module}; print(json.dumps([m.split('.')[0] for m in sys.modules]))"
    return set(json.loads(python(code).splitlines()[-1]))


def test_import_loads_nothing_heavy(away):
    assert loaded("companion") & HEAVY == set()


@pytest.mark.parametrize("module", MODULES)
def test_module_loads_no_other_framework(away, module):
    found = loaded(f"companion.{module}")
    assert found & FRAMEWORKS == LOADS.get(module, set())
    if module not in LOADS:
        assert found & HEAVY <= {"numpy"}


def test_there_is_a_page_to_run():
    assert [path.stem for path in PAGES] == ["3-1-forward"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_page_runs_from_an_empty_directory(away, target, page):
    notebook = nbformat.read(page, as_version=4)
    probe = (
        "import json, sys\n"
        "print(json.dumps([m.__file__ for m in list(sys.modules.values())"
        " if getattr(m, '__file__', None)]))"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(probe))
    work = away / "empty"
    work.mkdir()
    metadata = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=metadata).execute()

    files = [Path(file) for file in json.loads(notebook.cells[-1].outputs[0].text)]
    assert target / "companion" / "__init__.py" in files
    checkout = [p for p in files if p.is_relative_to(ROOT) and Path(sys.prefix) not in p.parents]
    assert checkout == []
    assert os.listdir(work) == []
