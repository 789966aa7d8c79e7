"""What was proven stays watched while later steps run, and the step that breaks it is the one that is named."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from worlds import Asked, Is, Kept, Set, Spec, Things, Want, bind, check, load, want

from recover.checks.wait import Patience
from recover.engine import Engine, Outcome
from recover.errors import RecoverError
from recover.events import RollbackDone, StepDone, StepFailed, StepIsolated
from recover.halt import Halt
from recover.plan import Plan, Planned

FAST = Patience(within=0.3, every=0.01)
LOGIN = Asked(Is("login", "works"), FAST)


def guarded(step: Spec, *guards: Asked) -> Spec:
    return replace(step, guards=guards or (LOGIN,))


def run(specs: list[Spec], things: Things, world: Any = None) -> tuple[Outcome, Kept]:
    kept = Kept(specs)
    plan: Any = Plan(tuple(Planned(spec, "to do") for spec in specs))  # type: ignore[arg-type]  # a fake of a StepSpec
    engine = Engine(world or things, bind, kept, kept.progress, Halt(), load=load)  # type: ignore[arg-type]
    return engine.run(plan), kept


class Breaking(Set):
    """Sets its thing, and the login stops."""

    def apply(self, world: Things) -> Any:
        done = super().apply(world)
        world.now["login"] = "broken"
        return done


class BreakingWant(Want):
    def decide(self, world: Things) -> tuple[Set, ...]:
        return tuple(Breaking(a.thing, a.value, a.because, a.before) for a in super().decide(world))


def breaking(id: str, thing: str) -> Spec:
    return Spec(id, lambda _kept: BreakingWant({thing: "on"}), (Asked(Is(thing, "on")),))


@pytest.fixture
def things() -> Things:
    return Things({"login": "works"})


def test_the_step_that_breaks_it_is_stopped_and_named(things: Things) -> None:
    steps = [guarded(check("login", LOGIN.check)), want("fine", fine="on"), breaking("bad", "exporter"), want("x", x=1)]
    outcome, kept = run(steps, things)
    assert outcome.exit_code == 1
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert (failed.step, failed.what) == ("bad", "login was proven before, and fails since step bad")
    assert "it is broken" in failed.why
    assert kept.said(StepDone) == ["login", "fine"]
    assert "x" not in things.now


def test_without_a_guard_it_goes_by_unseen(things: Things) -> None:
    steps = [check("login", LOGIN.check), breaking("bad", "exporter"), want("x", x=1)]
    outcome, _kept = run(steps, things)
    assert outcome.exit_code == 0


class Late(Is):
    """True from the hundredth asking on."""

    asked: list[str] = []  # noqa: RUF012 - emptied by the test

    def ask(self, world: Things) -> Any:
        self.asked.append(threading.current_thread().name)
        return replace(super().ask(world), passed=len(self.asked) >= 100)


class Never(Is):
    """Not true, and at the third asking the login stops."""

    def ask(self, world: Things) -> Any:
        asked = world.now["asked"] = world.now.get("asked", 0) + 1
        if asked == 3:
            world.now["login"] = "broken"
        return super().ask(world)


def test_a_guard_is_asked_while_a_step_waits_and_ends_the_wait(things: Things) -> None:
    waiting = Spec(
        "slow", lambda _kept: Want({"s": 1}), (Asked(Never("late", "no more"), Patience(within=600, every=0.05)),)
    )
    _outcome, kept = run([guarded(check("login", LOGIN.check)), waiting], things)
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert failed.what == "login was proven before, and fails since step slow"
    assert 3 <= things.now["asked"] < 600 / 0.05  # it had far more time than it took


class Raising(Is):
    """Cannot be asked in the background."""

    def ask(self, world: Things) -> Any:
        if threading.current_thread() is not threading.main_thread() and world.now.get("bad"):
            raise RecoverError("the disk is full")
        return super().ask(world)


def test_a_guard_that_cannot_be_asked_prints_no_traceback(things: Things) -> None:
    """A thread that ends with an error fails the test that it ran in."""
    slow = Spec("slow", lambda _kept: Want({"bad": 1}), (Asked(Is("bad", 2), Patience(within=0.3, every=0.05)),))
    run([guarded(check("login", LOGIN.check), Asked(Raising("login", "works"), FAST)), slow], things)


def test_a_moment_in_which_it_fails_breaks_nothing(things: Things) -> None:
    answers: list[bool] = []

    class Wavering(Is):
        """Fails three times while the step runs; then the step may end."""

        def ask(self, world: Things) -> Any:
            answers.append(not 2 <= len(answers) < 5)
            if len(answers) == 7:
                world.now["late"] = "true"
            return replace(super().ask(world), passed=answers[-1])

    patient = Asked(Wavering("login", "works"), Patience(within=60, every=0.01))
    slow = Spec("slow", lambda _kept: Want({"s": 1}), (Asked(Is("late", "true"), Patience(within=60, every=0.01)),))
    outcome, kept = run([guarded(check("login", LOGIN.check), patient), slow], things)
    assert outcome.exit_code == 0, kept.events
    assert answers[:7] == [True, True, False, False, False, True, True]


def test_a_step_that_works_on_what_is_guarded_is_asked_at_its_end_only(things: Things) -> None:
    asked: list[str] = []

    class Noting(Is):
        def ask(self, world: Things) -> Any:
            asked.append(threading.current_thread().name)
            return super().ask(world)

    def times(**claims: str) -> int:
        """How often the guard is asked while a step with these claims waits for a while."""
        asked.clear()
        Late.asked.clear()
        patience = Patience(within=30, every=0.005)
        slow = Spec("again", lambda _kept: Want(claims, blind=True), (Asked(Late("late"), patience),))
        outcome, _kept = run(
            [guarded(check("login", LOGIN.check), Asked(Noting("login", "works"), FAST)), slow], things
        )
        assert outcome.exit_code == 0
        return len(asked)

    assert times(login="works") == 1
    assert times(other="on") > 1


def test_isolate_takes_the_step_back_and_goes_on_degraded(things: Things) -> None:
    class Tied(Things):
        """The login works while the exporter is off."""

        def look(self, thing: str) -> object:
            if thing == "login":
                return "broken" if self.now.get("exporter") == "on" else "works"
            return super().look(thing)

    tied = Tied({})
    bad = Spec("bad", lambda _kept: Want({"exporter": "on"}), on_failure="isolate", on_kept=False)
    outcome, kept = run([guarded(check("login", LOGIN.check)), bad, want("x", x=1)], tied)
    assert (outcome.exit_code, outcome.text) == (3, "recovered, degraded: bad is left off")
    assert kept.said(StepIsolated) == ["bad"]
    assert [event.steps for event in kept.events if isinstance(event, RollbackDone)] == [("bad",)]
    assert tied.now == {"exporter": None, "x": 1}


def test_an_item_that_is_left_off_has_to_leave_what_is_guarded_whole(things: Things) -> None:
    """It is left off, and the login stays broken: the run does not go on without saying so."""
    bad = replace(breaking("parts[bad]", "exporter"), on_failure="isolate", on_kept=True, group="parts", item="bad")
    outcome, kept = run([guarded(check("login", LOGIN.check)), bad, want("x", x=1)], things)
    assert outcome.exit_code == 1
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert failed.what == "login was proven before, and fails since step parts[bad]"
    assert kept.said(StepIsolated) == []
    assert "x" not in things.now


def test_what_isolate_cannot_take_back_is_not_said_to_be_left_off(things: Things) -> None:
    """It was there before the run, and fails."""
    things.now["exporter"] = "on"
    page = Spec("page", lambda _kept: Want({"exporter": "on"}), (Asked(Is("metrics", "served"), FAST),))
    page = replace(page, on_failure="isolate", on_kept=False)
    outcome, kept = run([page, want("x", x=1)], things)
    assert (outcome.exit_code, outcome.text) == (3, "recovered, degraded: step page failed")
    assert kept.said(StepIsolated) == []
    assert things.now == {"login": "works", "exporter": "on", "x": 1}


def test_a_broken_guard_is_not_passed_on_to_the_steps_after_it(things: Things) -> None:
    """`continue` is for a step that fails, not for one that breaks what was proven."""
    bad = replace(breaking("bad", "exporter"), on_failure="continue")
    outcome, kept = run([guarded(check("login", LOGIN.check)), bad, want("x", x=1)], things)
    assert outcome.exit_code == 1
    assert kept.said(StepFailed) == ["bad"]


def test_a_guard_stands_after_a_resume_too(things: Things) -> None:
    login, bad = guarded(check("login", LOGIN.check)), breaking("bad", "exporter")
    kept = Kept([login, bad])
    plan: Any = Plan((Planned(login, "done"), Planned(bad, "to do")))  # type: ignore[arg-type]
    outcome = Engine(things, bind, kept, kept.progress, Halt(), load=load).run(plan)  # type: ignore[arg-type]
    assert outcome.exit_code == 1
    assert kept.said(StepFailed) == ["bad"]
