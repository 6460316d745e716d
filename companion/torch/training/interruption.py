"""Ctrl-C and SIGTERM as a wish: it is fulfilled between two steps, where all is consistent."""

import signal
import sys
import threading
import time

from companion.torch.training.distributed import LostProcessError

#: Seconds after which another Ctrl-C is meant as one; torchrun hands each on a second time.
AGAIN = 1.0


class Interruption:
    """Notes the first Ctrl-C or SIGTERM; another Ctrl-C, a second later, stops at once."""

    def __init__(self):
        self._signal, self._since, self._handlers = None, 0.0, {}

    @property
    def wished(self) -> bool:
        """Whether somebody wants training to stop."""
        return self._signal is not None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # others get no signals
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._handlers[number] = signal.signal(number, self._noted)
        return self

    def __exit__(self, kind=None, *_):
        if kind is not None and issubclass(kind, LostProcessError):
            # torchrun's SIGTERM is on its way: it must not cut off what is about to be printed.
            self._handlers.pop(signal.SIGTERM, None)
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def _noted(self, number, frame):
        now = time.monotonic()
        if self._signal is None:
            self._signal, self._since = number, now
        elif number == signal.SIGINT and now - self._since > AGAIN:
            raise KeyboardInterrupt("stopped at once; checkpoints are as they were")

    def fulfil(self, message: str):
        """Stop as the signal would have: by ``KeyboardInterrupt``, or killed by SIGTERM."""
        self.__exit__()
        if self._signal == signal.SIGTERM:
            print(message, file=sys.stderr, flush=True)
            signal.raise_signal(signal.SIGTERM)
            raise SystemExit(128 + signal.SIGTERM)  # somebody else handles the signal
        raise KeyboardInterrupt(message)
