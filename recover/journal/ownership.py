"""Who may have written what a run's folder holds: a run that goes on does, as us, what it says.

The playbook's path, the variables and the actions that a rollback loads all come from the folder. So only our own is
acted on, or that of an owner whom the command names as trusted, and only where nobody else could have written.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from recover.errors import Precondition
from recover.journal.lock import LOCK
from recover.journal.places import head_file
from recover.journal.records import NAME, TEXTS

ROOT = 0
OTHERS = stat.S_IWGRP | stat.S_IWOTH
ENTER = stat.S_IXGRP | stat.S_IXOTH
"""Without it nobody reaches what lies in a folder, whatever its mode (a dump has that of the user's umask)."""


def require_ours(folder: Path, *, trust_owner: bool, again: str) -> None:
    """Raises Precondition unless we, or with `trust_owner` its owner, wrote the run, and nobody else can write there.

    `again` is the command that trusts the owner.
    """
    owner = _look(folder).st_uid
    entered = bool(_look(folder).st_mode & ENTER)
    strict = set(_own_files(folder))
    for path in (*strict, *folder.rglob("*")):
        seen = _look(path)
        if seen.st_uid not in (owner, os.geteuid(), ROOT):
            raise _strange(folder, path, seen.st_uid)
        if seen.st_mode & OTHERS and (path in strict or entered):
            raise _open_to_others(folder, path, seen, "go-w")
    for path in _shared(folder):
        seen = _look(path)
        if seen.st_mode & stat.S_IWOTH and not seen.st_mode & stat.S_ISVTX:
            raise _open_to_others(folder, path, seen, "o-w")
    if owner != os.geteuid() and not trust_owner:
        raise Precondition(
            f"run {folder.name} was written by {name_of(owner)}, and you are {name_of(os.geteuid())}: "
            "what it says would be done as you",
            where=str(folder),
            why="its playbook, variables and actions come from that folder; nothing was touched",
            next=f"read it ({_command('show', folder)}), then: {again}",
        )


def name_of(uid: int) -> str:
    """As the system's list of users has it."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _own_files(folder: Path) -> Iterator[Path]:
    """What only the run's owner may write."""
    yield from (folder, folder / NAME)
    yield from (path for name in (*TEXTS, "evidence") if os.path.lexists(path := folder / name))
    if os.path.lexists(head := head_file(folder)):
        yield head


def _shared(folder: Path) -> Iterator[Path]:
    """What colleagues may write together, but not everybody: who can rename a folder puts another in its place."""
    project = folder.parent
    yield from (path for path in (project / LOCK, head_file(folder).parent) if os.path.lexists(path))
    yield from (project, *project.parent.resolve().parents, project.parent.resolve())


def _look(path: Path) -> os.stat_result:
    seen = path.stat(follow_symlinks=False)
    if stat.S_ISLNK(seen.st_mode):
        raise Precondition(
            "a link is in the state folder, and none is followed when a run goes on",
            where=str(path),
            why=f"it leads to {path.readlink()}; nothing was touched",
            next="put what it leads to in its place, or name the other place: --state-dir",
        )
    return seen


def _strange(folder: Path, path: Path, uid: int) -> Precondition:
    owner = folder.stat().st_uid
    return Precondition(
        f"a file of the run was written by {name_of(uid)}",
        where=str(path),
        why=f"the run's folder belongs to {name_of(owner)}; nothing was touched",
        next=f"see that it is as it was ({_command('verify', folder)}), then: chown {owner} {quote(str(path))}",
    )


def _open_to_others(folder: Path, path: Path, seen: os.stat_result, mode: str) -> Precondition:
    mine = f"its mode is {stat.S_IMODE(seen.st_mode):04o} and it belongs to {name_of(seen.st_uid)}"
    who = "everybody" if seen.st_mode & stat.S_IWOTH else f"everybody in the group {seen.st_gid}"
    return Precondition(
        f"{who} may write to what the run would be resumed from",
        where=str(path),
        why=f"{mine}; nothing was touched",
        next=f"see that it is as it was ({_command('verify', folder)}), then: chmod {mode} {quote(str(path))}",
    )


def _command(verb: str, folder: Path) -> str:
    return f"recover {verb} {folder.name} --state-dir {quote(str(folder.parents[1]))}"
