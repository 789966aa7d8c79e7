"""The process that `recover` is forked from in tests: `python warm_process.py DESCRIPTOR`.

It imports what commands import, and then makes a copy of itself for each order that comes over the socket; the copy
becomes the command. The copy is a child of whoever started this process (clone(2), CLONE_PARENT), who waits for it as
for any child. It must stay a process of one thread: only the thread that forks lives on in a copy.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import platform
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

if __name__ == "__main__":  # started by its path, where `helpers` is no package
    sys.path[0] = str(Path(__file__).parents[1])

OTHERS = (
    "cryptography.x509", "docker", "encodings.utf_8_sig", "httpx", "psycopg", "psycopg.types.json", "rich.live",
    "rich.markup", "rich.table", "tenacity", "typer.rich_utils", "yaml",
)  # fmt: skip
"""What recover's functions import when they are called."""
LEFT = ("__main__", "_script")
"""The ends of the names of modules that are programs."""
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE_PARENT = 0x8000
NOT_CLEAN = 120  # Python's own exit code when what is left on stdout cannot be written


def import_all() -> None:
    """All of recover and what its functions import; what is missing here is imported by the copy itself."""
    sys.path[0] = str(Path(__file__).parents[2])
    import recover

    for module in pkgutil.walk_packages(recover.__path__, "recover."):
        if not module.name.endswith(LEFT):
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
    build_commands()
    gc.collect()
    gc.freeze()  # the copies' collector leaves these pages shared


def build_commands() -> None:
    """The tree of commands, which typer builds from the same functions at every start: half of a short command."""
    import typer.main

    from recover.cli import app

    built, build = typer.main.get_command(app), typer.main.get_command
    typer.main.get_command = lambda asked: built if asked is app else build(asked)


def import_stack() -> None:
    """What the services of the replica import, at the first of them."""
    from helpers import warm_services

    if warm_services.LIBRARIES[0] not in sys.modules:
        warm_services.import_all()
        gc.freeze()


def clone() -> int:
    """Fork a child of our own parent; 0 in the copy. Raises OSError."""
    python, libc = ctypes.pythonapi, ctypes.PyDLL(None, use_errno=True)
    python.PyOS_BeforeFork()
    pid: int = libc.syscall(CLONE[platform.machine()], CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return pid


def serve(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Make copies until the tests end. Returns in each copy, with its order and the descriptors it was given."""
    space = socket.CMSG_SPACE(64 * array.array("i").itemsize)
    while True:
        size, rights, _, _ = line.recvmsg(4, space)
        if not size:
            os._exit(0)
        given = array.array("i")
        for _, _, data in rights:
            given.frombytes(data[: len(data) - len(data) % given.itemsize])
        order = json.loads(receive(line, int.from_bytes(size, "big")))
        if order["of_stack"]:
            import_stack()
        pid = clone()
        if pid == 0:
            line.close()
            return order, list(given)
        for number in given:
            os.close(number)
        line.sendall(pid.to_bytes(4, "big"))


def receive(line: socket.socket, size: int) -> bytes:
    """So many bytes of it."""
    parts = bytearray()
    while len(parts) < size:
        parts += line.recv(size - len(parts))
    return bytes(parts)


def become(order: dict[str, Any], given: list[int]) -> None:
    """Everything that a new process has of its own: descriptors, session, folder, environment, standard streams."""
    wanted = order["descriptors"]
    free = max([*wanted, *given]) + 1  # moved above all of them first: no number is overwritten before it is copied
    moved = [os.dup2(number, free + place) for place, number in enumerate(given)]
    os.closerange(3, free)
    for number, source in zip(wanted, moved, strict=True):
        os.dup2(source, number, inheritable=True)
        os.close(source)
    if order["new_session"]:
        os.setsid()
    if order["group"] >= 0:
        os.setpgid(0, order["group"])
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [order["words"][0], *order["words"][2:]]
    find_modules(order["folder"], order["environment"] if order["of_stack"] else {})
    renew_streams()
    if order["of_stack"]:
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]  # python -u
    gc.enable()


def find_modules(folder: str, environment: Mapping[str, str]) -> None:
    """sys.path as `python -m` has it."""
    sys.path[0] = folder
    if more := environment.get("PYTHONPATH"):
        sys.path[1:1] = more.split(os.pathsep)


def renew_streams() -> None:
    """The standard streams, as Python makes them of the descriptors at its start."""
    sys.stdin = sys.__stdin__ = stream(0, "r", "strict")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = stream(1, "w", "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = stream(2, "w", "backslashreplace")  # type: ignore[misc]


def stream(number: int, mode: str, errors: str) -> io.TextIOWrapper:
    """A standard stream as Python makes it at its start."""
    raw = open(number, f"{mode}b", closefd=False)  # noqa: SIM115 - lives as long as the process
    return io.TextIOWrapper(raw, errors=errors, line_buffering=number == 2 or raw.isatty())


def run(how: str, what: str) -> int:
    """The command, to its exit code, as `python -m WHAT` or `python -c WHAT` would end."""
    try:
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(what, "<string>", "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def finish(code: int) -> int:
    """What an interpreter does at its end, but for taking every module apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return NOT_CLEAN
    return code


def main() -> None:
    """Import, serve, and in each copy become the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and they end this
    gc.disable()
    line = socket.socket(fileno=int(sys.argv[1]))
    from helpers import warm_services

    import_all()
    order, given = serve(line)
    become(order, given)
    if order["environment"].get(warm_services.SOCKET):
        warm_services.install()
    os._exit(finish(run(*order["words"][:2])) & 0xFF)


if __name__ == "__main__":
    main()
