"""What a plan is likely to take, and all that it will touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from recover.journal.history import Usual, usual
from recover.previewing import Foreseen
from recover.session.dropping import Ended
from recover.session.opening import Opened
from recover.session.options import Options
from recover.steps.enum import RepairLabels
from recover.steps.service import Start, Stop
from recover.ui.words import span

DUE = ("will", "at run time", "will check")


@dataclass(frozen=True)
class Blast:
    """Services by what becomes of them, the enum types and databases that change, sessions that end, volumes.

    `unknown` are the steps that are decided at run time: nothing is invented for them.
    """

    stopped: tuple[str, ...]
    restarted: tuple[str, ...]
    started: tuple[str, ...]
    databases: tuple[str, ...]
    types: tuple[str, ...]
    sessions: int
    volumes: int
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """`estimates` per step from earlier runs (seconds), `objective` in seconds, None where there is none."""

    estimates: Mapping[str, Usual]
    without_history: tuple[str, ...]
    objective: float | None
    blast: Blast


def outlook(
    session: Opened, options: Options, foreseen: Sequence[Foreseen], drops: Mapping[str, list[Ended]]
) -> Outlook:
    """From the plan and this state folder's history."""
    known, due = usual(options.state, session.playbook.source), [s.spec.id for s in foreseen if s.status in DUE]
    return Outlook(
        {step: known[step] for step in due if step in known},
        tuple(step for step in due if step not in known),
        session.playbook.objectives.rto,
        _blast(foreseen, drops),
    )


def _blast(foreseen: Sequence[Foreseen], drops: Mapping[str, list[Ended]]) -> Blast:
    acts = [act for step in foreseen for act in step.acts]
    starts = {act.service: act for act in acts if isinstance(act, Start)}
    stops = {act.service for act in acts if isinstance(act, Stop)}
    anew = {name for name, act in starts.items() if act.anew or act.before.ran or name in stops}
    touched = {resource for act in acts for resource in act.touches}
    return Blast(
        stopped=tuple(sorted(stops - starts.keys())),
        restarted=tuple(sorted(anew)),
        started=tuple(sorted(starts.keys() - anew)),
        databases=tuple(sorted(r.removeprefix("database:") for r in touched if r.startswith("database:"))),
        types=tuple(sorted({type for act in acts if isinstance(act, RepairLabels) for type in act.repair.before})),
        sessions=sum(each.number for ended in drops.values() for each in ended),
        volumes=sum(resource.startswith("volume:") for resource in touched),
        unknown=tuple(step.spec.id for step in foreseen if step.status == "at run time"),
    )


def spans(seen: Outlook) -> dict[str, str]:
    """Per step how long it took before, for humans."""
    return {
        step: f"{span(each.p50)} as a rule, {span(each.p90)} at worst in nine of ten"
        for step, each in seen.estimates.items()
    }


def lines(seen: Outlook) -> list[str]:
    """The outlook for humans."""
    return [f"touches  {_touched(seen.blast)}", f"takes    {_time(seen)}"]


def data(seen: Outlook) -> dict[str, object]:
    """The same for machines."""
    total = {key: round(sum(getattr(each, key) for each in seen.estimates.values()), 3) for key in ("p50", "p90")}
    estimate = {
        "steps": {step: asdict(each) for step, each in seen.estimates.items()},
        "total": total,
        "without_history": list(seen.without_history),
        "objective": seen.objective,
    }
    return {"estimate": estimate, "blast_radius": asdict(seen.blast)}


def _touched(blast: Blast) -> str:
    words = {"stopped": blast.stopped, "restarted": blast.restarted, "started": blast.started}
    services = [f"{len(names)} services {word}" for word, names in words.items() if names]
    types = f" ({len(blast.types)} enum types)" if blast.types else ""
    databases = [f"database {', '.join(blast.databases)}{types}"] if blast.databases else []
    rest = [f"{blast.sessions} sessions dropped", f"{blast.volumes} volumes"]
    unknown = f"; known only at run time: {', '.join(blast.unknown)}" if blast.unknown else ""
    return ", ".join([*services, *databases, *rest]) + unknown


def _time(seen: Outlook) -> str:
    objective = f"; the objective is {span(seen.objective)}" if seen.objective is not None else ""
    if not seen.estimates:
        return f"not known: these steps have never been done from this state folder{objective}"
    p50, p90 = (sum(getattr(each, key) for each in seen.estimates.values()) for key in ("p50", "p90"))
    runs = max(each.runs for each in seen.estimates.values())
    without = f", without {', '.join(seen.without_history)}" if seen.without_history else ""
    return f"{span(p50)} as a rule, {span(p90)} at worst in nine of ten ({runs} earlier runs{without}){objective}"
