"""How long steps took in earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from recover.errors import JournalDamaged, Unreadable
from recover.journal.records import NAME, records
from recover.journal.runs import folders

RUNS = 50
"""So many of the latest runs are looked at."""


@dataclass(frozen=True)
class Usual:
    """Seconds that half, and nine tenths, of `runs` earlier runs did not exceed."""

    p50: float
    p90: float
    runs: int

    @classmethod
    def of(cls, seconds: list[float]) -> Usual:
        """From one or more spans."""
        tenths = quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else seconds * 9
        return cls(round(tenths[4], 3), round(tenths[8], 3), len(seconds))


def usual(state: Path, playbook: Path) -> Mapping[str, Usual]:
    """Per step of the playbook, when it was really done in a run of any project, drills included."""
    spans: dict[str, list[float]] = {}
    try:
        known = folders(state)[-RUNS:]
    except Unreadable:
        known = []  # a plan needs no history
    for folder in known:
        for step, seconds in _done(folder, str(playbook.absolute())):
            spans.setdefault(step, []).append(seconds)
    return {step: Usual.of(seconds) for step, seconds in spans.items()}


def _done(folder: Path, playbook: str) -> list[tuple[str, float]]:
    try:
        kept = list(records(folder / NAME))
    except JournalDamaged:
        return []  # it is no history of anything
    if not kept or kept[0].data.get("playbook") != playbook:
        return []
    return [
        (record.data["step"], float(record.data["seconds"]))
        for record in kept
        if record.event == "StepDone" and record.data["how"] == "done"
    ]
