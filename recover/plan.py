"""Playbook + progress + the present world -> which steps are done, to do or not needed, and why.

A fresh run does only what the world lacks. The order of the steps is their dependency: a step rests on
every step before it, or, if it says so, on those in its `needs` alone. Hence a step is needed

- when the world lacks something that no later step determines ("stop everything but PostgreSQL" is not
  owed to a stack whose services are all as the later steps want them);
- when a needed step rests on it and it does not hold in the present world;
- when a needed step before it changes what it determines or asks about.

When a check fails that no needed step would explain, the cause is unknown and every step is needed.

A resumed run probes what is done, in order; from the first step that is no longer true everything
is to do again. What later steps determine is not held against an earlier one, as far as the run has reached them or
nothing that is left to do rests on the earlier one: a colleague who starts the last service by hand must not bring the
stack down. What cannot be seen is not taken for untrue: the resume is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from recover.checks.wait import ONCE, Waiter
from recover.errors import Precondition, RecoverError, Unreachable
from recover.evidence import Evidence
from recover.journal.progress import Progress
from recover.playbook.model import FINAL, StepSpec
from recover.playbook.scope import Step
from recover.world import Resource, View

Status = Literal["to do", "done", "no longer true", "not needed", "isolated"]


class Bind(Protocol):
    """Fills a step's ${…}; `kept` is what `${kept}` stands for."""

    def __call__(self, spec: StepSpec, kept: Sequence[str]) -> Step: ...


@dataclass(frozen=True)
class Planned:
    """One step and what is to become of it; it is `missing` when a human left it out although the world lacks it."""

    spec: StepSpec
    status: Status
    because: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Plan:
    """Every step of the playbook in order, the final checks last."""

    items: tuple[Planned, ...]

    @property
    def nothing_to_do(self) -> bool:
        """Is the world as the playbook wants it, without any step?"""
        return all(item.status == "not needed" for item in self.items)

    @property
    def missing(self) -> tuple[str, ...]:
        """The steps that were left out although the world lacks them; the final checks, whenever they were."""
        return tuple(item.spec.id for item in self.items if item.missing)


@dataclass(frozen=True)
class Seen:
    """What the present world says of one step, asked once and without patience.

    `about` is what it determines or asks about, `lacks` the resources its actions would touch, `unmet`
    the failing checks with what they are about, `unseen` why it could not be looked at, `unless` why
    the step does not apply.
    """

    claims: frozenset[Resource] = frozenset()
    about: frozenset[Resource] = frozenset()
    lacks: frozenset[Resource] = frozenset()
    reasons: tuple[str, ...] = ()
    unmet: tuple[tuple[frozenset[Resource], str], ...] = ()
    unseen: Unreachable | None = None
    unless: str = ""

    @property
    def error(self) -> str:
        """Why it could not be looked at, or ""."""
        return f"{self.unseen.what}: {self.unseen.why}" if self.unseen else ""

    def wrong(self, superseded: frozenset[Resource] = frozenset()) -> str:
        """What does not hold, beside what other steps determine; or ""."""
        if self.error:
            return self.error
        if self.lacks - superseded:
            return self.reasons[0]
        return next((answer for about, answer in self.unmet if not about & superseded), "")


@dataclass
class Look:
    """Looks at steps; the same question is put to the world once, however many steps ask it."""

    view: View
    bind: Bind
    answers: dict[str, Evidence] = field(default_factory=dict)

    def at(self, spec: StepSpec, kept: Sequence[str], superseded: frozenset[Resource] = frozenset()) -> Seen:
        """What the world says of this step; checks of what is superseded are not asked.

        Raises what makes the playbook unusable here.
        """
        step = self.bind(spec, kept)
        if step.unless:
            return Seen(unless=step.unless)
        claims: frozenset[Resource] = frozenset()
        about = frozenset().union(*(asked.about for asked in step.checks))
        try:
            claims = step.work.claims(self.view) if step.work else claims
            actions = step.decide(self.view)
        except Unreachable as error:
            return Seen(claims, about | claims, unseen=error)
        lacks = frozenset(resource for action in actions for resource in action.touches)
        unmet = () if actions else tuple(self._unmet(step, superseded))
        return Seen(claims, about | claims, lacks, tuple(action.because for action in actions), unmet)

    def _unmet(self, step: Step, superseded: frozenset[Resource]) -> list[tuple[frozenset[Resource], str]]:
        waiter, unmet = Waiter(self.view), []
        for asked in step.checks:
            if asked.about & superseded:
                continue
            if asked.key not in self.answers:
                self.answers[asked.key] = waiter.ask(asked.check, ONCE)
            answer = self.answers[asked.key]
            if not answer.passed:
                unmet.append((asked.about, f"{answer.question} {answer.answer}"))
        return unmet


# --- a fresh run ----------------------------------------------------------------------------------


def fresh(specs: Sequence[StepSpec], bind: Bind, view: View) -> Plan:
    """The plan of a new run. Raises Precondition when the world rules the playbook out."""
    look, every = Look(view, bind), {spec.id: "done" for spec in specs}
    seen = [look.at(spec, kept_until(n, specs, every)) for n, spec in enumerate(specs)]
    why = _Needs(specs, seen).why()
    items = (
        Planned(spec, "to do", reason) if reason else Planned(spec, "not needed", _settled(at))
        for spec, at, reason in zip(specs, seen, why, strict=True)
    )
    return Plan(tuple(items))


def _settled(at: Seen) -> str:
    if at.unless:
        return at.unless
    return "what it is for is true already" if at.lacks else "true already"


class _Needs:
    """Works out which steps are needed; each rule adds reasons until none adds any."""

    def __init__(self, specs: Sequence[StepSpec], seen: Sequence[Seen]) -> None:
        self.specs, self.seen = specs, seen
        self.later = _claimed_later(seen)
        self.reasons = [""] * len(specs)

    def why(self) -> list[str]:
        """Per step why it is needed, or ""."""
        if everything := self._unexplained():
            return [everything] * len(self.specs)
        before: list[str] = []
        while self.reasons != before:
            before = list(self.reasons)
            for n in reversed(range(len(self.specs))):
                self.reasons[n] = self.reasons[n] or self._own(n) or self._relied_on(n)
            self._changed_before()
            self._tried_in_turn()
        return self.reasons

    def _unexplained(self) -> str:
        """Something is wrong, and no step that would act is the reason: what it is, or ""."""
        touched = frozenset[Resource]().union(
            *(at.lacks - later for at, later in zip(self.seen, self.later, strict=True))
        )
        for spec, at, later in zip(self.specs, self.seen, self.later, strict=True):
            if at.error:
                return f"cannot look at {spec.id}: {at.error}"
            if _stands_alone(spec):
                continue
            for about, answer in at.unmet:
                if not about & (later | touched):
                    return answer
        return ""

    def _own(self, n: int) -> str:
        return "" if self.specs[n].supports else self.seen[n].wrong(self.later[n])

    def _relied_on(self, n: int) -> str:
        """Does a needed step rest on this one, and it does not hold?"""
        wrong = self.seen[n].wrong()
        if not (wrong or self.specs[n].supports):
            return ""
        after = range(n + 1, len(self.specs))
        resting = [m for m in after if self.reasons[m] and _rests_on(self.specs[m], self.specs[n])]
        if not resting:
            return ""
        if self.specs[n].supports:
            return _supported(self.seen[n], [self.seen[m] for m in resting])
        return f"{wrong}, and step {self.specs[resting[0]].id} needs it"

    def _changed_before(self) -> None:
        changed: set[Resource] = set()
        for n, spec in enumerate(self.specs):
            if concerned := sorted(self.seen[n].about & changed):
                self._add(n, f"an earlier step changes {concerned[0].partition(':')[2] or concerned[0]}")
            if spec.id == FINAL and any(self.reasons):
                self._add(n, "something was changed")
            if self.reasons[n]:
                changed |= self.seen[n].claims

    def _tried_in_turn(self) -> None:
        """Items of a for_each that work on the same thing can only be told apart by doing them in turn."""
        for n, spec in enumerate(self.specs):
            if spec.group and self.reasons[n]:
                for m, other in enumerate(self.specs):
                    if other.group == spec.group and self.seen[m].claims & self.seen[n].claims:
                        self._add(m, f"the items of {spec.group} are tried in turn")

    def _add(self, n: int, reason: str) -> None:
        self.reasons[n] = self.reasons[n] or reason


def _rests_on(later: StepSpec, earlier: StepSpec) -> bool:
    """The final checks ask for the outcome; they rest on no step in particular."""
    if not later.needs:
        return later.id != FINAL
    return earlier.id in later.needs


def _stands_alone(spec: StepSpec) -> bool:
    """Does a run go on without this step? Then what is wrong with it is no reason to do the others again."""
    return spec.on_failure in ("continue", "isolate") and not spec.on_kept


def _claimed_later(seen: Sequence[Seen]) -> list[frozenset[Resource]]:
    """Per step what the steps after it determine."""
    later = [frozenset[Resource]()]
    for at in reversed(seen[1:]):
        later.append(later[-1] | at.claims)
    return later[::-1]


def _supported(at: Seen, needed: list[Seen]) -> str:
    """A backup is owed when its database is going to be changed, a gate when anything is."""
    databases = {f"database:{r.partition(':')[2]}" for r in at.claims if r.startswith("backup:")}
    changed = any(not databases or databases & other.lacks for other in needed)
    return (at.reasons or ("a later step acts",))[0] if changed else ""


# --- a resumed run --------------------------------------------------------------------------------


def resumed(specs: Sequence[StepSpec], progress: Progress, bind: Bind, view: View) -> Plan:
    """The plan of a run that goes on: what is done is probed again."""
    look = Look(view, bind)
    later = _superseded(specs, progress, look)
    items: list[Planned] = []
    for n, spec in enumerate(specs):
        planned = _again(spec, kept_until(n, specs, progress.done), later[n], progress, look)
        items.append(planned)
        if planned.status == "no longer true":
            rest = f"step {spec.id} is to be done again first"
            return Plan((*items, *(Planned(later, "to do", rest) for later in specs[n + 1 :])))
    return Plan(tuple(items))


def _again(spec: StepSpec, kept: Sequence[str], later: frozenset[Resource], progress: Progress, look: Look) -> Planned:
    if spec.id in progress.left_out:
        return left_out(spec, missing=bool(look.at(spec, kept, later).wrong(later)))
    if spec.id in progress.isolated:
        return Planned(spec, "isolated", progress.isolated[spec.id])
    if spec.id in progress.skipped:
        return Planned(spec, "not needed", progress.skipped[spec.id])
    if spec.id not in progress.done:
        doubt = progress.in_flight == spec.id
        return Planned(spec, "to do", "it was begun and its end is not recorded" if doubt else "not done yet")
    if spec.supports:
        return Planned(spec, "done")
    seen = look.at(spec, kept, later)
    if seen.unseen:
        raise seen.unseen
    wrong = seen.wrong(later)
    if wrong and progress.done[spec.id] == "marked" and not look.bind(spec, kept).repeatable:
        raise Precondition(  # to do it again is a human's word, and the last one was that it is done
            f"step {spec.id} was marked done, and its done_when is not true",
            where=spec.where,
            why=wrong,
            next=f"make it true and resume, or: recover mark {progress.run} {spec.id} retry --because 'what you saw'",
        )
    return Planned(spec, "no longer true", wrong) if wrong else Planned(spec, "done")


def left_out(spec: StepSpec, *, missing: bool) -> Planned:
    """A step that a human left out. What was not asked was not seen: the final checks are always missed."""
    return Planned(spec, "not needed", "left out", missing or spec.id == FINAL)


def _superseded(specs: Sequence[StepSpec], progress: Progress, look: Look) -> list[frozenset[Resource]]:
    """Per step what later ones determine, so that its being otherwise is nothing to do again.

    Else a service that a step started before it was to be done again, or that somebody has started since, would be
    held against "stop everything", and the stack go down for it.
    """
    later: list[frozenset[Resource]] = []
    reached = unreached = frozenset[Resource]()
    for n in reversed(range(len(specs))):
        left = (spec for spec in specs[n + 1 :] if spec.id not in {*progress.finished, *progress.left_out})
        later.append(reached if any(_rests_on(spec, specs[n]) for spec in left) else reached | unreached)
        claims = _claims(specs[n], kept_until(n, specs, progress.done), look)
        if specs[n].id in progress.reached:
            reached |= claims
        reached |= progress.touched.get(specs[n].id, set())
        unreached |= claims
    return later[::-1]


def _claims(spec: StepSpec, kept: Sequence[str], look: Look) -> frozenset[Resource]:
    """What the step determines; nothing where that cannot be told now, which is said when its turn comes."""
    try:
        step = look.bind(spec, kept)
        return step.work.claims(look.view) if step.work and not step.unless else frozenset()
    except RecoverError:
        return frozenset()


def kept_until(n: int, specs: Sequence[StepSpec], done: Mapping[str, str]) -> list[str]:
    """What `${kept}` stands for at a step of a for_each: the items that passed before it, and its own."""
    spec = specs[n]
    if not spec.group:
        return []
    before = [s.item for s in specs[:n] if s.group == spec.group and s.id in done and s.item]
    return [*before, spec.item or ""]
