"""The command ``companion``: ``train``, ``check``, ``bench`` and ``datasets``."""

import argparse
import dataclasses
import inspect
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from companion import __version__, applications, spec
from companion.applications import APPLICATIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        What follows the command's name; ``sys.argv``'s if ``None``.

    Returns
    -------
    status : int
        0 when all is well, 1 when something that was run or checked fails, 130 after Ctrl-C. Bad
        usage ends the process with status 2. What went wrong is said in one line on stderr.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options, parser)
    except KeyboardInterrupt:
        return _stopped(parser.prog, "stopped", 130)


def _parser():
    parser = _Parser(
        prog="companion", description="The package of LSTM, Gate by Gate, at the command line."
    )
    parser.add_argument("--version", action="version", version=f"companion {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    _train_parser(commands)
    check = commands.add_parser(
        "check",
        help="is all that is installed in order, and does it give the same numbers?",
        description="Look at the environment, then compare every cell in NumPy, PyTorch, Keras and "
        "ONNX Runtime, forward and backward. A line each: [OK], [FAIL], or [--] for what is "
        "optional and not there; exit status 1 if one fails.",
    )
    check.set_defaults(command=_check)
    check.add_argument(
        "--cell", action="append", choices=spec.CELLS, help="only this cell (again for more)"
    )
    check.add_argument("--seed", type=_whole, default=0, help="of the random weights (default 0)")

    bench = commands.add_parser(
        "bench",
        help="time all implementations that are installed against each other",
        description="Time every implementation on the same weights and batch, in turn, and print "
        "times and ratios.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    bench.set_defaults(command=_bench)
    bench.add_argument(
        "--cell",
        action="append",
        choices=spec.CELLS,
        help="only this cell (again for more); otherwise LSTM, PeepholeLSTM and GRU (reset after)",
    )
    bench.add_argument("--size", type=_size, nargs="+", default=[128, 256], help="I and H")
    bench.add_argument("--steps", type=_size, default=128, help="T")
    bench.add_argument("--batch", type=_size, default=32, help="B")
    bench.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of all numbers"
    )
    bench.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where PyTorch, Keras and ONNX Runtime compute",
    )
    bench.add_argument(
        "--tf32",
        action="store_true",
        help="on a GPU, let products round to TF32, as cuDNN does by itself",
    )
    bench.add_argument("--rounds", type=_size, default=5, help="how often each is timed")
    bench.add_argument("--threads", type=_size, help="threads on the CPU; JAX takes no notice")
    bench.add_argument("--json", type=Path, metavar="FILE", help="also write every number to FILE")

    _datasets_parser(commands)
    return parser


def _train_parser(commands):
    known = "\n".join(f"  {name:<8}{what}" for name, what in APPLICATIONS.items())
    train = commands.add_parser(
        "train",
        help="train a network for an application, and test it beside simple baselines",
        usage="%(prog)s application [option ...]",
        description="Train a network for an application, and test it beside simple baselines.",
        epilog=f"applications:\n{known}\n\n`companion train sst --help` shows the settings of sst.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.set_defaults(command=_train)
    train.add_argument("application", type=_application, help="one of those below")
    rest = train.add_argument("settings", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False


def _application(name):
    try:
        return applications.application(name)
    except applications.UnknownApplication as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _settings_parser(kind):
    """Return the parser of an application's own command, made from its fields."""
    parser = _Parser(
        prog=f"companion train {kind.name}",
        description=inspect.getdoc(kind).replace("``", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run = parser.add_argument_group("the run")
    folder = Path("runs") / kind.name
    run.add_argument(
        "--folder",
        type=Path,
        default=folder,
        help=f"where checkpoints and results go (default {folder})",
    )
    run.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in the folder, with its settings",
    )
    run.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="where to compute (default: a GPU, if there is one)",
    )
    settings = parser.add_argument_group("settings")
    said = applications.options(kind)
    for field in dataclasses.fields(kind):
        option = said[field.name]
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        default = repr(field.default) if field.type is str else field.default
        settings.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=_setting(field, option),
            default=argparse.SUPPRESS,
            metavar={int: "N", float: "X", str: "TEXT"}[field.type],
            help=f"{option.help}{choices} (default {default})",
        )
    return parser


def _setting(field, option):
    def converted(text):
        try:
            value = field.type(text)
        except ValueError:
            value = text
        try:
            option.check(field.name, value, field.type)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return converted


def _train(options, parser):
    kind = options.application
    parser = _settings_parser(kind)
    given = vars(parser.parse_args(options.settings))
    folder, resume, device = (given.pop(name) for name in ("folder", "resume", "device"))
    again = shlex.join([*parser.prog.split(), "--folder", str(folder), "--resume"])
    try:
        if device == "cuda":
            _needs_cuda(parser)
        from companion.applications import running
        from companion.torch.training import LostProcessError, NonFiniteError
    except ImportError as error:
        parser.error(_advice(error, kind))
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)):
        # A process was lost, and torchrun has started the same command again.
        resume = resume or (folder / running.RUN).exists()
    try:
        saved = running.saved_settings(kind, folder) if resume else {}
        result = running.train(
            kind(**(saved | given)),
            folder,
            resume=resume,
            device=device,
            say=_print if _is_first() else None,
        )
    except running.RunError as error:
        if resume:
            parser.error(f"argument --resume: {error}")
        parser.error(
            f"argument --folder: {error}: `{again}` goes on with it, or take another folder"
        )
    except ImportError as error:
        parser.error(_advice(error, kind))
    except KeyboardInterrupt:
        if not (folder / running.RUN).exists():
            raise
        return _stopped(parser.prog, f"stopped; `{again}` goes on", 130)
    except LostProcessError as error:
        return _stopped(parser.prog, f"error: {error}", 1, everyone=True)
    except (NonFiniteError, OSError) as error:
        return _stopped(parser.prog, f"error: {error}", 1)
    except ValueError as error:  # of `fit`: the checkpoint is damaged, or of another run
        if not resume:
            raise
        return _stopped(parser.prog, f"error: {error}", 1)
    if result is not None:
        print(f"\n{result}\n")
        print(f"The best weights and all numbers are in {folder}. To train for longer:")
        print(f"{again} --epochs {2 * result.application.epochs}")
    return 0


def _print(line):
    print(line, flush=True)  # before the progress bar, also into a file


def _is_first():
    """Say whether this is the process that speaks, of those that torchrun has started."""
    return os.environ.get("RANK", "0") == "0"


def _stopped(prog, message, status, everyone=False):
    if everyone or _is_first():
        print(f"{prog}: {' '.join(message.split())}", file=sys.stderr)
    return status


def _advice(error, kind):
    if "pip install" in str(error):  # a data set's loader says it itself
        return str(error)
    return f'{error}: pip install "gate-by-gate[{",".join(kind.extras)}]"'


def _datasets_parser(commands):
    datasets = commands.add_parser(
        "datasets",
        help="list the data sets, and download them",
        description="Data sets that the book uses: some come with installed packages, the others "
        "are downloaded once. They lie in the folder that COMPANION_DATA names, else in the "
        "user's cache.",
    ).add_subparsers(required=True, metavar="action")

    listing = datasets.add_parser(
        "list",
        help="name, size, licence, and whether it is here",
        description="A line for each data set: its name, what it is, its size and licence, and "
        "whether it can be loaded as it is.",
    )
    listing.set_defaults(command=_list_datasets)

    fetching = datasets.add_parser(
        "fetch",
        help="download data sets",
        description="Download what is missing of data sets, or damaged. Exit status 1 if a set "
        "cannot be had.",
    )
    fetching.set_defaults(command=_fetch_datasets)
    fetching.add_argument("name", nargs="*", help="as `companion datasets list` shows it")
    fetching.add_argument("--all", action="store_true", help="every set that is downloaded")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage above it."""

    def error(self, message):
        if _is_first():
            print(f"{self.prog}: error: {message}", file=sys.stderr)
        sys.exit(2)


def _whole(text, least=0):
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or value < least:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
    return value


def _size(text):
    return _whole(text, least=1)


def _check(options, parser):
    os.environ.setdefault("JAX_ENABLE_X64", "1")  # read when JAX is loaded, if Keras runs on it
    from companion import bench, environment, parity

    for name, value in bench.machine().items():
        print(f"{name:<14}{value}")
    print()
    wrong = 0
    for finding in environment.findings():
        mark = {True: "[OK]", False: "[FAIL]", None: "[--]"}[finding.holds]
        wrong += finding.holds is False
        print(f"{mark:<7}{finding.name:<18}{finding.detail}")
    print(f"\n{'':<7}{'cell':<18}{'against NumPy':<21}{'forward':>9}{'gradient':>10}{'allowed':>9}")
    failed = 0
    for result in parity.compare(options.cell, options.seed):
        mark = "[--]" if result.missing else "[OK]" if result.holds else "[FAIL]"
        failed += not result.holds
        line = f"{mark:<7}{result.cell:<18}{result.implementation:<21}"
        if result.missing:
            print(line + "  " + result.missing)
            continue
        forward, gradient = (
            "" if value is None else f"{value:.0e}" for value in (result.forward, result.gradient)
        )
        print(f"{line}{forward:>9}{gradient:>10}{result.tolerance:>9.0e}")
    if wrong:
        print(f"\n{wrong} of the lines about the environment say [FAIL].")
    print(f"\n{failed} of the comparisons fail." if failed else "\nAll that is installed agrees.")
    return int(failed + wrong > 0)


def _bench(options, parser):
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"argument --json: there is no folder {options.json.absolute().parent}")
    if options.json and options.json.is_dir():  # seen here, not after minutes of measuring
        parser.error(f"argument --json: {options.json} is a folder")
    if options.threads:  # read by the libraries when they are loaded, so before any of them is
        for library in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP"):
            os.environ[f"{library}_THREADS"] = str(options.threads)
    from tqdm import tqdm

    from companion import atomic, bench

    if options.device == "cuda":
        _needs_cuda(parser)
        if not options.tf32:
            bench.equal_precision()
    cells = options.cell or ["LSTM", "PeepholeLSTM", "GRU (reset after)"]
    cases = [
        bench.Case(cell, options.steps, options.batch, size, options.dtype, options.device)
        for cell in cells
        for size in options.size
    ]
    machine = bench.machine(options.device)
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    timings = []
    # disable=None: no bar where the output is not a terminal.
    total = sum(bench.turns(case, options.rounds) for case in cases)
    with tqdm(total=total, disable=None, leave=False, unit="run") as bar:
        for case in cases:
            bar.set_description(f"{case.cell} {case.size}")
            found = bench.run(case, options.rounds, bar.update)
            timings += found
            tqdm.write(bench.table(found))
    if options.json:
        atomic.write(options.json, bench.to_json(timings, machine).encode())
        print(f"All numbers are in {options.json}")
    return 0


def _needs_cuda(parser):
    try:
        import torch
    except ImportError:
        parser.error("argument --device: cuda needs PyTorch, which is not installed")
    if not torch.cuda.is_available():
        parser.error("argument --device: PyTorch sees no CUDA device")


def _list_datasets(options, parser):
    from companion.datasets import RECORDS
    from companion.datasets.records import size_in_words

    print(f"{'name':<18}{'what':<48}{'size':>9}  {'here':<19}licence")
    for name, known in RECORDS.items():
        size = size_in_words(known.size)
        print(f"{name:<18}{known.title:<48}{size:>9}  {_where(known):<19}{known.licence}")
    return 0


def _where(known):
    """Say whether a data set can be loaded as things are."""
    from importlib.util import find_spec

    from companion.datasets import DatasetError, is_cached
    from companion.datasets.records import Package

    if isinstance(known.origin, Package):
        installed = find_spec(known.origin.module.split(".")[0])
        return f"with {known.origin.name}" if installed else f"needs {known.origin.name}"
    try:
        return "cached" if is_cached(known.name) else "to be fetched"
    except ImportError:
        return "needs pooch"
    except DatasetError:
        return "cannot be read"


def _fetch_datasets(options, parser):
    from companion.datasets import (
        RECORDS,
        DatasetError,
        UnknownDataset,
        cache_folder,
        fetch,
        record,
    )
    from companion.datasets.records import Package, size_in_words

    if bool(options.name) == options.all:
        parser.error("argument name: expected names of data sets, or --all in their place")
    names = list(dict.fromkeys(options.name))
    if options.all:
        names = [n for n, known in RECORDS.items() if not isinstance(known.origin, Package)]
    try:
        chosen = [record(name) for name in names]  # all names, before anything is downloaded
    except UnknownDataset as error:
        parser.error(f"argument name: {error}")
    failed = 0
    for known in chosen:
        if isinstance(known.origin, Package):
            print(f"{known.name} comes with {known.origin.name}: nothing to fetch")
            continue
        try:
            count = len(fetch(known.name))
        except (DatasetError, ImportError) as error:
            print(f"{parser.prog}: error: {error}", file=sys.stderr)
            failed += 1
            continue
        files = "1 file" if count == 1 else f"{count} files"
        place = cache_folder().joinpath(*known.origin.name.split("/"))
        print(f"{known.name}: {files}, {size_in_words(known.size)}, in {place}")
    return int(failed > 0)
