"""A small data set of our own, and a server on this machine that gives it to whoever asks."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from companion.datasets import records

CONTENTS = {"data/one.txt": b"one " * 5000, "data/two.txt": b"two " * 5000}
FILES = tuple(
    records.File(path, len(content), hashlib.sha256(content).hexdigest())
    for path, content in CONTENTS.items()
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = records.Record(
    **dict.fromkeys(
        ["title", "about", "holds", "split", "caution", "licence", "licence_url", "credit"], ""
    ),
    name="small",
    source="",
    origin=records.Repository("owner/things", COMMIT, FILES),
)
ONE, TWO = CONTENTS


class Server(ThreadingHTTPServer):
    """What GitHub would answer, unless a test wants it otherwise."""

    daemon_threads = True

    def __init__(self):
        self.asked = []  # the paths, in the order in which they were asked for
        self.answers = {}  # path: what answers it, in place of the right content
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        prefix = f"/owner/things/{COMMIT}/"
        path = self.path.removeprefix(prefix) if self.path.startswith(prefix) else self.path
        self.server.asked.append(path)
        if answer := self.server.answers.get(path):
            answer(self)
        elif path in CONTENTS:
            self.give(CONTENTS[path])
        else:
            self.send_error(404)

    def give(self, content, length=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
