"""Signals to another process, the second not before the first was noticed: two that wait together become one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replicas import until

LOOKS = 5
"""Waits that its main thread began since a signal was delivered; with so many the handler has run in any case."""
A_WAIT = 0.1
"""Seconds of one and the same wait after which it is none for the interpreter's lock, which ends after 5 ms."""


def press(pid: int, signals: str) -> None:
    """Send the signals, as in "INT TERM"."""
    for name in signals.split():
        with noticed(pid):
            os.kill(pid, signal.Signals[f"SIG{name}"])


@contextmanager
def noticed(pid: int) -> Iterator[None]:
    """Come back when the signal that is sent in the block was delivered and its handler has run.

    The main thread gets it, and is woken by it: where it waits again, it has been in the handler.
    """
    before = _waits(pid)
    yield
    until(lambda: not _pending(pid) and _waits(pid) != before)
    begun = _waits(pid)
    until(lambda: _waits(pid) >= begun + LOOKS or _rests(pid))


def _rests(pid: int) -> bool:
    """Is it in a wait that lasts, or has it ended?"""
    seen = _status(pid)
    time.sleep(A_WAIT)
    return seen == _status(pid) and seen.get("State", "S").startswith("S")


def _pending(pid: int) -> bool:
    return any(int(value, 16) for key, value in _status(pid).items() if key in ("SigPnd", "ShdPnd"))


def _waits(pid: int) -> int:
    """How often its main thread has begun to wait for something; -1 when it has ended."""
    return int(_status(pid).get("voluntary_ctxt_switches", -1))


def _status(pid: int) -> dict[str, str]:
    """What the kernel says of its main thread; nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/task/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    told = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    kept = ("State", "SigPnd", "ShdPnd", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    return {} if told["State"].startswith(("Z", "X")) else {key: told[key] for key in kept}
