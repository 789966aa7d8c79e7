"""A run that was begun, opened again: on its target, under its lock, its journal mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from recover.errors import Precondition, Unreachable
from recover.halt import INTENDED
from recover.journal.lock import project_lock
from recover.journal.progress import Progress
from recover.journal.records import NAME, FileJournal, Record, mend
from recover.journal.runs import progress
from recover.live import SERVICES, of_database, same_target
from recover.session.carrying import closing_journal
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened
from recover.session.options import Options
from recover.session.trusting import require_trusted
from recover.world import RunPlace

PLAYBOOK = "playbook.yml"
"""The playbook's text as it was begun, in the run's folder."""


@dataclass(frozen=True)
class Reopened:
    """The run in its folder, where it stands, and its target.

    `last` is the last good record; `owned` raises once the project's lock was taken away.
    """

    folder: Path
    options: Options
    before: Progress
    session: Opened
    last: Record | None
    owned: Callable[[], None]

    @contextmanager
    def journal(self) -> Iterator[FileJournal]:
        """Its journal, to go on with: whoever wrote in it before notices at his next line."""
        with closing_journal(
            FileJournal(self.folder / NAME, self.session.redactor, self.owned, last=self.last)
        ) as journal:
            yield journal

    def require_same_target(self) -> None:
        """Raises Drifted when what the services run on, or a database that answers, is another one than before."""
        same_target(SERVICES, of_database(self.before.binding, SERVICES), self.session.runtime.identity())
        for name in self.session.target.databases:
            bound = of_database(self.before.binding, name)
            try:
                if bound:
                    with closing(self.session.databases(name)) as database:
                        same_target(name, bound, database.identity())
            except Unreachable:
                continue  # it is down: a step will start it, and it is looked at again before any change

    def end_leftovers(self) -> None:
        """A killed client's backend lives on and may still commit: end ours before looking at the world."""
        doubt = self.before.pending or self.before.rolling_back
        if doubt:
            INTENDED.set()  # of this run an act may be in flight, whatever this process does
        names: Sequence[str] = list(self.session.target.databases) if doubt else []
        for name in names:
            try:
                with closing(self.session.databases(name)) as database:
                    database.end_leftovers(self.before.run)
            except Unreachable:
                continue  # a stopped server has no backends


@contextmanager
def reopened(folder: Path, options: Options, *, breaking: bool = False) -> Iterator[Reopened]:
    """The run with its lock and leases held, by `breaking` those of another machine.

    Raises Locked, Precondition when its playbook is gone or somebody else may have written it, and as `opened` does.
    """
    require_trusted(folder, options)
    known = progress(folder)
    options = replace(options, target=known.target, project=folder.parent.name, variables=known.variables)
    with project_lock(options.state, folder.parent.name, folder.name) as owned:
        last = mend(folder / NAME)
        before = progress(folder)
        playbook = load_playbook(_source(before, folder), options)
        place = RunPlace(folder.name, folder)
        with opened(playbook, options, place) as session, session.leased(folder.name, breaking=breaking):
            yield Reopened(folder, options, before, session, last, owned)


def _source(before: Progress, folder: Path) -> Path:
    """The playbook as it is now. Raises Precondition when it is gone: its relative paths begin where it was."""
    source = Path(before.playbook)
    if not source.is_file():
        copy = f"cp {folder / PLAYBOOK} {source}"
        raise Precondition("the run's playbook is not where it was", where=before.playbook, next=copy)
    return source
