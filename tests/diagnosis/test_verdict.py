"""Which cause it is: what lies deepest and is certain, and nothing that was refuted or is of the past."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from diagnosis.scenes import ENUM, NOW, failed, line, passed, scene, state

from recover.diagnosis.causes import causes
from recover.diagnosis.questions import QUESTIONS
from recover.diagnosis.scene import Scene
from recover.diagnosis.told import Told, yes
from recover.diagnosis.verdict import Verdict, judge
from recover.errors import StepError

HOUR = timedelta(hours=1)
PIPE = "error encoding and sending metric family: write tcp 127.0.0.1:9100: write: broken pipe"


def verdict(*states: Any, **more: Any) -> Verdict:
    return judge(scene(*states, **more), causes())


def root(found: Verdict) -> str | None:
    return found.root.cause.id if found.root else None


def names(suspects: Any) -> list[str]:
    return [suspect.cause.id for suspect in suspects]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Told]:
    """What questions answer here, whatever there is to see; all others say no."""
    answers: dict[str, Told] = {}
    for name in QUESTIONS:
        monkeypatch.setitem(QUESTIONS, name, lambda _scene, _shapes, name=name: answers.get(name, Told("no", "")))  # type: ignore[arg-type]
    return answers


# --- nothing is wrong -----------------------------------------------------------------------------


def test_nothing_wrong_has_no_root() -> None:
    found = verdict(state("db"), state("api"), answers={"login": passed()})
    assert (found.root, found.begun, found.unexplained) == (None, None, ())
    assert "service-down" in names(found.refuted)


@pytest.mark.parametrize(("level", "found"), [("INFO", None), ("DEBUG", None), ("ERROR", "certificate")])
def test_without_probes_a_record_that_calls_itself_harmless_makes_no_root(level: str, found: str | None) -> None:
    """A stack of which only the project is known; somebody scans its proxy."""
    logs = {"proxy": [line("x509: certificate signed by unknown authority", level=level)]}
    assert root(verdict(state("proxy"), state("api"), logs=logs)) == found
    assert root(verdict(state("proxy", "exited"), state("api"), logs=logs)) == "certificate"


PAST = [
    "could not write: No space left on device",
    "certificate verify failed",
    "canceling statement due to lock timeout",
    ENUM.format("admin"),
    "FileNotFoundError: No such file or directory: '/no/such'",
    'database "x" does not exist',
    "Connection refused",
    '"POST /login" 429',
]


@pytest.mark.parametrize("words", PAST)
@pytest.mark.parametrize("answers", [{"login": passed()}, {}], ids=["probes pass", "no probes"])
def test_lines_of_the_past_make_no_suspect_while_everything_is_well(words: str, answers: Any) -> None:
    found = verdict(state("db"), state("api"), logs={"api": [line(words, ago=5 * HOUR)]}, answers=answers)
    assert found.suspects == ()
    assert root(verdict(state("api"), logs={"api": [line(words)]}, answers={"login": passed()})) is None


def test_what_nobody_could_confirm_is_told() -> None:
    found = verdict(state("db"), state("api"), logs={"api": [line(ENUM.format("admin"), ago=5 * HOUR)]})
    assert "enum-drift" in names(found.unasked)


def test_lines_of_now_make_a_suspect_where_no_probe_says_that_all_is_well() -> None:
    found = verdict(state("api"), logs={"api": [line(ENUM.format("admin"))]})
    assert (root(found), found.root and found.root.certain) == ("enum-drift", False)


# --- ranking --------------------------------------------------------------------------------------


def test_of_confirmed_causes_the_deepest_is_the_root(told: dict[str, Told]) -> None:
    told |= {"services": yes(["api is down"], "api"), "enum_labels": yes(["role lacks ADMIN"]), "disk": yes(["full"])}
    assert names(verdict(state("api", "exited")).suspects) == ["disk-full", "enum-drift", "service-down"]


def test_a_full_disk_comes_before_drifted_labels(told: dict[str, Told]) -> None:
    told |= {"enum_labels": yes(["role lacks ADMIN"]), "disk": yes(["/data is full"])}
    logs = {"api": [line(ENUM.format("admin"))] * 40, "db": [line("No space left on device")]}
    found = verdict(state("api"), state("db"), logs=logs)
    assert names(found.suspects) == ["disk-full", "enum-drift"]


def test_what_was_stopped_by_a_hand_comes_last(told: dict[str, Told]) -> None:
    told |= {"services": Told("yes", "all are stopped", whole=True), "probes": yes(["login fails"])}
    assert names(verdict(state("api", "stopped")).suspects) == ["login", "service-down"]


def test_postgresql_that_is_down_comes_before_what_the_log_says_of_labels() -> None:
    states = state("postgres", "exited", exit_code=1), state("api", "exited", exit_code=3, needs=("postgres",))
    found = verdict(*states, logs={"api": [line(ENUM.format("admin"))]})
    assert [(s.cause.id, s.certain) for s in found.suspects] == [("service-down", True), ("enum-drift", False)]


def test_the_last_words_of_the_service_that_is_down_lie_deeper_than_that_it_is() -> None:
    found = verdict(state("db", "exited", exit_code=1), state("api"), logs={"db": [line("No space left on device")]})
    assert (root(found), found.root and found.root.certain) == ("disk-full", False)


def test_what_a_healthy_service_says_of_others_does_not() -> None:
    logs = {"shipper": [line("tail: x: No space left on device"), line("x509: certificate is not trusted")]}
    found = verdict(state("db", "exited", exit_code=1), state("shipper"), logs=logs)
    assert names(found.suspects) == ["service-down", "disk-full", "certificate"]


def test_what_the_log_says_is_more_than_that_a_login_fails() -> None:
    found = verdict(state("api"), answers={"login": failed()}, logs={"api": [line(ENUM.format("admin"))]})
    assert names(found.suspects) == ["enum-drift", "login"]


def test_a_line_of_an_instance_that_is_gone_is_no_last_word() -> None:
    down = state("db", "exited", exit_code=1, started_at=NOW - HOUR)
    found = verdict(down, logs={"db": [line("No space left on device", ago=20 * HOUR)]})
    assert names(found.suspects) == ["service-down"]


# --- refuted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["no", "unknown"])
def test_a_cause_whose_question_says_no_is_refuted_whatever_lines_say(told: dict[str, Told], answer: Any) -> None:
    told |= {"enum_labels": Told(answer, "the labels"), "services": yes(["web is down"], "web")}
    lines = [line(ENUM.format("admin"))] * 1000
    found = verdict(state("web", "exited"), state("api"), logs={"api": lines})
    assert ("enum-drift" in names(found.refuted)) == (answer == "no")
    assert ("enum-drift" in names(found.suspects)) == (answer == "unknown")
    assert root(found) == "service-down"


def test_records_of_a_refuted_cause_are_not_explained(told: dict[str, Told]) -> None:
    told |= {"services": yes(["web is down"], "web")}
    found = verdict(state("web", "exited"), logs={"api": [line(ENUM.format("admin"))]})
    assert [shape.service for shape in found.unexplained] == ["api"]


def test_a_question_that_cannot_be_asked_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(scene: Scene, shapes: object) -> Told:
        raise StepError("cannot read the certificates", why="permission denied")

    monkeypatch.setitem(QUESTIONS, "certificates", fails)  # type: ignore[arg-type]
    [suspect] = [s for s in verdict(state("api"), answers={"login": passed()}).unasked if s.cause.id == "certificate"]
    assert suspect.told.words == "cannot read the certificates: permission denied"


# --- noise, and what is left over -----------------------------------------------------------------


def test_noise_that_is_older_than_the_incident_is_set_apart(told: dict[str, Told]) -> None:
    told |= {"enum_labels": yes(["role lacks ADMIN"])}
    logs = {
        "node_exporter": [line(PIPE, ago=n * HOUR) for n in range(1, 20)],
        "api": [line(ENUM.format("admin"), ago=2 * HOUR)],
    }
    found = verdict(state("api"), state("node_exporter"), logs=logs)
    assert root(found) == "enum-drift"
    assert [(s.cause.id, s.explained, [*map(found.older, s.shapes)]) for s in found.unrelated] == [
        ("hung-up", 19, [True])
    ]
    assert found.begun == NOW - 2 * HOUR
    assert found.unexplained == ()


def test_noise_alone_is_no_cause() -> None:
    assert root(verdict(state("node_exporter"), logs={"node_exporter": [line(PIPE)]})) is None


def test_what_follows_from_the_cause_is_explained_and_the_rest_is_not(told: dict[str, Told]) -> None:
    told |= {"enum_labels": yes(["role lacks ADMIN"])}
    lines = [line(ENUM.format("admin")), line("Exception in ASGI application"), line("the sky is falling")]
    found = verdict(state("api"), logs={"api": [*lines, line("all is well", level="INFO")]})
    assert found.root is not None
    assert found.root.explained == 2
    assert [shape.samples[0].partition(": ")[2] for shape in found.unexplained] == ["the sky is falling"]


def test_echoes_without_the_thing_itself_are_not_explained(told: dict[str, Told]) -> None:
    told |= {"enum_labels": yes(["role lacks ADMIN"])}
    found = verdict(state("api"), logs={"api": [line("Exception in ASGI application")]})
    assert [shape.count for shape in found.unexplained] == [1]


def test_of_what_is_left_over_the_most_frequent_comes_first() -> None:
    found = verdict(state("api"), logs={"api": [line("rare"), *[line("often")] * 3]})
    assert [shape.count for shape in found.unexplained] == [3, 1]


def test_what_a_service_says_that_is_down_itself_is_likelier_than_that_it_is_down_for_no_reason() -> None:
    logs = {"worker": [line(ENUM.format("admin"))]}
    down = state("worker", ready=False, needs=("db",))
    itself = verdict(state("db"), down, logs=logs)
    assert names(itself.suspects)[:2] == ["enum-drift", "service-down"]
    assert itself.root
    assert not itself.root.certain
    assert "role should have ADMIN, USER" in itself.root.told.words
    for_the_sake_of_another = verdict(state("db", "exited"), down, logs=logs)
    assert names(for_the_sake_of_another.suspects)[:2] == ["service-down", "enum-drift"]
