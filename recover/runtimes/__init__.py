"""The table of runtimes: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recover.errors import PlaybookError
from recover.runtimes.local import LocalRuntime
from recover.world import Services

Builder = Callable[[Sequence[Path], Path], Services]
"""Takes the target's files and the folder of its replica, which need not exist yet."""


def _local(files: Sequence[Path], project: Path) -> Services:
    if len(files) != 1:
        raise PlaybookError(f"the runtime local is described by exactly one file, not {len(files)}")
    return LocalRuntime(files[0], project)


RUNTIMES: dict[str, Builder] = {"local": _local}
