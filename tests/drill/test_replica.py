from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeServices

from recover.drill.replica import Replica, start_all, stop_all
from recover.drill.scenario import ReplicaSpec, Scenario
from recover.errors import StepError, Unreachable

SCENARIO = Scenario(
    "1",
    "t",
    Path("p.yml"),
    "local",
    "login",
    ReplicaSpec(("pg", "app"), ("A_PORT", "B_PORT"), {"RELEASE": "before"}, certificates={"proxy": ("localhost",)}),
)


def world(**more: Any) -> Any:
    return SimpleNamespace(services=FakeServices({"db": {}, "api": {}}, **more))


def test_a_replica_gets_private_random_secrets_and_different_ports(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "replica")
    replica.prepare(SCENARIO)
    secrets = [(replica.folder / "secrets" / name).read_text() for name in ("pg", "app")]
    assert len(set(secrets)) == 2
    assert all(len(secret) >= 32 for secret in secrets)
    assert {p.stat().st_mode & 0o777 for p in (replica.folder / "secrets").iterdir()} == {0o600}
    env = replica.env()
    assert env["RELEASE"] == "before"
    assert env["A_PORT"] != env["B_PORT"]


def test_preparing_again_keeps_what_is_there(tmp_path: Path) -> None:
    replica = Replica(tmp_path)
    replica.prepare(SCENARIO)
    paths = [tmp_path / name for name in (".env", "secrets/pg", "certs/ca.key", "certs/proxy.crt", "certs/proxy.key")]
    before = [path.read_bytes() for path in paths]
    replica.prepare(SCENARIO)
    assert [path.read_bytes() for path in paths] == before
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("certs/*.key")} == {0o600}


def test_one_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        Replica(tmp_path).require("recover drill up enum-cascade")
    assert caught.value.next == "recover drill up enum-cascade"


def test_a_deletion_that_was_cut_off_leaves_no_half_replica_and_is_finished_later(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "replica")
    replica.prepare(SCENARIO)
    replica.folder.rename(replica._gone)  # killed right after the rename
    assert not replica.exists
    replica.prepare(SCENARIO)
    assert replica.exists
    assert not replica._gone.exists()
    replica.remove()
    assert list(tmp_path.iterdir()) == []


def test_variables_come_from_files_that_need_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "built.env").write_text("IMAGE=built:1\nRELEASE=other\n")
    wanted = ReplicaSpec(env={"RELEASE": "before"}, env_files=("built.env", "not-there.env"))
    replica = Replica(tmp_path / "replica")
    replica.prepare(replace(SCENARIO, playbook=tmp_path / "playbook.yml", replica=wanted))
    assert (replica.env()["IMAGE"], replica.env()["RELEASE"]) == ("built:1", "before")


def test_stopping_stops_everything(tmp_path: Path) -> None:
    here = world()
    start_all(here, here, lambda _line: None)
    stop_all(here, here, lambda _line: None)
    assert not any(here.services.state(name).running for name in here.services.names())


def test_a_service_that_does_not_become_ready_stops_the_building(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recover.drill.replica.READY", 0.2)
    here = world(unready={"db": "out of shared memory"})
    with pytest.raises(StepError) as caught:
        start_all(here, here, lambda _line: None)
    assert "out of shared memory" in caught.value.why
