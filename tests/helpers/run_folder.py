"""One run of the tests: its folder in memory, and a reaper that ends and removes what it leaves, however it ends.

All temporary files of the tests and of the programs they start are below the folder, so the reaper finds a process that
nobody waits for by the files it has open. In memory, because a database is made five times faster there. When a test
fails, the folders of failed tests are kept, in RECOVER_TEST_RESULTS or the machine's temporary folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

RUN = "RECOVER_TEST_RUN"
RESULTS = "RECOVER_TEST_RESULTS"
MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30  # bytes; a run takes less than half of it
REAPING = 120.0  # seconds


@dataclass(frozen=True)
class RunFolder:
    """The folder, and the reaper that waits for the end of its stdin."""

    path: Path
    run: str
    reaper: subprocess.Popen[bytes]

    @property
    def tests(self) -> Path:
        """pytest's base folder."""
        return self.path / "t"

    def end(self, *, failed: bool) -> list[str]:
        """Let the reaper work; a line for each thing that the tests left behind."""
        if failed and self.tests.is_dir():
            self._keep()
        said, _ = self.reaper.communicate(timeout=REAPING)
        return said.decode(errors="replace").splitlines()

    def _keep(self) -> None:
        home = os.environ.get(RESULTS) or f"{_machines_temporary_folder()}/recover-tests-failed"
        kept = Path(home) / self.run
        shutil.copytree(self.tests, kept, symlinks=True, ignore=_only_plain_files, dirs_exist_ok=True)
        sys.stderr.write(f"\nfolders of failed tests: {kept}\n")


def _only_plain_files(folder: str, names: list[str]) -> set[str]:
    """Not the data of a PostgreSQL, which says nothing, and no sockets or pipes, which cannot be copied."""
    paths = [Path(folder) / name for name in names]
    return {
        path.name
        for path in paths
        if not (path.is_symlink() or path.is_file() or path.is_dir()) or (path / "PG_VERSION").exists()
    }


def begin() -> RunFolder:
    """Make the folder, start the reaper, and send this process's temporary files there."""
    run = secrets.token_hex(4)
    path = _place() / f"tests-{run}"
    path.mkdir(mode=0o700)
    script = Path(__file__).with_name("reaper.py")
    reaper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), str(path), run],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )
    os.environ[RUN] = run
    os.environ["TMPDIR"] = tempfile.tempdir = str(path)
    os.environ["XDG_STATE_HOME"] = str(path / "state")  # a test that forgets --state-dir
    return RunFolder(path, run, reaper)


def _place() -> Path:
    """Memory where there is enough of it and programs may be run from it, else the machine's temporary folder."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        seen = os.statvfs(MEMORY)
        if seen.f_bavail * seen.f_frsize >= ENOUGH and not seen.f_flag & os.ST_NOEXEC:
            return MEMORY
    return Path(tempfile.gettempdir())


def _machines_temporary_folder() -> str:
    """What it is without this run's TMPDIR."""
    return next(folder for folder in ("/tmp", "/var/tmp") if os.access(folder, os.W_OK))
