"""The one exception tree. Every error says what, where, why and what to type next.

The exit code sits on the class (design §5), so that a command never computes one.
"""

from __future__ import annotations

from recover.visible import block


class RecoverError(Exception):
    """Something the user has to know, in four parts.

    `what` is one sentence, `where` a file:line:column, service or SQL position, `why` the
    other system's own words, `next` a command to type. Empty parts are not printed.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next = next

    def __str__(self) -> str:
        rest = (("at", self.where), ("because", self.why), ("next", self.next))
        return "\n".join([block(self.what), *(f"  {label}: {block(text)}" for label, text in rest if text)])


class UsageError(RecoverError):
    """Wrong words on the command line. Nothing was touched."""

    exit_code = 2


class Unreadable(UsageError):
    """A file that the command line names cannot be read."""

    @classmethod
    def of(cls, path: object, error: OSError, *, next: str) -> Unreadable:
        """The error for what the system said of that file."""
        return cls(f"cannot read {path}", where=str(path), why=error.strerror or str(error), next=next)


class PlaybookError(RecoverError):
    """A playbook (or a stack or scenario file) that cannot be used. Nothing was touched."""

    exit_code = 2


class StepError(RecoverError):
    """A step could not be carried out. The run can be resumed. `sqlstate` is the database's code, if it said one."""

    exit_code = 1
    sqlstate = ""


class JournalError(StepError):
    """The journal cannot be written, so nothing more is done (no act without an intent)."""


class StateLost(JournalError):
    """A file of the run was taken away, or changed, under the run that writes it: nothing more is done."""

    exit_code = 7


class RolledBack(StepError):
    """A step failed, and what it had done was taken back and verified."""

    exit_code = 5


class UndoFailed(RecoverError):
    """Taking something back failed; what was done after it is taken back, the rest is as it was. A human is needed."""

    exit_code = 6


class InDoubt(RecoverError):
    """Whether an act happened cannot be told from the world: a human is needed."""

    exit_code = 6


class SystemRefused(StepError):
    """The operating system refused a file or folder (no space, no permission): its words, not a bug."""

    @classmethod
    def of(cls, error: OSError) -> SystemRefused:
        """The error for what the system said."""
        return cls("the operating system refuses", where=str(error.filename or ""), why=error.strerror or str(error))


class Precondition(RecoverError):
    """Something has to be there before the run may touch anything, and is not."""

    exit_code = 7


class Unreachable(Precondition):
    """A service, database, engine or address does not answer."""


class Limited(Unreachable):
    """The other side wants to be left alone for `seconds` (HTTP 429, Retry-After)."""

    def __init__(self, what: str, *, seconds: float, where: str = "", why: str = "") -> None:
        super().__init__(what, where=where, why=why)
        self.seconds = seconds


class JournalDamaged(Precondition):
    """A record inside the chain does not match its hash: the history cannot be trusted."""


class Drifted(RecoverError):
    """Playbook, plan or world is not what this run began with. Nothing was touched."""

    exit_code = 8


class Locked(RecoverError):
    """Another run holds the project."""

    exit_code = 9


class LostOwnership(Locked):
    """Another process goes on with this run: it was taken over, and here nothing more is done."""


class NeedsApproval(RecoverError):
    """A gate waits for a human's answer."""

    exit_code = 10


class LeftOut(RecoverError):
    """A human, or a time limit, wants the rest of the stage left out: the run goes on without it, degraded."""

    exit_code = 3


class Aborted(RecoverError):
    """A human ended the run for good: nothing resumes it."""

    def __init__(self, by: str, because: str) -> None:
        super().__init__(f"aborted by {by}", why=because)
        self.by = by


class Interrupted(RecoverError):
    """Stopped by a signal (130 for SIGINT, 143 for SIGTERM). The run can be resumed.

    `untouched`: the act in hand has had no effect, and that is known.
    """

    exit_code = 130

    def __init__(self, what: str, *, signal: int, next: str = "", untouched: bool = False) -> None:
        super().__init__(what, next=next)
        self.exit_code = 128 + signal
        self.untouched = untouched


class NotYetKnown(Exception):
    """A preview asked for something that an earlier previewed step will change.

    Raised by `Forecast` only: a real run never defers a step because something is down.
    """

    def __init__(self, because: str) -> None:
        super().__init__(f"decided at run time, because {because}")
        self.because = because


class Bug(RecoverError):
    """Recover itself went wrong. A report file was written; nothing is known about the act in flight."""

    exit_code = 70
