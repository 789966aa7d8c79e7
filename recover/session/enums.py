"""enums diff, plan, repair, undo: the enum doctor at the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from recover.enums import ledger, planfile
from recover.enums.carrying import carry_out
from recover.enums.choices import Choices
from recover.enums.dependants import DYNAMIC
from recover.enums.look import diagnose, examine
from recover.enums.planning import plan
from recover.enums.repair import Repair, doing, taking_back
from recover.enums.surroundings import surroundings
from recover.errors import Interrupted, NeedsApproval, StepError, UsageError
from recover.report import drift as report
from recover.session.doctor import Asked, Patient, patient
from recover.session.options import Options
from recover.session.output import require_writable, write_output
from recover.session.saying import say, say_file, say_json
from recover.session.writers import told, writers_in

if TYPE_CHECKING:
    from recover.models.writers import Writer

DRIFT, BLOCKED = 4, 7
FORMS = ("text", "json", "junit", "github")


@dataclass(frozen=True)
class Limits:
    """How long to wait for a lock (each of several tries) and for one statement, in seconds."""

    lock_timeout: float
    statement_timeout: float


def parse_map(words: list[str] | None) -> Mapping[str, Mapping[str, str]]:
    """`TYPE.old=new`, as often as given; TYPE is named as SQL does. Raises UsageError."""
    found: dict[str, dict[str, str]] = {}
    for word in words or ():
        left, equals, new = word.partition("=")
        type, dot, old = left.rpartition(".")
        if not (equals and dot and type and old and new):
            example = "--map userstatus.pending_approval=PENDING"
            raise UsageError(f"--map takes TYPE.old=new, not {word!r}", next=example)
        found.setdefault(type, {})[old] = new
    return found


def diff(asked: Asked, form: str) -> int:
    """Print what differs. 0 when nothing does, 4 for drift, 7 when a repair would have to guess."""
    if form not in FORMS:
        raise UsageError(f"there is no form {form!r}", why=f"known: {', '.join(FORMS)}")
    with patient(asked) as it:
        found = examine(it.database, diagnose(it.database, it.expected), following=True)
        around, writers = surroundings(it.database), writers_in(asked.source, found)
        if form == "json":
            say_json(it.redactor.data({**report.data(found, around), "writers": [_writer(w) for w in writers]}))
        elif form == "junit":
            say_file(report.junit(found))
        elif form == "github":
            say_file("\n".join(report.github(found)))
            say(report.summary(found))
        else:
            lines = report.text(found, around, told(writers))
            say(*(it.redactor.text(line) for line in lines))
        if found.refusals:
            return BLOCKED
        if not found.clean and form == "text":
            say(f"next: recover enums plan{asked.all_flags}")
        return 0 if found.clean else DRIFT


def make_plan(asked: Asked, choices: Choices, output: Path | None) -> int:
    """Print, and with `output` write, exactly what a repair would do. 0, also when nothing has to be done."""
    require_writable(output)
    with patient(asked) as it:
        repair, minded = _planned(it, choices, asked.source)
        if repair is None:
            return nothing_to_do(asked.options)
        text = planfile.text(repair, it.expected, choices, it.database.identity(), minded)
        if output is not None:
            write_output(output, text)
        if asked.options.json:
            say_file(text)
        else:
            say(*_shown(repair), *(f"mind: {it.redactor.text(line)}" for line in minded))
            first = "" if output else "the same with -o plan.json, then "
            say(f"next: {first}recover enums repair{asked.flags} --plan {shlex.quote(str(output or 'plan.json'))}")
    return 0


def repair(asked: Asked, choices: Choices, plan_file: Path | None, limits: Limits) -> int:
    """Repair, as planned when there is a plan. 0. Raises what stands in the way, with nothing touched."""
    planned = planfile.read(plan_file) if plan_file else None
    if planned is not None:
        choices = planned.choices
    with patient(asked, expecting=planned is None) as opened:
        it = replace(opened, expected=planned.expected) if planned else opened
        todo, minded = _planned(it, choices, asked.source)
        if todo is None:
            return nothing_to_do(asked.options)
        if planned is not None:
            planfile.require_same(planned, todo, it.database.identity())
        _confirm(asked.options, [*_shown(todo), *(f"mind: {line}" for line in minded)], "repair")
        id = ledger.new_id()
        with _whole_or_not(asked):
            carry_out(it.database, doing(todo, id), todo.touched, **asdict(limits))
        left = diagnose(it.database, it.expected, counting=False)  # the transaction has proven the rows
        if not left.clean:
            raise StepError("the repair was made, and the labels are not as expected", why=report.summary(left))
        _tell_done(asked, id, todo)
    return 0


def undo(asked: Asked, id: str | None, limits: Limits) -> int:
    """Take a repair back: that one, or the latest. Raises UsageError when there is none."""
    with patient(asked, expecting=False) as it:
        kept = ledger.find(it.database, id, asked.flags)
        now = {name: tuple(labels) for name, labels in kept.labels_after.items()}
        lines = [f"undo of {kept.id}, made at {kept.made_at}:", *(f"  {sql};" for sql in kept.undo)]
        _confirm(asked.options, lines, "undo")
        statements = [ledger.named(kept.id), *taking_back(now, kept.undo, kept.locked)]
        with _whole_or_not(asked):
            carry_out(it.database, statements, (sorted(now), kept.locked), **asdict(limits))
        if asked.options.json:
            say_json({"v": 1, "undone": kept.id})
        else:
            say(f"undone: {kept.id}")
    return 0


@contextmanager
def _whole_or_not(asked: Asked) -> Iterator[None]:
    """A Ctrl-C hangs up on the server, which then takes the transaction back, unless it was committed already."""
    try:
        yield
    except KeyboardInterrupt:
        what = "stopped at once: all of it has happened, or nothing"
        raise Interrupted(what, signal=2, next=f"recover enums diff{asked.all_flags}") from None


def _writer(each: Writer) -> Mapping[str, object]:
    names = ("kind", "type", "label", "certainty", "excerpt")
    return {"where": str(each), **{name: getattr(each, name) for name in names}}


def _planned(it: Patient, choices: Choices, source: Path | None) -> tuple[Repair | None, list[str]]:
    """The repair, and what has to be minded with it."""
    found = examine(it.database, diagnose(it.database, it.expected))
    minded = [f"{b.object} may break: {b.why}" for b in found.breaks if b.certainty == "possible"]
    minded += [f"{b.object} is left to break: {b.why}" for b in found.breaks if b.object in choices.ignore]
    minded += [*surroundings(it.database).words(), *told(writers_in(source, found))]
    assumed = f"this assumes code that expects these labels ({it.expected.source or 'as given'}); deploy no other one"
    return plan(it.database, found, choices), [assumed, *minded, DYNAMIC]


def nothing_to_do(options: Options) -> int:
    """Say so. 0."""
    if options.json:
        say_json({"v": 1, "nothing_to_do": True})
    else:
        say("nothing to do: the labels are what the code expects")
    return 0


def _shown(repair: Repair) -> list[str]:
    """Its statements, and for each dependant that it rewrites what changes in it."""
    lines = ["BEGIN;  -- with guards before, proofs after, and its inverse kept in recover.enum_repairs"]
    changes = (*repair.changes, *repair.closing)
    lines += [f"{c.sql};" + (f"  -- {c.note}" if c.note else "") for c in changes]
    return [*lines, "COMMIT;", *(line for each in repair.dependants for line in _difference(*each))]


def _difference(object: str, before: str, after: str) -> list[str]:
    return [f"rewritten: {object}", *list(unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]]


def _confirm(options: Options, lines: list[str], word: str) -> None:
    if options.yes:
        return
    if options.ask or not options.json:
        say(*lines)
    if not options.ask:
        raise NeedsApproval(f"the {word} waits for a yes; nothing was touched", next="the same with --yes")
    if input(f"{word}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise NeedsApproval(f"the {word} was not confirmed; nothing was touched")


def _tell_done(asked: Asked, id: str, repair: Repair) -> None:
    if asked.options.json:
        say_json({"v": 1, "repair": id, "statements": list(repair.statements)})
        return
    say(f"repaired: {len(repair.statements)} statements in one transaction; repair {id}")
    say(f"undo: recover enums undo{asked.flags} --repair {id}")
