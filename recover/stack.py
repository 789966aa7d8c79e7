"""One service as data: how it is, what an instance of it can be given, where it is reached, what it shows over TLS."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

Status = Literal["missing", "stopped", "exited", "running", "restarting", "paused"]
RUNNING: tuple[Status, ...] = ("running", "restarting", "paused")
"""The statuses of a service that is up, whether it answers or not."""


@dataclass(frozen=True)
class ServiceState:
    """One service as the runtime sees it now.

    `environment` is what the running instance was started with, `declared` what its file says; `settings`
    and `declared_settings` are the same for everything else that can be compared (command, image, mounts).
    `ready` is None when the runtime was not asked to probe, or may not and does not know yet; `detail` says why.
    `started_at` is UTC. `exit_code` is the runtime's own: of a process negative for a signal, as in subprocess, of a
    container 128 more. `restarts` by the runtime itself since it was started; `instance` tells one
    incarnation from the next. A `oneshot` is meant to end: it is ready when it exited with code 0.
    `addresses` are those it connects from, where it has its own. `needs` are the services that its file
    wants before it.
    `note` says what cannot be known of it. `lacks` are what it mounts and is not there, as far as it can be seen from
    here, when it was probed. `zone` is that of the times that it writes without one: its name in the tz database, ""
    for this machine's.
    """

    name: str
    status: Status
    environment: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    declared_settings: Mapping[str, str] = field(default_factory=dict)
    ready: bool | None = None
    detail: str = ""
    exit_code: int | None = None
    restarts: int = 0
    started_at: datetime | None = None
    instance: str = ""
    oneshot: bool = False
    addresses: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    fixed: bool = True
    note: str = ""
    lacks: tuple[str, ...] = ()
    zone: str = "UTC"

    @property
    def running(self) -> bool:
        """Up, whether it answers or not."""
        return self.status in RUNNING


@dataclass(frozen=True)
class Given:
    """What an instance is given that its file does not say: the way into a degraded mode.

    `environment` is laid over the file's, `command` and `image` replace its when there is one, `overrides` are
    files that the runtime lays over its own first. An image is named as the setting of that name has it.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    overrides: tuple[Path, ...] = ()
    image: str = ""

    def over(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The declared settings with this laid over them."""
        command = {"command": shlex.join(self.command)} if self.command else {}
        return {**settings, **command, **({"image": self.image} if self.image else {})}


def same_settings(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Are they the same? An image is what it is by its id, the last word, whatever it is called."""
    return _by_id(one) == _by_id(other)


def _by_id(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: value.rpartition(" ")[2] if key == "image" else value for key, value in settings.items()}


AS_DECLARED = Given()
"""Nothing beyond the file: the way out of a degraded mode."""


@dataclass(frozen=True)
class Address:
    """Where a service can be reached from this machine."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as an http URL without a path."""
        return f"http://{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


# --- TLS ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key: the paths of the two files."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Presented:
    """What a server shows of itself in a TLS handshake: its certificates as PEM, its own first.

    `refusal`: in its own words, why it did not accept us after it had shown them, or "".
    """

    chain: tuple[str, ...]
    refusal: str = ""


TlsProtocol = Literal["tls", "postgres"]
"""How TLS begins: at once, or after PostgreSQL's SSLRequest."""
