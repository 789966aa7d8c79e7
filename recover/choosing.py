"""Leaving steps of a plan out because a human wants it so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recover.errors import UsageError
from recover.marked_yaml import did_you_mean
from recover.plan import Plan, Planned, left_out
from recover.playbook.model import FINAL, StepSpec


@dataclass(frozen=True)
class Choice:
    """Steps by their ids (that of a for_each stands for all of its items): all `since` that one, `only` these and those
    with a tag, none of `skip`. Without any of it everything is chosen.
    """

    since: str | None = None
    only: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.since or self.only or self.tags or self.skip)

    def left_out(self, specs: Sequence[StepSpec]) -> tuple[str, ...]:
        """The ids of the steps that are not chosen. Raises UsageError for a step or tag that there is not.

        The final checks speak of the whole: with `only` or `tags` they are asked only when named.
        """
        self._require_known(specs)
        first = next((n for n, spec in enumerate(specs) if self.since in _names(spec)), 0)
        return tuple(spec.id for n, spec in enumerate(specs) if n < first or not self._chosen(spec))

    def _chosen(self, spec: StepSpec) -> bool:
        if _names(spec) & set(self.skip):
            return False
        if not (self.only or self.tags):
            return True
        return bool(_names(spec) & set(self.only) or set(spec.tags) & set(self.tags))

    def _require_known(self, specs: Sequence[StepSpec]) -> None:
        ids = {name for spec in specs for name in _names(spec)}
        tags = {tag for spec in specs for tag in spec.tags}
        steps = [*([self.since] if self.since else []), *self.only, *self.skip]
        _require(steps, ids, "step")
        _require(self.tags, tags, "tag")


def leave_out(plan: Plan, steps: Iterable[str]) -> Plan:
    """The plan in which these steps are not needed, because they were left out; what the world lacks stays told."""
    gone = set(steps)
    return Plan(
        tuple(left_out(i.spec, missing=i.status != "not needed") if i.spec.id in gone else i for i in plan.items)
    )


def missed(plan: Plan, steps: Iterable[str]) -> list[str]:
    """A warning for each step that is left out although the world lacks it and a chosen step behind it rests on it."""
    gone, warnings = set(steps), []
    for n, item in enumerate(plan.items):
        if item.spec.id in gone and item.status != "not needed":
            resting = [i.spec.id for i in plan.items[n + 1 :] if _rests(i, item.spec.id) and i.spec.id not in gone]
            if resting:
                warnings.append(f"step {item.spec.id} is left out, and {resting[0]} needs it: {item.because}")
    return warnings


def _rests(item: Planned, step: str) -> bool:
    """Every step before it counts, or those in its `needs` alone; the final checks rest on no step in particular."""
    if item.status == "not needed" or item.spec.id == FINAL:
        return False
    return step in item.spec.needs if item.spec.needs else True


def _names(spec: StepSpec) -> set[str]:
    return {spec.id, *([spec.group] if spec.group else [])}


def _require(words: Iterable[str], known: set[str], what: str) -> None:
    for word in words:
        if word not in known:
            hint = did_you_mean(word, sorted(known)) or f"known: {', '.join(sorted(known)) or 'none'}"
            raise UsageError(f"the playbook has no {what} {word!r}", why=hint)
