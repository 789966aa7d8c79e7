"""The table of runtimes: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recover import inputs
from recover.errors import PlaybookError
from recover.world import Runtime


@dataclass(frozen=True)
class Site:
    """Where the services of a target are: all that a runtime is built from.

    `replica` is the folder of the project's replica, which need not exist; `run` that of the run, which
    exists as soon as something is done. With `looking` nothing is asked that is more than a look. `flags` are what a
    command on this replica needs besides.
    """

    files: tuple[Path, ...]
    project: str
    replica: Path
    run: Path
    looking: bool = False
    flags: str = ""


Builder = Callable[[Site], Runtime]


def _local(site: Site) -> Runtime:
    from recover.runtimes.local import LocalRuntime

    if len(site.files) != 1:
        raise PlaybookError(f"the runtime local is described by exactly one file, not {len(site.files)}")
    return LocalRuntime(site.files[0], site.replica, site.flags)


def _compose(site: Site) -> Runtime:
    from recover.runtimes.compose import ComposeRuntime
    from recover.runtimes.compose_file import ComposeFile

    env = site.replica / ".env"
    lines = inputs.text(env, inputs.ENVIRONMENT).splitlines() if env.is_file() else []
    replica = next((line.partition("=")[2] for line in lines if line.startswith("REPLICA_ID=")), "")
    file = ComposeFile(site.files, site.project, site.run.parent / "compose.lock", env if replica else None)
    return ComposeRuntime(site.project, file if site.files else None, site.run, site.looking, replica)


RUNTIMES: dict[str, Builder] = {"local": _local, "compose": _compose}
