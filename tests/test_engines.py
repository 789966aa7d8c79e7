"""What a killed run of tests has left on the engine is found by the run's name and removed, and nothing else is."""

from __future__ import annotations

import secrets

import pytest
from engines import IMAGE, docker
from helpers.reaper import reap_engine

pytestmark = pytest.mark.docker


def make(run: str) -> set[str]:
    """One of everything that a test leaves when it is killed; the names."""
    name, tag = f"recovertest{run}{secrets.token_hex(4)}", f"recovertest/left:{run}x"
    project = ("--label", f"com.docker.compose.project={name}")
    docker("network", "create", f"{name}_other")
    docker("network", "create", *project, f"of-{name}")
    docker("volume", "create", f"{name}_trace")
    docker("volume", "create", *project, f"of-{name}")
    docker("tag", IMAGE, tag)
    one = docker("create", "--name", f"api-{name}", *project, IMAGE).strip()
    docker("create", "--name", f"recover-lease-{name}", "--label", f"dev.recover.lease={name}", IMAGE)
    docker("create", "--name", f"beside-{name}", "--label", f"dev.recover.beside={one[:12]}", IMAGE)
    docker("create", "--name", f"{name}-by-hand", IMAGE)
    containers = {f"api-{name}", f"recover-lease-{name}", f"beside-{name}", f"{name}-by-hand"}
    return {*containers, f"{name}_other", f"of-{name}", f"{name}_trace", tag}


def left(run: str) -> set[str]:
    """The names on the engine that the run is in."""
    containers = docker("container", "ls", "--all", "--format", "{{.Names}}").split()
    others = [docker(kind, "ls", "--format", "{{.Name}}").split() for kind in ("network", "volume")]
    tags = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {name for name in (*containers, *others[0], *others[1], *tags) if run in name}


def test_what_a_run_has_left_is_removed_and_nothing_of_another() -> None:
    run, other = secrets.token_hex(4), secrets.token_hex(4)
    try:
        mine, theirs = make(run), make(other)
        assert (left(run), left(other)) == (mine, theirs)
        reaped = reap_engine(run)
        assert sorted(set(reaped)) == sorted(mine)
        assert (left(run), left(other)) == (set(), theirs)
        assert reap_engine(run) == []
    finally:
        reap_engine(run)
        reap_engine(other)
