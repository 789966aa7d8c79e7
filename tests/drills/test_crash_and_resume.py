"""Killed at every point of every step of the shipped playbook, and continued each time."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashing import POINTS, assert_recovered, chain, crash, schema_changes, steps_of
from drilling import Drill, shortened

from recover.journal.records import NAME


@pytest.mark.drill
def test_one_run_killed_at_every_point_of_every_step_ends_as_if_nothing_had_happened(broken_drill: Drill) -> None:
    chain(broken_drill, steps_of("local"))
    assert_recovered(broken_drill, broken_drill.before)
    changes = schema_changes(broken_drill)
    assert len(changes) == 22
    assert set(changes.values()) == {1}, changes


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """One broken replica for all points; each test begins with its database as it was when it broke."""
    made = Drill(tmp_path_factory.mktemp("matrix") / "state")
    try:
        made.up()
        made.recover("drill", "break", "enum-cascade", "--down")
        made.services.start("postgres")
        made.wait_for("postgres")
        made.before = made.census()
        made.copy_database("aiwfe", "as_broken")
        made.services.stop("postgres")
        yield made
    finally:
        made.recover("drill", "down", "enum-cascade", expect=None)


@pytest.mark.nightly
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("step", steps_of("local"))
def test_killed_once_at_any_point_the_resumed_run_ends_in_the_same_state(replica: Drill, step: str, point: str) -> None:
    """`make test-nightly`: half an hour. The test above passes the same points, one run for all of them."""
    for service in reversed(replica.services.names()):
        replica.services.stop(service)
    replica.services.start("postgres")
    replica.wait_for("postgres")
    replica.copy_database("as_broken", "aiwfe")
    replica.services.stop("postgres")
    for folder in replica.state.glob(f"*/*/{NAME}"):
        shutil.rmtree(folder.parent)
    crash(replica, step, point)
    replica.recover("resume")
    assert_recovered(replica, replica.before)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "sql", "step"),
    [
        ("a label is renamed back", "alter type userrole rename value 'ADMIN' to 'admin'", "enums"),
        pytest.param("the database is stopped", "", "postgres", marks=pytest.mark.drill),
    ],
)
def test_what_changes_between_crash_and_resume_is_noticed(broken_drill: Drill, name: str, sql: str, step: str) -> None:
    drill = shortened(broken_drill)
    crash(drill, "login", "after-act")
    if sql:
        drill.sql(sql)
    else:
        drill.services.stop("postgres")
    done = drill.recover("resume")
    assert f"{step}: done, no longer true" in done.stderr
    assert_recovered(drill, drill.before)


@pytest.mark.drill
def test_an_edited_playbook_is_refused_until_accepted_or_reverted(broken_drill: Drill) -> None:
    drill = shortened(broken_drill)
    playbook = Path(drill.file)
    text = playbook.read_text()
    killed = drill.recover("run", str(playbook), env={"RECOVER_CRASH_AT": "enums:before-act"}, expect=None)
    assert killed.returncode == -signal.SIGKILL
    playbook.write_text(text.replace("name: Log in end to end", "name: Log in quickly"))
    refused = drill.recover("resume", expect=8)
    assert "+        name: Log in quickly" in refused.stderr
    assert drill.status()["services"]["api"] == "stopped"
    playbook.write_text("# a comment changes nothing\n" + text)
    drill.recover("resume")
    assert drill.login().status == 200
