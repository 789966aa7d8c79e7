"""The human at a gate: asked at the terminal, answered beforehand, or by others from elsewhere."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from recover.answers import Question
from recover.errors import Aborted, LeftOut, NeedsApproval, StepError
from recover.events import StepApproved
from recover.halt import LOOK, Halt
from recover.journal.lock import who
from recover.journal.progress import Progress
from recover.visible import block

WORDS = ("yes", "no", "skip", "abort", "explain")
HINT = "yes, no, skip (the rest of the stage), abort (the run), explain; then why"


@dataclass
class Gatekeeper:
    """Answers a playbook's questions: who approved already, --yes, the human at the terminal, else nobody.

    `yes` answers ordinary gates, `destructive` names the steps whose gates are answered beforehand although what
    they guard cannot be taken back. `step` is the gate's; `progress` has the approvals and when it was first
    asked. `approved` is told of an approval, `explain` says what comes after a gate. `halt` ends the wait. `flags` are
    what a next command needs to find the run.
    """

    yes: bool
    ask: bool
    destructive: frozenset[str] = frozenset()
    halt: Halt = field(default_factory=Halt)
    step: str = ""
    progress: Progress = field(default_factory=Progress)
    approved: Callable[[StepApproved], None] = lambda _approval: None
    explain: Callable[[str], Sequence[str]] = lambda _step: ()
    flags: str = ""

    def __call__(self, question: Question) -> Mapping[str, object]:
        """Who said yes, and why.

        Raises NeedsApproval when somebody is still missing, StepError on no, LeftOut on skip, Aborted on abort,
        Interrupted when a signal comes first.
        """
        if self._missing(question) and not self._late(question):
            if self._answered_beforehand(question):
                self._approve("answered beforehand", "--yes")
            elif self.ask:
                self._put(question)
        if missing := self._missing(question):
            return self._time_is_up(question) if self._late(question) else self._wait_for(question, missing)
        given = self.progress.approvals.get(self.step, [])
        return {"answer": "yes", "by": ", ".join(each["by"] for each in given), "approvals": given}

    def wants(self, question: str) -> bool:
        """Ask at the terminal; anything but y or yes is a no. Raises Interrupted when a signal comes first."""
        return (self._typed(f"{question} [y/N] ", None) or "").lower() in ("y", "yes")

    # --- who has said yes -------------------------------------------------------------------------

    def _missing(self, question: Question) -> int:
        people = {each["by"] for each in self.progress.approvals.get(self.step, [])}
        return max(0, question.approvers - len(people))

    def _answered_beforehand(self, question: Question) -> bool:
        return self.step in self.destructive if question.destructive else self.yes

    def _approve(self, because: str, how: str) -> None:
        person, host = who()
        self.approved(StepApproved(self.step, person, host, because, how))

    def _wait_for(self, question: Question, missing: int) -> NoReturn:
        more = f"{missing} more of {question.approvers} people have" if question.approvers > 1 else "a human has"
        yes = f"--yes-destructive {self.step}" if question.destructive else "--yes"
        run = self.progress.run or "RUN"
        approve = f"recover approve {run} {self.step} --because 'why'{self.flags}"
        alone = f"; or recover resume {run}{self.flags} {yes}" if question.approvers == 1 else ""
        raise NeedsApproval(f"{more} to answer: {question.text}", next=approve + alone)

    # --- a time limit -----------------------------------------------------------------------------

    def _late(self, question: Question) -> bool:
        left = self._left(question)
        return left is not None and left <= 0

    def _left(self, question: Question) -> float | None:
        """Seconds until nobody need answer any more; it counts from when the gate was first asked."""
        if question.within is None:
            return None
        begun = self.progress.asked.get(self.step, datetime.now(UTC))
        return (begun + timedelta(seconds=question.within) - datetime.now(UTC)).total_seconds()

    def _time_is_up(self, question: Question) -> Mapping[str, object]:
        what = f"nobody answered within {question.within:g} s: {question.text}"
        if question.otherwise == "skip":
            raise LeftOut(what)
        if question.otherwise == "stop":
            anew = f"recover run PLAYBOOK{self.flags} asks anew"
            raise StepError(what, why="the playbook says: otherwise: stop", next=anew)
        return {"answer": "yes", "by": "nobody", "because": what}

    # --- at the terminal --------------------------------------------------------------------------

    def _put(self, question: Question) -> None:
        """Ask until there is an answer or time is up. Returns on yes."""
        person, _ = who()
        while (typed := self._typed(f"{block(question.text)} [{HINT}] ", self._left(question))) is not None:
            word, _, because = typed.partition(" ")
            match next((known for known in WORDS if known.startswith(word.lower())), "") if word else "no":
                case "yes":
                    return self._approve(because.strip(), "terminal")
                case "no":
                    again = f"recover resume {self.progress.run}{self.flags} asks again"
                    raise StepError(f"{person} said no: {question.text}", why=because, next=again)
                case "skip":
                    raise LeftOut(f"left out by {person} at the gate {self.step}", why=because)
                case "abort":
                    raise Aborted(person, because)
                case "explain":
                    sys.stderr.write("".join(f"{block(line)}\n" for line in self.explain(self.step)))
        return None

    def _typed(self, prompt: str, left: float | None) -> str | None:
        """The line that is typed; None when time is up.

        Raises Interrupted when a signal comes first, NeedsApproval when the terminal is gone: nobody said no.
        """
        sys.stderr.write(prompt)
        sys.stderr.flush()
        until = None if left is None else datetime.now(UTC) + timedelta(seconds=left)
        while not select.select([sys.stdin], [], [], LOOK)[0]:
            if self.halt.is_set():
                sys.stderr.write("\n")
                raise self.halt.interrupted("while a question waited", untouched=True)
            if until is not None and datetime.now(UTC) > until:
                sys.stderr.write("\n")
                return None
        try:
            typed = sys.stdin.readline()
        except OSError:
            typed = ""
        if not typed:
            again = f"recover resume {self.progress.run}{self.flags} asks again"
            raise NeedsApproval("the terminal is gone, and the question was not answered", next=again)
        return typed.strip()
