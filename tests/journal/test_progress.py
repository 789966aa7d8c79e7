from __future__ import annotations

from pathlib import Path

import pytest
from fakes import mine

from recover.events import (
    ActionDone,
    ActionStarted,
    Event,
    RollbackStarted,
    RunEnded,
    RunResumed,
    RunStarted,
    StepDone,
    StepFailed,
    StepIsolated,
    StepMarked,
    StepNoLongerTrue,
    StepSkipped,
    StepStarted,
    TargetBound,
    UndoStarted,
)
from recover.journal.progress import Progress, fold
from recover.journal.records import NAME, FileJournal, create, records
from recover.secrets import Redactor

BEGIN = RunStarted("r", "p.yml", "local", {"a": "1", "b": "2", "c": "3"}, "eva", "host", "0", {"x": "y"})
INTENT = ActionStarted("b", "do it", "because", ("service:api",), {})
EFFECT = ActionDone("b", "do it", {"n": 1}, 0.1)


def after(tmp_path: Path, *events: Event) -> Progress:
    path = create(tmp_path, "p", "r") / NAME
    journal = FileJournal(path, Redactor(), mine)
    for event in events:
        journal(event)
    journal.close()
    return fold(records(path))


def test_the_beginning_is_remembered(tmp_path: Path) -> None:
    p = after(tmp_path, BEGIN, TargetBound({"main.system_identifier": "7"}))
    assert (p.run, p.playbook, p.target, p.by, p.host) == ("r", "p.yml", "local", "eva", "host")
    assert (p.steps, p.variables) == ({"a": "1", "b": "2", "c": "3"}, {"x": "y"})
    assert p.binding == {"main.system_identifier": "7"}


def test_an_intent_without_effect_is_in_doubt(tmp_path: Path) -> None:
    p = after(tmp_path, BEGIN, StepDone("a", "done", 1), StepStarted("b", "B", "S"), INTENT)
    assert (p.in_flight, [intent["describe"] for intent in p.pending]) == ("b", ["do it"])
    assert p.acted
    assert p.resumable


def test_an_effect_ends_the_doubt_and_a_checkpoint_ends_the_flight(tmp_path: Path) -> None:
    events = (BEGIN, INTENT, EFFECT)
    p = after(tmp_path / "1", *events)
    assert (p.in_flight, p.pending) == ("b", ())
    assert after(tmp_path / "2", *events, StepDone("b", "done", 1)).in_flight is None


def intents(*services: str) -> list[Event]:
    return [ActionStarted("b", f"start {service}", "it is down", (f"service:{service}",), {}) for service in services]


def effect(service: str) -> ActionDone:
    return ActionDone("b", f"start {service}", {}, 0.1)


def left(p: Progress) -> list[str]:
    return [intent["describe"].removeprefix("start ") for intent in p.pending]


@pytest.mark.parametrize(
    ("ended", "doubtful"),
    [((), "x y z"), (("y",), "x z"), (("z", "x"), "y"), (("z", "x", "y"), "")],
)
def test_of_several_intents_in_flight_those_without_effect_are_in_doubt(
    tmp_path: Path, ended: tuple[str, ...], doubtful: str
) -> None:
    p = after(tmp_path, BEGIN, StepStarted("b", "B", "S"), *intents("x", "y", "z"), *map(effect, ended))
    assert (p.in_flight, left(p)) == ("b", doubtful.split())
    assert p.touched == {"b": {"service:x", "service:y", "service:z"}}
    assert len(p.effects.get("b", [])) == len(ended)


def test_intents_of_another_attempt_replace_those_of_the_one_that_was_cut_off(tmp_path: Path) -> None:
    again = (RunResumed("tom", "other"), StepStarted("b", "B", "S"))
    assert left(after(tmp_path / "1", BEGIN, *intents("x", "y"), *again)) == ["x", "y"]
    assert left(after(tmp_path / "2", BEGIN, *intents("x", "y"), *again, *intents("y"))) == ["y"]
    assert left(after(tmp_path / "3", BEGIN, *intents("x", "y"), *again, *intents("y"), effect("y"))) == []


def test_acts_one_after_the_other_leave_the_last_in_doubt_only(tmp_path: Path) -> None:
    assert left(after(tmp_path, BEGIN, *intents("x"), effect("x"), *intents("y"))) == ["y"]


def test_an_effect_whose_words_were_masked_meanwhile_still_ends_a_doubt(tmp_path: Path) -> None:
    assert left(after(tmp_path, BEGIN, *intents("x", "y"), ActionDone("b", "start ***", {}, 0.1))) == ["y"]


@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_failure_the_other_side_reported_leaves_no_doubt(tmp_path: Path, in_doubt: bool) -> None:
    p = after(tmp_path, BEGIN, INTENT, StepFailed("b", "no", "", "", "", in_doubt=in_doubt))
    assert bool(p.pending) is in_doubt
    assert list(p.failed) == ["b"]


def test_a_step_that_is_no_longer_true_takes_all_later_ones_with_it(tmp_path: Path) -> None:
    done = [StepDone(step, "done", 1) for step in "ab"]
    p = after(tmp_path, BEGIN, *done, INTENT, StepIsolated("c", "x"), StepNoLongerTrue("b", "label gone"))
    assert (p.done, p.isolated, p.touched, p.in_flight) == ({"a": "done"}, {}, {}, None)


def test_what_a_run_has_reached_it_has_reached_until_it_is_taken_back(tmp_path: Path) -> None:
    begun = (*intents("x"), StepDone("b", "done", 1), StepStarted("c", "C", "S"))
    again = after(tmp_path / "1", BEGIN, *begun, StepNoLongerTrue("b", "it did not answer"))
    assert (again.reached, again.acted) == ({"b", "c"}, True)
    undo = (RollbackStarted(("b",), "x"), UndoStarted(2, "b", "undo x", (), {}))
    assert after(tmp_path / "2", BEGIN, *begun, *undo).reached == {"c"}


def test_a_failure_is_forgotten_with_the_step_that_it_was_of(tmp_path: Path) -> None:
    failed = [StepFailed(step, "no", "", "", "") for step in "abc"]
    assert list(after(tmp_path, BEGIN, *failed, StepNoLongerTrue("b", "label gone")).failed) == ["a"]


def test_skipped_and_isolated_steps_count_as_finished(tmp_path: Path) -> None:
    p = after(tmp_path, BEGIN, StepSkipped("a", "true already"), StepIsolated("b", "breaks the login"))
    assert p.finished == {"a", "b"}


@pytest.mark.parametrize(("code", "resumable"), [(0, False), (3, False), (1, True), (130, True)])
def test_only_a_run_that_did_not_get_through_can_be_resumed(tmp_path: Path, code: int, resumable: bool) -> None:
    assert after(tmp_path, BEGIN, RunEnded(code, "x", 1)).resumable is resumable


def test_a_resumed_run_has_not_ended(tmp_path: Path) -> None:
    p = after(tmp_path, BEGIN, RunEnded(1, "x", 1), RunResumed("tom", "other"))
    assert (p.ended, p.by, p.steps) == (None, "tom", BEGIN.steps)


def test_accepted_edits_replace_the_steps(tmp_path: Path) -> None:
    assert after(tmp_path, BEGIN, RunResumed("tom", "h", {"a": "9"})).steps == {"a": "9"}


@pytest.mark.parametrize(("verdict", "done"), [("done", {"b": "marked"}), ("retry", {})])
def test_a_humans_word_ends_the_doubt(tmp_path: Path, verdict: str, done: dict[str, str]) -> None:
    p = after(tmp_path, BEGIN, INTENT, StepMarked("b", verdict, "eva", "looked"))  # type: ignore[arg-type]
    assert (p.done, p.pending, p.in_flight) == (done, (), None)
