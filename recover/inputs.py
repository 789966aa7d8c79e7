"""Files that others write: read whole, within the limit of their kind, or not at all.

Only a plain file is read: a pipe nobody writes to would be waited for, and /dev/zero has no end. Whatever is wrong with
one is an OSError, so that who reads it says the same of a file that is too large as of one that is not there.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

KIB, MIB = 2**10, 2**20


@dataclass(frozen=True)
class Kind:
    """The most bytes that a file of a kind may have, and one line of it (None: as long as the file)."""

    name: str
    most: int
    longest: int | None = None


YAML = Kind("a YAML file", 2 * MIB, 256 * KIB)
PLAN = Kind("a plan or a snapshot", 32 * MIB)
ENVIRONMENT = Kind("a file of variables", MIB, 64 * KIB)
SECRET = Kind("a secret", 64 * KIB)
SQL = Kind("a file of SQL", 4 * MIB, MIB)
KEYS = Kind("a certificate or key", 4 * MIB)
SETTINGS = Kind("a file of settings", 4 * MIB)
SOURCE = Kind("a source file", 4 * MIB)
ANY = Kind("a file that is looked into", 64 * MIB)

_NO_FILE = {
    stat.S_IFIFO: "it is a pipe, and not a file",
    stat.S_IFCHR: "it is a device, and not a file",
    stat.S_IFBLK: "it is a device, and not a file",
    stat.S_IFSOCK: "it is a socket, and not a file",
    stat.S_IFDIR: os.strerror(errno.EISDIR),
}


def read(path: Path, kind: Kind) -> bytes:
    """What the file holds. Raises OSError, also for one that is no plain file or passes the limits of its kind."""
    require(path, kind)
    with opened(path) as file:
        content = file.read(kind.most + 1)
    if len(content) > kind.most:
        raise _too_large(path, kind)
    if kind.longest is not None:
        for number, line in enumerate(content.split(b"\n"), 1):
            if len(line) > kind.longest:
                why = f"line {number} is longer than {_size(kind.longest)}, the most in {kind.name}"
                raise OSError(errno.EFBIG, why, str(path))
    return content


def opened(path: Path) -> BufferedReader:
    """The plain file, to be read in parts. Raises OSError; it never waits."""
    _require_plain(_seen(path), path)  # to open a pipe or a device is an act already
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _require_plain(os.fstat(handle), path)  # what is open may be another one than was looked at
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def require(path: Path, kind: Kind) -> None:
    """Raises OSError for a file that another program could not read within its limits, or that is not there."""
    seen = _seen(path)
    _require_plain(seen, path)
    if seen.st_size > kind.most:
        raise _too_large(path, kind)


def text(path: Path, kind: Kind) -> str:
    """What the file holds as text. Raises OSError, also for what is not UTF-8; a byte order mark is no part of it."""
    content = read(path, kind)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        why = "it is UTF-16 text" if wide else f"byte {error.start + 1} begins no character"
        raise OSError(errno.EILSEQ, f"it is not UTF-8 text: {why}", str(path)) from None


def json_object(path: Path, kind: Kind) -> dict[str, Any]:
    """The JSON object in the file. Raises OSError, and ValueError for what is none."""
    content = text(path, kind)
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")  # noqa: TRY004 - the file's fault, as any other
    return value


def _seen(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except ValueError:
        raise OSError(errno.EINVAL, "no file name holds a NUL character", str(path)) from None


def _require_plain(seen: os.stat_result, path: Path) -> None:
    kind = stat.S_IFMT(seen.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, _NO_FILE.get(kind, "it is not a file"), str(path))


def _too_large(path: Path, kind: Kind) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {_size(kind.most)}, the most for {kind.name}", str(path))


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"
