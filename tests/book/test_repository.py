"""The repository is named once, in `_config.yml`, and everywhere else alike."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tools import repository

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*/*.ipynb"))
# In two pieces, because renaming the repository back would find it here as well.
OTHER = "https://github.com/" + "/".join(("some-one", "another.book"))
NAMED = r"([\w-]+)/([\w-][\w.-]*?)(?=\.git\b|[^\w.-]|\.?$|\.\s)"
# Links to the repository that a page, a badge or a set-up cell belongs to, whoever owns it.
OURS = (
    r"colab\.research\.google\.com/github/" + NAMED,
    r"mybinder\.org/(?:v2|badge)/gh/" + NAMED,
    r"git\+https://github\.com/" + NAMED,
)
ANY = r"github\.com/" + NAMED


def setup_cells(notebook: Path) -> list[str]:
    """The sources of the cells tagged `setup`."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in cells
        if "setup" in cell.get("metadata", {}).get("tags", [])
    ]


def install_url(source: str) -> str | None:
    """The repository from which a set-up cell installs the package."""
    match = re.search(r"@ git\+(https://[^\s\"'@]+)", source)
    return match and match[1].removesuffix(".git")


def strangers(root: Path) -> list[str]:
    """Links to a repository that looks like ours and is another than `_config.yml` names.

    Tests may invent repositories.
    """
    ours = tuple(repository.slug(repository.configured(root)).split("/"))
    found = []
    for path in repository.text_files(root):
        if path.is_relative_to(root / "tests"):
            continue
        text = path.read_text("utf-8")
        links = [pair for pattern in OURS for pair in re.findall(pattern, text, re.M)]
        links += [
            (owner, name)
            for owner, name in re.findall(ANY, text, re.M)
            if owner == ours[0] or name == ours[1]
        ]
        found += [f"{path.relative_to(root)}: {'/'.join(p)}" for p in set(links) if p != ours]
    return found


@pytest.fixture
def copy(tmp_path):
    """A git repository with what ours holds."""
    for path in repository.text_files(ROOT):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    """Every text file of a repository."""
    return {str(p.relative_to(root)): p.read_bytes() for p in repository.text_files(root)}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_setup_cell_installs_from_the_repository(notebook):
    cells = setup_cells(notebook)
    assert len(cells) == 1, "one cell has the tag `setup`"
    assert install_url(cells[0]) == repository.configured()


def test_there_are_pages():
    assert len(NOTEBOOKS) >= 4


def test_citation_and_package_name_the_repository():
    url = repository.configured()
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["repository-code"] == url
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert urls["Homepage"] == url
    assert all(value.startswith(url) for value in urls.values())


def test_no_file_names_another_repository():
    assert strangers(ROOT) == []


@pytest.mark.parametrize(
    "link",
    [
        "https://colab.research.google.com/github/some-one/another/blob/main/x.ipynb",
        "[![Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/some-one/a/main)",
        '%pip install "gate-by-gate @ git+https://github.com/some-one/another.git"',
        "https://github.com/{owner}/another.",
        "https://github.com/some-one/{name}/issues",
    ],
)
def test_another_repository_is_found(copy, link):
    owner, name = repository.slug(repository.configured(copy)).split("/")
    (copy / "book" / "extra.md").write_text(link.format(owner=owner, name=name) + "\n")
    assert len(strangers(copy)) == 1


def test_a_setup_cell_with_another_repository_is_found(copy):
    notebook = next(copy.glob("notebooks/*/*.ipynb"))
    url = repository.configured(copy)
    notebook.write_text(notebook.read_text("utf-8").replace(url, OTHER), "utf-8")
    assert install_url(setup_cells(notebook)[0]) == OTHER


def test_rename_changes_all_and_back_again(copy):
    before, old = contents(copy), repository.configured(copy)
    changed = repository.rename(OTHER, copy)
    assert repository.configured(copy) == OTHER
    assert strangers(copy) == []
    for name, content in contents(copy).items():
        assert repository.slug(old).encode() not in content, name
    for notebook in copy.glob("notebooks/*/*.ipynb"):
        assert install_url(setup_cells(notebook)[0]) == OTHER
    changed = {str(path.relative_to(copy)) for path in changed}
    assert {"_config.yml", "CITATION.cff", "README.md", "pyproject.toml"} <= changed
    assert changed == {name for name, content in contents(copy).items() if content != before[name]}

    assert repository.rename(OTHER, copy) == {}
    repository.rename(old + ".git/", copy)
    assert contents(copy) == before


def test_links_of_all_kinds_are_renamed():
    text = (
        b"https://github.com/a/b https://github.com/a/b.git, git+https://github.com/a/b@main"
        b" https://github.com/a/b. https://colab.research.google.com/github/a/b/blob/x"
        b" https://mybinder.org/v2/gh/a/b/main https://a.github.io/b/ repository == 'a/b'\r\n"
    )
    kept = b" a/bc a/b-c a/b.c xa/b -a/b .a/b \xff"
    changed, count = repository.renamed(text + kept, "a/b", "new/one")
    assert count == 8
    assert changed.endswith(kept)
    assert changed[: -len(kept)] == text.replace(b"a/b", b"new/one").replace(
        b"a.github.io/b", b"new.github.io/one"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "some-one/another",
        "http://github.com/some-one/another",
        "https://github.com/some-one",
        "https://github.com/some-one/another/tree/main",
        "https://github.com/some one/another",
        "https://github.com/some-one/..",
        "https://example.org/some-one/another",
        "git@github.com:some-one/another.git",
        "https://github.com/some-one/another?tab=readme",
    ],
)
def test_a_bad_url_is_refused_and_nothing_changes(copy, url):
    before = contents(copy)
    with pytest.raises(ValueError, match="is not of the form https://github.com/owner/name"):
        repository.rename(url, copy)
    assert contents(copy) == before


def test_a_failure_half_way_changes_nothing(copy, monkeypatch):
    before, write, calls = contents(copy), Path.write_bytes, []

    def fail_once(path, content):
        calls.append(path)
        if len(calls) == 3:
            write(path, content[:10])  # as a full disk leaves it
            raise OSError("No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail_once)
    with pytest.raises(OSError, match="No space"):
        repository.rename(OTHER, copy)
    assert len(calls) > 3
    assert contents(copy) == before


def test_command_reports_in_one_line():
    command = [sys.executable, ROOT / "tools" / "repository.py", "ftp://nowhere"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: URL='ftp://nowhere'")
