"""A replica of small real processes, for tests of the local runtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recover.errors import RecoverError
from recover.runtimes.local import LocalRuntime
from recover.runtimes.processes import Process


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until it is true; an AssertionError when that takes longer than anything sane."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.01)


@dataclass(frozen=True)
class Replica:
    """A stack's file and its replica's folder, with nothing running yet."""

    file: Path
    project: Path

    @property
    def runtime(self) -> LocalRuntime:
        return LocalRuntime(self.file, self.project)

    def process(self, service: str) -> Process:
        return Process(self.project, service)

    def env(self, **values: object) -> None:
        (self.project / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))


@contextmanager
def replica(folder: Path, yaml: str, env: Mapping[str, object] | None = None) -> Iterator[Replica]:
    """The replica of a local.yaml; whatever runs at the end is stopped."""
    stack, project = folder / "enum-cascade" / "stack", folder / "replica"
    stack.mkdir(parents=True)
    project.mkdir()
    made = Replica(stack / "local.yaml", project)
    made.file.write_text(yaml)
    made.env(**(env or {}))
    try:
        yield made
    finally:
        for service in _names(made):
            seen = made.process(service).look()
            if seen.record:
                seen.record.kill_group()
            until(lambda service=service: made.process(service).look().status != "running")


def _names(made: Replica) -> tuple[str, ...]:
    try:
        return made.runtime.names()
    except RecoverError:
        return ()
