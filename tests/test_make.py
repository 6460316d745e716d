"""The Makefile and tools/bootstrap.py: the right Python, one line for what is missing, any path."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).resolve().parent.parent
FILES = ("Makefile", "pyproject.toml", "constraints.txt", "tools/bootstrap.py")
NOW = sys.version_info[:2]


@pytest.fixture
def root(tmp_path):
    """A directory, with spaces in its name, that holds what `make` needs."""
    root = tmp_path / "a path with spaces"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return root


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def make(root: Path, *words: str, path: object = None, **variables: str) -> tuple[int, str, list]:
    """Exit status, output and error lines of make; `path` is where it finds programs."""
    variables = {"PATH": str(path or os.environ["PATH"]), **variables}
    program = shutil.which("make")
    done = subprocess.run(
        [program, *words], cwd=root, env=variables, capture_output=True, text=True
    )
    errors = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    return done.returncode, done.stdout, errors


# --- The Makefile


def targets() -> list[str]:
    """All targets of the Makefile."""
    return re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M)


def test_help_lists_every_target_and_is_the_default(root):
    status, output, _ = make(root)
    listed = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", output, re.M))
    assert status == 0
    assert set(listed) == {name for name in targets() if not name.endswith("environment")}
    assert {"help", "book", "test", "lint", "notebooks", "lab", "wheel"} <= set(listed)
    assert {"repository", "clean"} <= set(listed)


def test_every_target_is_phony():
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M)[1]
    assert sorted(phony.split()) == sorted(targets())


def test_no_python_at_all(root, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    status, output, errors = make(root, "book", path=empty)
    assert status != 0
    assert errors == [
        "Error: Python is not there or does not run: "
        "install Python 3.11 to 3.13, or name one with PYTHON=/its/path."
    ]


def test_python_of_the_user_is_not_there(root):
    status, _, errors = make(root, "book", PYTHON="/no where/python")
    assert status != 0
    assert len(errors) == 1 and errors[0].startswith("Error: /no where/python is not there")


def pretender(path: Path, version: tuple) -> Path:
    """This Python, saying that it has another version."""
    start = path.parent / "pretend.py"
    start.parent.mkdir(parents=True, exist_ok=True)
    start.write_text(
        "import runpy, sys\n"
        "sys.version_info = tuple(map(int, sys.argv.pop(1).split('.'))) + ('final', 0)\n"
        "del sys.argv[0]\n"
        "if sys.argv[0] != '-c':\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    number = ".".join(map(str, version))
    return script(path, f"exec '{sys.executable}' '{start}' {number} \"$@\"\n")


@pytest.mark.parametrize(("version", "fault"), [((2, 7, 18), "old"), ((3, 14, 0), "new")])
def test_wrong_python_says_so_in_one_line(root, tmp_path, version, fault):
    pretender(tmp_path / "bin" / "python3", version)
    status, output, errors = make(root, "test", path=tmp_path / "bin")
    assert status != 0
    assert errors == [
        f"Error: Python {version[0]}.{version[1]} is too {fault}: "
        "install Python 3.11 to 3.13, or name one with PYTHON=/its/path."
    ]
    assert not (root / ".venv").exists()


def test_first_python_that_fits_is_taken(root, tmp_path):
    record = f'echo "$0" "$@" >> \'{tmp_path}/calls\'\n'
    fits = 'case "$*" in *--fits) exit %d;; esac\n'
    for name, status in (("python3", 1), ("python3.13", 0), ("python3.12", 0), ("python", 0)):
        script(tmp_path / "bin" / name, fits % status + record)
    script(root / ".venv" / "bin" / "python", "exit 0\n")
    status, _, errors = make(root, "lint", path=tmp_path / "bin")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert (status, errors) == (0, [])
    used = [Path(call.split()[0]).name for call in calls if call.endswith("bootstrap.py all")]
    assert used == ["python3.13"]


def test_commands_run_in_the_environment(root, tmp_path):
    python = script(tmp_path / "bin" / "python3", "exit 0\n")
    print_call = "(pwd; printf '<%s>' \"$@\" $OMP_NUM_THREADS; echo)"
    script(root / ".venv" / "bin" / "python", f"{print_call} >> '{tmp_path}/calls'\n")
    status, _, errors = make(root, "test", path=python.parent)
    assert (status, errors) == (0, [])
    calls = (tmp_path / "calls").read_text().splitlines()
    assert set(calls[::2]) == {str(root)}
    assert calls[1:4:2] == ["<-m><ruff><check><.>", "<-m><ruff><format><--check><.>"]
    assert calls[5] == "<tools/browser.py>"
    assert calls[7].startswith("<-m><pytest><tests><notebooks><--nbval-lax><--nbval-current-env>")
    assert "<-n><2><--dist><loadscope>" in calls[7]
    assert calls[7].endswith("<--durations=15><1>")  # the last is the number of threads

    make(root, "notebooks", "PAGE=a b", path=python.parent)
    make(root, "repository", "URL=https://x", path=python.parent)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[9] == "<tools/notebooks.py><a b>"
    assert calls[11] == "<tools/repository.py><https://x>"


def test_test_stops_at_the_first_failure(root, tmp_path):
    python = script(tmp_path / "bin" / "python3", "exit 0\n")
    script(root / ".venv" / "bin" / "python", f"echo $* >> '{tmp_path}/calls'; exit 3\n")
    status, _, _ = make(root, "test", path=python.parent)
    assert status != 0
    assert (tmp_path / "calls").read_text().splitlines() == ["-m ruff check ."]


def test_clean_removes_what_was_made(root):
    for name in (".venv/x", "_build/html/x", "companion/__pycache__/x"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    assert make(root, "clean")[0] == 0
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert left == set(FILES)


# --- tools/bootstrap.py


def test_old_pythons_can_read_bootstrap():
    source = (ROOT / "tools" / "bootstrap.py").read_text()
    assert source.isascii()  # Python 2 wants a declaration for anything else
    new = (
        *(ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.Starred),
        *(ast.AsyncFunctionDef, ast.Await, ast.Match),
    )
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, new), f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs, node.name
        if isinstance(node, ast.arg):
            assert node.annotation is None, f"line {node.lineno}"
        if isinstance(node, ast.Raise):
            assert node.cause is None, f"line {node.lineno}"
    # Before the version is known to fit, only what Python 2 has is imported.
    first = [n.names[0].name for n in ast.parse(source).body if isinstance(n, ast.Import)]
    assert set(first) == {"hashlib", "json", "os", "re", "shlex", "shutil", "subprocess", "sys"}


@pytest.mark.parametrize("version", [(3, 11), (3, 12, 1), (3, 13, 0, "final", 0)])
def test_python_in_range(version):
    assert bootstrap.python_problem(version) is None


@pytest.fixture
def offline(monkeypatch):
    """No network: pip would fail on its first question."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "1")


def test_too_little_space_is_said_before_anything_is_made(root, capsys, offline):
    with pytest.raises(SystemExit) as caught:
        bootstrap.prepare("book", root=str(root), free=0.3e9)
    message = caught.value.code
    assert re.fullmatch(
        r"Error: 0\.3 GB of disk space are free in .+, [\d.]+ GB are needed\.", message
    )
    assert not (root / ".venv").exists()


def test_space_counts_what_is_installed():
    book, everything = bootstrap.SPACE["book"], bootstrap.SPACE["all"]
    assert bootstrap.space_problem("book", {}, book * 1e9) is None
    assert bootstrap.space_problem("all", {}, book * 1e9)
    assert bootstrap.space_problem("all", {"book": "…"}, (everything - book) * 1e9) is None
    assert bootstrap.space_problem("all", {"book": "…"}, (everything - book) * 1e9 - 1)
    assert bootstrap.space_problem("book", {"all": "…"}, 0)


def test_environment_of_its_own(root, offline, capsys):
    """The real thing but for the packages: made, left without a network, recognised, broken."""
    with pytest.raises(SystemExit) as caught:
        bootstrap.prepare("book", root=str(root), free=1e12)
    assert caught.value.code == (
        "Error: no connection to the package index: check the network, or the proxy settings."
    )
    environment = bootstrap.Environment(str(root))
    assert environment.version() == NOW
    assert environment.fault() is None
    assert environment.fault(NOW) is None
    assert environment.fault((3, 99)) == f"it has Python 3.{NOW[1]}, and PYTHON is 3.99"

    moved = root.with_name("moved away")
    root.rename(moved)
    assert bootstrap.Environment(str(moved)).fault() == "the directory has moved"
    (moved / ".venv" / "bin" / "python").unlink()
    assert bootstrap.Environment(str(moved)).fault() == "its Python does not run"


class Fake:
    """An environment whose Python is a script that answers as pip does."""

    def __init__(self, root: Path):
        self.root = root
        self.environment = bootstrap.Environment(str(root))
        self.library = root / ".venv" / "lib" / "python3.12" / "site-packages"
        self.answer("Installing collected packages: a, b\n")
        self.package("whole")

    def answer(self, output: str, status: int = 0, version: str = "3 12") -> None:
        (self.root / "answer").write_text(output)
        script(
            self.root / ".venv" / "bin" / "python",
            f'if [ "$1" = -Ic ]; then echo {version}; exit 0; fi\n'
            f'echo "$@" >> calls; cat answer; exit {status}\n',
        )

    def package(self, name: str) -> Path:
        """A package as pip leaves it."""
        info = self.library / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (self.library / f"{name}.py").write_text("x = 1\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text(f"{name}.py,sha256=…,6\n{info.name}/RECORD,,\n")
        return info

    def calls(self) -> list[str]:
        """The calls of pip since the last question."""
        path = self.root / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def prepare(self, level: str, **more: object) -> str | None:
        """Error message of a call, or None."""
        try:
            bootstrap.prepare(level, root=str(self.root), free=1e12, **more)
        except SystemExit as left:
            return left.code
        return None


@pytest.fixture
def fake(root):
    """See `Fake`."""
    return Fake(root)


def test_installs_once(fake, capsys):
    assert fake.prepare("book", arguments=["--verbose"]) is None
    (call,) = fake.calls()
    assert call.startswith("-m pip install") and call.endswith("--verbose")
    assert "-c constraints.txt" in call and "-e .[book]" in call
    assert "Installing 2 packages" in capsys.readouterr().out
    assert fake.prepare("book") is None
    assert fake.calls() == []
    assert capsys.readouterr().out == ""

    assert fake.prepare("all") is None
    assert len(fake.calls()) == 1


def test_the_book_is_a_part_of_all(fake):
    fake.prepare("all")
    fake.calls()
    assert fake.prepare("book") is None
    assert fake.calls() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "again"),
    [
        ("constraints.txt", "numpy==", "numpy==1.", True),
        ("pyproject.toml", "numpy>=", "numpy>=1.", True),
        ("pyproject.toml", "line-length = 100", "line-length = 99", False),
        ("pyproject.toml", "", "", False),  # only the time of its change is new
    ],
)
def test_installs_again_when_requirements_change(fake, file, old, new, again):
    fake.prepare("book")
    fake.calls()
    path = fake.root / file
    text = path.read_text()
    path.write_text(text.replace(old, new, 1))
    os.utime(path, (2e9, 2e9))
    assert fake.prepare("book") is None
    assert bool(fake.calls()) == again


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("OSError: [Errno 28] No space left on device", "Error: the disk is full."),
        ("WARNING: Retrying … NewConnectionError\nERROR: No matching", "Error: no connection"),
        ("ERROR: No matching distribution found for x==9", "Error: pip failed: No matching distr"),
        (
            "  OSError: no such file\nerror: bad-metadata",
            "Error: pip failed: no such file (more in",
        ),
        ("Killed", "Error: pip failed and gave no reason (see .venv/pip.log)."),
    ],
)
def test_failures_of_pip_are_one_line(fake, output, message):
    fake.answer(output, status=1)
    said = fake.prepare("book")
    assert said.startswith(message) and "\n" not in said
    assert output in (fake.root / ".venv" / "pip.log").read_text()
    fake.calls()
    fake.answer("", status=0)
    assert fake.prepare("book") is None
    assert len(fake.calls()) == 1


def test_failure_before_anything_was_installed_leaves_the_book_usable(fake):
    fake.prepare("book")
    fake.answer("ERROR: NewConnectionError", status=1)
    assert fake.prepare("all")
    fake.calls()
    assert fake.prepare("book") is None
    assert fake.calls() == []


def interrupted(fake: Fake) -> str | None:
    """What is said of an environment in which pip was killed."""
    fake.environment.write(installing="all")
    return fake.environment.fault()


def test_interruption_between_packages_goes_on(fake):
    fake.prepare("book")
    fake.calls()
    assert interrupted(fake) is None
    assert fake.prepare("book") is None
    assert len(fake.calls()) == 1


@pytest.mark.parametrize("damage", ["no RECORD", "no INSTALLER", "file missing", "file cut"])
def test_interruption_in_a_package_is_found(fake, damage):
    info = fake.package("broken")
    if damage.startswith("no "):
        (info / damage[3:]).unlink()
    elif damage == "file missing":
        (fake.library / "broken.py").unlink()
    else:
        (fake.library / "broken.py").write_text("x")
    assert interrupted(fake) == "an installation was interrupted in broken"


def test_environment_with_an_old_python_is_made_again(fake):
    fake.answer("", version="3 9")
    assert fake.environment.fault() == "it has Python 3.9"


def test_record_survives_nonsense(fake):
    Path(fake.environment.record).write_text("{")
    assert fake.environment.fault() is None
    assert fake.prepare("book") is None
    record = json.loads(Path(fake.environment.record).read_text())
    assert record["root"] == str(fake.root) and record["installing"] is None


# --- tools/book.py


def test_a_warning_fails_every_build_until_it_is_gone(tmp_path):
    """Sphinx alone warns of a page only once: the next build would not read it again."""
    root = tmp_path / "a path with spaces"
    (root / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "book.py", root / "tools")
    (root / "_config.yml").write_text("title: Small\nonly_build_toc_files: true\n")
    (root / "_toc.yml").write_text("format: jb-book\nroot: index\n")

    def build(text: str) -> tuple[int, str]:
        page = root / "index.md"
        if not page.exists() or page.read_text() != text:  # or Sphinx would read it again
            page.write_text(text)
        command = [sys.executable, root / "tools" / "book.py"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()[-1]

    broken, whole = "# Small\n\n{nosuchrole}`x`\n", "# Small\n"
    assert build(broken)[0] == 1
    assert build(broken)[0] == 1
    page = root / "_build" / "html" / "index.html"
    assert build(whole) == (0, page.as_uri())
    assert page.exists()
    assert build(whole)[0] == 0
