"""A server, an empty cache and a small data set, for the cache and for the command."""

import threading

import pytest

from companion.datasets import records
from tests.datasets.served import SMALL, Server


@pytest.fixture
def server(monkeypatch):
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("COMPANION_DATA_URL", server.url)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def small(monkeypatch):
    """The small data set among the others, and no proxy between us and our server."""
    monkeypatch.setattr(records, "RECORDS", {**records.RECORDS, "small": SMALL})
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("COMPANION_DATA", str(folder))
    return folder
