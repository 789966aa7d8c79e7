from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recover.runtimes.verdict import patience, speaks_since, started_at, why_not_ready


def container(status: str, restarts: int = 0, **state: Any) -> dict[str, Any]:
    """As much of the engine's answer about a container as a verdict looks at."""
    at = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "Name": "/demo-api-1",
        "RestartCount": restarts,
        "State": {"Status": status, "ExitCode": 0, "StartedAt": at, **state},
        "Config": {},
    }


def why(facts: dict[str, Any]) -> str:
    return why_not_ready(facts, oneshot=False, ask=None, last_words=lambda: "no route\nto db\n")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (container("restarting", 2, ExitCode=1), "; it ended with exit code 1: no route | to db"),
        (
            container("restarting", 2, ExitCode=137, OOMKilled=True),
            "more memory than its limit (OOM): no route | to db",
        ),
        (container("running", 2), "; it runs again at this moment: no route | to db"),
        (
            container("running", 2, OOMKilled=True),
            "; it was killed because it used more memory than its limit (OOM), and",
        ),
    ],
)
def test_a_loop_is_never_told_with_an_exit_code_that_the_engine_has_forgotten(facts: Any, words: str) -> None:
    said = why(facts)
    assert said.startswith("it is in a restart loop: the engine has started it again 2 times; ")
    assert words in said
    assert "exit code 0" not in said


def test_one_restart_is_no_loop() -> None:
    assert why(container("running", 1)) == ""


def test_first_words_may_be_older_than_the_start_that_the_engine_notes() -> None:
    facts = container("running")
    began, since = started_at(facts), speaks_since(facts)
    assert began
    assert since
    assert timedelta(0) < began - since < timedelta(seconds=0.2)
    assert speaks_since(container("created", StartedAt="0001-01-01T00:00:00Z")) is None


@pytest.mark.parametrize(
    ("check", "seconds"), [(None, 30), ({"Test": ["CMD", "true"]}, 30), ({"Timeout": 2_500_000_000}, 2.5)]
)
def test_a_health_check_has_the_time_that_its_file_gives_it(check: Any, seconds: float) -> None:
    assert patience({"Config": {"Healthcheck": check}}) == seconds
