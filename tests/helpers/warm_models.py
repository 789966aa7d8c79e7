"""A Python that has imported SQLAlchemy already: forty tests ask models something, each in a process of its own.

`served` starts one process, `python warm_models.py SOCKET`, and gives the path of a program that stands for a Python:
called as `python - WORDS` or `python -c TEXT WORDS` it hands its descriptors, folder and environment to that process,
a copy of which runs the text and whose exit code becomes its own. One at a time, and what is killed while it waits
leaves its copy behind: a test of time-outs, or of a command line, takes the real Python.
"""

from __future__ import annotations

import array
import importlib
import marshal
import os
import select
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IMPORTED = (
    "pydantic",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.ext.hybrid",
    "sqlalchemy.orm",
    "sqlmodel",
)
CLIENT = """\
#!{python} -IS
import _socket, marshal, os, sys
line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
line.connect({address!r})
descriptors = b"".join(n.to_bytes(4, sys.byteorder) for n in (0, 1, 2))
order = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ)))
line.sendmsg([len(order).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
line.sendall(order)
os._exit(line.recv(1)[0])
"""


@contextmanager
def served(folder: Path) -> Iterator[Path]:
    """The program, in that folder, as long as the context lasts."""
    address = folder / "models"
    client = folder / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, __file__, str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield client
        assert server.stdin is not None
        server.stdin.close()  # which ends it, as our own end would


def main(address: str) -> None:
    """Make a copy for each order, until our stdin ends."""
    for name in IMPORTED:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while 0 not in select.select([listening, 0], [], [])[0]:
            serve(listening)


def serve(listening: socket.socket) -> None:
    """Carry out one order."""
    line, _ = listening.accept()
    with line:
        size, rights, _, _ = line.recvmsg(4, socket.CMSG_SPACE(12))
        descriptors = array.array("i", rights[0][2])
        order = line.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
        pid = os.fork()
        if pid == 0:
            listening.close()
            line.close()
            os._exit(run(order, descriptors))
        for number in descriptors:
            os.close(number)
        _, status = os.waitpid(pid, 0)
        line.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))


def run(order: bytes, descriptors: array.array[int]) -> int:
    """What a new Python would do with those words; its exit code."""
    words, folder, environment = marshal.loads(order)
    for number, given in enumerate(descriptors):
        os.dup2(given, number)
        os.close(given)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    text = words.pop(1) if words[0] == "-c" else sys.stdin.read()
    sys.argv = words
    try:
        exec(compile(text, "<stdin>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main(sys.argv[1])
