"""What all tests share: the built book, how two workers divide the tests, what did not run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tools import browser

ROOT = Path(__file__).resolve().parent.parent
# What the book is built from.
FILES = ("_config.yml", "_toc.yml", "CITATION.cff")
FOLDERS = ("book", "notebooks", "companion", "tools")


def build(source: Path) -> str:
    """Build a copy of the book in `source`, warnings as errors; return what went wrong, or ""."""
    source.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    command = [sys.executable, str(source / "tools" / "book.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout[-4000:] + done.stderr[-4000:] or "no output"


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The folder of the built pages. Whichever worker asks first builds, the others wait.

    BOOK_HTML=its/folder takes a book that is built already.
    """
    if "BOOK_HTML" in os.environ:
        return Path(os.environ["BOOK_HTML"]).resolve(strict=True)
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    source, result = shared / "book source", shared / "book result"
    with FileLock(shared / "book lock"):
        if not result.exists():
            result.write_text(build(source), encoding="utf-8")
    wrong = result.read_text(encoding="utf-8")
    if wrong:
        pytest.fail(f"The book does not build:\n{wrong}", pytrace=False)
    return source / "_build" / "html"


def pytest_configure(config):
    """Where this run's screenshots of failing pages will lie, and no others."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(browser.SCREENSHOTS, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a file's tests on one worker, as `--dist loadscope` does, but divide the browser's.

    A notebook has to stay whole. The tests of built pages are one file with most of the tests:
    there a page, which is the first part of the parameter, is what stays together.
    """
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByPage(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith("tests/browser/") and "[" in nodeid:
                file, parameter = nodeid.split("::")[0], nodeid.split("[", 1)[1]
                return f"{file}[{parameter.split(' ')[0].rstrip(']')}]"
            return super()._split_scope(nodeid)

    return ByPage(config, log)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """Say last which tests did not run because no browser was there."""
    skipped = [
        report.nodeid.split("::")[0]
        for report in terminalreporter.stats.get("skipped", ())
        if browser.MISSING in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("No browser", bold=True, yellow=True)
        for file in sorted(set(skipped)):
            terminalreporter.line(f"{file}: {skipped.count(file)} tests did not run")
        terminalreporter.line(f"{browser.MISSING}: {browser.ADVICE}")
