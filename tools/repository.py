"""Name another repository in every file: `make repository URL=https://github.com/owner/name`.

The repository is named once for the reader, in `_config.yml`; links, badges and set-up cells
have to repeat it. This changes all of them, or, when something is wrong, nothing.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# Colab and Binder links name GitHub in a form of their own, so the host is fixed.
URL = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)")


def slug(url: str) -> str:
    """`owner/name` of a repository's URL; ValueError when it is none."""
    match = URL.fullmatch(url.strip().removesuffix("/").removesuffix(".git"))
    if not match or set(match[2]) <= {"."}:
        raise ValueError(f"URL={url!r} is not of the form https://github.com/owner/name")
    return f"{match[1]}/{match[2]}"


def configured(root: Path = ROOT) -> str:
    """The URL in `_config.yml`."""
    return yaml.safe_load((root / "_config.yml").read_text("utf-8"))["repository"]["url"]


def text_files(root: Path = ROOT) -> list[Path]:
    """The files that git tracks or would track, without binary ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=root, capture_output=True)
    if answer.returncode:
        raise ValueError(f"{root} is no git repository")
    paths = (root / os.fsdecode(name) for name in answer.stdout.split(b"\0") if name)
    paths = sorted({path for path in paths if path.is_file() and not path.is_symlink()})
    return [path for path in paths if b"\0" not in path.read_bytes()]


def renamed(content: bytes, old: str, new: str) -> tuple[bytes, int]:
    """`content` with one `owner/name` for another in links of all kinds, and their number."""
    (owner, name), (new_owner, new_name) = old.split("/"), new.split("/")
    count = 0
    for before, after in (
        (old, new),
        (f"{owner}.github.io/{name}", f"{new_owner}.github.io/{new_name}"),  # the published book
    ):
        # Not inside a longer name; a dot may end a sentence or begin ".git".
        whole = rb"(?<![\w.-])" + re.escape(before.encode()) + rb"(?![\w-]|\.(?!git\b)\w)"
        content, found = re.subn(whole, lambda _, after=after: after.encode(), content)
        count += found
    return content, count


def rename(url: str, root: Path = ROOT) -> dict[Path, int]:
    """Name the repository `url` everywhere; returns the number of changes of each file."""
    old, new = slug(configured(root)), slug(url)
    before, after, counts = {}, {}, {}
    for path in text_files(root):
        content = path.read_bytes()
        changed, count = renamed(content, old, new)
        if changed != content:
            before[path], after[path], counts[path] = content, changed, count
    try:
        for path, content in after.items():
            path.write_bytes(content)
    except BaseException:
        for path, content in before.items():
            if path.read_bytes() != content:
                path.write_bytes(content)
        raise
    return counts


def main() -> None:
    """Rename and say what changed."""
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit(
            "Error: give the new repository: make repository URL=https://github.com/owner/name"
        )
    try:
        counts = rename(sys.argv[1])
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}; nothing was changed")
    for path, count in counts.items():
        print(f"{path.relative_to(ROOT)}: {count}")
    print(f"{len(counts)} files now name {configured()}" if counts else "Nothing to change")


if __name__ == "__main__":
    main()
