from __future__ import annotations

import io
import re

import pytest

from recover.events import (
    ActionDone,
    ActionStarted,
    CheckAnswered,
    CheckWaiting,
    Event,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailed,
    StepIsolated,
    StepNoLongerTrue,
    StepSkipped,
    StepStarted,
)
from recover.evidence import Evidence
from recover.secrets import Redactor, Secret
from recover.ui import plain
from recover.ui.plain import Plain

NO = Evidence("is api ready?", "HTTP 503", passed=False)
STORY: list[tuple[Event, str]] = [
    (RunStarted("r-1", "p.yml", "local", {}, "eva", "h", "0"), "run r-1 of p.yml on local"),
    (RunStarted("r-1", "p.yml", "local", {}, "eva", "h", "0"), "record /state/r-1"),
    (StepStarted("freeze", "Stop all", "Database alone"), "== Database alone"),
    (ActionStarted("freeze", "stop api", "it runs", (), {}), "because it runs"),
    (CheckAnswered("freeze", NO), "NO  is api ready? HTTP 503"),
    (StepDone("freeze", "already", 1.23), "freeze: already true in 1.2 s"),
    (StepSkipped("x", "true already"), "x: not needed, true already"),
    (StepNoLongerTrue("x", "label gone"), "x: done, no longer true: label gone"),
    (StepIsolated("m[csrf]", "login 403"), "m[csrf]: LEFT OFF: login 403"),
    (StepFailed("x", "it broke", "p.yml:3:1", "disk full", "make space"), "  because: disk full"),
    (StepFailed("x", "it broke", "p.yml:3:1", "disk full", "make space"), "  next: make space"),
    (RunEnded(1, "stopped at step x", 3.0), "go on:  recover resume r-1"),
    (RunEnded(3, "recovered, degraded: x is left off", 3.0), "why:    recover explain r-1"),
]


def drawn(*events: Event, redactor: Redactor | None = None) -> str:
    out = io.StringIO()
    with Plain("r-1", "/state/r-1", redactor or Redactor(), out) as view:
        for event in events:
            view(event)
    return out.getvalue()


@pytest.mark.parametrize(("event", "words"), STORY)
def test_each_event_is_told_in_a_line_with_utc_time(event: Event, words: str) -> None:
    text = drawn(event)
    assert words in text
    assert all(re.match(r"\d\d:\d\d:\d\dZ ", line) for line in text.splitlines())


def both_begun() -> list[Event]:
    return [ActionStarted("up", f"start {service}", "it is missing", (), {}) for service in ("api", "web")]


def test_several_acts_in_flight_have_a_line_each_and_the_end_of_each_says_whose_it_is() -> None:
    lines = drawn(*both_begun(), ActionDone("up", "start web", {}, 12.0), ActionDone("up", "start api", {}, 0.2))
    assert [line[10:] for line in lines.splitlines()] == [
        "  start api",
        "    because it is missing",
        "  start web",
        "    because it is missing",
        "  took 12 s: start web",
    ]


@pytest.mark.parametrize(("ended", "left"), [((), "start api; start web"), (("start api",), "start web")])
def test_the_heartbeat_names_every_act_in_flight(ended: tuple[str, ...], left: str) -> None:
    view = Plain("r", "/f", Redactor(), io.StringIO())
    for event in (*both_begun(), *(ActionDone("up", act, {}, 0.1) for act in ended)):
        view(event)
    assert view._doing == left


def test_a_recovered_run_ends_without_commands_to_paste() -> None:
    assert "resume" not in drawn(RunEnded(0, "recovered and verified", 3.0))


def test_secrets_do_not_reach_the_screen() -> None:
    redactor = Redactor()
    redactor.learn(Secret("pg", "planted-5ecret"))
    text = drawn(StepSkipped("x", "because planted-5ecret"), redactor=redactor)
    assert "planted" not in text


def test_silence_is_broken_by_a_heartbeat_that_says_what_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "HEARTBEAT", 0.0)
    out = io.StringIO()
    with Plain("r", "/f", Redactor(), out) as view:
        view(CheckWaiting("api", NO, 1.0, 60.0))
        for _ in range(6000):
            if out.getvalue():
                break
            view._ended.wait(0.01)
    assert "still waiting: is api ready? HTTP 503" in out.getvalue()
