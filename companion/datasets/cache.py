"""Files that are downloaded once: where they lie, and that they are what was published.

A file is believed by its SHA-256 alone, and every time that it is read: what is absent, cut short
or changed is fetched again. A download stays in memory until it is complete and its digest right,
and is then written in one go. So no process meets a half of a file, however many fetch at once
and wherever one of them is killed.
"""

import hashlib
import io
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from companion.datasets.records import File, Record, Repository, record

#: Where files come from; the environment variable ``COMPANION_DATA_URL`` names a mirror.
SOURCE = "https://raw.githubusercontent.com"
#: How many seconds a server may be silent.
PATIENCE = 30

logger = logging.getLogger(__name__)


class DatasetError(OSError):
    """A data set cannot be had; the base of all that can go wrong with one.

    Parameters
    ----------
    message
        One line.
    dataset
        The data set's name.
    file
        The file's path in its repository.
    url
        Where it is downloaded from.
    """

    def __init__(self, message: str, *, dataset: str, file: str, url: str):
        super().__init__(message)
        self.dataset, self.file, self.url = dataset, file, url


class DownloadError(DatasetError):
    """A file is not in the cache, or is damaged there, and cannot be downloaded."""


class ChecksumError(DatasetError):
    """What was downloaded is not what was published; it is not kept.

    Parameters
    ----------
    expected, found
        SHA-256 in hexadecimal digits.
    """

    def __init__(self, message: str, *, expected: str, found: str, **named: str):
        super().__init__(message, **named)
        self.expected, self.found = expected, found


class CacheError(DatasetError):
    """The cache cannot be read or written: no permission, no space, no folder."""


def cache_folder() -> Path:
    """Return the folder of downloaded files: ``$COMPANION_DATA``, else in the user's cache.

    Below it a file lies as ``owner/repository/path``.
    """
    if chosen := os.environ.get("COMPANION_DATA"):
        return Path(chosen).expanduser()
    return Path(_pooch().os_cache("gate-by-gate"))


def is_cached(name: str) -> bool:
    """Say whether a data set can be loaded without a network: every file is there and unharmed.

    A bundled set needs no network. Whether its package is installed is not asked here.

    Raises
    ------
    UnknownDataset
        If there is no such set; the message names the nearest.
    """
    known = record(name)
    if not isinstance(known.origin, Repository):
        return True
    return all(_intact(known, file) is not None for file in known.origin.files)


def fetch(name: str) -> list[Path]:
    """Download what is missing of a data set, or damaged; return where its files lie.

    A progress bar runs on stderr if that is a terminal. A bundled set has no files: the list is
    empty.

    Raises
    ------
    UnknownDataset
        If there is no such set; the message names the nearest.
    DownloadError
        If a file is needed and no server gives it.
    ChecksumError
        If what a server gives is not what was published. Nothing of it is kept.
    CacheError
        If the cache cannot be read or written.
    ImportError
        If pooch is needed and missing; the message says what to install.
    """
    known = record(name)
    if not isinstance(known.origin, Repository):
        return []
    read(name)
    return [_place(known, file) for file in known.origin.files]


def read(name: str) -> Mapping[str, bytes]:
    """Return the content of every file of a downloaded set, by its path in the repository.

    What is missing or damaged is downloaded first. Errors are those of `fetch`.
    """
    known = record(name)
    contents = {file.path: _intact(known, file) for file in known.origin.files}
    missing = [file for file in known.origin.files if contents[file.path] is None]
    if missing:
        contents |= _download(known, missing)
    return contents


def _place(known: Record, file: File) -> Path:
    return cache_folder().joinpath(*known.origin.name.split("/"), *file.path.split("/"))


def _url(known: Record, file: File) -> str:
    base = (os.environ.get("COMPANION_DATA_URL") or SOURCE).rstrip("/")
    return f"{base}/{known.origin.name}/{known.origin.commit}/{file.path}"


def _named(known, file):
    return {"dataset": known.name, "file": file.path, "url": _url(known, file)}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(known: Record, file: File) -> bytes | None:
    """Return what the cache has in the file's place; None if there is nothing."""
    place = _place(known, file)
    try:
        return place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CacheError(
            f"{known.name}: {place} cannot be read: {error.strerror or error}",
            **_named(known, file),
        ) from error


def _intact(known: Record, file: File) -> bytes | None:
    """Return the file's content; None if it is not in the cache, or is not what was published."""
    content = _content(known, file)
    return content if content is not None and _digest(content) == file.sha256 else None


def _download(known: Record, files: list[File]) -> dict[str, bytes]:
    """Fetch files into the cache; return what they hold."""
    from tqdm import tqdm

    contents = {}
    # disable=None: no bar where stderr is not a terminal.
    bar = tqdm(
        desc=known.name,
        total=sum(file.size for file in files),
        disable=None,
        leave=False,
        unit="B",
        unit_scale=True,
    )
    with bar:
        for file in files:
            content = _content(known, file)  # another process may have been here in the meantime
            if content is None or _digest(content) != file.sha256:
                content = _get(known, file, content, bar)
            else:
                bar.update(file.size)
            contents[file.path] = content
    return contents


def _get(known: Record, file: File, present: bytes | None, bar) -> bytes:
    """Download one file, check it, and put it into the cache; ``present`` is what lies there."""
    from companion import atomic

    outside = sys.exception()
    place, named, url = _place(known, file), _named(known, file), _url(known, file)
    state = f"{file.path} is not in the cache ({cache_folder()})"
    if present is not None:
        state = (
            f"{place} is damaged: SHA-256 {_digest(present)}, {len(present):,} bytes, "
            f"expected {file.sha256}, {file.size:,} bytes"
        )
        logger.warning("%s: %s. It is not used, but fetched again.", known.name, state)
    answers = []  # to be closed: pooch leaves an answer open that it gives up
    downloader = _pooch().HTTPDownloader(
        progressbar=_Share(bar, file.size),
        timeout=PATIENCE,
        hooks={"response": lambda answer, **_: answers.append(answer)},
    )
    received = _Limited(file.size)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)  # before the network is asked in vain
    except OSError as error:
        raise CacheError(_cannot_write(known, file, error), **named) from error
    try:
        downloader(url, received, None)
    except _TooLongError:
        pass  # its digest is wrong
    except (OSError, ValueError) as error:  # ValueError: an answer that is no HTTP
        raise DownloadError(
            f"{known.name}: {state}, and {url} cannot be downloaded: "
            f"{_cause(error, outside)}. Where there is a network, run `companion datasets fetch "
            f"{known.name}`; the environment variable COMPANION_DATA names a folder that has the "
            "files already",
            **named,
        ) from error
    finally:
        for answer in answers:
            answer.close()
    content = received.getvalue()
    if (found := _digest(content)) != file.sha256:
        much = "more than " if len(content) > file.size else ""
        raise ChecksumError(
            f"{known.name}: {url} gave {much}{min(len(content), file.size):,} bytes with SHA-256 "
            f"{found}, expected {file.size:,} bytes with {file.sha256}; they are not used. Run "
            f"`companion datasets fetch {known.name}` to try again",
            expected=file.sha256,
            found=found,
            **named,
        )
    try:
        atomic.write(place, content)
    except OSError as error:
        raise CacheError(_cannot_write(known, file, error), **named) from error
    return content


def _cannot_write(known, file, error):
    return (
        f"{known.name}: {_place(known, file)} cannot be written: {error.strerror or error}. The "
        "environment variable COMPANION_DATA names another folder for downloaded files"
    )


def _cause(error: BaseException, outside: BaseException | None) -> str:
    """Say what went wrong at the bottom: libraries wrap "connection refused" in many lines.

    ``outside`` is what the caller was handling before, which is where the chain leaves us.
    """
    if (answer := getattr(error, "response", None)) is not None:
        return f"{answer.status_code} {answer.reason}"
    while (inner := error.__cause__ or error.__context__) and inner is not outside:
        error = inner
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


class _TooLongError(Exception):
    """More arrived than the file holds."""


class _Limited(io.BytesIO):
    """What has been received, of which there is never much more than there should be."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def write(self, chunk) -> int:
        written = super().write(chunk)
        if self.tell() > self.limit:
            raise _TooLongError
        return written


class _Share:
    """One file's part of the progress bar of its set, as pooch's downloader drives it."""

    def __init__(self, bar, size: int):
        self.bar, self.size, self.done, self.total = bar, size, 0, size

    def update(self, amount: int) -> None:
        amount = min(amount, self.size - self.done)  # pooch counts whole chunks
        self.bar.update(amount)
        self.done += amount

    def reset(self) -> None:
        """Nothing to do: pooch begins again in order to end exactly at the total."""

    def close(self) -> None:
        """Fill the part: a server that packs the file sends less of it."""
        self.update(self.size)


def _pooch():
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "downloading data sets needs pooch, which is not installed: "
            'pip install "gate-by-gate[data]"',
            name="pooch",
        ) from error
    return pooch
