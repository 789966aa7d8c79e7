"""What is read from an engine's answer; how real containers answer is in the tests of the compose runtime."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recover.runtimes import verdict
from recover.runtimes.engine_api import Gone

START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"


def at(seconds: float) -> str:
    """A time so long after the start, as the engine writes it."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def container(
    status: str = "running", *, restart: str = "no", restarts: int = 0, health: Any = None, **state: Any
) -> Any:
    said = {"Status": status, "ExitCode": 0, "StartedAt": at(0), "FinishedAt": NEVER, "Running": status == "running"}
    return {
        "Name": "/p-api-1",
        "State": {**said, **state, **({"Health": health} if health else {})},
        "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": restart}},
        "Config": {"Healthcheck": {"Test": ["CMD", "probe", "-x"]} if health is not None else None},
    }


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (container("running"), "running"),
        (container("restarting", ExitCode=1), "restarting"),
        (container("paused"), "paused"),
        (container("created"), "stopped"),
        (container("created", Error="port is taken", ExitCode=128), "exited"),
        (container("exited", ExitCode=3), "exited"),
        (container("exited", ExitCode=0), "exited"),  # it ended by itself: a stop says 143 or 137 of most
        (container("exited", ExitCode=143), "stopped"),
        (container("exited", ExitCode=137), "stopped"),
        (container("exited", ExitCode=137, OOMKilled=True), "exited"),
        (container("exited", ExitCode=0, restart="always"), "stopped"),  # otherwise the engine had restarted it
        (container("exited", ExitCode=3, restart="unless-stopped"), "stopped"),
        (container("exited", ExitCode=3, restart="on-failure"), "exited"),
        (container("dead", ExitCode=1), "exited"),
    ],
)
def test_the_status_in_our_words(facts: Any, status: str) -> None:
    assert verdict.status_of(facts) == status


@pytest.mark.parametrize(
    ("env", "mounts", "zone"),
    [
        (None, [], "UTC"),
        (["PATH=/bin", "TZ=Europe/Berlin"], [], "Europe/Berlin"),
        (["TZ=Europe/Berlin"], [{"Destination": "/etc/localtime"}], "Europe/Berlin"),
        (["TZ="], [{"Destination": "/data"}, {"Destination": "/etc/localtime"}], ""),
        (["TZ=:/etc/localtime"], [{"Destination": "/etc/localtime"}], ""),
        (["TZ=:/etc/localtime"], [], "UTC"),
    ],
)
def test_the_zone_of_its_programs(env: list[str] | None, mounts: list[dict[str, str]], zone: str) -> None:
    assert verdict.zone_of({"Config": {"Env": env}, "Mounts": mounts}) == zone


def why(facts: Any, *, oneshot: bool = False, answer: tuple[int, str] | None = None) -> str:
    def ask(argv: Sequence[str]) -> tuple[int, str]:
        assert list(argv) == ["probe", "-x"]
        assert answer is not None
        if answer[0] < 0:
            raise Gone(answer[1])
        return answer

    asking = ask if answer else None
    return verdict.why_not_ready(facts, oneshot=oneshot, ask=asking, last_words=lambda: "first\n last \n\n")


def test_what_has_ended_says_how_and_its_last_words() -> None:
    assert why(container("exited", ExitCode=3)) == "it ended with exit code 3: first | last"
    killed = container("exited", ExitCode=137, OOMKilled=True)
    assert why(killed).startswith(
        "it ended with exit code 137 (signal 9), killed because it used more memory than its limit (OOM)"
    )
    assert why(container("exited", ExitCode=0), oneshot=True) == ""
    assert why(container("running"), oneshot=True) == "it has not ended yet"


def test_what_could_not_be_started_says_why() -> None:
    assert why(container("created")) == "it was never started"
    taken = container("created", Error="address already in use")
    assert why(taken) == "it was created and could not be started: address already in use"
    assert why(container("paused")) == "docker unpause p-api-1 lets it go on"


def test_a_restart_loop_is_one_though_it_runs_just_now() -> None:
    loop = "it is in a restart loop: the engine has started it again 4 times; "
    oom = "more memory than its limit (OOM)"
    assert why(container("restarting", ExitCode=1, restarts=4)) == f"{loop}it ended with exit code 1: first | last"
    assert f"{oom}: first | last" in why(container("restarting", ExitCode=137, OOMKilled=True, restarts=4))
    # while it runs the engine has forgotten the exit code
    assert why(container("running", restarts=4)) == f"{loop}it runs again at this moment: first | last"
    assert why(container("running", OOMKilled=True, restarts=4)).startswith(
        f"{loop}it was killed because it used {oom}, and"
    )
    assert why(container("running", StartedAt=at(-60), restarts=1)) == ""
    assert why(container("running", ExitCode=1, restarts=4, health={}), answer=(0, "")) == ""


def test_the_health_check_is_asked_now() -> None:
    sick = {"Log": [{"End": at(5), "ExitCode": 1, "Output": "old"}]}
    assert why(container(health=sick), answer=(0, "fine")) == ""
    assert why(container(health=sick), answer=(2, "no\nroute")) == "its health check ended with exit code 2: no | route"
    assert why(container(health=sick), answer=(-1, "it is paused")) == "its health check cannot be asked: it is paused"


def test_where_nothing_may_be_asked_the_engines_last_result_counts_if_it_is_newer_than_the_start() -> None:
    def health(end: float, code: int, streak: int = 0) -> Any:
        return container(health={"FailingStreak": streak, "Log": [{"End": at(end), "ExitCode": code, "Output": "x"}]})

    assert why(health(1, 0)) == ""
    assert why(health(1, 1)) == "its health check ended with exit code 1: x"
    assert why(health(1, 1, 3)) == "its health check ended with exit code 1, 3 times in a row: x"
    stale = "its health check has not been asked since it was started"
    assert why(health(-1, 0)) == stale
    assert why(container(health={"Log": []})) == stale


def test_a_health_check_for_a_shell_is_asked_through_the_images_shell() -> None:
    facts = container(health={})
    facts["Config"]["Healthcheck"]["Test"] = ["CMD-SHELL", "a && b"]
    asked: list[list[str]] = []

    def ask(argv: Sequence[str]) -> tuple[int, str]:
        asked.append(list(argv))
        return 0, ""

    verdict.why_not_ready(facts, oneshot=False, ask=ask, last_words=str)
    facts["Config"]["Shell"] = ["/bin/bash", "-ec"]
    verdict.why_not_ready(facts, oneshot=False, ask=ask, last_words=str)
    assert asked == [["/bin/sh", "-c", "a && b"], ["/bin/bash", "-ec", "a && b"]]


@pytest.mark.parametrize(
    ("state", "begins"),
    [
        ({"StartedAt": NEVER}, None),  # never started
        ({}, None),  # never ended before: the whole log
        ({"FinishedAt": at(-9)}, at(-8.9)),  # it runs: what came after the end of the one before
        ({"FinishedAt": at(9), "Running": False}, at(-0.1)),
        ({"FinishedAt": at(-0.001), "Running": False}, at(-0.101)),  # ended before the engine wrote its start down
    ],
)
def test_the_log_of_the_present_incarnation_begins_before_the_engines_start(state: Any, begins: str | None) -> None:
    assert verdict.log_begins(container(**state)) == (begins and verdict.instant(begins))


@pytest.mark.parametrize(
    ("check", "seconds"), [(None, 30), ({"Test": ["CMD", "true"]}, 30), ({"Timeout": 2_500_000_000}, 2.5)]
)
def test_a_health_check_has_the_time_that_its_file_gives_it(check: Any, seconds: float) -> None:
    assert verdict.patience({"Config": {"Healthcheck": check}}) == seconds


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T12:00:00.123456789Z", START.replace(microsecond=123456)),
        ("2026-11-24T12:00:00.5Z", START.replace(microsecond=500000)),
        ("2026-11-24T14:00:00+02:00", START),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_instant_as_the_engine_writes_it(text: str, instant: datetime | None) -> None:
    assert verdict.instant(text) == instant
    assert verdict.started_at(container(StartedAt=NEVER)) is None
