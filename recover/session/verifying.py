"""verify: is what is kept of a run as the run wrote it? Looks, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from recover.enums.witness import repairs_of
from recover.errors import JournalDamaged, RecoverError, UsageError
from recover.journal.integrity import Integrity, examine
from recover.journal.progress import fold
from recover.journal.runs import find
from recover.postgres.connection import application_name
from recover.session.loading import load_playbook
from recover.session.opening import opened
from recover.session.options import Options
from recover.session.saying import say, say_json
from recover.session.trusting import require_trusted
from recover.world import RunPlace

LEAST = 12
"""Digits that a human may give."""

PROMISE = (
    "whoever may write in the state folder can make all of it anew: only a head that was noted elsewhere "
    "rules that out (--head HASH)"
)


def verify(run: str | None, options: Options, head: str | None = None, *, ask_databases: bool = False) -> int:
    """Compare everything; 0 when nothing differs, 7 when something does.

    `head` is the hash that was printed when the run ended. With `ask_databases` the target's databases say which
    repairs the run made in them. Raises UsageError for what cannot be a head, Precondition for another user's run,
    whose playbook is opened to reach them.
    """
    folder = find(options.state, run, options.project, flags=options.flags)
    word = _word(head)
    found = examine(folder, dumps=True)
    if ask_databases and found.records:
        found = _with_witnesses(folder, found, options)
    at = found.of_head(word) if word else None
    elsewhere = [f"no record has the hash {word}: the run had it when it was noted"] if word and at is None else []
    differs = (*found.differs, *elsewhere)
    if options.json:
        say_json(_facts(folder, found, differs, at))
    else:
        say(*_lines(folder, found, differs, word, at))
    return JournalDamaged.exit_code if differs else 0


def _with_witnesses(folder: Path, found: Integrity, options: Options) -> Integrity:
    """The same, and what the databases say of the run."""
    require_trusted(folder, options)
    now = fold(found.records)
    options = replace(options, target=now.target, project=folder.parent.name, variables=now.variables)
    playbook, place = load_playbook(Path(now.playbook), options), RunPlace(folder.name, folder)
    differs, unproven = [], []
    repairs = dict[str, str]()
    with opened(playbook, options, place, looking=True, patient=True) as session:
        for name in session.target.databases:
            try:
                with closing(session.databases(name)) as database:
                    made = repairs_of(database, folder.name)
            except RecoverError as error:
                unproven.append(f"database {name} says nothing: {error.what}{f': {error.why}' if error.why else ''}")
                continue
            repairs |= made
            differs += [
                f"database {name} keeps repair {id} by this run ({application}); no such act is in the journal"
                for id, application in made.items()
                if application not in _applications(folder, found)
            ]
    if lacking := [id for id in _repairs(found) if id not in repairs]:
        unproven.append(f"no ledger that was read has {', '.join(lacking)}: another database, or one restored since")
    return replace(found, differs=(*found.differs, *differs), unproven=(*found.unproven, *unproven))


def _applications(folder: Path, found: Integrity) -> set[str]:
    """What the run called itself in a database when it acted."""
    steps = {str(record.data.get("step")) for record in found.records if record.event == "ActionStarted"}
    return {application_name(folder.name, step) for step in steps}


def _repairs(found: Integrity) -> list[str]:
    """The ids of the repairs that the journal says were made."""
    outcomes = [record.data.get("outcome") for record in found.records if record.event == "ActionDone"]
    return [str(outcome["repair"]) for outcome in outcomes if isinstance(outcome, dict) and "repair" in outcome]


def _word(head: str | None) -> str:
    word = (head or "").strip().lower()
    if head is not None and not re.fullmatch(f"[0-9a-f]{{{LEAST},64}}", word):
        why = f"it has {LEAST} to 64 hexadecimal digits, as `recover status` prints them"
        raise UsageError(f"{head[:80]!r} is not the hash of a head", why=why, next="recover verify RUN --head HASH")
    return word


def _lines(folder: Path, found: Integrity, differs: tuple[str, ...], word: str, at: int | None) -> list[str]:
    lines = [
        f"run      {folder.name}",
        f"records  {len(found.records)}, each tied to the one before",
        f"files    {len(found.same)} as they were: {', '.join(found.same) or 'none was kept'}",
    ]
    if found.head:
        lines.append(f"head     {found.head.short}")
    if at is not None and found.head:
        later = f"; {found.head.n - at} records came after it" if found.head.n > at else ""
        lines.append(f"given    {word} is record {at}{later}")
    lines += [f"unproven {note}" for note in found.unproven]
    lines += [f"DIFFERS  {difference}" for difference in differs]
    if differs:
        return [*lines, "the record is not what the run wrote"]
    ending = "and the head that you gave is in it" if word else "as far as the state folder itself can tell"
    return [*lines, f"nothing differs, {ending}", *([] if word else [PROMISE])]


def _facts(folder: Path, found: Integrity, differs: tuple[str, ...], at: int | None) -> Mapping[str, object]:
    return {
        "v": 1,
        "run": folder.name,
        "project": folder.parent.name,
        "folder": str(folder),
        "records": len(found.records),
        "head": found.head.hash if found.head else None,
        "given_head_is_record": at,
        "same": list(found.same),
        "unproven": list(found.unproven),
        "differs": list(differs),
        "verified": not differs,
    }
