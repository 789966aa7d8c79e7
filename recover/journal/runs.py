"""Finding runs in the state folder. Looking never acts: nothing here writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path

from recover import inputs
from recover.errors import JournalDamaged, Precondition, Unreadable, UsageError
from recover.journal.places import HEADS, one_name, project_folder
from recover.journal.progress import Progress, fold
from recover.journal.records import NAME, records

AGAIN = "command"
"""In a run's folder: the command that began it, for one that is stopped before its journal says anything."""


def folders(state: Path, project: str | None = None) -> list[Path]:
    """The folders of all runs (of one project), the oldest first: their names sort by time.

    Raises UsageError for a name that leads elsewhere, Unreadable for what cannot be looked into: that is not empty.
    """
    _require_listable(state)
    if project is not None:
        _require_listable(project_folder(state, project))
    return _by_time(path.parent for path in state.glob(f"{_pattern(project)}/*/{NAME}"))


def gone(state: Path, project: str | None = None) -> list[Path]:
    """The folders that runs had whose heads are still kept, the oldest first."""
    heads = state.glob(f"{_pattern(project)}/{HEADS}/*")
    return _by_time(folder for head in heads if not (folder := head.parent.parent / head.name).exists())


def find(state: Path, run: str | None, project: str | None = None, *, flags: str = "") -> Path:
    """The folder of the run with this id (or a unique part of it), or the latest.

    Raises UsageError when there is none, or more than one, Precondition when the latest one's folder is gone; `flags`
    are what the next command needs as well.
    """
    known = folders(state, project)
    if not known:
        raise UsageError("there are no runs yet", where=str(state), next=f"recover run PLAYBOOK{flags}")
    if run is None:
        return _latest(known, gone(state, project), flags)
    matching = [folder for folder in known if folder.name == run] or [f for f in known if run and run in f.name]
    if len(matching) != 1:
        found = ", ".join(f.name for f in matching) or "none"
        what = f"no single run is called {run!r}"
        raise UsageError(what, where=str(state), why=f"found: {found}", next=f"recover runs{flags}")
    return matching[0]


def _require_listable(folder: Path) -> None:
    try:
        os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except FileNotFoundError:
        return  # nothing was kept yet
    except OSError as error:
        raise Unreadable.of(folder, error, next="--state-dir FOLDER, as the user whose runs are meant") from None


def _latest(known: list[Path], missing: list[Path], flags: str) -> Path:
    """Not the one before it, when that which was the latest is gone."""
    if missing and missing[-1].name > known[-1].name:
        raise Precondition(
            f"the folder of the latest run, {missing[-1].name}, is gone",
            where=str(missing[-1]),
            why="its head is still kept, so it was moved or deleted",
            next=f"put it back, or name the run that is meant: recover runs{flags}",
        )
    return known[-1]


def _pattern(project: str | None) -> str:
    return "*" if project is None else escape(one_name(project, "a project"))


def _by_time(found: Iterable[Path]) -> list[Path]:
    return sorted(found, key=lambda folder: (folder.name, folder.parent.name))


def progress(folder: Path) -> Progress:
    """Where the run in this folder stands. Raises JournalDamaged, also for the journal of another run."""
    found = fold(records(folder / NAME))
    if found.run not in ("", folder.name):
        raise JournalDamaged(f"the journal in this folder is that of run {found.run}", where=str(folder / NAME))
    return found


def require_begun(run: Progress, folder: Path, flags: str) -> None:
    """Raises Precondition, with the command that began it, for a run that was stopped before it wrote anything."""
    if run.run:
        return
    try:
        again = inputs.text(folder / AGAIN, inputs.SETTINGS)
    except OSError:
        again = f"recover run PLAYBOOK{flags}"
    why = f"it was stopped while it looked; older runs: recover runs{flags}"
    raise Precondition(f"run {folder.name} never began: nothing was done", where=str(folder), why=why, next=again)


def every(state: Path, project: str | None = None) -> Iterator[tuple[Path, Progress]]:
    """All runs with their progress, the oldest first."""
    for folder in folders(state, project):
        yield folder, progress(folder)


def used(state: Path, project: str, plan: str) -> str:
    """The run of the project that carries out the plan of that sha256, or ""."""
    for folder in folders(state, project):
        first = next(records(folder / NAME), None)
        if first and first.data.get("plan") == plan:
            return folder.name
    return ""
