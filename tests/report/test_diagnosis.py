"""The verdict on one screen, and for machines."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from diagnosis.scenes import ENUM, failed, line, passed, scene, state

from recover.diagnosis.causes import causes
from recover.diagnosis.questions import QUESTIONS
from recover.diagnosis.told import Told, yes
from recover.diagnosis.verdict import Verdict, judge
from recover.errors import StepError
from recover.report.diagnosis import data, text

HOUR = timedelta(hours=1)
PIPE = "error encoding and sending metric family: write tcp 127.0.0.1:9100: write: broken pipe"


def verdict(*states: Any, **more: Any) -> Verdict:
    return judge(scene(*states, **more), causes())


@pytest.fixture
def drifted(monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """The incident: 42 lines of the cause in three times as many of an exporter."""
    answer = yes(["public.role lacks ADMIN (it has admin)", "public.kind lacks X (it has x)"])
    monkeypatch.setitem(QUESTIONS, "enum_labels", lambda _scene, _shapes: answer)  # type: ignore[arg-type]
    logs = {
        "node_exporter": [line(PIPE, ago=20 * HOUR)] * 126,
        "api": [line(ENUM.format("admin"))] * 42 + [line("token refused", level="WARNING")] * 2,
        "web": [line("the sky is falling"), line("no such host")],
    }
    states = state("redis", "stopped"), state("api"), state("web"), state("node_exporter")
    seen = scene(*states, logs=logs, answers={"page": passed()})
    seen.unseen["the log of redis"] = "it cannot be read"
    return judge(seen, causes())


def part(lines: list[str], label: str) -> list[str]:
    """The lines of one part of the screen."""
    found: list[str] = []
    for shown in lines:
        if shown.startswith(label) or (found and shown.startswith(" " * 13)):
            found.append(shown[13:])
        elif found:
            break
    return found


def test_every_part_is_there(drifted: Verdict) -> None:
    lines = text(drifted, ["recover run playbook.yml"])
    assert lines[0] == f"root cause   enum-drift: {drifted.root.cause.meaning}"  # type: ignore[union-attr]
    assert part(lines, "evidence") == ["public.role lacks ADMIN (it has admin)", "public.kind lacks X (it has x)"]
    assert part(lines, "log") == ["first at 2025-08-10 11:55:00Z", f"42 x api: {line(ENUM.format('admin'))}"]
    assert part(lines, "explains") == ["44 records: 44 of api"]
    assert part(lines, "does not") == [f"1 x web: {line('the sky is falling')}"]
    assert part(lines, "also found") == ["service-down: redis is stopped"]
    assert part(lines, "unrelated") == [
        "126 records of node_exporter (73 % of all lines, since 2025-08-09 16:00Z, older than the incident): "
        "clients that hang up before they have the answer; the exporter itself is well"
    ]
    assert part(lines, "refuted")[0].startswith("missing-secret, ")
    assert part(lines, "not seen")[0] == "the log of redis: it cannot be read"
    assert part(lines, "type") == ["recover run playbook.yml"]


def test_what_only_lines_speak_of_is_said_to_be_likely() -> None:
    logs = {"api": [line(ENUM.format("admin"))]}
    assert text(verdict(state("api"), logs=logs), [])[0].startswith("most likely  enum-drift: ")
    lines = text(verdict(state("db", "stopped"), state("api"), logs=logs), [])
    assert part(lines, "also found")[0].startswith("enum-drift (likely): ")


def test_what_the_log_speaks_of_and_is_not_so_is_refuted_by_name() -> None:
    logs = {"api": [line("Connection refused")]}
    lines = text(verdict(state("web"), state("api"), logs=logs, answers={"login": failed()}), [])
    assert part(lines, "refuted")[0] == ("service-down, which the log speaks of: all 2 services run and are ready")


class Shut:
    """A database that answers no question."""

    def rows(self, about: str, statement: object) -> list[Any]:
        raise StepError("not allowed")

    def close(self) -> None:
        pass


def test_what_is_unseen_for_one_reason_is_one_line() -> None:
    seen = scene(state("api"), answers={"login": passed()})
    seen.unseen |= {"database main": "it does not answer", "the log of api": "it does not answer"}
    lines = text(judge(seen, causes()), [])
    assert part(lines, "not seen")[0] == "database main, the log of api, blocked, wrong-database: it does not answer"


def test_nothing_wrong_says_what_was_looked_at() -> None:
    found = verdict(state("api"), logs={"api": ["fine"]}, answers={"login": passed()}, databases={"main": Shut})
    assert text(found, [])[0] == "nothing is wrong that can be seen: 1 service, 1 probe, 1 database, 1 log line"
    assert part(text(found, []), "asked")


def test_bad_records_are_shown_although_nothing_is_wrong() -> None:
    logs = {"api": [line("the sky is falling")]}
    lines = text(verdict(state("api"), logs=logs, answers={"login": passed()}), [])
    assert part(lines, "unexplained") == [f"1 x api: {line('the sky is falling')}"]


def test_an_older_record_that_nothing_explains_is_said_to_be_older(drifted: Verdict) -> None:
    drifted.scene.shapes.read("web", [line("long ago", ago=20 * HOUR)])
    [rest] = [entry for entry in part(text(judge(drifted.scene, causes()), []), "does not") if "long ago" in entry]
    assert rest.endswith("(older than the incident)")


# --- one screen -----------------------------------------------------------------------------------


@pytest.fixture
def too_much(monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """Every question is answered yes, at length, and a hundred things are wrong."""
    for name in QUESTIONS:
        answer = yes([f"{name} {n} " + "x" * 300 for n in range(100)])
        monkeypatch.setitem(QUESTIONS, name, lambda _scene, _shapes, answer=answer: answer)  # type: ignore[arg-type]
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
    logs = {f"service{a}{b}": [line(f"{a} {b} {c} {'y' * 5000}") for c in words] for a in words for b in words}
    logs["api"] = [line(f"No space left on device {a} {b}") for a in words for b in words]
    seen = scene(*(state(name, "exited") for name in logs), logs=logs)
    seen.unseen |= {f"service{n}": "z" * 5000 for n in range(100)}
    return judge(seen, causes())


def test_however_much_is_wrong_it_is_one_screen(too_much: Verdict) -> None:
    lines = text(too_much, [f"command {n}" for n in range(100)])
    assert len(lines) <= 40
    assert max(map(len, lines)) < 600
    assert "… and 95 more" in part(lines, "evidence")[-1]
    assert part(lines, "type")[-1] == "… and 95 more"


def test_however_much_is_refuted_it_is_one_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Told("no", "n" * 5000)
    for name in QUESTIONS:
        monkeypatch.setitem(QUESTIONS, name, lambda _scene, _shapes: answer)  # type: ignore[arg-type]
    monkeypatch.setitem(QUESTIONS, "services", lambda _scene, _shapes: yes(["api is down"]))  # type: ignore[arg-type]
    spoken = ["No space left on device", "certificate verify failed", "lock timeout", ENUM.format("a"), "no such host"]
    logs = {"api": [line(words) for words in [*spoken, 'database "x" does not exist', '"GET /" 429']]}
    lines = text(verdict(state("api", "exited"), logs=logs), [])
    assert len(part(lines, "refuted")) == 7
    assert len(lines) <= 40


@pytest.mark.parametrize("words", ["\x1b]0;owned\x07 x", "a\rb\x00c", "\x9b31m", "\u202egnp.exe"])
def test_nothing_in_a_log_can_command_the_terminal(words: str) -> None:
    logs = {"api": [line(f"{words} is not among the defined enum values"), line(f"boom {words}")]}
    found = verdict(state("api", "exited", detail=f"its last words: {words}"), state("web"), logs=logs)
    assert all(printed.isprintable() for printed in text(found, []))


def test_the_error_is_shown_and_not_what_comes_with_it() -> None:
    lines = [line("login failed"), "Traceback (most recent call last):", "sqlalchemy.exc.DataError: x"]
    logs = {"api": [*lines, "[SQL: select 1]", "(Background on this error at: https://sqlalche.me/e/20/9h9h)"]}
    found = verdict(state("api"), state("web", "stopped"), logs=logs)
    assert part(text(found, []), "does not") == ["1 x api: sqlalchemy.exc.DataError: x"]


# --- for machines ---------------------------------------------------------------------------------


def test_the_same_for_machines(drifted: Verdict) -> None:
    told: Any = json.loads(json.dumps(data(drifted, ["recover run playbook.yml"])))
    assert told["v"] == 1
    assert {key: told["root"][key] for key in ("cause", "answer", "explains", "about")} == {
        "cause": "enum-drift",
        "answer": "yes",
        "explains": 44,
        "about": [],
    }
    [shape] = told["root"]["shapes"]
    assert (shape["service"], shape["level"], shape["count"]) == ("api", "error", 42)
    assert shape["first"] == "2025-08-10T11:55:00+00:00"
    assert [suspect["cause"] for suspect in told["suspects"]] == ["enum-drift", "service-down"]
    assert [(suspect["cause"], suspect["older"]) for suspect in told["unrelated"]] == [("hung-up", True)]
    assert [shape["service"] for shape in told["unexplained"]] == ["web"]
    assert told["begun"] == "2025-08-10T11:55:00+00:00"
    assert told["unseen"] == {"the log of redis": "it cannot be read"}
    assert (told["lines"], told["next"]) == (172, ["recover run playbook.yml"])
    assert told.keys() >= {"refuted", "unasked"}


def test_nothing_wrong_for_machines() -> None:
    told = data(verdict(state("api"), answers={"login": passed()}), [])
    assert (told["root"], told["suspects"], told["begun"], told["next"]) == (None, [], None, [])


def test_what_looks_like_a_secret_is_masked_for_machines_too() -> None:
    judged = verdict(state("api"), logs={"api": [line("refused with password=correcthorse")]})
    assert "correcthorse" not in json.dumps(data(judged, []))
    assert "correcthorse" not in "".join(text(judged, []))
