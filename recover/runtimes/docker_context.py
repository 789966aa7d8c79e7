"""Which Docker engine is meant, as the docker program decides it (Docker documentation, "Docker contexts").

The Docker SDK finds no context in a folder without a config.json; the docker program does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from recover import inputs
from recover.errors import Unreachable

SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Endpoint:
    """The engine's URL, and what named it. `certificates`: the folder of a context's TLS files, if it has any."""

    url: str
    named: str
    certificates: Path | None = None
    verify: bool = True

    def __str__(self) -> str:
        return f"{self.url} ({self.named})"


def endpoint() -> Endpoint:
    """DOCKER_HOST, else the context of DOCKER_CONTEXT, else the current one. Raises Unreachable for an unknown one."""
    if url := os.environ.get("DOCKER_HOST"):
        return Endpoint(url, "DOCKER_HOST")
    name = os.environ.get("DOCKER_CONTEXT") or _object(_folder() / "config.json").get("currentContext") or "default"
    if name == "default":
        return Endpoint(SOCKET, "context default")
    key, contexts = sha256(name.encode()).hexdigest(), _folder() / "contexts"
    docker = _object(contexts / "meta" / key / "meta.json").get("Endpoints", {}).get("docker")
    if docker is None:
        raise Unreachable(f"there is no Docker context {name!r}", where=str(contexts), next="docker context ls")
    tls = contexts / "tls" / key / "docker"
    verify = not docker.get("SkipTLSVerify")
    return Endpoint(docker.get("Host") or SOCKET, f"context {name}", tls if tls.is_dir() else None, verify)


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in the file, or nothing: the docker program warns of a bad one and goes on."""
    try:
        return inputs.json_object(path, inputs.SETTINGS)
    except (OSError, ValueError):
        return {}
