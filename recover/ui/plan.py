"""A previewed plan as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recover.previewing import Foreseen

Drops = Mapping[str, Sequence[object]]
"""Per step the database sessions that it ends; each says itself in words."""


def text(title: str, foreseen: Sequence[Foreseen], drops: Drops, takes: Mapping[str, str] | None = None) -> list[str]:
    """One line per step with its status, then what it would do, why, what it ends, how long it `takes`, and how it is
    proven.
    """
    lines, stage = [title], ""
    width = max((len(step.spec.id) for step in foreseen), default=0)
    for step in foreseen:
        if step.spec.stage != stage:
            stage = step.spec.stage
            lines += ["", stage]
        lines.append(f"  {step.status:<11} {step.spec.id:<{width}}  {step.spec.name}")
        lines += [f"      {line}" for line in _details(step, drops.get(step.spec.id, ()))]
        lines += [f"      takes {takes[step.spec.id]}"] if takes and step.spec.id in takes else []
    return [*lines, "", _count(foreseen)]


def data(foreseen: Sequence[Foreseen], drops: Drops) -> list[dict[str, object]]:
    """The same for machines."""
    return [
        {
            "step": step.spec.id,
            "name": step.spec.name,
            "stage": step.spec.stage,
            "status": step.status,
            "because": step.because,
            "actions": [{"describe": act.describe, "because": act.because} for act in step.acts],
            "cannot_be_taken_back": list(step.for_good),
            "drops": [str(drop) for drop in drops.get(step.spec.id, ())],
            "checks": [check.probe or check.kind for check in step.spec.checks],
            "warn": step.spec.warn,
        }
        for step in foreseen
    ]


def _details(step: Foreseen, drops: Sequence[object]) -> list[str]:
    lines = [step.because] if step.because else []
    for act in step.acts:
        first, *rest = act.describe.splitlines()
        lines += [f"{first}{f'   ({act.because})' if not rest else ''}", *rest]
        lines += [f"  ({act.because})"] if rest else []
    lines += [f"cannot be taken back: {act.splitlines()[0]}" for act in step.for_good]
    lines += [f"drops {drop}" for drop in drops]
    checks = ", ".join(check.probe or check.kind for check in step.spec.checks)
    if checks and step.status in ("will", "at run time"):
        lines.append(f"then proves: {checks}")
    if step.spec.warn and step.status != "not needed":
        lines.append(f"mind: {step.spec.warn}")
    return lines


def _count(foreseen: Sequence[Foreseen]) -> str:
    counts = {word: sum(step.status == word for step in foreseen) for word in dict.fromkeys(s.status for s in foreseen)}
    return f"{len(foreseen)} steps: {', '.join(f'{n} {word}' for word, n in counts.items())}"
