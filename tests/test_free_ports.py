from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from ports import BLOCK, EPHEMERAL, free_port

ANOTHER = f"from ports import free_port; print(*[free_port() for _ in range({BLOCK})], flush=True); input()"


def test_two_processes_are_handed_different_ports_which_the_kernel_gives_to_nobody() -> None:
    words = [sys.executable, "-c", ANOTHER]
    with subprocess.Popen(words, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        mine = {free_port() for _ in range(BLOCK)}
        other.communicate(b"\n")
    assert len(theirs) > 1
    assert not mine & theirs
    assert max(mine | theirs) < int(EPHEMERAL.read_text().split()[0])


def test_a_port_that_is_listened_on_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert port not in {free_port() for _ in range(2 * BLOCK)}
