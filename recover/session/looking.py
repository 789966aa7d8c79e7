"""status, runs, show: looking never acts, and never goes on with a dead run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recover.journal.lock import holder
from recover.journal.progress import Progress
from recover.journal.records import NAME, Record, records
from recover.journal.runs import every, find, progress
from recover.report.handover import card
from recover.report.text import state, story, summary
from recover.session.options import Options
from recover.session.saying import say, say_json


def status(run: str | None, options: Options, *, handover: bool = False) -> int:
    """Where a run stands; with `handover` a card for whoever goes on with it."""
    folder = find(options.state, run, options.project, flags=options.flags)
    now = progress(folder)
    if handover:
        say(*card(now, folder, _held(folder), options.flags))
    elif options.json:
        say_json(_facts(folder, now, alive=_alive(folder)))
    else:
        say(*summary(now, f"{now.run}{options.flags}", alive=_alive(folder)), f"record   {folder}")
    return 0


def runs(options: Options) -> int:
    """All runs, the latest last."""
    known = [(folder, now, _alive(folder)) for folder, now in every(options.state, options.project)]
    if options.json:
        say_json({"v": 1, "runs": [_facts(folder, now, alive=alive) for folder, now, alive in known]})
    else:
        say(*(f"{folder.parent.name}  {now.run}  {state(now, alive=alive)}" for folder, now, alive in known))
        say(*(["no runs yet"] if not known else []))
    return 0


def show(run: str | None, options: Options) -> int:
    """Everything a run did and saw."""
    folder = find(options.state, run, options.project, flags=options.flags)
    kept = records(folder / NAME)
    if options.json:
        for record in kept:
            say_json(_record(record))
    else:
        say(*story(kept), f"record {folder}")
    return 0


def _alive(folder: Path) -> bool:
    return bool(_held(folder))


def _held(folder: Path) -> Mapping[str, object]:
    """The card of the process that holds this run, or {}."""
    found = holder(folder.parent.parent, folder.parent.name)
    return found if found.get("run") == folder.name else {}


def _facts(folder: Path, now: Progress, *, alive: bool) -> Mapping[str, object]:
    return {
        "v": 1,
        "run": now.run,
        "project": folder.parent.name,
        "playbook": now.playbook,
        "target": now.target,
        "folder": str(folder),
        "state": state(now, alive=alive),
        "running": alive,
        "resumable": now.resumable and not alive,
        "exit_code": now.ended["exit_code"] if now.ended else None,
        "steps": list(now.steps),
        "done": list(now.done),
        "skipped": list(now.skipped),
        "isolated": list(now.isolated),
        "failed": list(now.failed),
        "current": now.current,
        "in_doubt": now.in_flight if now.pending else None,
    }


def _record(record: Record) -> Mapping[str, object]:
    return {"v": 1, "n": record.n, "at": record.at.isoformat(), "event": record.event, "data": record.data}
