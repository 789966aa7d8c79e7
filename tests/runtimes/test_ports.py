from __future__ import annotations

import os
import socket

import pytest
from ports import free_port

from recover.runtimes.ports import holder, taken


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_port_somebody_listens_on_is_taken_and_its_holder_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::") as listening:
        port = listening.getsockname()[1]
        assert taken(port)
        assert holder(port).startswith(f"pid {os.getpid()} (")


def test_a_free_port_is_free_and_held_by_nobody() -> None:
    port = free_port()
    assert not taken(port)
    assert holder(port) == ""


def test_a_connection_that_is_being_closed_does_not_take_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = listening.accept()
            served.close()  # this side closes first: it stays in TIME_WAIT
            client.recv(1)
    assert not taken(port)
