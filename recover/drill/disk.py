"""A disk that is full: a folder of the replica on a small file system in memory, filled to the last byte.

Only what is mounted below the replica's own folder is ever unmounted.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

from recover import programs
from recover.errors import Precondition, StepError, SystemRefused

MOUNTS = Path("/proc/self/mounts")
PAGE = 4096  # what tmpfs gives out at a time, in bytes
SPARE = 1 << 20  # bytes beside what is copied, to be filled
TIMEOUT = 120.0  # seconds that a program may take


def require(folder: Path) -> None:
    """Raises Precondition when no file system can be mounted in this folder, with the system's words."""
    probe = folder / "mount.probe"
    probe.mkdir(exist_ok=True)
    try:
        _mount(probe, SPARE)
        release(probe)
    except StepError as error:
        hint = "run the drill as root of a machine (a container lacks CAP_SYS_ADMIN), or choose another fault"
        raise Precondition(
            "a disk cannot be filled here: it takes the right to mount", why=error.why, next=hint
        ) from None
    finally:
        probe.rmdir()


def fill(path: Path) -> None:
    """Move the folder to a file system of its own that has no byte left. What used it must be stopped.

    The original stays beside it as NAME.removed. One that was filled already stays as it is. Raises StepError.
    """
    if path.is_mount():
        return
    original = path.with_name(f"{path.name}.removed")
    path.rename(original)
    path.mkdir()
    _mount(path, _size(original) + SPARE)
    _run("cp", "-a", f"{original}/.", str(path))
    with (path / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(PAGE)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise SystemRefused.of(error) from None


def release(folder: Path) -> None:
    """Unmount whatever is mounted at or below the folder, the innermost first. Raises StepError."""
    root = folder.resolve()
    for mounted in sorted(_mounted(), key=lambda path: len(path.parts), reverse=True):
        if mounted == root or root in mounted.parents:
            _run("umount", str(mounted))


def _mounted() -> list[Path]:
    """Every mount point of this machine; a blank in it is written as \\040."""
    if not MOUNTS.exists():
        return []
    points = (line.split()[1] for line in os.fsencode(MOUNTS.read_text(errors="surrogateescape")).splitlines())
    return [Path(os.fsdecode(point.decode("unicode_escape").encode("latin-1"))) for point in points]


def _size(folder: Path) -> int:
    """Bytes that the folder takes in whole pages."""
    files = [path.lstat() for path in folder.rglob("*")]
    return sum(-(-seen.st_size // PAGE) * PAGE for seen in files)


def _mount(path: Path, size: int) -> None:
    if shutil.which("mount") is None:
        raise StepError("there is no program mount", why="this system has no mount")
    _run("mount", "-t", "tmpfs", "-o", f"size={size},nosuid,nodev", "recover-drill", str(path))


def _run(*argv: str) -> None:
    try:
        done = programs.run(argv, timeout=TIMEOUT, together=True)
    except subprocess.TimeoutExpired:
        raise StepError(f"{argv[0]} did not end within {TIMEOUT:g} s") from None
    if done.returncode != 0:
        raise StepError(f"{argv[0]} failed", where=argv[-1], why=done.stdout.decode(errors="replace").strip())
