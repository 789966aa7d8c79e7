"""The order that works, and no step more than the world needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from worlds import Is, Kept, Spec, Things, Want, bind, check, each, want

from recover.errors import Unreachable
from recover.events import ActionStarted, StepDone, StepIsolated, StepNoLongerTrue, StepSkipped, StepStarted
from recover.plan import Plan, Seen, fresh, resumed

ITEMS = ["a", "b", "c"]
GOOD = {"api": "a,b,c", "worker": "on", "db": "up", "labels": "NEW"}
LOGIN = Is("api", test=lambda seen: seen is not None and seen != "off")


def stack() -> list[Spec]:
    """freeze -> database -> backup -> labels -> api degraded -> login -> middleware -> worker -> final."""
    backup = Spec("backup", lambda _kept: Want({"backup:labels": "new"}, blind=True), supports=True)
    return [
        want("freeze", api="off", worker="off"),
        want("database", db="up"),
        backup,
        want("labels", **{"database:labels": "NEW"}),
        replace(want("api", [LOGIN], api=""), needs=("database", "labels")),
        replace(check("login", LOGIN), needs=("api",)),
        *each("middleware", "api", ITEMS, lambda _seen: True, needs=("login",)),
        replace(want("worker", worker="on"), needs=("login",)),
        check("final", LOGIN),
    ]


def world(**other: object) -> Things:
    return Things({"api": "a,b,c", "worker": "on", "db": "up", "database:labels": "NEW", **other})


def todo(plan: Plan) -> list[str]:
    return [item.spec.id for item in plan.items if item.status in ("to do", "no longer true")]


def plan(things: Things) -> Plan:
    return fresh(stack(), bind, things)  # type: ignore[arg-type]  # the small world's types


def test_a_stack_as_wanted_needs_nothing_and_is_not_even_stopped() -> None:
    things = world()
    assert plan(things).nothing_to_do
    assert things.acts == []


def test_a_dead_worker_is_started_without_stopping_the_api() -> None:
    assert todo(plan(world(worker="off"))) == ["worker", "final"]


def test_one_middleware_missing_brings_the_whole_group_back_in_turn() -> None:
    assert todo(plan(world(api="a,b"))) == [*(f"middleware[{item}]" for item in ITEMS), "final"]


def test_wrong_labels_alone_are_repaired_in_the_safe_order_with_a_backup() -> None:
    """freeze serves `labels`; what it stops is started again by later steps. The database is up: not needed."""
    everything = [spec.id for spec in stack()]
    assert todo(plan(world(**{"database:labels": "old"}))) == [step for step in everything if step != "database"]


def test_an_api_that_is_down_is_brought_up_degraded_first_and_nothing_else_is_stopped() -> None:
    assert todo(plan(world(api="off"))) == ["api", "login", *(f"middleware[{item}]" for item in ITEMS), "final"]


def test_freeze_is_owed_when_a_step_that_rests_on_it_acts() -> None:
    specs = [want("freeze", api="off"), want("labels", labels="NEW"), want("api", api="on")]
    things = Things({"api": "on", "labels": "old"})
    assert todo(fresh(specs, bind, things)) == ["freeze", "labels", "api"]  # type: ignore[arg-type]


def test_a_step_that_says_what_it_needs_is_served_by_that_alone() -> None:
    last = replace(want("labels", labels="NEW"), needs=("other",))
    specs = [want("freeze", api="off"), want("other", other=1), last, want("api", api="on")]
    things = Things({"api": "on", "labels": "old", "other": 1})
    assert todo(fresh(specs, bind, things)) == ["labels"]  # type: ignore[arg-type]


def test_a_step_that_names_no_needs_rests_on_everything_before_it() -> None:
    specs = [want("freeze", api="off"), want("labels", labels="NEW"), want("api", api="on"), want("w", worker="on")]
    things = Things({"api": "on", "labels": "NEW", "worker": "off"})
    assert todo(fresh(specs, bind, things)) == ["freeze", "api", "w"]  # type: ignore[arg-type]


def test_freeze_is_not_owed_to_a_step_that_names_other_needs() -> None:
    w = replace(want("w", worker="on"), needs=("api",))
    specs = [want("freeze", api="off"), want("labels", labels="NEW"), want("api", api="on"), w]
    things = Things({"api": "on", "labels": "NEW", "worker": "off"})
    assert todo(fresh(specs, bind, things)) == ["w"]  # type: ignore[arg-type]


def test_a_failing_check_nobody_would_mend_makes_every_step_needed() -> None:
    specs = [want("freeze", api="off"), want("api", api="on"), check("login", Is("login", "works"))]
    things = Things({"api": "on", "login": "500"})
    made = fresh(specs, bind, things)  # type: ignore[arg-type]
    assert todo(made) == ["freeze", "api", "login"]
    assert "is login right?" in made.items[0].because


@pytest.mark.parametrize("way", ["isolate", "continue"])
def test_a_failing_check_of_a_step_that_a_run_goes_on_without_makes_only_that_step_needed(way: str) -> None:
    metrics = replace(want("exporter", [Is("metrics", "served")], exporter="on"), needs=("api",))
    specs = [want("freeze", api="off", exporter="off"), want("api", api="on")]
    things = Things({"api": "on", "exporter": "on", "metrics": "a page"})
    last: Any = replace(metrics, on_failure=way, on_kept=False)
    assert todo(fresh([*specs, last], bind, things)) == ["exporter"]  # type: ignore[arg-type, list-item]
    assert todo(fresh([*specs, metrics], bind, things)) == ["freeze", "api", "exporter"]  # type: ignore[arg-type, list-item]


def test_a_failing_check_of_what_will_be_mended_anyway_changes_nothing() -> None:
    w, f = replace(want("w", worker="on"), needs=("api",)), replace(check("f", Is("worker", "on")), needs=("w",))
    specs = [want("freeze", api="off"), want("api", api="on"), w, f]
    things = Things({"api": "on", "worker": "off"})
    assert todo(fresh(specs, bind, things)) == ["w", "f"]  # type: ignore[arg-type]


def test_a_database_that_is_down_makes_every_step_needed_and_is_no_error() -> None:
    things = world()
    things.down.add("database:labels")
    assert len(todo(plan(things))) == len(stack())


def test_a_gate_alone_is_no_reason_to_run() -> None:
    gate = Spec("gate", lambda _kept: Want({"gate": 1}, blind=True), supports=True)
    assert fresh([gate, want("a", a=1)], bind, Things({"a": 1})).nothing_to_do  # type: ignore[arg-type, list-item]
    assert todo(fresh([gate, want("a", a=1)], bind, Things())) == ["gate", "a"]  # type: ignore[arg-type, list-item]


# --- resume ---------------------------------------------------------------------------------------


def after(*events: Any) -> Kept:
    kept = Kept(stack())
    for event in events:
        kept(event)
    return kept


def resume(kept: Kept, things: Things) -> dict[str, str]:
    made = resumed(stack(), kept.progress, bind, things)  # type: ignore[arg-type]
    return {item.spec.id: item.status for item in made.items}


def done(*steps: str) -> list[StepDone]:
    return [StepDone(step, "done", 1) for step in steps]


UNTIL_LOGIN = ("freeze", "database", "backup", "labels", "api", "login")
UNTIL_B = done(*UNTIL_LOGIN, "middleware[a]", "middleware[b]")


def test_what_is_done_and_still_true_is_left_and_the_rest_goes_on() -> None:
    status = resume(after(*UNTIL_B), world(api="a,b", worker="off"))
    assert [s for s, word in status.items() if word == "done"] == [event.step for event in UNTIL_B]
    assert status["middleware[c]"] == status["worker"] == "to do"


def test_what_later_steps_changed_is_not_held_against_earlier_ones() -> None:
    """freeze stopped the api; the api step started it; that does not make freeze untrue."""
    assert resume(after(*UNTIL_B), world(api="a,b", worker="off"))["freeze"] == "done"


def test_a_label_renamed_back_is_noticed_and_everything_after_it_is_done_again() -> None:
    status = resume(after(*UNTIL_B), world(api="a,b", worker="off", **{"database:labels": "old"}))
    assert status["labels"] == "no longer true"
    assert status["database"] == "done"
    assert {status[s] for s in ("api", "login", "middleware[a]", "final")} == {"to do"}


def test_a_database_stopped_meanwhile_is_noticed() -> None:
    status = resume(after(*UNTIL_B), world(api="a,b", worker="off", db="down"))
    assert status["database"] == "no longer true"


def test_what_the_step_in_flight_touched_is_not_held_against_earlier_steps() -> None:
    intent = ActionStarted("middleware[c]", "set api", "x", ("api",), {})
    status = resume(after(*UNTIL_B, intent), world(api="off", worker="off"))
    assert status["middleware[b]"] == "done"
    assert status["middleware[c]"] == "to do"


def test_what_is_to_be_done_again_after_a_hiccup_is_not_held_against_the_steps_before_it() -> None:
    """Killed between "the worker is no longer true" and its being done again: nothing is stopped for that."""
    hiccup = (StepNoLongerTrue("login", "it did not answer"), StepStarted("login", "", ""), *done("login"))
    status = resume(after(*UNTIL_B, *done("middleware[c]", "worker"), *hiccup), world())
    assert {step for step, word in status.items() if word == "done"} == set(UNTIL_LOGIN)
    assert {word for step, word in status.items() if step not in UNTIL_LOGIN} == {"to do"}


def test_what_somebody_started_before_its_step_is_held_against_those_only_that_the_rest_still_rests_on() -> None:
    """The worker runs, and its step was not reached: the labels want it stopped, the middlewares do not care."""
    assert resume(after(*done("freeze", "database")), world(api="off"))["freeze"] == "no longer true"
    status = resume(after(*UNTIL_B), world(api="a,b"))
    assert (status["freeze"], status["middleware[b]"], status["worker"]) == ("done", "done", "to do")


def test_a_step_that_was_left_out_rests_on_nothing() -> None:
    specs = [want("freeze", a="off"), want("b", b=1), replace(want("a", a="on"), needs=("b",))]
    kept = Kept(specs)
    kept(StepDone("freeze", "done", 1))
    kept.progress.left_out = ("b",)
    made = resumed(specs, kept.progress, bind, Things({"a": "on"}))  # type: ignore[arg-type]
    assert [item.status for item in made.items] == ["done", "not needed", "to do"]


def test_what_a_step_that_does_not_apply_would_determine_is_held_against_the_others() -> None:
    def not_here(spec: Any, kept: Any) -> Any:
        return replace(bind(spec, kept), unless="not on this target") if spec.id == "worker" else bind(spec, kept)

    made = resumed(stack(), after(*UNTIL_B).progress, not_here, world(api="a,b"))  # type: ignore[arg-type]
    assert {item.spec.id: item.status for item in made.items}["freeze"] == "no longer true"


def test_a_step_that_cannot_be_bound_now_is_no_reason_to_refuse_the_steps_before_it() -> None:
    def only_while_it_runs(spec: Any, kept: Any) -> Any:
        if spec.id == "worker":
            raise Unreachable("where api:80 is published is known only while it runs")
        return bind(spec, kept)

    kept = after(
        *UNTIL_B, StepStarted("worker", "Worker", ""), ActionStarted("worker", "set worker", "x", ("worker",), {})
    )
    made = resumed(stack(), kept.progress, only_while_it_runs, world(api="a,b"))  # type: ignore[arg-type]
    assert {item.spec.id: item.status for item in made.items}["freeze"] == "done"


def test_isolated_and_skipped_steps_stay_as_they_are() -> None:
    kept = after(StepSkipped("freeze", "true already"), *UNTIL_B[1:-1], StepIsolated("middleware[b]", "breaks login"))
    status = resume(kept, world(api="a", worker="off"))
    assert (status["freeze"], status["middleware[b]"], status["middleware[a]"]) == ("not needed", "isolated", "done")


def test_a_backup_is_not_taken_again_for_its_own_sake() -> None:
    assert resume(after(*UNTIL_B), world(api="a,b", worker="off"))["backup"] == "done"


def test_what_is_wrong_with_a_step_is_said_in_this_order() -> None:
    unmet = ((frozenset({"api"}), "is api right? it is off"), (frozenset({"db"}), "is db right? it is down"))
    seen = Seen(lacks=frozenset({"labels"}), reasons=("labels are OLD", "more"), unmet=unmet)
    unseen = replace(seen, unseen=Unreachable("db does not answer", why="connection refused"))
    assert unseen.wrong(frozenset({"labels", "api", "db"})) == "db does not answer: connection refused"
    assert seen.wrong() == "labels are OLD"
    assert seen.wrong(frozenset({"labels"})) == "is api right? it is off"
    assert seen.wrong(frozenset({"labels", "api"})) == "is db right? it is down"
    assert seen.wrong(frozenset({"labels", "api", "db"})) == ""
