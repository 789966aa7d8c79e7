"""Killing the shipped playbook at its crash points, and the one end state it must reach, on either runtime."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Sequence

from drilling import PLAYBOOK, ROOT, Drill
from engines import docker

from recover.checks import CHECK_TYPES
from recover.journal.records import NAME, records
from recover.playbook.load import load
from recover.playbook.model import StepSpec
from recover.steps import STEP_TYPES

POINTS = ("before-act", "after-act", "after-effect")
EXPECTED = {
    "userrole": ["ADMIN", "USER"],
    "userstatus": ["PENDING", "ACTIVE", "DISABLED"],
    "taskstatus": ["PENDING", "IN_PROGRESS", "COMPLETED", "CANCELLED"],
    "taskpriority": ["LOW", "MEDIUM", "HIGH", "URGENT"],
    "tasktype": ["GENERAL", "RESEARCH", "CODING", "MEETING"],
    "documentstatus": ["UPLOADED", "PROCESSING", "COMPLETED", "FAILED", "ARCHIVED"],
    "eventcategory": ["work", "personal", "health", "deadline"],
    "googleservice": ["calendar", "drive", "gmail"],
}


def steps_of(target: str) -> list[str]:
    """The steps of the shipped playbook that are not left out on this target."""
    return [step.id for step in _specs(target)]


def one_of_each_kind(target: str) -> list[str]:
    """Of these steps: of several in a stage that do, need and ask the same, for something else each, the first."""
    kinds: dict[object, str] = {}
    for step in _specs(target):
        asks = tuple(check.kind for check in step.checks)
        kinds.setdefault((step.stage, step.kind, step.needs, asks, step.on_failure), step.id)
    return list(kinds.values())


def _specs(target: str) -> list[StepSpec]:
    steps = load(ROOT / PLAYBOOK, {}, STEP_TYPES, CHECK_TYPES).steps
    return [step for step in steps if step.when is None or f"'{target}'" in step.when.text]


def chain(drill: Drill, steps: Sequence[str]) -> None:
    """One run, killed at every point of these steps and continued each time."""
    begin = True
    for step in steps:
        for point in POINTS:
            crash(drill, step, point, begin=begin)
            begin = False
    drill.resume()


def broken(drill: Drill) -> None:
    """The report's state: labels wrong, every service down; and the server logs every change of the schema."""
    drill.sql("alter system set log_statement = 'ddl'", user="postgres")
    drill.sql("select pg_reload_conf()", user="postgres")
    drill.drill("break", "--down")


def crash(drill: Drill, step: str, point: str, *, begin: bool = True) -> None:
    """Run, or resume, until it is killed there."""
    env = {"RECOVER_CRASH_AT": f"{step}:{point}"}
    done = drill.playbook("run", env=env, expect=None) if begin else drill.resume(env=env, expect=None)
    assert done.returncode == -signal.SIGKILL, f"{step}:{point}: {done.returncode}\n{done.stdout}\n{done.stderr}"


def schema_changes(drill: Drill) -> Counter[str]:
    """How often the server was told each ALTER TYPE; those that only take the type's lock name no place."""
    log = (
        docker("logs", f"{drill.project}-postgres-1", stderr=True)
        if drill.runtime == "compose"
        else (drill.replica / "log" / "postgres.log").read_text()
    )
    changes = r"ALTER TYPE \S+ (?:RENAME VALUE|ADD VALUE IF NOT EXISTS '\w+' (?:AFTER|BEFORE)) [^;\n]*"
    return Counter(re.findall(changes, log))


def assert_recovered(drill: Drill, before: dict[str, int]) -> None:
    """The one end state, whatever happened on the way."""
    assert drill.labels() == EXPECTED
    assert drill.census() == before
    assert drill.login().status == 200
    assert drill.login(password="wrong").status == 401
    services = drill.status()["services"]
    assert {name: state for name, state in services.items() if state != "ready"} == {}
    assert drill.progress()["exit_code"] == 0
    assert "nothing to do" in drill.playbook("run").stdout
    assert list(records(drill.run_folder() / NAME))  # the chain is intact
    assert len([p for p in drill.state.glob("*/*") if (p / NAME).exists()]) == 1
