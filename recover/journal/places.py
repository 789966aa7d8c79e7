"""Where a project's files are in the state folder, and the only way to open one of them.

A project is one folder name: what the command line, a playbook or a plan file calls it cannot lead out of the state
folder. A link is never followed below the state folder: who may write there would choose what is overwritten.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from recover.errors import UsageError

HEADS = "heads"
"""The folder of a project that holds the head of each of its runs: what a run remembers outside of its own folder."""

LONGEST = 200
"""Bytes of a name; file systems take 255, and `replica-` and the like come before some."""


def project_folder(state: Path, project: str) -> Path:
    """The project's folder. Raises UsageError for a name that is not one folder below the state folder."""
    return state / one_name(project, "a project")


def one_name(name: str, what: str) -> str:
    """The name, if it is that of one folder and printable. Raises UsageError."""
    if name and name not in (".", "..") and "/" not in name and name.isprintable() and _short(name):
        return name
    why = f"it is a folder of the state folder: 1 to {LONGEST} printable characters without a slash, not . or .."
    raise UsageError(f"{name[:LONGEST]!r} cannot be the name of {what}", why=why, next="--project NAME")


def _short(name: str) -> bool:
    return len(os.fsencode(name)) <= LONGEST


def head_file(folder: Path) -> Path:
    """Where the head of the run in this folder is kept."""
    return folder.parent / HEADS / folder.name


def open_folder(folder: Path) -> int:
    """A descriptor of the folder. Raises OSError, also for a link."""
    return _opened(folder, os.O_RDONLY | os.O_DIRECTORY)


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the plain file. Raises OSError, also for a link, a pipe or a device; it never waits."""
    handle = _opened(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return handle


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, and none is followed in a state folder", str(path)) from None
        raise


def in_place(handle: int, path: Path) -> bool:
    """Is what is open here still what has this name?"""
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except OSError:
        return False
