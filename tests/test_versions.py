"""pyproject.toml, constraints.txt and environment.yml say the same about versions."""

import ast
import re
import shutil
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    *("pyproject.toml", "constraints.txt", "environment.yml", "tools/bootstrap.py", "Makefile"),
    *(".pre-commit-config.yaml", ".github/workflows/test.yml"),
)
# Colab's image (CPU and GPU have the same versions of these) as its makers listed it in
# github.com/googlecolab/backend-info, pip-freeze.gpu.txt, in June 2026.
COLAB_PYTHON = "3.12"
COLAB = {
    "numpy": "2.0.2",
    "torch": "2.11.0+cu128",
    "keras": "3.13.2",
    "tensorflow": "2.20.0",
    "matplotlib": "3.10.0",
    "pooch": "1.9.0",
    "scikit-learn": "1.6.1",
    "statsmodels": "0.14.6",
    "safetensors": "0.7.0",
    "tqdm": "4.67.3",
}
# Named in the extras that pages install, but not in Colab's image: pip adds it, and needs for it
# only packages that the image has (.ci/colab would tell).
COLAB_LACKS = {"torchmetrics"}
# Packages that torch for CUDA brings along; it pins each of them exactly.
CUDA = re.compile(r"nvidia-|cuda-|triton$")


def project(root: Path) -> dict:
    """The `project` table of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def requirements(root: Path, *extras: str) -> dict[str, Requirement]:
    """What the core and the extras (all of them when none is named) require, by name."""
    table = project(root)
    optional = table["optional-dependencies"]
    lines = list(table["dependencies"])
    for extra in extras or optional:
        lines += optional[extra]
    found = {canonicalize_name(r.name): r for r in map(Requirement, lines)}
    found.pop(canonicalize_name(table["name"]), None)
    return found


def pins(root: Path) -> dict[str, Version]:
    """constraints.txt; ValueError for a line that is no exact pin, or a second pin of a package."""
    found: dict[str, Version] = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9._]+)", line)
        if not match:
            raise ValueError(f"constraints.txt: {line!r} is not of the form name==version")
        name = canonicalize_name(match[1])
        if name in found:
            raise ValueError(f"constraints.txt: {name} is pinned twice")
        found[name] = Version(match[2])
    return found


def pythons(root: Path) -> list[str]:
    """The Python versions that `requires-python` admits."""
    allowed = SpecifierSet(project(root)["requires-python"])
    return [f"3.{minor}" for minor in range(40) if f"3.{minor}" in allowed]


def disagreements(root: Path) -> list[str]:
    """Everything on which the files differ, a sentence each."""
    try:
        pinned = pins(root)
    except ValueError as error:
        return [str(error)]
    table, wrong = project(root), []

    for name, requirement in requirements(root).items():
        if name not in pinned:
            wrong.append(f"pyproject.toml requires {name}, constraints.txt has no pin for it")
        elif pinned[name] not in requirement.specifier:
            wrong.append(f"pyproject.toml: {requirement}, constraints.txt: {pinned[name]}")

    own = canonicalize_name(table["name"])
    for line in map(Requirement, table["optional-dependencies"]["all"]):
        if canonicalize_name(line.name) == own:
            forgotten = set(table["optional-dependencies"]) - {"all"} - line.extras
            wrong += [f"pyproject.toml: `all` lacks the extra {e}" for e in sorted(forgotten)]

    versions = pythons(root)
    named = [line.rsplit(" ", 1)[1] for line in table["classifiers"] if "Python :: 3." in line]
    if named != versions:
        wrong.append(f"pyproject.toml: classifiers name {named}, requires-python {versions}")
    constant = re.search(
        r"^OLDEST, NEWEST = (.+)$", (root / "tools/bootstrap.py").read_text(), re.M
    )
    ends = [".".join(map(str, end)) for end in ast.literal_eval(constant[1])]
    if ends != [versions[0], versions[-1]]:
        wrong.append(f"tools/bootstrap.py accepts {ends}, pyproject.toml {versions}")
    if f"Python {versions[0]} to {versions[-1]}" not in (root / "Makefile").read_text():
        wrong.append(f"Makefile does not ask for Python {versions[0]} to {versions[-1]}")

    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    (ruff,) = (hook["rev"] for hook in hooks if hook["repo"].endswith("/ruff-pre-commit"))
    if ruff != f"v{pinned['ruff']}":
        wrong.append(f".pre-commit-config.yaml: ruff {ruff}, constraints.txt: {pinned['ruff']}")
    jobs = yaml.safe_load((root / ".github/workflows/test.yml").read_text())["jobs"]
    tested = jobs["test"]["strategy"]["matrix"]["python"]
    if tested != versions:
        wrong.append(f".github/workflows/test.yml: Python {tested}, pyproject.toml {versions}")

    return wrong + environment_disagreements(root, versions)


def environment_disagreements(root: Path, versions: list[str]) -> list[str]:
    """What environment.yml says other than the two files it stands for."""
    wrong = []
    conda = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    plain = {re.split("[=<> ]", line)[0]: line for line in conda if isinstance(line, str)}
    lists = [line["pip"] for line in conda if isinstance(line, dict)]
    if set(plain) != {"python", "pip"}:
        wrong.append(f"environment.yml: conda installs {sorted(plain)}, not python and pip alone")
    elif plain["python"].partition("=")[2] not in versions:
        wrong.append(f"environment.yml: {plain['python']} is none of {versions}")
    if lists != [["-c constraints.txt", "-e .[all]"]]:
        wrong.append(f"environment.yml: pip gets {lists}, not the constraints and the extra `all`")
    return wrong


def needed(root: Path) -> set[str]:
    """All that the installed packages require, our own requirements first, on Linux."""
    todo = [(name, frozenset(r.extras)) for name, r in requirements(root).items()]
    seen = set()
    while todo:
        name, extras = item = todo.pop()
        if item in seen or CUDA.match(name):
            continue
        seen.add(item)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            marker = requirement.marker
            if marker is None or any(
                marker.evaluate({"sys_platform": "linux", "platform_system": "Linux", "extra": e})
                for e in extras | {""}
            ):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen}


def test_the_files_agree():
    assert disagreements(ROOT) == []


@pytest.fixture(scope="module")
def pinned_environment():
    """Skip where other versions than the pinned ones are installed: they need other packages."""
    pinned = pins(ROOT)
    for name in requirements(ROOT):
        try:
            version = Version(Version(metadata.version(name)).public)
        except metadata.PackageNotFoundError:
            version = None
        if version != pinned[name]:
            pytest.skip(f"not the pinned environment: {name} is {version}, not {pinned[name]}")


def test_everything_installed_is_pinned(pinned_environment):
    assert sorted(needed(ROOT) - set(pins(ROOT))) == []


def test_every_pin_has_a_reason(pinned_environment):
    assert sorted(set(pins(ROOT)) - needed(ROOT)) == []


def test_colab_needs_no_other_version():
    assert COLAB_PYTHON in pythons(ROOT)
    ranges = requirements(ROOT, "torch", "keras", "data")
    assert set(ranges) == set(COLAB) | COLAB_LACKS
    outside = [str(ranges[n]) for n in COLAB if Version(COLAB[n]) not in ranges[n].specifier]
    assert outside == []


@pytest.fixture
def copy(tmp_path):
    """A copy of the files, for breaking."""
    for name in FILES:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "complaint"),
    [
        ("constraints.txt", r"\nnumpy==.*", "", "no pin for it"),
        ("constraints.txt", r"\nnumpy==.*", "\nnumpy==1.25.0", "constraints.txt: 1.25.0"),
        ("constraints.txt", r"\nnumpy==", "\nnumpy>=", "not of the form"),
        ("constraints.txt", r"\nnumpy==.*", "\nnumpy==2.4.6\nNumPy==2.4.6", "pinned twice"),
        ("pyproject.toml", r"torch>=2\.4", "torch>=9", "torch"),
        ("pyproject.toml", r"(?m)^torch = .*", r'\g<0>\nextra = ["sacrebleu>=2"]', "sacrebleu"),
        ("pyproject.toml", r"(?m)^torch = .*", r"\g<0>\nextra = []", "`all` lacks the extra extra"),
        ("pyproject.toml", r">=3\.11,<3\.14", ">=3.11,<3.15", "requires-python"),
        ("tools/bootstrap.py", r"\(3, 13\)", "(3, 14)", "tools/bootstrap.py accepts"),
        ("Makefile", r"3\.11 to 3\.13", "3.10 to 3.13", "Makefile"),
        (".pre-commit-config.yaml", r"(ruff-pre-commit\s+rev: v)\S+", r"\g<1>0.1.0", "ruff v0.1.0"),
        (".github/workflows/test.yml", r'"3\.11", ', "", "workflows/test.yml: Python"),
        ("environment.yml", r"python=3\.\d+", "python=3.10", "is none of"),
        ("environment.yml", r"  - pip\n", "  - pip\n  - numpy\n", "conda installs"),
        ("environment.yml", r"      - -c .*\n", "", "not the constraints"),
        ("environment.yml", r"\[all\]", "[torch]", "the extra `all`"),
        ("environment.yml", r"(?m)\Z", "      - pooch\n", "pooch"),
    ],
)
def test_each_disagreement_is_found(copy, file, pattern, replacement, complaint):
    path = copy / file
    text = path.read_text()
    broken = re.sub(pattern, replacement, text)
    assert broken != text
    path.write_text(broken)
    found = disagreements(copy)
    assert found and any(complaint in sentence for sentence in found)


def test_a_pin_without_reason_is_found(copy, pinned_environment):
    path = copy / "constraints.txt"
    path.write_text(path.read_text() + "sacrebleu==2.5.1\n")
    assert set(pins(copy)) - needed(copy) == {"sacrebleu"}


def test_a_missing_pin_of_a_package_brought_along_is_found(copy, pinned_environment):
    path = copy / "constraints.txt"
    path.write_text(re.sub(r"\nmyst-nb==.*", "", path.read_text()))
    assert needed(copy) - set(pins(copy)) == {"myst-nb"}
