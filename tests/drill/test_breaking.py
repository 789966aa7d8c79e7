from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeServices

from recover.drill import disk
from recover.drill.breaking import break_it
from recover.drill.damage import Damage
from recover.drill.replica import Replica, start_all
from recover.drill.scenario import BreakSpec, Fault, ReplicaSpec, Scenario
from recover.errors import Precondition, StepError

SCENARIO = Scenario(
    "1",
    "t",
    Path("p.yml"),
    "local",
    "login",
    ReplicaSpec(("pg",), (), {"RELEASE": "before"}),
    BreakSpec({"RELEASE": "after"}, ("api",)),
    {
        "slow": Fault("be slow", env="SLOW", choices=("very",)),
        "gone": Fault("x", remove=("secrets/pg",), stop=("db",), later={"IMAGE": "new"}),
    },
)


def world(**more: Any) -> Any:
    return SimpleNamespace(services=FakeServices({"db": {}, "api": {}}, **more))


def broken(replica: Replica, scenario: Scenario, faults: dict[str, str], here: Any, told: list[str]) -> None:
    break_it(replica, scenario, scenario.damage(faults, "local"), here, here, told.append)


def test_breaking_changes_variables_restarts_and_starts_the_clock(tmp_path: Path) -> None:
    replica, here, told = Replica(tmp_path), world(), list[str]()
    replica.prepare(SCENARIO)
    start_all(here, here, told.append)
    assert told == ["start db", "start api"]
    former = here.services.state("api").instance
    broken(replica, SCENARIO, {"slow": "very"}, here, told)
    assert (replica.env()["RELEASE"], replica.env()["SLOW"]) == ("after", "very")
    assert here.services.state("api").running
    assert here.services.state("api").instance != former
    assert replica.broken_at() is not None


def test_breaking_takes_back_the_fault_of_an_earlier_break(tmp_path: Path) -> None:
    replica, here = Replica(tmp_path), world()
    spec = replace(SCENARIO, replica=ReplicaSpec(env={"RELEASE": "before", "SLOW": ""}))
    replica.prepare(spec)
    broken(replica, spec, {"slow": "very"}, here, [])
    broken(replica, spec, {}, here, [])
    env = replica.env()
    assert (env["RELEASE"], env["SLOW"]) == ("after", "")


def test_a_fault_moves_files_away_stops_services_and_changes_later_what_no_service_has_taken_up(tmp_path: Path) -> None:
    replica, here, told = Replica(tmp_path), world(), list[str]()
    quiet = replace(SCENARIO, break_=BreakSpec())
    replica.prepare(quiet)
    start_all(here, here, told.append)
    former = here.services.state("api").instance
    for _ in range(2):  # the second time there is nothing left to move
        broken(replica, quiet, {"gone": ""}, here, told)
    assert not (tmp_path / "secrets" / "pg").exists()
    assert (tmp_path / "secrets" / "pg.removed").is_file()
    assert not here.services.state("db").running
    assert here.services.state("api").instance == former
    assert (replica.env()["RELEASE"], replica.env()["IMAGE"]) == ("before", "new")


def test_a_service_that_cannot_be_started_any_more_is_told_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica, here, told = Replica(tmp_path), world(), list[str]()
    replica.prepare(SCENARIO)

    def refuse(*_: object) -> None:
        raise StepError("cannot start api", why="no such file")

    monkeypatch.setattr(here.services, "start", refuse)
    broken(replica, SCENARIO, {}, here, told)
    assert told[-1] == "cannot start api: no such file"


def test_a_disk_that_cannot_be_filled_is_refused_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StepError("mount failed", why="must be superuser to use mount")

    monkeypatch.setattr(disk, "_mount", refuse)
    replica, here = Replica(tmp_path), world()
    replica.prepare(SCENARIO)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Precondition, match="it takes the right to mount") as caught:
        break_it(replica, SCENARIO, Damage({"A": "b"}, fill=("secrets",)), here, here, lambda _line: None)
    assert caught.value.why == "must be superuser to use mount"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
