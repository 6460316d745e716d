"""Find the browser that the tests of the built book run in, or get one; `make test` calls this.

Chromium or Chrome as installed on the system is taken first, then Playwright's own build. When
neither is there, root on a system with apt installs the system's package, and anybody else has
Playwright download its build. What cannot be had is said and is no error: the tests say at their
end which of them did not run. With REQUIRE_BROWSER=1 it is an error, here and in the tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCREENSHOTS = ROOT / "_build" / "screenshots"  # of pages whose tests fail
MISSING = "No Chromium was found"
ADVICE = "install Chromium or Chrome, or run `.venv/bin/python -m playwright install chromium`."


def required() -> bool:
    """Whether doing without a browser is an error."""
    return os.environ.get("REQUIRE_BROWSER", "") not in ("", "0")


def runs(path: str | Path) -> bool:
    """Whether this browser starts: one that lacks system libraries does not."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def playwrights_own() -> str:
    """Where Playwright keeps the browser that it downloads, whether or not it has."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def find() -> str | None:
    """Path of a Chromium that runs, or None."""
    for name in NAMES:
        path = shutil.which(name)
        if path and runs(path):
            return path
    path = playwrights_own()
    return path if runs(path) else None


def call(*command: str, timeout: int) -> bool:
    """Run a command that may ask nothing and may not hang; whether it succeeded."""
    print("$", *command, flush=True)
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        print(f"Stopped after {timeout} s.", flush=True)
        return False
    return done.returncode == 0


def get() -> str | None:
    """Get a Chromium if that is possible without asking anybody; its path, or None."""
    root = os.geteuid() == 0
    if root and shutil.which("apt-get"):
        call("apt-get", "update", "-qq", timeout=120)
        call("apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium", timeout=600)
    path = find()  # there are systems whose package of this name is empty
    if path is None:
        # Its system libraries are root's to install; for others it would ask for a password.
        libraries = ["--with-deps"] if root else []
        command = [sys.executable, "-m", "playwright", "install", *libraries, "chromium"]
        call(*command, timeout=600)
        path = find()
    return path


def main() -> None:
    """Make sure that there is a browser, or say that there is none."""
    if find():
        return
    print(f"{MISSING}; trying to get one.", flush=True)
    path = get()
    if path:
        print(f"The tests of the built book will run in {path}.")
    elif required():
        sys.exit(f"Error: {MISSING}, and REQUIRE_BROWSER is set: {ADVICE}")
    else:
        print(f"{MISSING}; the tests that need one will be left out.")


if __name__ == "__main__":
    main()
