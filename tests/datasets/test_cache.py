"""The cache attacked: every way in which a download or a cached file can be wrong.

A small data set of our own is served by a server on this machine: see `served.py`.
"""

import errno
import hashlib
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from companion import atomic, datasets
from companion.datasets import cache
from tests.datasets.served import COMMIT, CONTENTS, FILES, ONE, SMALL, TWO

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("small")


def in_cache(folder: Path) -> dict[str, bytes]:
    """Every file of the cache, hidden ones too, by its path below the repository's folder."""
    base = folder / "owner" / "things"
    return {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def put(folder: Path, path: str, content: bytes) -> Path:
    place = folder / "owner" / "things" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def names_itself(error, path, folder=None):
    """What every error says: one line, the set, the file, the address."""
    assert (error.dataset, error.file) == ("small", path)
    assert error.url.endswith(f"/owner/things/{COMMIT}/{path}")
    assert str(error).startswith("small: ") and path in str(error) and "\n" not in str(error)


# --- When all is well


def test_a_fetch_puts_every_file_into_its_place(server, folder, capfd):
    assert not datasets.is_cached("small")
    paths = datasets.fetch("small")
    assert paths == [folder / "owner" / "things" / path for path in CONTENTS]
    assert in_cache(folder) == CONTENTS
    assert datasets.is_cached("small")
    assert capfd.readouterr() == ("", "")  # no bar where there is no terminal


def test_what_is_there_is_not_fetched_again(server, folder):
    datasets.fetch("small")
    assert server.asked == [ONE, TWO]
    assert cache.read("small") == CONTENTS
    assert server.asked == [ONE, TWO]


def test_only_what_is_missing_is_fetched(server, folder):
    put(folder, ONE, CONTENTS[ONE])
    datasets.fetch("small")
    assert server.asked == [TWO] and in_cache(folder) == CONTENTS


def test_what_is_there_needs_neither_network_nor_pooch_nor_permission(folder, monkeypatch):
    for path, content in CONTENTS.items():
        put(folder, path, content).chmod(0o444)
    monkeypatch.setenv("COMPANION_DATA_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setattr(atomic, "write", lambda *_: pytest.fail("nothing is to be written"))
    assert cache.read("small") == CONTENTS


def test_what_another_process_has_fetched_meanwhile_is_not_fetched_again(server, folder):
    def give_one_and_let_two_appear(handler):
        put(folder, TWO, CONTENTS[TWO])
        handler.give(CONTENTS[ONE])

    server.answers[ONE] = give_one_and_let_two_appear
    assert cache.read("small") == CONTENTS
    assert server.asked == [ONE]


def test_without_a_choice_the_cache_is_the_users(tmp_path, monkeypatch):
    import pooch

    monkeypatch.setenv("COMPANION_DATA", "")  # as good as not set
    assert datasets.cache_folder() == pooch.os_cache("gate-by-gate")
    monkeypatch.setenv("COMPANION_DATA", "~/somewhere")
    assert datasets.cache_folder() == Path.home() / "somewhere"


def test_files_come_from_github_at_the_pinned_commit(monkeypatch):
    monkeypatch.delenv("COMPANION_DATA_URL", raising=False)
    url = f"https://raw.githubusercontent.com/owner/things/{COMMIT}/data/one.txt"
    assert cache._url(SMALL, FILES[0]) == url
    monkeypatch.setenv("COMPANION_DATA_URL", "http://mirror/")
    assert cache._url(SMALL, FILES[0]) == url.replace(
        "https://raw.githubusercontent.com", "http://mirror"
    )


def test_a_bundled_set_has_nothing_to_fetch(folder):
    assert datasets.fetch("elnino") == [] and datasets.is_cached("elnino")
    assert not folder.exists()


def test_an_unknown_name_is_answered_with_the_nearest():
    for ask in (datasets.fetch, datasets.is_cached, datasets.record, cache.read):
        with pytest.raises(datasets.UnknownDataset) as error:
            ask("wikigolt")
        assert isinstance(error.value, LookupError) and error.value.near == ["wikigold"]
        assert str(error.value) == (
            "there is no data set 'wikigolt': did you mean wikigold? `companion datasets list` "
            "names all"
        )
    with pytest.raises(datasets.UnknownDataset, match="'qqqq': none is like it"):
        datasets.fetch("qqqq")


# --- When the cache is damaged


DAMAGE = {
    "cut short": lambda content: content[:-1],
    "empty": lambda content: b"",
    "one bit changed": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "longer": lambda content: content + b"\n",
    "another file": lambda content: CONTENTS[TWO],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_and_fetched_again(server, folder, caplog, damage):
    datasets.fetch("small")
    server.asked.clear()
    put(folder, ONE, DAMAGE[damage](CONTENTS[ONE]))
    assert not datasets.is_cached("small")
    with caplog.at_level(logging.WARNING):
        assert cache.read("small") == CONTENTS
    assert server.asked == [ONE] and in_cache(folder) == CONTENTS
    (said,) = caplog.messages
    assert said.startswith("small: ") and "one.txt is damaged: SHA-256 " in said
    assert FILES[0].sha256 in said and said.endswith("It is not used, but fetched again.")


def test_a_damaged_file_is_not_used_without_a_network(folder, monkeypatch, caplog):
    damaged = b"wrong"
    put(folder, ONE, damaged)
    put(folder, TWO, CONTENTS[TWO])
    monkeypatch.setenv("COMPANION_DATA_URL", "http://127.0.0.1:9")
    with pytest.raises(datasets.DownloadError) as error:
        cache.read("small")
    names_itself(error.value, ONE)
    assert "is damaged: SHA-256 " + hashlib.sha256(damaged).hexdigest() in str(error.value)
    assert f"expected {FILES[0].sha256}" in str(error.value)


def test_a_folder_in_the_files_place_is_named(server, folder):
    (folder / "owner" / "things" / ONE).mkdir(parents=True)
    with pytest.raises(datasets.CacheError, match=r"one\.txt cannot be read: Is a directory") as e:
        datasets.fetch("small")
    names_itself(e.value, ONE)
    assert server.asked == []


# --- When the download fails


def refuse(status):
    return lambda handler: handler.send_error(status)


def hang_up_in_the_middle(handler):
    handler.give(CONTENTS[ONE][:100], length=len(CONTENTS[ONE]))
    handler.close_connection = True


def say_nothing(handler):
    handler.close_connection = True


def say_nonsense(handler):
    handler.wfile.write(b"what?\r\n\r\n")
    handler.close_connection = True


def be_silent(handler):
    handler.server.release.wait(10)


def claim_a_length_that_is_none(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "many")
    handler.end_headers()


def send_a_broken_archive(handler):
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", "3")
    handler.end_headers()
    handler.wfile.write(b"abc")


FAILURES = {
    "not there": (refuse(404), "404 Not Found"),
    "too many questions": (refuse(429), "429 Too Many Requests"),
    "server broken": (refuse(500), "500 Internal Server Error"),
    "cut short": (hang_up_in_the_middle, "100 bytes read, 19900 more expected"),
    "no answer": (say_nothing, "Remote end closed connection without response"),
    "no HTTP": (say_nonsense, "what?"),
    "silence": (be_silent, "timed out"),
    "no length": (claim_a_length_that_is_none, "many"),
    "broken archive": (send_a_broken_archive, "incorrect header check"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_download_says_why_and_what_to_run(server, folder, monkeypatch, failure):
    answer, cause = FAILURES[failure]
    server.answers[ONE] = answer
    server.release = threading.Event()
    monkeypatch.setattr(cache, "PATIENCE", 0.3)
    with pytest.raises(datasets.DownloadError) as error:
        datasets.fetch("small")
    server.release.set()
    names_itself(error.value, ONE)
    text = str(error.value)
    assert f"{ONE} is not in the cache ({folder}), and {error.value.url} cannot be" in text
    assert cause in text
    assert "run `companion datasets fetch small`" in text and "COMPANION_DATA" in text
    assert in_cache(folder) == {}  # not even a beginning


def test_without_a_network_the_error_says_so(folder, monkeypatch):
    monkeypatch.setenv("COMPANION_DATA_URL", "http://127.0.0.1:9")  # where nobody listens
    try:
        raise KeyError("what the caller was at")
    except KeyError:
        with pytest.raises(datasets.DownloadError) as error:
            cache.read("small")
    names_itself(error.value, ONE)
    assert "cannot be downloaded: Connection refused. Where there is a network, run" in str(
        error.value
    )
    assert isinstance(error.value, OSError) and in_cache(folder) == {}


def test_what_has_arrived_stays_when_a_later_file_fails(server, folder):
    server.answers[TWO] = refuse(404)
    with pytest.raises(datasets.DownloadError):
        datasets.fetch("small")
    assert in_cache(folder) == {ONE: CONTENTS[ONE]}
    server.answers.clear()
    server.asked.clear()
    datasets.fetch("small")
    assert server.asked == [TWO]


# --- When something else arrives


def endless(handler):
    """Send until nobody listens any more, or for 200 MB."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b"x" * 1_000_000)
    except OSError:
        handler.server.release.set()
    handler.close_connection = True


def cut_without_a_length(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(CONTENTS[ONE][:100])
    handler.close_connection = True


WRONG = {
    "another content": lambda handler: handler.give(CONTENTS[TWO]),
    "a page that asks to log in": lambda handler: handler.give(b"<html>Log in</html>"),
    "nothing": lambda handler: handler.give(b""),
    "cut, and no length said": cut_without_a_length,
    "longer": lambda handler: handler.give(CONTENTS[ONE] + b"!"),
    "endless": endless,
}


@pytest.mark.parametrize("before", ["nothing in the cache", "a damaged file"])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_content_is_never_kept(server, folder, caplog, wrong, before):
    kept = {ONE: b"damaged"} if before == "a damaged file" else {}
    for path, content in kept.items():
        put(folder, path, content)
    server.answers[ONE] = WRONG[wrong]
    server.release = threading.Event()
    with pytest.raises(datasets.ChecksumError) as error:
        datasets.fetch("small")
    names_itself(error.value, ONE)
    assert error.value.expected == FILES[0].sha256 != error.value.found
    assert error.value.expected in str(error.value) and error.value.found in str(error.value)
    assert "they are not used" in str(error.value)
    assert "companion datasets fetch small" in str(error.value)
    if wrong == "endless":
        assert "gave more than 20,000 bytes" in str(error.value)
        assert server.release.wait(5)  # we have hung up
    assert in_cache(folder) == kept
    server.answers.clear()
    assert cache.read("small") == CONTENTS and in_cache(folder) == CONTENTS


# --- When the cache cannot be written


def test_a_full_disk_leaves_nothing_behind(server, folder, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(datasets.CacheError) as error:
        datasets.fetch("small")
    names_itself(error.value, ONE)
    assert "one.txt cannot be written: No space left on device. The environment variable" in str(
        error.value
    )
    assert in_cache(folder) == {}


def test_a_cache_that_cannot_be_a_folder_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COMPANION_DATA", str(tmp_path / "file"))
    with pytest.raises(datasets.CacheError, match="cannot be written: .*COMPANION_DATA names") as e:
        datasets.fetch("small")
    names_itself(e.value, ONE)
    assert server.asked == []  # it is seen before anything is downloaded


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_cache_that_may_not_be_written_is_named(server, folder, monkeypatch):
    put(folder, TWO, CONTENTS[TWO])
    locked = folder / "owner" / "things" / "data"
    locked.chmod(0o555)
    if os.access(locked, os.W_OK):  # root may do everything: let the system say what it says to us
        real = open

        def denied(path, mode="r", *rest, **named):
            if "x" in mode:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return real(path, mode, *rest, **named)

        monkeypatch.setattr(atomic, "open", denied, raising=False)
    with pytest.raises(datasets.CacheError, match=r"one\.txt cannot be written: Permission denied"):
        datasets.fetch("small")
    locked.chmod(0o755)
    assert in_cache(folder) == {TWO: CONTENTS[TWO]}


# --- Several processes, and one that is killed

CHILD = """
import sys
sys.path.insert(0, {root!r})
from companion.datasets import cache, records
from tests.datasets import served

records.RECORDS = {{**records.RECORDS, "small": served.SMALL}}
print("ready", flush=True)
sys.stdin.readline()
assert cache.read("small") == served.CONTENTS
print("done")
"""


def child():
    """A fresh process that waits for a line, and then loads the small set."""
    code = CHILD.format(root=str(ROOT))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def drip(handler):
    """Send the file in twenty pieces."""
    content = CONTENTS[handler.path.split(COMMIT + "/")[1]]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    step = len(content) // 20
    for start in range(0, len(content), step):
        handler.wfile.write(content[start : start + step])
        handler.wfile.flush()
        time.sleep(0.02)


def test_two_processes_at_once_both_get_all(server, folder):
    server.answers = {ONE: drip, TWO: drip}
    processes = [child(), child()]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    places = [folder / "owner" / "things" / path for path in CONTENTS]
    seen = set()
    while any(process.poll() is None for process in processes):
        seen |= {place.read_bytes() for place in places if place.exists()}
        time.sleep(0.005)
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, out, err) == (0, "done\n", "")
    assert server.asked[:2] == [ONE, ONE]  # they were at it at the same time
    assert seen <= set(CONTENTS.values())  # whoever looked saw all of a file, or nothing
    assert in_cache(folder) == CONTENTS


def test_a_killed_process_leaves_no_half(server, folder):
    server.answers = {ONE: drip, TWO: drip}
    process = child()
    process.stdin.write("go\n")
    process.stdin.flush()
    while not server.asked:
        time.sleep(0.005)
    time.sleep(0.1)  # in the middle of the first file
    process.kill()
    process.communicate()
    assert in_cache(folder) == {}
    server.answers.clear()
    assert cache.read("small") == CONTENTS
    assert in_cache(folder) == CONTENTS


def test_an_interruption_leaves_no_half(server, folder, monkeypatch):
    def interrupted(self, chunk):
        if self.tell() > 5000:
            raise KeyboardInterrupt
        return super(cache._Limited, self).write(chunk)

    monkeypatch.setattr(cache._Limited, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("small")
    assert in_cache(folder) == {}


# --- What is missing, and what is shown


def test_without_pooch_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "gate-by-gate\[data\]"'):
        datasets.fetch("small")
    monkeypatch.delenv("COMPANION_DATA")
    with pytest.raises(ImportError, match="downloading data sets needs pooch"):
        datasets.cache_folder()


@pytest.mark.skipif(os.name != "posix", reason="a terminal as POSIX has them")
def test_a_bar_runs_on_a_terminal_and_is_gone_afterwards(server, folder):
    import pty
    import termios

    server.answers = {ONE: drip, TWO: drip}
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    termios.tcsetwinsize(theirs, (24, 80))  # in no columns there is no bar
    code = CHILD.format(root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], input="go\n", stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert done.stdout == "ready\ndone\n", shown
    assert "small:" in shown and "%" in shown and "40.0k" in shown
    assert shown.rsplit("\r", 2)[-2].strip() == "" and shown.endswith("\r")  # wiped out


def test_a_files_share_of_the_bar_is_its_size():
    class Bar:
        n = 0

        def update(self, amount):
            self.n += amount

    bar = Bar()
    share = cache._Share(bar, 1500)
    for _ in range(2):
        share.update(1024)
    assert bar.n == 1500  # whole chunks are counted, and the last is not whole
    share.reset()
    share.update(1500)
    share.close()
    assert bar.n == 1500
