"""Each single fault is really there, as a user or an operator sees it; diagnose names it first, and the playbook mends
what it can."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from drilling import PLAYBOOK, Drill, can_fill_a_disk
from helpers.prepared import copy, faultless, prepared, start, taken_down

from recover.drill.replica import Replica
from recover.errors import Limited, Unreachable

pytestmark = pytest.mark.drill

REFUSED = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "wrong-name": "not valid for '127.0.0.1'",
    "wrong-authority": "unable to get local issuer certificate",
    "expired-authority": "certificate has expired",
    "other-key": "it ended with exit code 1; its last words: Error: loading certificates",
}


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Drill]:
    """A healthy replica of the scenario with single faults, taken down at the end."""
    with taken_down(copy(prepared("faults", faultless), tmp_path / "state")) as made:
        start(made)
        yield made


def made(drill: Drill, fault: str) -> None:
    drill.drill("break", "--fault", fault)


def await_seen(drill: Drill, service: str, words: str = "ready") -> None:
    """Until the service is ready, or its status and detail have these words."""
    pause, seen = threading.Event(), ""
    for _ in range(200):
        state = drill.services.state(service, probe=True)
        seen = f"{'ready' if state.ready else state.status} {state.detail}"
        if words in seen:
            return
        pause.wait(0.1)
    raise AssertionError(seen)


def log(drill: Drill, service: str) -> str:
    return "\n".join(drill.services.logs(service))


def test_logins_work_and_nothing_is_to_be_done_until_a_fault_is_made_and_redis_is_brought_back(faults: Drill) -> None:
    assert (faults.login().status, faults.login(password="wrong").status) == (200, 401)
    assert "nothing to do" in faults.recover("run", PLAYBOOK).stdout
    assert faults.diagnosed(expect=0)["root"] is None
    other = Drill(faults.state).drill("break", expect=7).stderr
    assert "made for enum-cascade/faults" in other
    assert "recover drill down enum-cascade --state-dir" in other
    assert "&& recover drill up enum-cascade --state-dir" in other
    none = faults.drill("break", expect=2).stderr
    assert "without a fault this breaks nothing" in none
    assert "--fault redis-down   # one of its faults: recover drill list" in none
    made(faults, "redis-down")
    assert faults.services.state("redis").status == "stopped"
    assert faults.cause() == "service-down"
    assert faults.login().status == 200  # nothing is limited without it
    faults.recover("run", PLAYBOOK)
    assert faults.services.state("redis", probe=True).ready
    assert faults.login().status == 200


def test_the_api_locks_out_then_misses_its_database_then_its_key(faults: Drill) -> None:
    made(faults, "locked-out")
    await_seen(faults, "api")
    assert faults.login().status == 200
    with pytest.raises(Limited, match="limits how often"):
        faults.login()
    assert faults.login("admin@example.com").status == 200
    assert faults.cause() == "locked-out"

    made(faults, "wrong-database")
    await_seen(faults, "api", "The database does not answer")
    assert faults.login().status == 500
    assert 'database "aiwfe_old" does not exist' in log(faults, "api")
    assert faults.cause() == "wrong-database"

    made(faults, "missing-secret")
    await_seen(faults, "api", "exited")
    gone = faults.replica / "secrets" / "jwt_key"
    assert f"FileNotFoundError: [Errno 2] No such file or directory: '{gone}'" in log(faults, "api")
    assert gone.with_name("jwt_key.removed").is_file()
    assert faults.cause() == "missing-secret"


def test_a_login_waits_for_the_lock_that_the_worker_forgot(faults: Drill) -> None:
    made(faults, "blocked")
    await_seen(faults, "worker")
    with pytest.raises(Unreachable, match="got no answer"):
        faults.login()
    holders = (
        "select distinct h.application_name, h.state from pg_stat_activity w "
        "join pg_stat_activity h on h.pid = any(pg_blocking_pids(w.pid)) where w.application_name = 'aiwfe-api'"
    )
    assert ("aiwfe-worker", "idle in transaction") in faults.sql(holders)
    found = faults.diagnosed()
    assert found["root"]["cause"] == "blocked"
    assert "canceling statement due to lock timeout" in json.dumps(found)  # and not the longer one of a statement
    port = Replica(faults.replica).env()["POSTGRES_PORT"]
    where, _, pid = found["next"][0].partition(" -c 'select pg_catalog.pg_terminate_backend(")
    assert where == f"psql -h 127.0.0.1 -p {port} -U app -d aiwfe"
    faults.sql(f"select pg_terminate_backend({pid.partition(')')[0]})")
    assert faults.login().status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_the_database_does_not_start_on_a_full_disk_and_down_leaves_no_mount(faults: Drill) -> None:
    can_fill_a_disk(faults)
    made(faults, "disk-full")
    await_seen(faults, "postgres", "exited")
    assert "No space left on device" in log(faults, "postgres")
    disk = os.statvfs(faults.replica / "data" / "postgres")
    assert disk.f_bavail == 0
    assert faults.cause() == "disk-full"
    assert str(faults.replica) in Path("/proc/self/mounts").read_text()
    faults.drill("down")
    assert str(faults.replica) not in Path("/proc/self/mounts").read_text()
    assert not faults.replica.exists()


def test_the_proxy_is_refused_for_each_bad_certificate_and_gets_a_good_one(faults: Drill) -> None:
    for kind, words in REFUSED.items():
        made(faults, f"wrong-certificate={kind}")
        await_seen(faults, "caddy", words)
        assert faults.cause() == "certificate"
    faults.recover("run", PLAYBOOK)
    assert faults.services.state("caddy", probe=True).ready


def test_the_expired_certificate_of_a_running_proxy_is_made_anew_and_taken_up(faults: Drill) -> None:
    made(faults, "wrong-certificate=expired")
    await_seen(faults, "caddy", REFUSED["expired"])
    faults.recover("run", PLAYBOOK)
    assert faults.services.state("caddy", probe=True).ready
    assert list((faults.replica / "certs").glob("caddy.crt.before-*"))


def test_the_incident_can_come_with_the_flood_of_the_report_and_another_fault(drill: Drill) -> None:
    drill.drill("break", "--fault", "noise=report", "--fault", "broken-middleware=error")
    assert drill.login().status == 500
    lines = log(drill, "node_exporter").splitlines(), log(drill, "api").splitlines()
    exporter = [line for line in lines[0] if "level=error" in line]
    requests = [line for line in lines[1] if re.search(r"INFO error_middleware: GET \S+ answered 200 in \d+ ms", line)]
    assert (len(exporter), len(requests)) == (39_686, 7_050)
    assert Counter("broken pipe" in line for line in exporter)[False] == len(exporter) // 4
    broken = Replica(drill.replica).broken_at()
    assert broken
    assert max(line.split()[0] for line in exporter) < f"ts={broken:%Y-%m-%dT%H:%M:%S}"
    assert Replica(drill.replica).env()["BROKEN_MIDDLEWARE"] == "error"
