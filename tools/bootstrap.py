"""Make `.venv`, or bring it up to date, with what a target of the Makefile needs.

    python tools/bootstrap.py book         # what `make book` needs: no framework
    python tools/bootstrap.py all          # everything
    python tools/bootstrap.py --fits       # exit status 0 when this Python can do it

It uses the standard library alone, and only syntax that old Pythons can read, so that they can say
what is wrong. Whatever is missing is said in one line; pip's whole output is in `.venv/pip.log`.
"""

from __future__ import print_function

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 13)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Free space in GB that an installation needs, its downloads included.
SPACE = {"book": 1, "all": 6}
# What pip writes when the cause is one that the reader can do something about.
CAUSES = (
    ("the disk is full.", r"No space left on device|Errno 28|[Dd]isk quota exceeded"),
    (
        "no connection to the package index: check the network, or the proxy settings.",
        r"NewConnectionError|ConnectTimeoutError|NameResolutionError|ProxyError|ReadTimeoutError"
        r"|SSLError|ProtocolError|Network is unreachable|[Rr]ead timed out"
        r"|Connection (refused|reset)",
    ),
)


def fail(message):
    """Leave with one line."""
    sys.exit("Error: " + message)


def dotted(version):
    return ".".join(str(part) for part in version[:2])


def python_problem(version):
    """What is wrong with a Python of this version, or None."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    fault = "old" if tuple(version[:2]) < OLDEST else "new"
    return "Python %s is too %s: install Python %s to %s, or name one with PYTHON=/its/path." % (
        dotted(version),
        fault,
        dotted(OLDEST),
        dotted(NEWEST),
    )


def venv_problem():
    """What keeps this Python from making environments, or None (Debian packs venv separately)."""
    import importlib.util

    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            missing = (sys.executable, module, dotted(sys.version_info))
            return "%s has no module %s: install the package python%s-venv." % missing
    return None


def space_problem(level, installed, free):
    """What is wrong with `free` bytes for `level`, given the `installed` levels, or None."""
    there = max([SPACE[name] for name in installed if name in SPACE] or [0])
    needed = max(SPACE[level] - there, 0.2)
    if free >= needed * 1e9:
        return None
    return "%.1f GB of disk space are free in %s, %.1f GB are needed." % (free / 1e9, ROOT, needed)


def wanted(root=ROOT):
    """A digest of all that decides what is installed: requirements and pins, not tool settings."""
    import tomllib

    with open(os.path.join(root, "pyproject.toml"), "rb") as file:
        settings = tomllib.load(file)
    with open(os.path.join(root, "constraints.txt"), "rb") as file:
        pins = file.read()
    kept = {key: settings[key] for key in ("build-system", "project")}
    kept["project"].pop("urls", None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode() + pins).hexdigest()


class Environment:
    """The `.venv` of one checkout, and the file in it that says how far its installation came."""

    def __init__(self, root=ROOT):
        self.root = root
        self.path = os.path.join(root, ".venv")
        self.python = os.path.join(self.path, "bin", "python")
        self.log = os.path.join(self.path, "pip.log")
        self.record = os.path.join(self.path, "gate-by-gate.json")

    def read(self):
        try:
            with open(self.record) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def write(self, **changes):
        record = dict(self.read(), root=self.root, **changes)
        with open(self.record + ".new", "w") as file:
            json.dump(record, file, indent=1, sort_keys=True)
        os.replace(self.record + ".new", self.record)

    def version(self):
        """Version of its Python, or None when that cannot run or lacks pip."""
        code = "import pip, sys; print(sys.version_info[0], sys.version_info[1])"
        try:
            answer = subprocess.check_output([self.python, "-Ic", code], stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            return None
        return tuple(int(part) for part in answer.split())

    def fault(self, asked=None):
        """Why it must be made again, or None; `asked` is the version the user asked for."""
        version = self.version()
        record = self.read()
        if version is None:
            return "its Python does not run"
        if python_problem(version):
            return "it has Python " + dotted(version)
        if asked and version != tuple(asked[:2]):
            return "it has Python %s, and PYTHON is %s" % (dotted(version), dotted(asked))
        if record.get("root", self.root) != self.root:
            return "the directory has moved"
        if record.get("installing") and self.damaged():
            return "an installation was interrupted in " + self.damaged()
        return None

    def damaged(self):
        """Name of a package that pip did not finish, or None.

        pip unpacks the files, then writes INSTALLER, and RECORD (every file with its size) last.
        """
        import csv
        import glob

        libraries = glob.glob(os.path.join(self.path, "lib", "python*", "site-packages"))
        for library in libraries:
            for info in sorted(glob.glob(os.path.join(glob.escape(library), "*.dist-info"))):
                name = os.path.basename(info).split("-")[0]
                try:
                    with open(os.path.join(info, "INSTALLER")) as file:
                        file.read()
                    with open(os.path.join(info, "RECORD"), newline="") as file:
                        rows = list(csv.reader(file))
                    for row in rows:
                        size = os.path.getsize(os.path.join(library, row[0]))
                        if row[2] and int(row[2]) != size:
                            return name
                except (OSError, ValueError, IndexError):
                    return name
        return None

    def make(self):
        """Make it anew, empty but for pip."""
        shutil.rmtree(self.path, ignore_errors=True)
        command = [sys.executable, "-m", "venv", self.path]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode or self.version() is None:
            said = done.stdout.decode(errors="replace").strip().splitlines() or ["no pip in it"]
            fail("%s cannot make .venv: %s" % (sys.executable, said[-1]))
        self.write()

    def install(self, level, arguments=()):
        """Install an extra of pyproject.toml, showing of pip's lines those that tell progress."""
        scratch = os.path.join(self.path, "tmp")  # downloads count on this disk, not on /tmp
        os.makedirs(scratch, exist_ok=True)
        before = self.read().get("installing")
        self.write(installing=level)
        command = [self.python, "-m", "pip", "install", "--progress-bar=off"]
        command += ["-c", "constraints.txt", "-e", ".[%s]" % level] + list(arguments)
        variables = dict(os.environ, TMPDIR=scratch, PYTHONUNBUFFERED="1")
        variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        # What would make pip look at, or write to, another place than this environment.
        for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"):
            variables.pop(name, None)
        begun = False
        settings = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.root)
        settings.update(env=variables, encoding="utf-8", errors="replace")
        with open(self.log, "w", encoding="utf-8") as log:
            with subprocess.Popen(command, **settings) as pip:
                for line in pip.stdout:
                    log.write(line)
                    if re.search(r"^ *Downloading .*\([\d.]+ (MB|GB)\)", line):
                        print(line.rstrip(), flush=True)
                    elif line.startswith("Installing collected packages"):
                        begun = True
                        print("  Installing %d packages" % (line.count(",") + 1), flush=True)
            status = pip.returncode
        shutil.rmtree(scratch, ignore_errors=True)
        if status and not begun:
            self.write(installing=before)  # pip has changed nothing: what was there still serves
        if status:
            fail(self.cause())
        self.write(installing=None, **{level: wanted(self.root)})

    def cause(self):
        """The failure of pip in one line."""
        with open(self.log, encoding="utf-8") as file:
            text = file.read()
        for message, pattern in CAUSES:
            if re.search(pattern, text):
                return message
        for word in ("ERROR", r"\w+Error", "error"):
            said = re.findall(r"^ *%s: (.+)" % word, text, re.MULTILINE)
            if said:
                return "pip failed: %s (more in .venv/pip.log)" % said[-1]
        return "pip failed and gave no reason (see .venv/pip.log)."


def prepare(level, arguments=(), asked=None, root=ROOT, free=None):
    """Leave an environment in which `level` is installed."""
    import fcntl

    with open(os.path.join(root, "pyproject.toml")) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one call at a time
        except OSError:
            pass  # some network disks have no locks
        update(Environment(root), level, arguments, asked, free)


def update(environment, level, arguments, asked, free):
    """Make the environment, bring it up to date, or leave it as it is."""
    fault = environment.fault(asked) if os.path.isdir(environment.path) else "there is none"
    record = {} if fault else environment.read()
    up_to_date = wanted(environment.root) in (record.get(level), record.get("all"))
    if up_to_date and not record.get("installing"):
        return
    free = shutil.disk_usage(environment.root).free if free is None else free
    problem = (fault and venv_problem()) or space_problem(level, record, free)
    if problem:
        fail(problem)
    if fault:
        print("Making .venv with Python %s (%s)" % (dotted(sys.version_info), fault), flush=True)
        environment.make()
    print("Installing gate-by-gate[%s] into .venv" % level, flush=True)
    environment.install(level, arguments)


def main(words):
    problem = python_problem(sys.version_info)
    if words == ["--fits"]:
        sys.exit(1 if problem or venv_problem() else 0)
    if problem:
        fail(problem)
    if not words or words[0] not in SPACE:
        fail("say what to install: %s." % " or ".join(sorted(SPACE)))
    # PYTHON and PIP_ARGS come from the Makefile.
    asked = sys.version_info if os.environ.get("PYTHON") else None
    try:
        prepare(words[0], shlex.split(os.environ.get("PIP_ARGS", "")), asked)
    except KeyboardInterrupt:
        fail("interrupted; the next call takes it up again.")
    except OSError as error:
        fail(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
