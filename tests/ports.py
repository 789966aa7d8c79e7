"""Ports for tests that run at the same time.

A port that the kernel names as free may be given to somebody else before the test's server listens on it. These lie
below the ports that the kernel gives away, and no other process of tests on this machine is handed the same ones.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from itertools import cycle
from pathlib import Path

BLOCK = 100
LOWEST = 15_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that nobody listens on; this process does not hand it out again before a hundred others."""
    ports = _ports()
    while _in_use(port := next(ports)):
        pass
    return port


@cache
def _ports() -> cycle[int]:
    """The ports of one block, for ever."""
    end = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32_768
    blocks = [*range(LOWEST, end - BLOCK, BLOCK)]
    first = os.getpid() % len(blocks)
    for block in blocks[first:] + blocks[:first]:
        if claim := _claimed(block):
            _claims.append(claim)
            return cycle(range(block, block + BLOCK))
    raise AssertionError(f"no ports left between {LOWEST} and {end}")


_claims: list[socket.socket] = []


def _claimed(block: int) -> socket.socket | None:
    """A name without a file (unix(7), "Abstract sockets"): it has one owner, and is free again when he ends."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0recover-tests-ports-{block}")
    except OSError:
        claim.close()
        return None
    return claim


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
