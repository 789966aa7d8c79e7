"""The process above a service: it starts it, waits for its end and writes down how it ended.

Run by path as `python -I -S keeper.py LOCK NAME`; so it uses the standard library only, and of that no pathlib and no
typing, which double the time and the memory of its start. It reads one order (JSON) from stdin, answers one line (JSON)
on stdout and then lives as long as the service.

Recover may be killed at any instant, and the service must then be neither lost nor started twice:

- The lock is a file locked by flock and inherited from recover. It stays locked until the last process
  that holds it is gone: recover, then this keeper, and the future service up to its exec. So a service
  runs (or is about to) exactly when its lock is held or its recorded process lives.
- The service writes its own record (pid, start time, environment) durably *before* it execs. Whoever
  is killed, there is never a service without a record.
- An order that was cut short is no JSON: nothing is started.
- The exit code is written before the service is reaped and the lock let go: a service that is seen to
  be gone has its exit code, and its pid cannot have been given to another process before that.
- As in a container, everything in the service's process group ends with its first process.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Never

READY = "ready\n"
CANNOT_START = 127  # as a shell says it
STRAGGLERS = 1.0  # seconds until killed members of the group are no longer waited for


def main() -> None:
    """Carry out the order on stdin. The first process ends at once: recover has no child to reap."""
    lock, order = int(sys.argv[1]), json.load(sys.stdin)
    fcntl.fcntl(lock, fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # the service lets it go with its exec
    os.ftruncate(lock, 0)
    if os.fork():
        os._exit(0)
    heard, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(order, told, lock)
    os.close(told)
    with os.fdopen(heard, errors="replace") as hearing:
        said = hearing.read()
    answer(said.removeprefix(READY) if said else "it was ended before it could begin")
    keep(pid, order)


def become(order: Mapping[str, Any], told: int, lock: int) -> Never:
    """Turn this process into the service.

    `told`, which exec closes, hears "ready", and then what hindered it, if anything did.
    """
    try:
        make_ready(order)
        os.pwrite(lock, str(os.getpid()).encode(), 0)  # for a human, should the record be lost
        os.write(told, READY.encode())
        restore_signals()
        execute(order["command"], order["environment"])
    except Exception as error:  # whatever it is, recover has to hear it
        os.write(told, words(error).encode())
    finally:
        os._exit(CANNOT_START)


def make_ready(order: Mapping[str, Any]) -> None:
    """A session of its own, its folder, its log, and last its record. Raises OSError."""
    os.setsid()
    os.umask(0o022)
    os.chdir(order["folder"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    begin = {"started_at": utc(time.time()), "log_offset": os.fstat(log).st_size}
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, log, log)):
        os.dup2(source, number)
    note(order["starts"], f"{begin['started_at']} {begin['log_offset']}\n")
    write(order["record"], {**order["facts"], **begin, "pid": os.getpid(), "start": start_of(os.getpid())})


def execute(command: list[str], environment: dict[str, str]) -> Never:
    """Become the command; a name without a slash is looked for in its own PATH. Raises OSError naming it."""
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - becoming it is the job
    except OSError as error:
        raise OSError(error.errno, error.strerror, command[0]) from error


def words(error: Exception) -> str:
    """The operating system's words, with the file they are about."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def restore_signals() -> None:
    """What recover's caller ignores (nohup, a shell's `&`) must not be ignored by the service."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue  # reserved by the C library
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def answer(failure: str) -> None:
    """Tell recover, if it still lives, and let go of everything that is not this process's own."""
    with suppress(OSError):  # recover was killed meanwhile: the service's own record says all
        os.write(1, json.dumps({"failure": failure}).encode())
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)


def keep(pid: int, order: Mapping[str, Any]) -> None:
    """Wait for the end of the service, write it down, end the rest of its group."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # not reaped: pid and group stay reserved
    code = 0 if ended is None else ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    with suppress(OSError):  # the folder is gone or the disk full: the exit code will be unknown
        facts = {"instance": order["facts"]["instance"], "exit_code": code, "ended_at": utc(time.time())}
        write(order["exit"], facts)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until = time.monotonic() + STRAGGLERS
    while exists(pid) and time.monotonic() < until:
        time.sleep(0.005)


def exists(group: int) -> bool:
    """Is there a process in the group?"""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def start_of(pid: int) -> str:
    """When the process began, unique with its pid across reboots; "" when it is gone or a zombie.

    Source: proc(5), /proc/PID/stat: field 3 is the state, field 22 the start in ticks since boot.
    """
    try:
        fields = content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return "" if os.path.exists("/proc/self/stat") else start_by_ps(pid)
    if fields[0] in (b"Z", b"X"):
        return ""
    return f"{content('/proc/sys/kernel/random/boot_id').decode().strip()}/{fields[19].decode()}"


def content(path: str) -> bytes:
    """All of a file. Raises OSError."""
    with open(path, "rb") as file:
        return file.read()


def start_by_ps(pid: int) -> str:
    """The same where there is no /proc (macOS): the start to the second."""
    import subprocess

    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = shown.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


def write(path: str | os.PathLike[str], facts: Mapping[str, object]) -> None:
    """Put the facts under the name durably, complete or not at all; readable by the owner only."""
    making = f"{os.fspath(path)}.new"
    try:
        with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(facts, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(making, path)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(making)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def note(path: str, line: str) -> None:
    """Add a line to a private file, in one write."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line.encode())
    os.close(file)


def utc(seconds: float) -> str:
    """ISO 8601 in UTC with microseconds."""
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{int(seconds % 1 * 1e6):06d}+00:00", time.gmtime(seconds))


if __name__ == "__main__":
    main()
