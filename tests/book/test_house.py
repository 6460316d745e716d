"""README, CONTRIBUTING, CHANGELOG, licences, citation, workflows: what they say is so."""

import doctest
import importlib
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
import warnings
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for
from markdown_it import MarkdownIt

import companion
from tools import repository

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CHANGELOG = ROOT / "CHANGELOG.md"
ARCHITECTURE = ROOT / "book" / "architecture.md"
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("book/*.md")),
    *sorted(ROOT.glob(".github/*.md")),
]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
PAGES = sorted(ROOT.glob("notebooks/*/*.ipynb"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def load(path: Path) -> dict:
    """A YAML file; a workflow's key `on` is read as true and put right."""
    content = yaml.safe_load(path.read_text("utf-8"))
    return {"on" if key is True else key: value for key, value in content.items()}


# --- Links and commands


def tokens(text: str) -> list:
    """All tokens of a Markdown text, those inside paragraphs too."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    return [token for block in blocks for token in (block, *(block.children or ()))]


def links(text: str) -> list[str]:
    found = [token.attrGet("href") or token.attrGet("src") for token in tokens(text)]
    return [unquote(link) for link in found if link]


def target(link: str, document: Path) -> Path | None:
    """The file of this repository that a link leads to, or None when it leads elsewhere."""
    blob = f"/{repository.slug(repository.configured())}/blob/main/"
    if blob in link:
        return ROOT / link.split(blob)[1].split("#")[0]
    if re.match(r"[a-z+]+:|#", link):
        return None
    return document.parent / link.split("#")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_to_files_resolve(document):
    files = {link: target(link, document) for link in links(document.read_text("utf-8"))}
    assert [link for link, file in files.items() if file and not file.exists()] == []


def test_a_dead_link_is_found():
    dead = "[a](no/such.md#b) ![c](d.svg) <https://example.org>"
    files = [target(link, README) for link in links(dead)]
    assert files == [ROOT / "no" / "such.md", ROOT / "d.svg", None]


def commands(path: Path) -> list[str]:
    """Lines of code in a file: fences and code spans in Markdown, steps of a workflow."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        code = [t.content for t in tokens(text) if t.type in ("fence", "code_inline")]
    else:
        jobs = load(path)["jobs"].values()
        code = [step.get("run", "") for job in jobs for step in job.get("steps", ())]
    return [line for text in code for line in text.splitlines()]


@pytest.mark.parametrize("path", [*DOCUMENTS, *WORKFLOWS], ids=name)
def test_make_targets_exist(path):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    named = {found for line in commands(path) for found in re.findall(r"\bmake ([a-z-]+)", line)}
    assert named <= targets


def test_readme_opens_with_the_two_commands():
    first = next(t for t in tokens(README.read_text("utf-8")) if t.type == "fence")
    assert re.findall(r"^make (\w+)", first.content, re.M) == ["book", "test"]


def test_readme_names_the_pythons():
    prefix = "Programming Language :: Python :: 3."
    pythons = [c[-4:] for c in PYPROJECT["project"]["classifiers"] if c.startswith(prefix)]
    assert "Python {}, {} or {}".format(*pythons) in " ".join(README.read_text("utf-8").split())


def test_readme_runs_the_tests_as_make_does():
    without_make = next(line for line in commands(README) if "-m pytest" in line).split("pytest")[1]
    recipe = re.search(r"-m pytest (tests (?:.*\\\n)*.*)", (ROOT / "Makefile").read_text("utf-8"))[
        1
    ]
    words = shlex.split(without_make)
    ignored = words.index("--ignore")
    assert words[ignored + 1] == "tests/test_make.py"
    del words[ignored : ignored + 2]
    assert words == [
        w for w in shlex.split(recipe.replace("\\\n", " ")) if not w.startswith("--durations")
    ]


def test_extras_exist():
    extras = set(PYPROJECT["project"]["optional-dependencies"])
    files = [*DOCUMENTS, *PAGES, ROOT / "environment.yml"]
    pattern = r"(?:gate-by-gate|-e \"?\.)\[([a-z,]+)\]"
    named = [n for file in files for n in re.findall(pattern, file.read_text("utf-8"))]
    assert named and {extra for extras in named for extra in extras.split(",")} <= extras


def heading(page: Path) -> str:
    """The first line of a notebook, without its mark."""
    source = "".join(json.loads(page.read_text("utf-8"))["cells"][0]["source"])
    return source.splitlines()[0].removeprefix("# ")


def test_readme_links_every_page_on_colab():
    prefix = "https://colab.research.google.com/github/"
    pattern = rf"\[([^\]]+)\]\({prefix}{repository.slug(repository.configured())}/blob/main/([^)]+)"
    listed = re.findall(pattern, README.read_text("utf-8"))
    assert listed == [(heading(page), name(page)) for page in PAGES]


# --- Examples


def test_readme_examples():
    blocks = [
        t.content for t in tokens(README.read_text("utf-8")) if t.info == "python" and t.content
    ]
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README", "README.md", 0)
    said = []
    failed, run = doctest.DocTestRunner().run(example, out=said.append)
    assert not failed, "".join(said)
    assert run


def modules() -> list[str]:
    files = [path.relative_to(ROOT).with_suffix("") for path in ROOT.glob("companion/**/*.py")]
    return sorted(".".join(file.parts).removesuffix(".__init__") for file in files)


@pytest.mark.parametrize("module", modules())
def test_docstring_examples(module):
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # what a framework warns of when it is imported
        loaded = importlib.import_module(module)
    said = []
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(loaded):
        runner.run(example, out=said.append)
    assert not runner.summarize(verbose=False).failed, "".join(said)


# --- Versions, licences, citation


def releases() -> list[tuple[str, str]]:
    """Version and date of each release of the changelog, newest first."""
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (.+)$", CHANGELOG.read_text("utf-8"), re.M)


def test_one_version():
    assert releases()[0] == (companion.__version__, CITATION["date-released"])
    assert CITATION["version"] == companion.__version__


def test_changelog_keeps_its_form():
    text = CHANGELOG.read_text("utf-8")
    titles = re.findall(r"^## (.+)$", text, re.M)
    assert titles == ["[Unreleased]", *(f"[{version}] - {date}" for version, date in releases())]
    versions = [tuple(map(int, version.split("."))) for version, _ in releases()]
    assert versions == sorted(set(versions), reverse=True)
    dates = [date for _, date in releases()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= kinds
    linked = re.findall(r"^\[(.+)\]: https://", text, re.M)
    assert linked == ["Unreleased", *(version for version, _ in releases())]


def test_one_holder_of_the_rights():
    holders = [author["name"] for author in PYPROJECT["project"]["authors"]]
    assert [author["name"] for author in CITATION["authors"]] == holders
    assert yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["author"] == holders[0]
    for file in ("LICENSE", "LICENSE-text.md"):
        assert re.search(
            rf"^Copyright \(c\) \d{{4}} {holders[0]}$", (ROOT / file).read_text(), re.M
        )


def test_licences():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.startswith("MIT License\n") and "WITHOUT WARRANTY OF ANY KIND" in text
    assert PYPROJECT["project"]["license"] == "MIT"
    assert "creativecommons.org/licenses/by/4.0/" in (ROOT / "LICENSE-text.md").read_text("utf-8")
    assert CITATION["license"] == ["MIT", "CC-BY-4.0"]


# --- Workflows and other settings


def problems(schema: str, *files: Path) -> list[str]:
    """Where files differ from a schema that check-jsonschema brings along."""
    rules = get_builtin_schema(schema)
    validator = validator_for(rules)(rules)
    return [f"{f.name}: {fault}" for f in files for fault in validator.iter_errors(load(f))]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"]),
        ("vendor.github-issue-forms", sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))),
        ("vendor.citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_files_follow_their_schema(schema, files):
    assert files and problems(schema, *files) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("runs-on:", "run-on:"),
        ("contents: read", "contents: look"),
        ("steps:", "step:"),
    ],
)
def test_a_wrong_workflow_is_found(tmp_path, right, wrong):
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    assert right in text
    (tmp_path / "test.yml").write_text(text.replace(right, wrong))
    assert problems("vendor.github-workflows", tmp_path / "test.yml")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_workflow_is_bounded(workflow):
    settings = load(workflow)
    assert settings["name"] == workflow.stem
    # Every job starts with a token that can at most read; a job that needs more says so itself.
    assert settings["permissions"] in ({}, {"contents": "read"})
    for key, job in settings["jobs"].items():
        assert "uses" in job or "timeout-minutes" in job, key
        for step in job.get("steps", ()):
            used = step.get("uses", "")
            assert not used or re.search(r"@(v\d+|[0-9a-f]{40})$", used), used
            if used.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    if "schedule" in settings["on"]:
        assert settings["jobs"]["report"]["uses"] == "./.github/workflows/report.yml"


def test_contributing_names_every_workflow():
    rows = re.findall(r"^\| `(\w+)` \|", CONTRIBUTING.read_text("utf-8"), re.M)
    assert sorted(rows) == [workflow.stem for workflow in WORKFLOWS]


def test_pre_commit():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    by_name = {hook["repo"].rpartition("/")[2]: hook for hook in hooks}
    assert "actionlint" in by_name
    assert "nbstripout" not in by_name  # pages are stored with their outputs
    (rules,) = by_name["local"]["hooks"]
    assert (ROOT / rules["entry"].split()[-1]).exists()
    assert all(re.search(rules["files"], name(page)) for page in PAGES)


def test_dev_container():
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8")
    settings = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
    version = re.search(r"python:(3\.\d+)-", settings["image"])[1]
    assert f"Programming Language :: Python :: {version}" in PYPROJECT["project"]["classifiers"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for called in re.findall(r"make ([a-z-]+)", settings["postCreateCommand"]):
        assert re.search(rf"^{called}:", makefile, re.M), called


# --- .ci/colab, with a python3 that pretends to be Colab's

COLAB = """#!/bin/sh
case "$*" in
*"pip list"*)
    echo numpy==2.0.2
    if [ -e "$STATE/installed" ]; then echo "gate-by-gate==0.1.0"; echo "torch==$AFTER"
    else echo torch==2.10.0; fi ;;
*"pip install"*gate-by-gate*) echo "$*" > "$STATE/installed" ;;
*pytest*) pwd > "$STATE/tested"; ls */*.ipynb >> "$STATE/tested" ;;
esac
"""


def colab(tmp_path: Path, torch: str) -> tuple[subprocess.CompletedProcess, dict[str, str]]:
    """Run .ci/colab where installing the package leaves this version of torch behind."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(COLAB)
    (tmp_path / "bin" / "python3").chmod(0o755)
    variables = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "STATE": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "AFTER": torch,
    }
    done = subprocess.run(
        [shutil.which("bash"), ROOT / ".ci" / "colab"],
        env=variables,
        capture_output=True,
        text=True,
    )
    files = [tmp_path / "installed", tmp_path / "tested"]
    return done, {file.name: file.read_text() for file in files if file.exists()}


def test_colab_runs_the_pages_away_from_the_checkout(tmp_path):
    done, left = colab(tmp_path, torch="2.10.0")
    assert done.returncode == 0, done.stderr
    wanted = re.search(r"gate-by-gate\[(.*)\] @ file://(.*)", left["installed"])
    named = {n for p in PAGES for n in re.findall(r"gate-by-gate\[([a-z,]+)\]", p.read_text())}
    assert wanted[1].split(",") == sorted({extra for n in named for extra in n.split(",")})
    assert wanted[2] == str(ROOT)
    where, *pages = left["tested"].splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert pages == [page.relative_to(ROOT / "notebooks").as_posix() for page in PAGES]


def test_colab_stops_when_a_package_of_colab_is_changed(tmp_path):
    done, left = colab(tmp_path, torch="2.13.0")
    assert done.returncode == 1
    assert "< torch==2.10.0" in done.stdout and "> torch==2.13.0" in done.stdout
    assert "tested" not in left


# --- The architecture page

_ENTRY = re.compile(r"\w+(\.(py|js|css|sha256)|/)$")


def drawn() -> dict[str, set[str]]:
    """The entries of each tree on the architecture page, by the folder that it shows."""
    trees, folder = {"": set(), "companion": set(), "tools": set()}, ""
    for block in (t.content for t in tokens(ARCHITECTURE.read_text("utf-8")) if t.type == "fence"):
        lines = block.splitlines()
        if lines[0] in ("companion/", "tools/"):
            parent = folder = lines[0].rstrip("/")
            for line in lines[1:]:
                names = [n.rstrip("/") for n in itertools.takewhile(_ENTRY.match, line.split())]
                if line.startswith("    "):  # what is in the folder above
                    trees[parent] = trees.get(parent, set()) | set(names)
                    continue
                trees[folder] |= set(names)
                parent = f"{folder}/{names[0]}"
            continue
        parent = ""
        for line in lines:
            entry = line.split()[0].rstrip("/")
            parent = parent if line.startswith(" ") else entry
            trees[""].add(entry if parent == entry else f"{parent}/{entry}")
    return trees


def test_architecture_shows_what_is_there():
    files = [path.relative_to(ROOT) for path in repository.text_files()]
    trees = drawn()
    for folder, entries in trees.items():
        assert [e for e in entries if not (ROOT / folder / e).exists()] == [], folder
    top = {path.parts[0] for path in files} - {".gitignore"}
    assert top == {entry.split("/")[0] for entry in trees[""]}
    assert len(trees) > 5  # the packages of the package, file by file
    for folder in trees.keys() - {""}:
        parts = Path(folder).parts
        own = [path.parts for path in files if path.parts[: len(parts)] == parts]
        assert {path[len(parts)] for path in own} - {"__init__.py"} == trees[folder]
    folders = {path.parts[1] for path in files if path.parts[0] == "book" and len(path.parts) > 2}
    assert {f"book/{folder}" for folder in folders} == {e for e in trees[""] if e[:5] == "book/"}
