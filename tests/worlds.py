"""A small world for tests of plan and engine: numbers in a dict, steps that set them, checks that ask them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from recover.checks.wait import ONCE, Patience
from recover.errors import StepError, Unreachable
from recover.events import Event
from recover.evidence import Evidence
from recover.journal.progress import Progress
from recover.journal.records import Record, seal


@dataclass
class Things:
    """The world: what each thing is set to, and every act done to it. `down` things cannot be looked at."""

    now: dict[str, object] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    broken: set[object] = field(default_factory=set)
    set_in_stone: set[str] = field(default_factory=set)
    slow: float = 0.0

    def look(self, thing: str) -> object:
        time.sleep(self.slow)
        if thing in self.down:
            raise Unreachable(f"{thing} does not answer", why="connection refused")
        return self.now.get(thing)


@dataclass(frozen=True)
class Set:
    """The one action: set a thing to a value. `before` is what it was; "for good" cannot be taken back."""

    thing: str
    value: object
    because: str
    before: object = None
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        return f"set {self.thing} to {self.value}"

    @property
    def touches(self) -> tuple[str, ...]:
        return (self.thing,)

    def apply(self, world: Things) -> Mapping[str, object]:
        if self.value in world.broken:
            raise StepError(f"{self.thing} refuses {self.value}", why="it says no")
        world.acts.append(self.describe)
        if self.thing not in world.set_in_stone:
            world.now[self.thing] = self.value
        world.down.discard(self.thing)
        return {"value": self.value}

    def forecast(self, forecast: Any) -> None:
        forecast.changes(self.thing)

    def inverse(self) -> Reset | None:
        return None if self.value == "for good" else Reset(self.thing, self.before)


@dataclass(frozen=True)
class Reset(Set):
    """Set it back."""

    because: str = "undo"

    def __init__(self, thing: str, value: object) -> None:
        super().__init__(thing, value, "undo")

    def inverse(self) -> None:
        return None

    def proofs(self) -> tuple[Is, ...]:
        return (Is(self.thing, self.value),)


def load(data: Mapping[str, Any]) -> Set:
    """The action that a journal kept."""
    if data["type"] != "Set":
        raise ValueError(f"there is no action {data['type']}")
    return Set(**{key: value for key, value in data.items() if key != "type"})


@dataclass(frozen=True)
class Want:
    """The one kind of work: these things are to have these values. `blind`: it never sees that they have."""

    values: Mapping[str, object]
    blind: bool = False

    def decide(self, world: Things) -> tuple[Set, ...]:
        return tuple(
            Set(thing, value, f"{thing} is {seen}", seen)
            for thing, value in self.values.items()
            if (seen := world.look(thing)) != value or self.blind
        )

    def claims(self, _world: Things) -> frozenset[str]:
        return frozenset(self.values)

    def fingerprint(self, world: Things) -> Mapping[str, str]:
        return {thing: str(world.look(thing)) for thing in self.values}

    def proofs(self) -> tuple[()]:
        return ()


@dataclass(frozen=True)
class Is:
    """The one check: a thing has a value, or satisfies a test."""

    thing: str
    value: object = None
    test: Callable[[object], bool] | None = None

    @property
    def about(self) -> frozenset[str]:
        return frozenset({self.thing})

    def ask(self, world: Things) -> Evidence:
        try:
            seen = world.look(self.thing)
        except Unreachable as error:
            return Evidence(f"is {self.thing} right?", error.why, passed=False)
        passed = self.test(seen) if self.test else seen == self.value
        return Evidence(f"is {self.thing} right?", f"it is {seen}", passed=passed)


@dataclass(frozen=True)
class Asked:
    check: Is
    patience: Patience = ONCE

    @property
    def about(self) -> frozenset[str]:
        return self.check.about

    @property
    def key(self) -> str:
        return repr(self.check)


@dataclass(frozen=True)
class Spec:
    """What plan and engine read of a StepSpec."""

    id: str
    make: Callable[[Sequence[str]], Want | None] = lambda _kept: None
    checks: tuple[Asked, ...] = ()
    group: str | None = None
    item: str | None = None
    on_failure: str = "stop"
    needs: tuple[str, ...] = ()
    supports: bool = False
    repeatable: bool = True
    stage: str = "Stage"
    where: str = "p.yml:1:1"
    sha256: str = "hash"
    tags: tuple[str, ...] = ()
    warn: str = ""
    guards: tuple[Asked, ...] = ()
    on_kept: bool = True

    @property
    def name(self) -> str:
        return f"Step {self.id}"


@dataclass(frozen=True)
class Bound:
    work: Want | None
    checks: tuple[Asked, ...]
    repeatable: bool
    unless: str = ""
    guards: Mapping[str, Asked] = field(default_factory=dict)

    def decide(self, world: Things) -> tuple[Set, ...]:
        return self.work.decide(world) if self.work else ()


def want(id: str, checks: Sequence[Is] = (), *, blind: bool = False, **values: object) -> Spec:
    """A step that sets things."""
    return Spec(id, lambda _kept: Want(values, blind), tuple(Asked(check) for check in checks))


def check(id: str, *checks: Is) -> Spec:
    """A step that only asks."""
    return Spec(id, checks=tuple(Asked(one) for one in checks))


def each(
    group: str, thing: str, items: Sequence[str], test: Callable[[object], bool], needs: tuple[str, ...] = ()
) -> list[Spec]:
    """A for_each that isolates: the thing is set to the items kept so far."""
    return [
        Spec(
            f"{group}[{item}]",
            lambda kept: Want({thing: ",".join(kept)}),
            (Asked(Is(thing, test=test)),),
            group=group,
            item=item,
            on_failure="isolate",
            needs=needs,
        )
        for item in items
    ]


def bind(spec: Spec, kept: Sequence[str]) -> Bound:
    guards = {asked.check.thing: asked for asked in spec.guards}
    return Bound(spec.make(kept), spec.checks, spec.repeatable, guards=guards)


class Kept:
    """An observer that remembers events and keeps a Progress, as a journal does."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        from recover.events import RunStarted

        self.events: list[Event] = []
        self.progress = Progress()
        self(RunStarted("r", "p", "t", {spec.id: "hash" for spec in specs}, "eva", "h", "0"))

    def __call__(self, event: Event) -> None:
        from recover.events import CheckWaiting
        from recover.evidence import utc_now
        from recover.journal.records import plain

        self.events.append(event)
        if not isinstance(event, CheckWaiting):
            data: Any = plain(event)
            n = len(self.events)
            self.progress.add(Record(n, utc_now(), 1, type(event).__name__, data, seal({})[1]))

    def said(self, *kinds: type) -> list[str]:
        """The steps of the events of these kinds."""
        return [event.step for event in self.events if isinstance(event, kinds)]  # type: ignore[union-attr]


class Died(BaseException):
    """The process was killed here."""


def dying(step: str, point: str) -> Callable[[str, str], None]:
    """Dies at that crash point of the step, the first time."""

    def reach(here: str, now: str) -> None:
        if (here, now) == (step, point):
            raise Died

    return reach
