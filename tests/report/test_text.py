from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from recover.journal.progress import Progress
from recover.journal.records import Record
from recover.report.text import state, story, summary

AT = datetime(2026, 8, 10, 23, 15, 1, tzinfo=UTC)
EVIDENCE = {"question": "is api healthy?", "answer": "HTTP 503", "passed": False, "attachment": "evidence/1.txt"}
EVENTS: list[tuple[str, dict[str, Any], str]] = [
    ("RunStarted", {"run": "r", "playbook": "p", "by": "eva", "host": "h"}, "run r of p by eva on h"),
    ("RunResumed", {"by": "tom", "host": "h"}, "resumed by tom on h"),
    ("StepStarted", {"stage": "Data", "step": "enums", "name": "Repair"}, "[Data] enums: Repair"),
    ("ActionStarted", {"describe": "BEGIN;\nCOMMIT;", "because": "drift"}, "  COMMIT;"),
    ("ActionStarted", {"describe": "BEGIN;\nCOMMIT;", "because": "drift"}, "    because drift"),
    ("CheckAnswered", {"evidence": EVIDENCE}, "  NO  is api healthy? HTTP 503 (evidence/1.txt)"),
    ("StepDone", {"step": "enums", "how": "reconciled", "seconds": 0.5}, "  enums reconciled in 0.5 s"),
    ("StepSkipped", {"step": "a", "because": "true already"}, "a not needed: true already"),
    ("StepIsolated", {"step": "a", "because": "login 403"}, "a left off: login 403"),
    ("StepNoLongerTrue", {"step": "a", "because": "renamed"}, "a done, no longer true: renamed"),
    ("StepFailed", {"step": "a", "what": "no", "where": "p:1", "why": "disk full", "next": ""}, "    why: disk full"),
    (
        "StepMarked",
        {"step": "a", "verdict": "retry", "by": "eva", "because": "looked"},
        "a marked retry by eva: looked",
    ),
    ("RunEnded", {"outcome": "recovered", "exit_code": 0, "seconds": 2.0}, "recovered (exit 0, 2.0 s)"),
]


@pytest.mark.parametrize(("event", "data", "line"), EVENTS)
def test_every_event_is_told_with_its_time(event: str, data: dict[str, Any], line: str) -> None:
    assert f"23:15:01Z {line}" in story([Record(1, AT, 1, event, data, "")])


def test_an_event_of_a_newer_version_is_passed_over() -> None:
    assert story([Record(1, AT, 1, "SomethingNew", {}, "")]) == []


@pytest.mark.parametrize(
    ("progress", "alive", "words"),
    [
        (Progress("r", current="api"), True, "running, at step api"),
        (Progress("r", ended={"outcome": "recovered", "exit_code": 0}), False, "recovered (exit 0)"),
        (
            Progress("r", in_flight="api", pending=({"describe": "start api"},)),
            False,
            "killed in the middle of step api: start api",
        ),
        (
            Progress("r", in_flight="api", pending=({"describe": "start api"}, {"describe": "start web"})),
            False,
            "killed in the middle of step api: start api; start web",
        ),
        (Progress("r", current="login"), False, "killed at step login"),
    ],
)
def test_the_state_is_said_in_a_few_words(progress: Progress, alive: bool, words: str) -> None:
    assert state(progress, alive=alive) == words


def test_a_summary_ends_with_what_to_type_unless_somebody_is_at_it() -> None:
    dead = Progress(run="r-1", steps={"a": "", "b": ""}, done={"a": "done"}, isolated={"m": "x"}, skipped={"s": "y"})
    lines = summary(dead, "r-1 --state-dir /x", alive=False)
    assert lines[-1] == "next     recover resume r-1 --state-dir /x"
    assert "done     1 of 2 steps: a" in lines
    assert not any("resume" in line for line in summary(dead, "r-1", alive=True))
