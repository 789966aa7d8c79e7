"""Is what is kept of a run as the run wrote it? Nothing here writes.

The chain ties every record to those before it, the head says how many there were, records tie the files. All of it
lies in the state folder: who may write there can make another whole of it. What was told outside of it (the head that
is printed at the end of a run) is what he cannot change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recover.errors import JournalDamaged
from recover.journal.records import NAME, TEXTS, Head, Record, digest_of, kept_head, records


@dataclass(frozen=True)
class Integrity:
    """The run's good records, and what differs from what it wrote.

    `same` are the files that are as they were; `unproven` is what nothing was kept of to compare it with.
    """

    records: tuple[Record, ...]
    same: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def head(self) -> Head | None:
        """The last good record."""
        return Head(self.records[-1].n, self.records[-1].hash) if self.records else None

    def of_head(self, word: str) -> int | None:
        """The number of the record whose hash begins so, None when there is none."""
        return next((record.n for record in self.records if record.hash.startswith(word)), None)


def examine(folder: Path, *, dumps: bool = False) -> Integrity:
    """Everything that is kept of the run in this folder; its database dumps too where asked for: they may be long."""
    found, damage = read(folder)
    differs = [f"{damage.what} ({damage.why})"] if damage else []
    whose = found[0].data.get("run", folder.name) if found else folder.name
    if whose != folder.name:
        differs.append(f"the journal in this folder is that of run {whose}")
    kept = _kept(found, dumps=dumps)
    changed = {name: _difference(folder, name, *facts) for name, facts in kept.items()}
    same = tuple(name for name, difference in changed.items() if not difference)
    differs += [difference for difference in changed.values() if difference]
    return Integrity(tuple(found), same, tuple(differs), tuple(_unproven(folder, found, {*kept})))


def read(folder: Path) -> tuple[list[Record], JournalDamaged | None]:
    """The good records, and what is wrong after them."""
    found: list[Record] = []
    try:
        for record in records(folder / NAME):
            found.append(record)  # noqa: PERF402 - what was read before the damage is kept
    except JournalDamaged as error:
        return found, error
    return found, None


def _kept(found: Sequence[Record], *, dumps: bool) -> dict[str, tuple[int, str]]:
    """Each file with the number of the record that keeps its sha256."""
    kept: dict[str, tuple[int, str]] = {}
    for record in found:
        for name, digest in (record.kept or {}).items():
            kept[name] = (record.n, digest)
        outcome = record.data.get("outcome")
        if dumps and isinstance(outcome, dict) and {"path", "sha256"} <= outcome.keys():
            kept[f"evidence/{Path(str(outcome['path'])).name}"] = (record.n, str(outcome["sha256"]))
    return kept


def _difference(folder: Path, name: str, n: int, digest: str) -> str:
    """In words, "" when it is the same."""
    if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
        return f"record {n} names a file outside of the run's folder: {name}"
    path = folder / name
    now = digest_of(path)
    if now == digest:
        return ""
    if not now:
        state = "cannot be read as a plain file" if os.path.lexists(path) else "is gone"
        return f"{name} {state}: record {n} keeps its sha256"
    return f"{name} is not as it was written: record {n} keeps another sha256"


def _unproven(folder: Path, found: Sequence[Record], kept: set[str]) -> Iterator[str]:
    if not found:
        yield "there is no record"
        return
    head = kept_head(folder) if found[0].kept is not None or _has_head(folder) else None
    if head is None:
        yield "no head was kept: an older version wrote the run, so a journal that was cut at its end cannot be told"
    elif found[-1].n > head.n:
        yield f"{found[-1].n - head.n} records came after the head was last kept: the run was killed, or goes on"
    attachments = [str(_attachment(record)) for record in found if _attachment(record)]
    if loose := [name for name in (*TEXTS, *attachments) if name not in kept and (folder / name).exists()]:
        yield f"no sha256 was kept of {', '.join(loose)}: an older version wrote it"


def _attachment(record: Record) -> object:
    evidence = record.data.get("evidence")
    return evidence.get("attachment") if isinstance(evidence, dict) else None


def _has_head(folder: Path) -> bool:
    try:
        return kept_head(folder) is not None
    except JournalDamaged:
        return False
