"""Programs of this machine that we wait for, each in a session of its own: the terminal's Ctrl-C does not reach it.

One that is still at work when we leave is ended, with everything it has started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_at_work: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    together: bool = False,
    pass_fds: Iterable[int] = (),
    umask: int = -1,
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end; stdin is empty, stdout and stderr are kept, or both `together` as stdout.

    Raises OSError when it cannot be started, subprocess.TimeoutExpired after `timeout` seconds: then, as after
    any other exception, its group has been ended.
    """
    with _lock:
        process = subprocess.Popen(
            list(argv),
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
            umask=umask,
        )
        _at_work.add(process)
    try:
        with process:
            try:
                output, errors = process.communicate(timeout=timeout)
            except BaseException:
                _end(process)
                raise
    finally:
        with _lock:
            _at_work.discard(process)
    return subprocess.CompletedProcess(argv, process.returncode, output, errors or b"")


def end_all() -> None:
    """End every program that another thread of ours still waits for; from now on none can be started."""
    _lock.acquire()
    for process in _at_work:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it is our child; while it is not reaped its number is its own
