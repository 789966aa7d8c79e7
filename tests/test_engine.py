"""The one loop: decide, act, prove, checkpoint; and what happens when any of that fails or is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from worlds import Died, Is, Kept, Set, Spec, Things, Want, bind, check, dying, each, load, want

from recover.engine import Engine, Outcome
from recover.errors import JournalError, NeedsApproval, NotYetKnown, Precondition, StepError, Unreachable
from recover.events import (
    ActionDone,
    ActionStarted,
    CheckAnswered,
    Event,
    RollbackFailed,
    RunEnded,
    StepDone,
    StepFailed,
    StepIsolated,
    StepNoLongerTrue,
    StepSkipped,
    StepStarted,
)
from recover.halt import Halt
from recover.plan import Plan, Planned, resumed
from recover.previewing import preview


def engine(specs: Sequence[Spec], things: Things, kept: Kept | None = None, **more: Any) -> tuple[Engine, Kept]:
    kept = kept or Kept(specs)
    return Engine(things, bind, kept, kept.progress, **more), kept  # type: ignore[arg-type]  # the small world's types


def all_of(specs: Sequence[Spec]) -> Plan:
    return Plan(tuple(Planned(spec, "to do") for spec in specs))  # type: ignore[arg-type]


def run(specs: Sequence[Spec], things: Things) -> tuple[Outcome, Kept]:
    made, kept = engine(specs, things)
    return made.run(all_of(specs)), kept


def test_a_step_is_intent_act_effect_answer_checkpoint_in_that_order() -> None:
    outcome, kept = run([want("a", [Is("a", 1)], a=1)], Things())
    kinds = [type(event) for event in kept.events[1:]]
    assert kinds == [StepStarted, ActionStarted, ActionDone, CheckAnswered, StepDone, RunEnded]
    assert outcome == Outcome(0, "recovered and verified")
    intent = kept.events[2]
    assert isinstance(intent, ActionStarted)
    assert intent.action == {"type": "Set", "thing": "a", "value": 1, "because": "a is None", "before": None}


def test_the_intent_is_kept_before_the_act_and_the_effect_after_it() -> None:
    things, seen = Things(), []

    def emit(event: Event) -> None:
        seen.append((type(event).__name__, list(things.acts)))

    made, _ = engine([], things)
    made.emit = emit
    made.run(all_of([want("a", a=1)]))
    assert ("ActionStarted", []) in seen
    assert ("ActionDone", ["set a to 1"]) in seen


def test_what_is_true_already_is_not_acted_upon() -> None:
    things = Things({"a": 1})
    _, kept = run([want("a", [Is("a", 1)], a=1)], things)
    assert things.acts == []
    [done] = [event for event in kept.events if isinstance(event, StepDone)]
    assert done.how == "already"


def test_nothing_is_done_when_the_intent_cannot_be_kept() -> None:
    things = Things()
    made, kept = engine([], things)

    def emit(event: Event) -> None:
        if isinstance(event, ActionStarted):
            raise JournalError("the journal cannot be written", why="No space left on device")
        kept(event)

    made.emit = emit
    with pytest.raises(JournalError):
        made.run(all_of([want("a", a=1)]))
    assert things.acts == []


def test_a_failed_step_stops_the_run_there_and_says_why() -> None:
    things = Things(broken={1})
    outcome, kept = run([want("a", a=1), want("b", b=1)], things)
    assert outcome.exit_code == 1
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert (failed.step, failed.what, failed.why, failed.where) == ("a", "a refuses 1", "it says no", "p.yml:1:1")
    assert "b" not in kept.said(StepStarted)


def test_a_step_whose_proof_fails_has_failed() -> None:
    outcome, kept = run([want("a", [Is("b", "good")], a=1)], Things({"b": "bad"}))
    assert outcome.exit_code == 1
    assert kept.said(StepFailed) == ["a"]
    assert kept.said(StepDone) == []


def test_a_step_that_may_fail_leaves_the_run_degraded_and_named() -> None:
    specs = [replace(want("a", a=1), on_failure="continue"), want("b", b=2)]
    outcome, kept = run(specs, Things(broken={1}))
    assert outcome == Outcome(3, "recovered, degraded: step a failed")
    assert kept.said(StepDone) == ["b"]


def test_a_step_that_needs_a_failed_one_is_not_tried() -> None:
    specs = [replace(want("a", a=1), on_failure="continue"), replace(want("b", b=2), needs=("a",))]
    things = Things(broken={1})
    outcome, _ = run(specs, things)
    assert outcome.exit_code == 1
    assert things.acts == []


def healthy_without(culprit: str) -> Any:
    return lambda seen: culprit not in str(seen).split(",")


@pytest.mark.parametrize("culprit", ["m1", "m2", "m3"])
def test_the_culprit_is_left_off_named_and_the_others_are_on(culprit: str) -> None:
    things = Things({"api": ""})
    outcome, kept = run(each("mw", "api", ["m1", "m2", "m3"], healthy_without(culprit)), things)
    assert outcome == Outcome(3, f"recovered, degraded: {culprit} is left off")
    assert kept.said(StepIsolated) == [f"mw[{culprit}]"]
    assert things.now["api"] == ",".join(m for m in ("m1", "m2", "m3") if m != culprit)


def test_an_isolation_that_does_not_help_is_a_failure() -> None:
    outcome, kept = run(each("mw", "api", ["m1"], lambda _seen: False), Things({"api": ""}))
    assert outcome.exit_code == 1
    assert kept.said(StepFailed) == ["mw[m1]"]


@pytest.mark.parametrize(
    ("error", "touched", "code"),
    [
        (Precondition("not the owner"), False, 7),
        (Precondition("not the owner"), True, 1),
        (Unreachable("no answer"), False, 7),
        (NeedsApproval("who says?"), True, 10),
        (StepError("no"), False, 1),
    ],
)
def test_a_precondition_is_one_only_while_nothing_was_touched(error: Exception, touched: bool, code: int) -> None:
    class Refuses(Want):
        def decide(self, world: Things) -> tuple[Set, ...]:
            raise error

    specs = [want("a", a=1)] if touched else []
    outcome, _ = run([*specs, Spec("b", lambda _kept: Refuses({}))], Things())
    assert outcome.exit_code == code


def test_a_signal_ends_the_run_between_steps_resumable() -> None:
    halt = Halt()
    made, kept = engine([], Things(), halt=halt)
    kept_emit = made.emit

    def emit(event: Event) -> None:
        kept_emit(event)
        if isinstance(event, ActionDone):
            halt.signal = 15
            halt.set()

    made.emit = emit
    outcome = made.run(all_of([want("a", a=1), want("b", b=2)]))
    assert outcome.exit_code == 143
    assert kept.said(StepDone) == ["a"]


# --- resume ---------------------------------------------------------------------------------------


def resume(specs: Sequence[Spec], things: Things, kept: Kept) -> Outcome:
    plan = resumed(specs, kept.progress, bind, things)  # type: ignore[arg-type]
    return engine(specs, things, kept)[0].run(plan)


def cut_off(specs: Sequence[Spec], *events: Event) -> Kept:
    kept = Kept(specs)
    for event in events:
        kept(event)
    return kept


INTENT = ActionStarted("a", "set a to 1", "x", ("a",), {})
EFFECT = ActionDone("a", "set a to 1", {}, 0.1)


@pytest.mark.parametrize("events", [(INTENT,), (INTENT, EFFECT)])
def test_an_act_that_had_happened_is_reconciled_and_not_repeated(events: tuple[Event, ...]) -> None:
    specs, things = [want("a", [Is("a", 1)], a=1)], Things({"a": 1})
    kept = cut_off(specs, *events)
    assert resume(specs, things, kept).exit_code == 0
    assert things.acts == []
    [done] = [event for event in kept.events if isinstance(event, StepDone)]
    assert done.how == "reconciled"


def test_an_act_that_had_not_happened_is_done() -> None:
    specs, things = [want("a", a=1)], Things()
    assert resume(specs, things, cut_off(specs, INTENT)).exit_code == 0
    assert things.acts == ["set a to 1"]


def blind(values: dict[str, object]) -> list[Spec]:
    return [replace(want("a", blind=True, **values), repeatable=False)]


def test_a_blind_act_in_doubt_is_for_a_human() -> None:
    specs, things = blind({"a": 1}), Things()
    outcome = resume(specs, things, kept := cut_off(specs, INTENT))
    assert outcome.exit_code == 6
    assert things.acts == []
    assert "recover mark" in next(event for event in kept.events if isinstance(event, StepFailed)).next


def test_a_blind_act_whose_effect_is_recorded_is_only_verified() -> None:
    specs, things = blind({"a": 1}), Things()
    assert resume(specs, things, cut_off(specs, INTENT, EFFECT)).exit_code == 0
    assert things.acts == []


def test_a_blind_step_with_one_of_two_effects_recorded_is_for_a_human() -> None:
    other = replace(INTENT, describe="set b to 2")
    specs, things = blind({"a": 1, "b": 2}), Things()
    assert resume(specs, things, cut_off(specs, INTENT, other, EFFECT)).exit_code == 6
    assert things.acts == []


def test_a_blind_act_the_other_side_refused_is_tried_again() -> None:
    specs, things = blind({"a": 1}), Things()
    refused = StepFailed("a", "no", "", "syntax error", "")
    assert resume(specs, things, cut_off(specs, INTENT, refused)).exit_code == 0
    assert things.acts == ["set a to 1"]


def test_what_is_no_longer_true_is_said_and_done_again_with_all_that_follows() -> None:
    specs = [want("a", a=1), want("b", b=2), want("c", c=3)]
    things = Things({"a": 1, "b": "renamed back", "c": 3})
    kept = cut_off(specs, StepDone("a", "done", 1), StepDone("b", "done", 1), StepDone("c", "done", 1))
    assert resume(specs, things, kept).exit_code == 0
    assert kept.said(StepNoLongerTrue) == ["b"]
    assert things.acts == ["set b to 2"]
    assert kept.progress.done == {"a": "verified", "b": "done", "c": "already"}


def test_a_group_goes_on_where_it_was_with_what_was_kept() -> None:
    specs = each("mw", "api", ["m1", "m2", "m3"], healthy_without("m2"))
    things = Things({"api": "m1"})
    kept = cut_off(specs, StepDone("mw[m1]", "done", 1), StepIsolated("mw[m2]", "breaks login"))
    assert resume(specs, things, kept) == Outcome(3, "recovered, degraded: m2 is left off")
    assert things.acts == ["set api to m1,m3"]


def test_every_crash_point_is_passed_by_acting_and_by_checking_steps() -> None:
    passed: list[tuple[str, str]] = []
    made, _ = engine([], Things({"x": 1}), reach=lambda step, point: passed.append((step, point)))
    made.run(all_of([want("a", a=1), check("b", Is("x", 1))]))
    points = ["before-act", "after-act", "after-effect"]
    assert passed == [(step, point) for step in "ab" for point in points]


# --- preview --------------------------------------------------------------------------------------


class Foretold:
    """The small world as a preview sees it."""

    def __init__(self, things: Things) -> None:
        self.things, self.step, self.changed = things, "", dict[str, str]()

    def look(self, thing: str) -> object:
        if thing in self.changed:
            raise NotYetKnown(f"step {self.changed[thing]} changes {thing}")
        return self.things.look(thing)

    def changes(self, *things: str) -> None:
        self.changed.update(dict.fromkeys(things, self.step))


def foresee(specs: Sequence[Spec], things: Things, plan: Plan | None = None) -> dict[str, tuple[str, str]]:
    forecast: Any = Foretold(things)
    made = preview(plan or all_of(specs), bind, forecast)  # type: ignore[arg-type]
    return {f.spec.id: (f.status, f.because or " ".join(act.describe for act in f.acts)) for f in made}


def test_a_preview_says_will_already_and_at_run_time_and_does_nothing() -> None:
    things = Things({"b": 2})
    specs = [want("a", a=1), want("b", [Is("b", 2)], b=2), want("again", a=3), check("c", Is("b", 9))]
    assert foresee(specs, things) == {
        "a": ("will", "set a to 1"),
        "b": ("already", ""),
        "again": ("at run time", "decided at run time, because step a changes a"),
        "c": ("will check", "now: is b right? it is 2"),
    }
    assert things.acts == []


def test_a_step_decided_at_run_time_makes_later_ones_wait_for_it_too() -> None:
    things = Things(down={"db"})
    made = foresee([want("labels", db=1), want("more", db=2)], things)
    assert made["labels"][0] == "at run time"
    assert "connection refused" in made["labels"][1] or "does not answer" in made["labels"][1]
    assert made["more"] == ("at run time", "decided at run time, because step labels changes db")


def test_what_a_plan_rests_on_is_read_only_where_something_is_to_be_done() -> None:
    class Unknown(Want):
        def fingerprint(self, world: Things) -> dict[str, str]:
            raise Unreachable("nobody knows")

    step = Spec("a", lambda _kept: Unknown({"a": 1}))
    assert foresee([step], Things({"a": 1})) == {"a": ("already", "")}
    assert foresee([step], Things({"a": 0}))["a"] == ("at run time", "nobody knows")


def test_without_asking_a_preview_says_already_of_a_step_that_acts_and_will_check_of_one_that_asks() -> None:
    specs = [want("a", [Is("a", 9)], a=1), check("c", Is("a", 9))]
    forecast: Any = Foretold(Things({"a": 1}))
    made = preview(all_of(specs), bind, forecast, ask=False)  # type: ignore[arg-type]
    assert [(each.status, each.because) for each in made] == [("already", ""), ("will check", "")]


def test_a_preview_says_what_is_not_needed() -> None:
    spec = want("a", a=1)
    plan = Plan((Planned(spec, "not needed", "true already"),))  # type: ignore[arg-type]
    assert foresee([], Things(), plan) == {"a": ("not needed", "true already")}


def test_a_skipped_step_is_recorded_with_its_reason() -> None:
    made, kept = engine([], Things())
    made.run(Plan((Planned(want("a", a=1), "not needed", "true already"),)))  # type: ignore[arg-type]
    assert kept.said(StepSkipped) == ["a"]


# --- on_failure: rollback -------------------------------------------------------------------------


def rolled_back_on_failure(things: Things, *steps: Spec, **more: Any) -> tuple[Outcome, Kept]:
    specs = [*steps[:-1], replace(steps[-1], on_failure="rollback")]
    made, kept = engine(specs, things, load=load, **more)
    return made.run(all_of(specs)), kept


def test_a_failed_step_takes_back_what_it_did_and_nothing_else() -> None:
    things = Things({"a": 0, "b": 0, "c": 0})
    outcome, kept = rolled_back_on_failure(things, want("a", a=1), want("b", [Is("c", 9)], b=1, c=1))
    assert outcome == Outcome(5, "step b failed; what it did is taken back, and verified")
    assert things.now == {"a": 1, "b": 0, "c": 0}
    assert things.acts[-2:] == ["set c to 0", "set b to 0"]
    assert kept.said(StepFailed) == ["b"]
    assert list(kept.progress.done) == ["a"]
    assert kept.progress.resumable


def test_what_it_did_in_a_process_that_was_killed_is_taken_back_too() -> None:
    things = Things({"b": 0, "c": 0})
    step = want("b", [Is("c", 9)], b=1, c=1)
    made, kept = engine([step], things, reach=dying("b", "after-effect"))
    with pytest.raises(Died):
        made.run(all_of([step]))
    assert things.now == {"b": 1, "c": 0}
    rolled = replace(step, on_failure="rollback")
    again, _ = engine([rolled], things, kept, load=load)
    assert again.run(all_of([rolled])).exit_code == 5
    assert things.now == {"b": 0, "c": 0}


def test_a_failed_step_that_cannot_be_taken_back_needs_a_human() -> None:
    things = Things({"a": 0})
    outcome, _ = rolled_back_on_failure(things, want("a", [Is("a", 2)], a="for good"))
    assert outcome == Outcome(6, "step a failed, and not everything it did can be taken back")
    assert things.now == {"a": "for good"}


def test_an_undo_that_fails_stops_there_and_needs_a_human() -> None:
    things = Things({"b": 0, "c": 0}, broken={0})
    outcome, kept = rolled_back_on_failure(things, want("b", [Is("c", 9)], b=1, c=1))
    assert outcome == Outcome(6, "the undo of step b failed")
    assert things.now == {"b": 1, "c": 1}
    [failed] = [event for event in kept.events if isinstance(event, RollbackFailed)]
    assert failed.why == "c refuses 0: it says no"
