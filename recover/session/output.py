"""The file that `-o` names: whether it can be written is known before anything else is done."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from shlex import quote

from recover.errors import SystemRefused, UsageError
from recover.journal.records import write_whole

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What is wrong with the disk, and not with the name."""


def require_writable(path: Path | None) -> None:
    """Raises UsageError where no such file can be written. Nothing is touched."""
    if path is None:
        return
    folder = path.parent
    try:
        if path.is_dir():
            raise _unwritable(path, "it is a directory", next=f"-o {quote(str(path / 'FILE'))}")
        if path.exists() and not path.is_file():
            return  # a pipe or a device
        if not folder.exists():
            raise _unwritable(path, f"there is no directory {folder}", next=f"mkdir -p {quote(str(folder))}")
        if not folder.is_dir():
            raise _unwritable(path, f"{folder} is not a directory")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _unwritable(path, f"{folder} cannot be written to: {os.strerror(errno.EACCES)}")
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None


def write_output(path: Path, content: str | bytes) -> None:
    """Write it whole, for its owner only. Raises UsageError, SystemRefused when the disk is full."""
    try:
        write_whole(path, content)
    except OSError as error:
        if error.errno in FULL:
            raise SystemRefused.of(error) from None
        raise _unwritable(path, error.strerror or str(error)) from None


def _unwritable(path: Path, why: str, *, next: str = "-o FILE, in a directory that you may write to") -> UsageError:
    return UsageError(f"cannot write {path}", where=str(path), why=why, next=next)
