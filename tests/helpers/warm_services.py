"""The services of a replica without their cold starts: `python warm_services.py SOCKET` is what they are forked from.

An API spends two CPU seconds on its imports, and a drill starts it nine times. `begun` starts a process that has
imported FastAPI, SQLAlchemy and what else the stack is made of, and the keepers of services are forked from it, in the
tests and in the commands they start. The keeper is the real one, and its service its real child: own session, folder,
log, environment, record. The one difference: where the command is `python -m` and one of STACK, the service does what
exec(2) and a new interpreter would do, and then runs the module.
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any, Never

if __name__ == "__main__":  # started by its path, where `helpers` is no package
    sys.path[0] = str(Path(__file__).parents[1])

from helpers import warm_process
from helpers.clusters import locked, shared_folder
from helpers.warm_start import COLD, STACK

SOCKET = "RECOVER_TEST_SERVICES"
LIBRARIES = (
    "alembic.command", "alembic.config", "cryptography.x509", "fastapi.security", "fastapi.responses", "h11",
    "http.server", "jwt", "prometheus_client.parser", "prometheus_client.core", "psycopg.rows", "redis.asyncio",
    "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.orm", "starlette.concurrency", "starlette.middleware.base",
    "uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "uvicorn.loops.auto", "urllib.request", "uvicorn.logging",
)  # fmt: skip
SIZE = 4  # bytes of a length


def begun() -> str:
    """The process of this run, begun by whichever worker needs it first; its socket.

    "" where there are no warm starts (RECOVER_TEST_COLD). It ends when `end` has removed the socket.
    """
    if sys.platform != "linux" or os.environ.get(COLD):
        return ""
    path = shared_folder() / "services"
    with locked(shared_folder() / "services.lock"):
        if not path.exists():
            nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run([sys.executable, __file__, str(path)], cwd="/", check=True, **nothing)
    return str(path)


def end() -> None:
    """End the process of this run, if there is one; services that still run go on."""
    (shared_folder() / "services").unlink(missing_ok=True)


@contextmanager
def used(path: str) -> Iterator[None]:
    """The keepers of this process, and of the commands it starts, are forked from the process behind that socket."""
    os.environ[SOCKET] = path
    cold = install()
    try:
        yield
    finally:
        subprocess._fork_exec = cold  # type: ignore[attr-defined]
        os.environ.pop(SOCKET, None)


def install() -> Callable[..., int]:
    """Fork keepers from the process of SOCKET from now on, while there is one; what did it until now."""
    cold: Callable[..., int] = subprocess._fork_exec  # type: ignore[attr-defined]

    def fork_exec(*asked: Any) -> int:
        words = [os.fsdecode(word) for word in asked[0]]
        where = os.environ.get(SOCKET)
        return fork(where, words[4:], asked) if where and is_keeper(words) else cold(*asked)

    subprocess._fork_exec = fork_exec  # type: ignore[attr-defined]
    return cold


def is_keeper(words: list[str]) -> bool:
    """Is it the command that recover starts a keeper with?"""
    return words[1:3] == ["-I", "-S"] and words[3].endswith("recover/runtimes/keeper.py")


def fork(where: str, words: list[str], asked: Any) -> int:
    """A keeper with the standard streams and the lock that were asked for; its pid.

    The arguments are those of CPython's `_posixsubprocess.fork_exec`, the same from 3.11 to 3.14.
    """
    stdin, stdout, stderr = asked[6], asked[9], asked[11]
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(where)
        text = json.dumps(words).encode()
        rights = array.array("i", [stdin, stdout, stderr, int(words[0])])
        line.sendmsg([len(text).to_bytes(SIZE, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        line.sendall(text)
        return int.from_bytes(warm_process.receive(line, SIZE), "big")


# --- the process ------------------------------------------------------------------------------


def main() -> None:
    """Import, listen, and make keepers in the background until the socket is removed."""
    gc.disable()
    import_all()
    from recover.runtimes import keeper

    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a keeper's first process ends at once, and is nobody's to wait for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        if os.fork():
            os._exit(0)  # it listens; whoever began it may end before it
        words, given = serve(listener)
    keeper.execute = execute
    keep(keeper.main, words, given)


def import_all() -> None:
    """What the modules of the stack import."""
    for name in LIBRARIES:
        importlib.import_module(name)


def serve(listener: socket.socket) -> tuple[list[str], list[int]]:
    """Make copies while there is the socket. Returns in each, with its order and the descriptors it was given."""
    while True:
        if not select([listener], [], [], 0.5)[0]:
            if not Path(sys.argv[1]).exists():
                os._exit(0)
            continue
        line, _ = listener.accept()
        with line:
            size, rights, _, _ = line.recvmsg(SIZE, socket.CMSG_SPACE(4 * array.array("i").itemsize))
            given = array.array("i")
            for _, _, data in rights:
                given.frombytes(data)
            words = json.loads(warm_process.receive(line, int.from_bytes(size, "big")))
            pid = os.fork()
            if pid == 0:
                return words, list(given)
            line.sendall(pid.to_bytes(SIZE, "big"))
            for number in given:
                os.close(number)


def keep(main: Callable[[], None], words: list[str], given: list[int]) -> Never:
    """What `python -I -S keeper.py LOCK NAME` would be, with these standard streams and this lock."""
    lock = int(words[0])
    moved = [os.dup2(number, max(*given, lock) + 1 + place) for place, number in enumerate(given)]
    os.closerange(3, moved[0])
    for number, source in zip((0, 1, 2, lock), moved, strict=True):
        os.dup2(source, number, inheritable=True)
        os.close(source)
    os.setsid()
    os.chdir("/")
    os.environ.clear()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["keeper.py", *words]
    sys.stdin = warm_process.stream(0, "r", "strict")
    main()
    os._exit(0)


def execute(command: list[str], environment: Mapping[str, str]) -> Never:
    """Become the command: what is of the stack by running it here, all else by exec."""
    if command[:2] != [sys.executable, "-m"] or not command[2].startswith(STACK):
        os.execvpe(command[0], command, environment)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python does at its start
        signal.signal(ignored, signal.SIG_IGN)
    sys.argv = command[1:2] + command[3:]
    warm_process.find_modules(str(Path.cwd()), environment)
    warm_process.renew_streams()
    gc.enable()
    os._exit(warm_process.finish(warm_process.run("-m", command[2])) & 0xFF)


if __name__ == "__main__":
    main()
