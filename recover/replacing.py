"""Files that are replaced whole and durably, while the old ones are kept beside them.

A kept file is called NAME.before-RUN (then NAME.before-RUN.2, …) and found again by its content, so that a run that
was killed and goes on never writes over one. A file that is a link is refused: a rename would replace the link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

from recover import inputs
from recover.errors import StepError


@dataclass(frozen=True)
class Guise:
    """Who a file belongs to, and its mode."""

    mode: int
    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Guise | None:
        """The file's own; None when there is none. Raises OSError."""
        with suppress(FileNotFoundError):
            seen = path.stat()
            return cls(stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
        return None


def digest(path: Path) -> str:
    """The sha256 of the file, "" when there is none. Raises OSError, StepError for a link."""
    if path.is_symlink():
        whole = f"name the file itself: {path.resolve()}"
        raise StepError(f"{path} is a link, and would be replaced by a file", where=str(path), next=whole)
    try:
        return sha256(inputs.read(path, inputs.KEYS)).hexdigest()
    except FileNotFoundError:
        return ""


def put(path: Path, content: bytes, guise: Guise, run: str) -> None:
    """The file has this content, at once and for good. Raises OSError, and then the old file is as it was."""
    new = _unfinished(path, run)
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fchown(file.fileno(), guise.uid, guise.gid)
        os.fchmod(file.fileno(), guise.mode)
        os.fsync(file.fileno())
    os.replace(new, path)  # noqa: PTH105 - the system call that all of this rests on
    sync(path.parent)


def remove(path: Path, run: str) -> None:
    """There is no such file, for good, nor one that a killed `put` of this run has left. Raises OSError."""
    path.unlink(missing_ok=True)
    _unfinished(path, run).unlink(missing_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in the folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def keep(path: Path, run: str) -> Path | None:
    """A copy beside the file, with its mode and owner, if there is none yet; None when there is no file."""
    guise, was = Guise.of(path), digest(path)
    if guise is None:
        return None
    for beside in _names(path, run):
        if (there := digest(beside)) == was:
            return beside
        if not there:
            put(beside, inputs.read(path, inputs.KEYS), guise, run)
            return beside
    return None


def kept(path: Path, run: str, was: str) -> Path:
    """The copy with that sha256. Raises StepError when there is none any more."""
    for beside in _names(path, run):
        if not (there := digest(beside)):
            break
        if there == was:
            return beside
    raise StepError(f"the old {path.name} is not kept any more", where=str(path), why=f"none has the sha256 {was}")


def _unfinished(path: Path, run: str) -> Path:
    return path.with_name(f".{path.name}.new-{run}")


def _names(path: Path, run: str) -> Iterator[Path]:
    for n in count(1):
        yield path.with_name(f"{path.name}.before-{run}" + (f".{n}" if n > 1 else ""))
