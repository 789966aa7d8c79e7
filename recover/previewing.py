"""What a plan would do, step by step, without doing it: the engine's loop with `forecast` instead of `apply`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recover.checks.wait import ONCE, Waiter
from recover.errors import NotYetKnown, Unreachable
from recover.plan import Bind, Plan
from recover.playbook.model import StepSpec
from recover.playbook.scope import Step
from recover.undoing import lasting
from recover.world import Action, Forecast, Resource


@dataclass(frozen=True)
class Foreseen:
    """What a step would do: its `acts`, and the `facts` they rest on. `status` is the word the plan prints."""

    spec: StepSpec
    status: Literal["will", "already", "at run time", "will check", "done", "not needed", "isolated"]
    because: str = ""
    acts: tuple[Action, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def touches(self) -> frozenset[Resource]:
        """What its acts touch."""
        return frozenset(resource for act in self.acts for resource in act.touches)

    @property
    def for_good(self) -> tuple[str, ...]:
        """The acts that nothing takes back."""
        return tuple(act.describe for act in self.acts if lasting(act.touches) and act.inverse() is None)


def preview(plan: Plan, bind: Bind, forecast: Forecast, *, ask: bool = True) -> list[Foreseen]:
    """What `run` would do with this plan.

    With `ask` the checks of steps that have nothing to do are asked, to tell what is true already.
    """
    kept: dict[str, list[str]] = {}
    foreseen = []
    for item in plan.items:
        spec = item.spec
        if spec.group and spec.item and item.status != "isolated":
            kept.setdefault(spec.group, []).append(spec.item)
        if item.status in ("done", "not needed", "isolated"):
            foreseen.append(Foreseen(spec, item.status, item.because))
            continue
        forecast.step = spec.id
        foreseen.append(_foresee(spec, bind(spec, kept.get(spec.group or "", [])), forecast, ask=ask))
    return foreseen


def _foresee(spec: StepSpec, step: Step, forecast: Forecast, *, ask: bool) -> Foreseen:
    if step.unless:
        return Foreseen(spec, "not needed", step.unless)
    try:
        acts = step.decide(forecast)
        facts = step.work.fingerprint(forecast) if step.work and acts else {}
    except (NotYetKnown, Unreachable) as unknown:
        if step.work:
            forecast.changes(*step.work.claims(forecast))
        return Foreseen(spec, "at run time", str(unknown).partition("\n")[0])
    for act in acts:
        act.forecast(forecast)
    if acts:
        return Foreseen(spec, "will", "", acts, facts)
    return _foresee_checks(spec, step, forecast) if ask else Foreseen(spec, "already" if step.work else "will check")


def _foresee_checks(spec: StepSpec, step: Step, forecast: Forecast) -> Foreseen:
    waiter = Waiter(forecast)
    try:
        answers = [waiter.ask(asked.check, ONCE) for asked in step.checks]
    except NotYetKnown as unknown:
        return Foreseen(spec, "already" if step.work else "will check", str(unknown))
    wrong = next((f"{a.question} {a.answer}" for a in answers if not a.passed), "")
    return Foreseen(spec, "will check", f"now: {wrong}") if wrong else Foreseen(spec, "already")
