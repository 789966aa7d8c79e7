"""stdout and stderr that cannot fail a command: what cannot be shown is lost, and that is remembered.

`install` puts a `Stream` in the place of each, so that everything that prints (rich, typer, print) writes through one.
A full disk, a reader that went away, a terminal that hung up: the text is dropped, and `lost` tells. A reader that
stopped reading (a full pipe, Ctrl-S) is waited for by a command that only shows something, and for `PATIENCE` by one
that acts: a recovery does not stand still because nobody looks at it.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

PATIENCE = 1.0
"""Seconds that a command that acts waits for a reader, once until it reads again."""

BLOCKED = "nobody reads it"

_installed: dict[str, Stream] = {}
"""stdout and stderr, which belong to the process: others may stand in sys for a while (rich puts its own there)."""


class Stream(io.TextIOBase):
    """A text stream on a descriptor whose `write` never raises. `lost` says why text was lost, "" as long as none was.

    `patience`: seconds that a write waits for a reader, None for as long as it takes. With `whole` nothing is written
    after a loss: lines for a machine have no gaps.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self._descriptor = descriptor
        self._send = _without_waiting(descriptor)
        self._encoding = encoding
        self._lock = threading.RLock()
        self._behind = False
        self.lost = ""
        self.reader_left = False
        self.patience: float | None = None
        self.whole = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a variable there
        """How text becomes bytes; what it has no bytes for is spelled out, as \\u2026."""
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]  # typeshed has a variable
        """What happens to text that the encoding does not have."""
        return "backslashreplace"

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Is it a terminal?"""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Write it, or note why that cannot be done."""
        data = text.encode(self._encoding, self.errors)
        with self._lock:
            if data and not (self.whole and self.lost):
                self._put(data)
        return len(text)

    def _put(self, data: bytes) -> None:
        until = None if self.patience is None else time.monotonic() + (0.0 if self._behind else self.patience)
        try:
            while data:
                data = data[self._some(data, until) :]
            self._behind = False
        except BlockingIOError:
            self._behind = True
            self.lost = self.lost or BLOCKED
        except OSError as error:
            self.reader_left = isinstance(error, BrokenPipeError)
            self.lost = self.lost or error.strerror or str(error)

    def _some(self, data: bytes, until: float | None) -> int:
        """Write what there is room for; how much. Raises BlockingIOError when there was none until then."""
        while True:
            try:
                return self._send(data)
            except BlockingIOError:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise
                room = select.poll()
                room.register(self._descriptor, select.POLLOUT)
                room.poll(None if left is None else left * 1000)


def install() -> None:
    """Print through Streams from now on.

    A descriptor that is closed is given /dev/null first: the next file that is opened, the journal perhaps, would get
    its number, and every line that a library prints with it.
    """
    closed = [number for number in (0, 1, 2) if _closed(number) and os.open(os.devnull, os.O_RDWR) == number]
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = Stream(number, getattr(getattr(sys, name), "encoding", None) or "utf-8")
        if number in closed:
            stream.lost = os.strerror(errno.EBADF)
        _installed[name] = stream
        setattr(sys, name, stream)


def go_on_alone() -> None:
    """From now on something is done, and not only shown: nobody's reading is waited for any longer.

    A terminal that hangs up is a screen that is lost, and no wish that anything ends.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # a handler, which is no child's: SIG_IGN would be
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    for name, stream in _installed.items():
        stream.patience, stream.whole = PATIENCE, name == "stdout"


def lost() -> Mapping[str, str]:
    """Which of stdout and stderr lost text, and why."""
    return {name: stream.lost for name, stream in _installed.items() if stream.lost}


def product_lost() -> str:
    """Why what was printed on stdout is not there, "" when it is, or when its reader left by himself (`| head`)."""
    stdout = _installed.get("stdout")
    return stdout.lost if stdout and not stdout.reader_left else ""


def _closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


def _without_waiting(descriptor: int) -> Callable[[bytes], int]:
    """A write that raises BlockingIOError where there is no room.

    A pipe or a terminal is opened once more for that: O_NONBLOCK on the descriptor itself would be the caller's shell's
    too (open(2): it belongs to the open file description). A file never makes a writer wait.
    """
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISSOCK(mode):
            import socket

            line = socket.socket(fileno=os.dup(descriptor))
            return lambda data: line.send(data, socket.MSG_DONTWAIT)
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            return partial(os.write, os.open(f"/proc/self/fd/{descriptor}", flags))
    except OSError:
        pass  # a terminal of another user, no /proc: then it is waited for
    return partial(os.write, descriptor)
