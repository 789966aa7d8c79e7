"""TCP ports of this machine: is one taken, and by whom?"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
LISTEN = "0A"  # the state's number in /proc/net/tcp (proc(5), include/net/tcp_states.h)


def taken(port: int) -> bool:
    """Does somebody listen there? A connection that is still being closed does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE  # what else hinders, the service will say itself
    return False


def holder(port: int) -> str:
    """ "pid 123 (postgres)", the process that listens there, or "" when it cannot be told."""
    wanted = {f"socket:[{inode}]" for inode in _listening(port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if wanted else ():
        with suppress(OSError):
            if str(link.readlink()) in wanted:
                process = link.parent.parent
                return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
    return ""


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on the port, IPv4 and IPv6."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if re.fullmatch(rf"[0-9A-F]+:{port:04X}", fields[1]) and fields[3] == LISTEN:
                    yield fields[9]
