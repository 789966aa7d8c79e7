"""Projects on a real Docker engine, for tests: made in a folder, removed at the end."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from recover.runtimes import RUNTIMES, Site
from recover.runtimes.compose import ComposeRuntime
from recover.runtimes.engine_api import PROJECT

RUN = os.environ.get("RECOVER_TEST_RUN") or secrets.token_hex(4)
"""The run of the tests: it is in the name of everything that they make on the engine, so that it can be found."""

IMAGE = os.environ.get("RECOVER_TEST_IMAGE", "recover-replica/app:incident")
"""An image with a shell and Python; `make images` makes it."""


def own_name() -> str:
    """A name that no other test has, for a project, a volume or a network."""
    return f"recovertest{RUN}{secrets.token_hex(4)}"


def own_tag(name: str) -> str:
    """A reference to an image that no other test has."""
    return f"recovertest/{name}:{RUN}{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Project:
    """A compose project and its runtime, as the command line builds it."""

    name: str
    file: Path
    runtime: ComposeRuntime

    def docker(self, *words: str) -> str:
        """Run the docker program; what it printed."""
        return docker(*words)

    def compose(self, *words: str) -> str:
        """Run docker compose on the project's file."""
        return docker("compose", *self.flags, *words)

    @property
    def flags(self) -> tuple[str, ...]:
        return ("-p", self.name, "-f", str(self.file))

    def containers(self, service: str = "") -> list[str]:
        """The names of the project's containers, stopped ones too; those of one service when given."""
        labels = [f"label=com.docker.compose.project={self.name}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        filters = [word for label in labels for word in ("--filter", label)]
        return docker("ps", "--all", "--format", "{{.Names}}", *filters).split()

    def container(self, service: str) -> str:
        """The name of the service's one container."""
        [name] = self.containers(service)
        return name


@contextmanager
def project(
    folder: Path, text: str, env: Mapping[str, object] | None = None, *, looking: bool = False
) -> Iterator[Project]:
    """A project from the text of its compose file; its containers, networks and volumes are removed at the end.

    It is no replica. A volume is the trace that tells the engine from a wrong one.
    """
    name = own_name()
    file, replica = folder / "compose.yaml", folder / "no-replica"
    file.write_text(text)
    variables = {"IMAGE": IMAGE, **(env or {})}
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
    site = Site((file,), name, replica, folder / "state" / "run", looking)
    site.run.mkdir(parents=True, exist_ok=True)
    made = Project(name, file, cast(ComposeRuntime, RUNTIMES["compose"](site)))
    docker("volume", "create", "--label", f"com.docker.compose.project={name}", f"{name}_trace")
    try:
        yield made
    finally:  # by label: compose's own `down` stumbles over a service whose dependency has no container
        made.runtime.engine.remove_labelled(PROJECT, name)


def docker(*words: str, stderr: bool = False) -> str:
    """Run the docker program; what it printed, with `stderr` on both streams."""
    done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr if stderr else done.stdout
