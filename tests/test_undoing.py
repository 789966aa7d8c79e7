"""Taking back what a run did: order, proofs, what cannot be, and being cut off at every point of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from worlds import Died, Is, Kept, Things, bind, dying, load, want

from recover.checks.wait import Patience
from recover.engine import Engine
from recover.errors import Interrupted, Precondition, UndoFailed
from recover.events import RollbackDone, RollbackFailed, RollbackStarted, UndoDone, UndoStarted
from recover.evidence import Evidence
from recover.halt import Halt
from recover.plan import Plan, Planned
from recover.undoing import Undo, Undoing, lasting, require_possible, undos

SPECS = [want("a", a=1), want("b", a=2, b=1), want("c", c=1)]
BEFORE = {"a": 0, "b": 0, "c": None}


def done(**more: Any) -> tuple[Things, Kept]:
    """All three steps, carried out on a world of zeros."""
    things, kept = Things({"a": 0, "b": 0}), Kept(SPECS)
    Engine(things, bind, kept, kept.progress, **more).run(Plan(tuple(Planned(s, "to do") for s in SPECS)))  # type: ignore[arg-type]
    things.acts.clear()
    return things, kept


def chain(kept: Kept, *steps: str) -> list[Undo]:
    return undos(kept.progress, steps or ("a", "b", "c"), load)  # type: ignore[arg-type]


def back(things: Things, kept: Kept, *steps: str, **more: Any) -> None:
    begin = RollbackStarted(steps or ("a", "b", "c"), "test")
    Undoing(things, kept, patience=Patience(within=0.1), **more).take_back(chain(kept, *steps), begin)  # type: ignore[arg-type]


def test_the_last_act_is_taken_back_first_each_with_intent_and_proof() -> None:
    things, kept = done()
    back(things, kept)
    assert things.acts == ["set c to None", "set b to 0", "set a to 1", "set a to 0"]
    assert things.now == BEFORE
    kinds = [type(event) for event in kept.events if isinstance(event, (UndoStarted, UndoDone))]
    assert kinds == [UndoStarted, UndoDone] * 4
    assert kept.progress.done == {}
    assert kept.progress.acts == {}
    assert kept.progress.taken_back


def test_only_the_steps_that_were_asked_for_are_taken_back() -> None:
    things, kept = done()
    back(things, kept, "b", "c")
    assert things.now == {"a": 1, "b": 0, "c": None}
    assert list(kept.progress.done) == ["a"]


def test_what_has_not_happened_is_not_acted_upon() -> None:
    things, kept = done()
    things.now.update(BEFORE)
    back(things, kept, "c")
    assert things.acts == []
    assert [event.how for event in kept.events if isinstance(event, UndoDone)] == ["already"]


@pytest.mark.parametrize("point", ["before-undo", "after-undo", "after-undo-effect"])
@pytest.mark.parametrize("step", ["a", "b", "c"])
def test_cut_off_anywhere_and_begun_again_it_ends_the_same_and_no_act_twice(step: str, point: str) -> None:
    things, kept = done()
    with pytest.raises(Died):
        back(things, kept, reach=dying(step, point))
    assert kept.progress.rolling_back == ("a", "b", "c")
    assert step not in kept.progress.done
    back(things, kept)
    assert things.now == BEFORE
    assert len(things.acts) == 4
    assert kept.progress.rolling_back == ()


def test_a_rollback_of_a_run_that_was_killed_in_the_middle_of_an_act_asks_the_world() -> None:
    things, kept = Things({"a": 0}), Kept(SPECS)
    engine = Engine(things, bind, kept, kept.progress, reach=dying("a", "after-act"))  # type: ignore[arg-type]
    with pytest.raises(Died):
        engine.run(Plan(tuple(Planned(s, "to do") for s in SPECS)))  # type: ignore[arg-type]
    assert things.now["a"] == 1
    back(things, kept)
    assert things.now["a"] == 0


def test_a_failing_undo_stops_the_chain_and_says_which() -> None:
    things, kept = done()
    things.broken = {0}
    with pytest.raises(UndoFailed, match="step b") as caught:
        back(things, kept)
    assert caught.value.exit_code == 6
    assert things.now == {"a": 2, "b": 1, "c": None}
    assert [type(e) for e in kept.events if isinstance(e, (RollbackFailed, RollbackDone))] == [RollbackFailed]


def test_an_undo_without_effect_is_a_failure() -> None:
    things, kept = done()
    things.set_in_stone = {"c"}
    with pytest.raises(UndoFailed, match="step c") as caught:
        back(things, kept, reach=lambda *_: None)
    assert "is c right? it is 1" in caught.value.why


def test_what_changes_back_by_itself_during_the_rollback_is_found_at_the_end() -> None:
    things, kept = done()

    def again(step: str, point: str) -> None:
        if (step, point) == ("a", "after-undo-effect"):
            things.now["c"] = 1

    with pytest.raises(UndoFailed, match="step c"):
        back(things, kept, reach=again)


def test_a_signal_ends_it_between_two_acts() -> None:
    things, kept = done()
    halt = Halt()

    def stop(_step: str, point: str) -> None:
        if point == "after-undo-effect":
            halt.set()

    with pytest.raises(Interrupted):
        back(things, kept, halt=halt, reach=stop)
    assert things.acts == ["set c to None"]
    back(things, kept)
    assert things.now == BEFORE


@pytest.mark.parametrize("point", ["before-undo", "after-undo"])
def test_a_signal_in_the_middle_of_an_undo_ends_it_there_and_is_no_failure(point: str) -> None:
    things, kept = done()
    halt = Halt()
    things.slow = 0.3

    def stop(_step: str, now: str) -> None:
        if now == point:
            halt.set()

    with pytest.raises(Interrupted):
        back(things, kept, halt=halt, reach=stop)
    assert things.acts == ["set c to None"]
    assert [event for event in kept.events if isinstance(event, RollbackFailed)] == []
    back(things, kept)
    assert things.now == BEFORE


def act(action: Mapping[str, Any], touches: tuple[str, ...] = ("a",)) -> Mapping[str, Any]:
    return {"step": "a", "describe": "set a to 1", "touches": touches, "action": action}


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"type": "Set", "thing": "a", "value": "for good", "because": "x"}, "no act takes it back"),
        ({"type": "Set", "thing": "a", "value": 1, "because": "x", "before": "***"}, "secrets are not kept"),
        ({"type": "Sett"}, "another version of recover wrote it: there is no action Sett"),
    ],
)
def test_what_cannot_be_taken_back_is_refused_with_its_reason_before_anything_is(
    action: Mapping[str, Any], why: str
) -> None:
    _, kept = done()
    kept.progress.acts[99] = act(action)
    with pytest.raises(Precondition) as caught:
        require_possible(chain(kept), next="recover show")
    assert why in caught.value.why
    assert "step a: set a to 1" in caught.value.why


def test_what_touches_nothing_but_evidence_is_left_alone() -> None:
    _, kept = done()
    kept.progress.acts[99] = act({"type": "Dump"}, ("backup:main",))
    kept.progress.acts[98] = act({"type": "AskHuman"}, ())
    assert {undo.act for undo in chain(kept)}.isdisjoint({98, 99})
    assert lasting(("backup:main", "database:main"))


def test_proofs_are_of_the_worlds_own_kind() -> None:
    _, kept = done()
    first = chain(kept)[0].inverse
    assert first is not None
    assert first.proofs() == (Is("c", None),)


class SeenOnce:
    """Yes, the first time; then nobody answers."""

    about = frozenset({"database:main"})

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, _view: object) -> Evidence:
        self.asked += 1
        seen = self.asked == 1
        return Evidence("is it back?", "yes" if seen else "no answer", passed=seen, unseen=not seen)


@pytest.mark.parametrize(("touched", "out_of_sight"), [("service:db", True), ("file:service:db", False)])
def test_what_was_seen_back_is_not_asked_for_once_its_server_is_down_again(touched: str, out_of_sight: bool) -> None:
    _, kept = done()
    proof = SeenOnce()
    labels = Undo(1, "a", "rename", SimpleNamespace(describe="r", touches=("database:main",), proofs=lambda: (proof,)))  # type: ignore[arg-type]
    server = Undo(2, "b", "start", SimpleNamespace(describe="stop", touches=(touched,), proofs=tuple))  # type: ignore[arg-type]
    undoing = Undoing(Things(), kept, patience=Patience(within=0.05))  # type: ignore[arg-type]
    if out_of_sight:
        undoing.take_back([labels, server], RollbackStarted(("a", "b"), "test"))
        assert [event for event in kept.events if isinstance(event, RollbackDone)]
    else:
        with pytest.raises(UndoFailed, match="step a") as caught:
            undoing.take_back([labels, server], RollbackStarted(("a", "b"), "test"))
        assert caught.value.why == "what step a did is not taken back: is it back? no answer"
