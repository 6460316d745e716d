"""Build the book into `_build/html`, warnings as errors; `make book` calls this in `.venv`."""

import hashlib
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
DONE = BUILD / "built-from"
# Sphinx builds changed pages only; a change in these it does not see, though it changes many pages.
UNSEEN = (
    "_config.yml",
    "_toc.yml",
    "CITATION.cff",
    "constraints.txt",
    "book/*.bib",
    "book/_ext/**/*.*",
    "book/_static/**/*.*",
    "book/_templates/**/*.*",
)
SOURCES = ("companion/**/*.*",)  # the API pages and the interactive figures are made from them


def key() -> str:
    """Digest of what decides whether pages of the last build can be kept."""
    digest = hashlib.sha256(sys.version.encode())
    for pattern in UNSEEN + SOURCES:
        for path in sorted(
            path for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".pyc"
        ):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Build, and say where to look."""
    from jupyter_book.cli.main import main as jupyter_book
    from sphinx.util.console import nocolor

    if not sys.stdout.isatty():
        nocolor()
    now = key()
    # A build that failed leaves no such file: what it read without a word must warn again.
    if not DONE.exists() or DONE.read_text() != now:
        shutil.rmtree(BUILD / "html", ignore_errors=True)
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
    DONE.unlink(missing_ok=True)
    try:
        words = ["build", str(ROOT), "-W", "--keep-going"]
        status = jupyter_book(words, standalone_mode=False)
    except (
        RuntimeError
    ) as error:  # Jupyter Book reports what stops Sphinx so, in a frame of its own
        sys.exit(str(error))
    if status:
        sys.exit(status)
    DONE.write_text(now)
    print(f"\nOpen this in a browser:\n{(BUILD / 'html' / 'index.html').as_uri()}")


if __name__ == "__main__":
    main()
