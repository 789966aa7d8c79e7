"""The faults that only containers have, on a real engine: there, named first by diagnose, and mended."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from drilling import Drill
from engines import docker, own_name

from recover.drill.replica import Replica

pytestmark = [pytest.mark.docker, pytest.mark.drill]

QUERY = 'PGPASSWORD="$(cat /run/secrets/app_password)" psql -h 127.0.0.1 -p 6432 -U app -d aiwfe -Atc "select 1"'


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica of the scenario with single faults; at the end nothing of it is left."""
    made = Drill(tmp_path / "state", "compose", own_name(), "enum-cascade/faults")
    try:
        made.up()
        yield made
    finally:
        made.drill("down", expect=None)


def test_a_stale_image_and_a_pooler_without_users_are_there_and_mended(faults: Drill) -> None:
    assert (faults.login().status, faults.login(password="wrong").status) == (200, 401)
    port = Replica(faults.replica).env()["CADDY_TLS_PORT"]
    trusted = ssl.create_default_context(cafile=str(faults.replica / "certs" / "ca.crt"))
    assert httpx.get(f"https://127.0.0.1:{port}/api/health", verify=trusted).status_code == 200
    assert "nothing to do" in faults.playbook("run").stdout
    assert faults.diagnosed(expect=0)["root"] is None

    faults.drill("break", "--fault", "stale-image")
    plan = faults.playbook("plan").stdout
    assert "wanted 'recover-replica/app:rebuilt" in plan
    assert set(faults.status()["services"].values()) <= {"ready", "exited"}
    assert faults.cause() == "stale-image"

    faults.drill("break", "--fault", "empty-pooler")
    pooler = f"{faults.project}-pgbouncer-1"
    assert "POOLER_USERS=none" in json.loads(docker("inspect", pooler))[0]["Config"]["Env"]
    with pytest.raises(AssertionError, match="FATAL"):
        docker("exec", pooler, "sh", "-c", QUERY)
    assert faults.login().status == 200  # the API goes to the database directly
    assert faults.cause() == "pooler-users"

    faults.playbook("run")
    assert faults.login().status == 200
    assert set(faults.status()["services"].values()) <= {"ready", "exited"}
