"""Acts done together: all at the same time, every intent before them, every effect after, one failure at the end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from fakes import FakeServices
from worlds import Asked, Is, Kept, Spec, bind

from recover import steps
from recover.acting import AT_ONCE, at_once, neighbours
from recover.checks.former import Former
from recover.engine import Engine, Outcome
from recover.errors import StepError, Unreachable
from recover.events import ActionDone, ActionStarted, Event, StepDone, StepFailed, StepIsolated
from recover.plan import Plan, Planned, resumed
from recover.steps.service import Start, StartService, Stop
from recover.world import Action

PATIENCE = 20.0  # seconds after which a test that would never end fails


@dataclass(frozen=True)
class Stack:
    """A world of services only; what is looked at is a service's K."""

    services: FakeServices

    def look(self, service: str) -> object:
        return self.services.state(service).environment.get("K", "")


def stack(*names: str, during: Callable[[str], Any] = lambda _service: None) -> Stack:
    return Stack(FakeServices({name: {} for name in names}, during=during))


def up(*names: str) -> list[Spec]:
    return [Spec("up", lambda _kept: StartService(names))]  # type: ignore[arg-type,return-value]  # the real kind


def run(specs: Sequence[Spec], world: Stack, kept: Kept | None = None, **more: Any) -> tuple[Outcome, Kept]:
    kept = kept or Kept(specs)
    plan: Any = resumed(specs, kept.progress, bind, world)  # type: ignore[arg-type]
    return Engine(world, bind, kept, kept.progress, **more).run(plan), kept  # type: ignore[arg-type]


def acts(kept: Kept, kind: type) -> list[str]:
    return [event.describe for event in kept.events if isinstance(event, kind)]  # type: ignore[attr-defined]


def refuse(*services: str, error: type[StepError | Unreachable] = StepError) -> Callable[[str], None]:
    def during(service: str) -> None:
        if service in services:
            raise error(f"cannot start {service}", why=f"{service} says no")

    return during


def test_the_starts_of_one_step_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=PATIENCE)
    world = stack("a", "b", "c", during=lambda _service: meeting.wait())
    outcome, kept = run(up("a", "b", "c"), world)
    assert outcome.exit_code == 0
    assert sorted(acts(kept, ActionDone)) == ["start a", "start b", "start c"]
    assert kept.said(StepDone) == ["up"]


def test_every_intent_is_kept_in_order_before_the_first_act() -> None:
    before: list[list[str]] = []
    specs = up("a", "b", "c")
    kept = Kept(specs)
    run(specs, stack("a", "b", "c", during=lambda _service: before.append(acts(kept, ActionStarted))), kept)
    assert before == [["start a", "start b", "start c"]] * 3


def test_an_effect_is_recorded_while_another_act_still_runs() -> None:
    recorded = threading.Event()
    specs = up("a", "b")
    kept = Kept(specs)

    def emit(event: Event) -> None:
        kept(event)
        if isinstance(event, ActionDone):
            recorded.set()

    def during(service: str) -> None:
        if service == "a" and not recorded.wait(PATIENCE):
            raise StepError("nothing was recorded")

    world: Any = stack("a", "b", during=during)
    plan: Any = Plan((Planned(specs[0], "to do"),))  # type: ignore[arg-type]
    assert Engine(world, bind, emit, kept.progress).run(plan).exit_code == 0  # type: ignore[arg-type]
    assert acts(kept, ActionDone) == ["start b", "start a"]


def test_observers_and_crash_points_are_told_from_the_engines_own_thread() -> None:
    told: set[threading.Thread] = set()
    workers: set[threading.Thread] = set()
    points: list[str] = []
    specs = up("a", "b")
    kept = Kept(specs)

    def emit(event: Event) -> None:
        told.add(threading.current_thread())
        kept(event)

    def reach(_step: str, point: str) -> None:
        told.add(threading.current_thread())
        points.append(point)

    world: Any = stack("a", "b", during=lambda _service: workers.add(threading.current_thread()))
    plan: Any = Plan((Planned(specs[0], "to do"),))  # type: ignore[arg-type]
    Engine(world, bind, emit, kept.progress, reach=reach).run(plan)  # type: ignore[arg-type]
    assert told == {threading.current_thread()}
    assert not told & workers
    assert points == ["before-act"] * 2 + ["after-act", "after-effect"] * 2


def test_no_more_than_eight_run_at_once_and_all_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []

    class Counted(threading.Thread):
        def start(self) -> None:
            begun.append(self)
            super().start()

    monkeypatch.setattr(threading, "Thread", Counted)
    names = [f"s{n}" for n in range(2 * AT_ONCE)]
    meeting = threading.Barrier(AT_ONCE, timeout=PATIENCE)
    world = stack(*names, during=lambda _service: meeting.wait())
    outcome, _ = run(up(*names), world)
    assert (outcome.exit_code, len(begun)) == (0, 8)
    assert sorted(world.services.deeds) == sorted(f"start {name}" for name in names)


def test_one_act_alone_needs_no_thread() -> None:
    workers: list[threading.Thread] = []
    run(up("a"), stack("a", during=lambda _service: workers.append(threading.current_thread())))
    assert workers == [threading.current_thread()]


def test_only_parallel_neighbours_are_done_together_and_the_order_stays() -> None:
    a, b, c, d = (Start(name, {}, "down", Former("stopped")) for name in "abcd")
    x, y = Stop("x", "up", Former("running")), Stop("y", "up", Former("running"))
    actions: list[Action] = [a, x, y, b, c, x, d]
    assert list(neighbours(actions)) == [[a], [x], [y], [b, c], [x], [d]]


def test_starts_of_services_are_the_only_parallel_actions() -> None:
    modules = [import_module(f"recover.steps.{found.name}") for found in iter_modules(steps.__path__)]
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    actions = {kind for kind in kinds if hasattr(kind, "apply") and kind.__module__.startswith(steps.__name__)}
    assert len(actions) >= 9
    assert {kind for kind in actions if kind.parallel} == {Start}


# --- failures -------------------------------------------------------------------------------------


def test_the_failure_of_one_is_raised_after_the_effects_of_the_others_are_recorded() -> None:
    world = stack("a", "b", "c", during=refuse("b"))
    outcome, kept = run(up("a", "b", "c"), world)
    assert outcome.exit_code == 1
    assert sorted(acts(kept, ActionDone)) == ["start a", "start c"]
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert (failed.what, failed.why, failed.in_doubt) == ("cannot start b", "b says no", False)
    assert kept.events.index(failed) > max(n for n, e in enumerate(kept.events) if isinstance(e, ActionDone))
    assert not kept.progress.pending


def test_of_several_failures_the_first_in_order_is_raised_and_names_the_others() -> None:
    later = threading.Event()

    def during(service: str) -> None:
        if service == "a":
            assert later.wait(PATIENCE)
        elif service == "c":
            later.set()
        refuse("a", "b", "c")(service)

    _, kept = run(up("a", "b", "c"), stack("a", "b", "c", during=during))
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert failed.what == "cannot start a"
    assert failed.why == ("a says no; also failed: cannot start b: b says no; also failed: cannot start c: c says no")


def test_a_failure_that_leaves_doubt_goes_before_one_that_leaves_none() -> None:
    def during(service: str) -> None:
        refuse("a")(service)
        refuse("b", error=Unreachable)(service)

    outcome, kept = run(up("a", "b"), stack("a", "b", during=during))
    [failed] = [event for event in kept.events if isinstance(event, StepFailed)]
    assert (failed.what, failed.in_doubt, outcome.exit_code) == ("cannot start b", True, 1)
    assert "also failed: cannot start a" in failed.why
    assert kept.progress.pending


def test_a_bug_in_a_thread_is_not_hidden_by_a_refusal() -> None:
    def during(service: str) -> None:
        refuse("a")(service)
        if service == "b":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(up("a", "b"), stack("a", "b", during=during))


def test_leaving_an_item_off_also_starts_together() -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE)
    world = stack("a", "b", during=lambda _service: meeting.wait())

    def work(kept: Sequence[str]) -> Any:
        return StartService(("a", "b"), env={name: {"K": ",".join(kept)} for name in "ab"})

    check = Asked(Is("a", test=lambda seen: "bad" not in str(seen)))
    specs = [
        Spec(f"mw[{item}]", work, (check,), group="mw", item=item, on_failure="isolate") for item in ("good", "bad")
    ]
    outcome, kept = run(specs, world)
    assert (outcome.exit_code, kept.said(StepIsolated)) == (3, ["mw[bad]"])
    assert (world.look("a"), world.look("b")) == ("good", "good")
    assert len(world.services.deeds) == 6


# --- cut off --------------------------------------------------------------------------------------


def test_ctrl_c_while_acts_run_leaves_at_once_in_doubt_and_begins_no_further_one() -> None:
    names = [f"s{n}" for n in range(AT_ONCE + 2)]
    begun, gate = threading.Barrier(AT_ONCE, timeout=PATIENCE), threading.Event()
    workers: set[threading.Thread] = set()
    main = threading.main_thread().ident or 0

    def during(service: str) -> None:
        workers.add(threading.current_thread())
        if service in names[:AT_ONCE] and begun.wait() == 0:
            signal.pthread_kill(main, signal.SIGINT)
        gate.wait(PATIENCE)

    world, specs = stack(*names, during=during), up(*names)
    kept = Kept(specs)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run(specs, world, kept)
    finally:
        signal.signal(signal.SIGINT, former)
    assert (kept.progress.in_flight, len(kept.progress.pending), kept.said(ActionDone, StepFailed)) == ("up", 10, [])
    assert all(worker.daemon for worker in workers)
    gate.set()
    for worker in workers:
        worker.join(PATIENCE)
    assert len(world.services.deeds) == AT_ONCE


class Killed(BaseException):
    """The process ends here."""


def killing(point: str, nth: int) -> Callable[[str, str], None]:
    passed: list[str] = []

    def reach(_step: str, now: str) -> None:
        passed.append(now)
        if passed.count(point) == nth and now == point:
            raise Killed

    return reach


@pytest.mark.parametrize(
    ("point", "nth", "intents", "doubts"),
    [
        ("before-act", 1, 1, 1),
        ("before-act", 2, 2, 2),
        ("after-act", 1, 2, 2),
        ("after-effect", 1, 2, 1),
        ("after-act", 2, 2, 1),
        ("after-effect", 2, 2, 0),
    ],
)
def test_cut_off_anywhere_it_goes_on_and_starts_each_service_once(
    point: str, nth: int, intents: int, doubts: int
) -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE)
    specs, world = up("a", "b"), stack("a", "b", during=lambda _service: meeting.wait())
    kept = Kept(specs)
    with pytest.raises(Killed):
        run(specs, world, kept, reach=killing(point, nth))
    assert (len(acts(kept, ActionStarted)), len(kept.progress.pending)) == (intents, doubts)
    assert bool(kept.progress.pending) is (doubts > 0)
    for name in () if point == "before-act" else "ab":  # a kill takes the threads along; the fake's run on
        while world.services.state(name).status != "running":
            os.sched_yield()
    outcome, _ = run(specs, world, kept)
    assert (outcome.exit_code, sorted(world.services.deeds)) == (0, ["start a", "start b"])
    assert not kept.progress.pending


def test_jobs_end_with_their_own_number() -> None:
    ends = dict(at_once([lambda: "a", lambda: 1 / 0, lambda: "c"]))
    assert (ends[0], ends[2], type(ends[1])) == ("a", "c", ZeroDivisionError)
    assert list(at_once([])) == []
