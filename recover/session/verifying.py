"""verify: is what is kept of a run as the run wrote it? Looks, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from recover.errors import JournalDamaged, UsageError
from recover.journal.integrity import Integrity, examine
from recover.journal.runs import find
from recover.session.options import Options
from recover.session.saying import say, say_json

LEAST = 12
"""Digits that a human may give."""


def verify(run: str | None, options: Options, head: str | None) -> int:
    """Compare everything; 0 when nothing differs, 7 when something does.

    `head` is the hash that was printed when the run ended. Raises UsageError for what cannot be one.
    """
    folder = find(options.state, run, options.project, flags=options.flags)
    word = _word(head)
    found = examine(folder, dumps=True)
    at = found.of_head(word) if word else None
    elsewhere = [f"no record has the hash {word}: the run had it when it was noted"] if word and at is None else []
    differs = (*found.differs, *elsewhere)
    if options.json:
        say_json(_facts(folder, found, differs, at))
    else:
        say(*_lines(folder, found, differs, word, at))
    return JournalDamaged.exit_code if differs else 0


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


PROMISE = (
    "whoever may write in the state folder can make all of it anew: only a head that was noted elsewhere "
    "rules that out (--head HASH)"
)


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
