"""status, runs, show: looking never acts, and never goes on with a dead run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recover.errors import JournalDamaged
from recover.journal.integrity import Integrity, examine
from recover.journal.lock import holder
from recover.journal.progress import Progress
from recover.journal.records import Record
from recover.journal.runs import find, folders, gone, progress
from recover.report.handover import card
from recover.report.text import state, story, summary
from recover.session.options import Options
from recover.session.saying import note, say, say_json


def status(run: str | None, options: Options, *, handover: bool = False) -> int:
    """Where a run stands; with `handover` a card for whoever goes on with it. 0, 7 when its record was changed."""
    folder = find(options.state, run, options.project, flags=options.flags)
    now, found = progress(folder), examine(folder)
    if handover:
        say(*card(now, folder, _held(folder), options.flags), *_head(found, "head      "))
    elif options.json:
        say_json({**_facts(folder, now, alive=_alive(folder)), "head": _hash(found), "differs": list(found.differs)})
    else:
        say(*summary(now, f"{now.run}{options.flags}", alive=_alive(folder)), *_head(found, "head     "))
        say(f"record   {folder}")
    return _told_what_differs(folder, found, options)


def runs(options: Options) -> int:
    """All runs, the latest last; 0, 7 when the journal of one is damaged."""
    known, damaged = [], []
    for folder in folders(options.state, options.project):
        try:
            known.append((folder, progress(folder), _alive(folder)))
        except JournalDamaged as error:
            damaged.append((folder, error))
    missing = gone(options.state, options.project)
    if options.json:
        facts = [_facts(folder, now, alive=alive) for folder, now, alive in known]
        broken = [{"run": f.name, "project": f.parent.name, "folder": str(f), "why": e.what} for f, e in damaged]
        lost = [{"run": f.name, "project": f.parent.name, "folder": str(f)} for f in missing]
        say_json({"v": 1, "runs": facts, "damaged": broken, "gone": lost})
    else:
        lines = [(folder, state(now, alive=alive)) for folder, now, alive in known]
        lines += [(folder, f"DAMAGED: {error.what}") for folder, error in damaged]
        lines += [(folder, "gone: its folder was moved or deleted") for folder in missing]
        lines.sort(key=lambda line: line[0].name)
        say(*(f"{folder.parent.name}  {folder.name}  {text}" for folder, text in lines))
        say(*(["no runs yet"] if not lines else []))
    return JournalDamaged.exit_code if damaged else 0


def show(run: str | None, options: Options) -> int:
    """Everything a run did and saw; 0, 7 when its record was changed: what is left of it is shown."""
    folder = find(options.state, run, options.project, flags=options.flags)
    found = examine(folder)
    if options.json:
        for record in found.records:
            say_json(_record(record))
    else:
        say(*story(found.records), f"record {folder}", *_head(found, "head   "))
    return _told_what_differs(folder, found, options)


def _told_what_differs(folder: Path, found: Integrity, options: Options) -> int:
    """The exit code."""
    for difference in found.differs:
        note(f"the record is not what the run wrote: {difference}")
    if found.differs:
        note(f"next: recover verify {folder.name}{options.flags}")
    return JournalDamaged.exit_code if found.differs else 0


def _head(found: Integrity, label: str) -> list[str]:
    return [f"{label}{found.head.short}"] if found.head else []


def _hash(found: Integrity) -> str | None:
    return found.head.hash if found.head else None


def _alive(folder: Path) -> bool:
    return bool(_held(folder))


def _held(folder: Path) -> Mapping[str, object]:
    """What is known of the process that holds this run, or {}.

    Where its lock file was taken away only the project is known to be held: by its latest run, unless that has ended.
    """
    found = holder(folder.parent.parent, folder.parent.name)
    if found and "run" not in found:
        latest = folders(folder.parent.parent, folder.parent.name)[-1] == folder
        return found if latest and not progress(folder).ended else {}
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
    body = {"v": 1, "n": record.n, "at": record.at.isoformat(), "event": record.event, "data": record.data}
    return {**body, "hash": record.hash}
