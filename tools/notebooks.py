"""Execute the book's notebooks, one at a time, and store their outputs and run time.

    python tools/notebooks.py             # all pages
    python tools/notebooks.py 3-1 4-3     # pages whose path contains 3-1 or 4-3

A page runs in a fresh kernel of this Python, in an empty folder, on at most two CPU cores. If one
of its cells fails, the stored notebook stays as it was, the other pages still run, and the exit
status is 1. Running a page twice stores the same file, apart from what the page itself draws anew.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import math
import os
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

ROOT = Path(__file__).resolve().parents[1]

#: What a page may take, in seconds; the rule of the book that tests/book checks.
MAX_SECONDS = 60
#: A page is measured on this many cores, wherever the system lets a process be held to them.
CORES = 2
#: After this many seconds a single cell is stopped.
CELL_TIMEOUT = 600
#: Two runs of an unchanged page on an unchanged machine differ by up to this much.
NOISE_FACTOR = 1.5
NOISE_SECONDS = 2

#: Imported name -> distribution, for what can change a page's numbers or its run time.
LIBRARIES = {
    "keras": "keras",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "statsmodels": "statsmodels",
    "tensorflow": "tensorflow",
    "torch": "torch",
}

RUN_TIME = re.compile(r"^\*\*Run time\.\*\*.*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


class PageError(Exception):
    """A page that cannot be run as it is, or one of whose cells failed."""


class _ThisPython(KernelSpecManager):
    """Knows one kernel, this interpreter's, whatever kernels are registered on the machine."""

    def get_kernel_spec(self, kernel_name):
        return KernelSpec(**get_kernel_dict())


def run_time_paragraph(measured):
    """Return the paragraph on a page's run time that its ``companion`` metadata asks for."""
    seconds = measured["seconds"]
    duration = "Under 5 s" if seconds < 5 else f"About {math.ceil(seconds / 5) * 5} s"
    cores = {1: "one CPU core", 2: "two CPU cores"}.get(
        measured["cores"], f"{measured['cores']} CPU cores"
    )
    return f"**Run time.** {duration} on {cores}."


def keep_or_replace(stored, measured):
    """Return the record to store: the stored one unless the new measurement says otherwise.

    No two runs take the same time. Storing each of them would change every file at every run,
    so that a diff would no longer show which pages have changed. A record is replaced when
    the software differs, when the difference is more than noise, or when the page has moved
    across the time that a page may take.
    """
    if stored is None or stored.keys() != measured.keys():
        return measured
    times = stored["seconds"], measured["seconds"]
    memories = stored["peak_memory_mb"], measured["peak_memory_mb"]
    alike = (
        stored["versions"] == measured["versions"]
        and stored["cores"] == measured["cores"]
        and (times[0] <= MAX_SECONDS) == (times[1] <= MAX_SECONDS)
        and (max(times) <= NOISE_FACTOR * min(times) or abs(times[0] - times[1]) <= NOISE_SECONDS)
        and max(memories) <= NOISE_FACTOR * min(memories)
    )
    return stored if alike else measured


def execute(notebook, on_cell=lambda number: None):
    """Execute the notebook's cells in place and return what was measured.

    The time is that of starting the kernel and executing all cells; the memory is the peak of
    the kernel process.
    """
    manager = AsyncKernelManager(kernel_spec_manager=_ThisPython())
    client = NotebookClient(notebook, km=manager, timeout=CELL_TIMEOUT, shutdown_kernel="immediate")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        empty, settings, log = (Path(scratch, name) for name in ("page", "ipython", "log"))
        empty.mkdir()
        settings.mkdir()
        number = 0
        start = time.perf_counter()
        try:
            with (
                # What the kernel itself says; what a cell says is in the cell's outputs.
                log.open("wb") as stream,
                client.setup_kernel(
                    cwd=str(empty),
                    env=_kernel_environment(settings),
                    stdout=stream,
                    stderr=stream,
                    cleanup_kc=True,
                ),
            ):
                kernel = psutil.Process(manager.provisioner.pid)
                cores = _hold_to_cores(kernel)
                peak = 0
                for number, cell in enumerate(notebook.cells, start=1):
                    on_cell(number)
                    client.execute_cell(cell, number - 1)
                    peak = max(peak, _peak_memory(kernel))
                seconds = time.perf_counter() - start
                versions = _versions(client)
        except (CellExecutionError, CellTimeoutError) as error:
            raise PageError(f"cell {number} ({cell.id}) failed\n{error}") from error
        except RuntimeError as error:  # nbclient's when the kernel has died
            where = f"in cell {number} ({cell.id})" if number else "before the first cell"
            said = log.read_text(errors="replace")
            raise PageError(f"the kernel died {where}: {error}\n{said}") from error
    return {
        "cores": cores,
        "date": datetime.date.today().isoformat(),
        "peak_memory_mb": round(peak / 1e6),
        "processor": _processor(),
        "seconds": round(seconds, 1),
        "versions": versions,
    }


def normalise(notebook):
    """Drop from an executed notebook what changes from run to run and says nothing."""
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # JupyterLab's timestamps
        if cell.cell_type != "code":
            continue
        merged = []
        for output in cell.outputs:
            # How often the kernel flushed its streams is chance.
            if merged and output.output_type == merged[-1].output_type == "stream":
                if output.name == merged[-1].name:
                    merged[-1].text += output.text
                    continue
            merged.append(output)
        cell.outputs = merged


def run_page(path, on_cell=lambda number, total: None):
    """Execute one page and store it; return the new measurement and whether the file changed."""
    before = path.read_text(encoding="utf-8")
    try:
        notebook = nbformat.reads(before, as_version=4)
    except ValueError as error:
        raise PageError("the file is not a notebook") from error
    first = notebook.cells[0] if notebook.cells else None
    if first is None or not RUN_TIME.search(first.source):
        raise PageError("cell 1 has no paragraph that begins with **Run time.**")
    measured = execute(notebook, lambda number: on_cell(number, len(notebook.cells)))
    normalise(notebook)
    record = keep_or_replace(notebook.metadata.get("companion"), measured)
    notebook.metadata["companion"] = record
    first.source = RUN_TIME.sub(lambda match: run_time_paragraph(record), first.source, count=1)
    after = nbformat.writes(notebook).rstrip("\n") + "\n"
    if path.read_text(encoding="utf-8") != before:
        raise PageError("someone saved the page while it ran; run it again")
    if after != before:
        _replace(path, after)
    return measured, after != before


def _replace(path, text):
    """Write a file so that whoever reads it finds the old text or the new, never a part."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _kernel_environment(settings):
    """Return the environment of a reader who has set nothing, so that nothing hides a warning."""
    set_by_someone = (
        "COMPANION_",
        "KERAS_",
        "MPLBACKEND",
        "OMP_",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONWARNINGS",
        "TF_",
    )
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(set_by_someone)
    }
    # What is stored is the CPU's: a page scales up by itself when it finds a GPU.
    return kept | {
        "CUDA_VISIBLE_DEVICES": "",
        "IPYTHONDIR": str(settings),
        "PYTHONHASHSEED": "0",
    }


def _hold_to_cores(process):
    """Hold a process to two cores, where the system can; return how many it has."""
    if not hasattr(process, "cpu_affinity"):  # macOS
        return psutil.cpu_count()
    process.cpu_affinity(process.cpu_affinity()[:CORES])
    return len(process.cpu_affinity())


def _peak_memory(process):
    """Return the most memory that a process has had, in bytes; elsewhere than Linux, has now."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
    memory = process.memory_info()
    return getattr(memory, "peak_wset", memory.rss)


def _versions(client):
    """Return the versions of Python and of those of LIBRARIES that the page has imported."""
    imported = client.kc.execute(
        "", silent=True, user_expressions={"names": "' '.join(__import__('sys').modules)"}
    )
    reply = client.wait_for_reply(imported)
    names = reply["content"]["user_expressions"]["names"]["data"]["text/plain"].strip("'").split()
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in sorted(LIBRARIES.keys() & set(names)):
        # 2.13.0+cpu and 2.13.0 compute the same on a CPU.
        versions[LIBRARIES[name]] = importlib.metadata.version(LIBRARIES[name]).split("+")[0]
    return versions


def _processor():
    with contextlib.suppress(OSError, TypeError):
        return re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())[1].strip()
    return platform.processor() or platform.machine()


class _Progress:
    """One line a page; on a terminal it counts the cells while they run."""

    def __init__(self, number, total, page):
        self.head = f"[{number}/{total}] {page}"
        self.live = sys.stdout.isatty()
        print(self.head, end="" if self.live else ": running\n", flush=True)

    def cell(self, number, total):
        if self.live:
            print(f"\r{self.head}: cell {number}/{total}", end="\x1b[K", flush=True)

    def end(self, text):
        start, stop = ("\r", "\x1b[K\n") if self.live else ("", "\n")
        print(f"{start}{self.head}: {text}", end=stop, flush=True)


def main(arguments=None, root=ROOT):
    """Run the tool and return its exit status."""
    parser = argparse.ArgumentParser(description="Execute notebooks and store their outputs.")
    parser.add_argument(
        "page", nargs="*", help="run only the pages whose path contains this, such as 3-1"
    )
    patterns = parser.parse_args(arguments).page
    pages = {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.glob("notebooks/**/*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
    }
    for pattern in patterns:
        if not any(pattern in page for page in pages):
            names = ", ".join(path.stem for path in pages.values())
            print(f"No page's path contains {pattern!r}. Pages: {names or 'none'}", file=sys.stderr)
            return 2
    if not pages:
        print("There are no notebooks to run.", file=sys.stderr)
        return 2
    chosen = [page for page in pages if not patterns or any(part in page for part in patterns)]
    failed = []
    for number, page in enumerate(chosen, start=1):
        progress = _Progress(number, len(chosen), page)
        try:
            measured, changed = run_page(pages[page], progress.cell)
        except PageError as error:
            failed.append(page)
            text = f"{error}"
            if not progress.live:
                text = re.sub(r"\x1b\[[0-9;]*m", "", text)
            progress.end(f"{text.rstrip()}\n{page} is left as it was")
        else:
            progress.end(
                f"{measured['seconds']:.1f} s, {measured['peak_memory_mb']} MB, "
                + ("stored" if changed else "unchanged")
            )
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped. The page that was running is left as it was.")
