"""The two sides of a service: what its compose file says (`Declared`), and a container as it was made (`Made`).

Names and shapes are those of the Compose specification and of the engine's API reference (container inspect).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Facts = Mapping[str, Any]
OWN_LABELS = ("com.docker.compose.", "com.docker.desktop.", "desktop.docker.io/")


@dataclass(frozen=True)
class Declared:
    """One service of a compose configuration. `image` is what the engine has under the image's name, or nothing."""

    service: Facts
    project: Facts
    image: Facts = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The name of its image; one that is built has that of project and service unless its file says another."""
        return str(self.service.get("image") or f"{self.project['name']}-{self.name}")

    def environment(self) -> dict[str, str]:
        """The variables of the file; one without a value is not passed."""
        said = self.service.get("environment") or {}
        return {key: str(value) for key, value in said.items() if value is not None}

    @property
    def oneshot(self) -> bool:
        """Is it meant to end? Its file says `restart: "no"`, or others wait for it to complete."""
        waits = (
            (other.get("depends_on") or {}).get(self.name, {}).get("condition")
            for other in (self.project.get("services") or {}).values()
        )
        return self.service.get("restart") == "no" or "service_completed_successfully" in waits

    @property
    def needs(self) -> tuple[str, ...]:
        """The services that it depends on."""
        return tuple(self.service.get("depends_on") or ())

    @property
    def name(self) -> str:
        """The service's name."""
        services = self.project.get("services") or {}
        return next((name for name, service in services.items() if service is self.service), "")

    @property
    def scale(self) -> int:
        """How many containers of it there are to be."""
        wanted = self.service.get("scale", self.deployed("replicas"))
        return 1 if wanted is None else int(wanted)

    @property
    def ports(self) -> list[tuple[int, str, int | None]]:
        """(port in the container, address on the engine's machine, port there or None when the engine chooses)."""
        said = [port for port in self.service.get("ports") or () if isinstance(port, dict)]
        return [(int(p["target"]), p.get("host_ip") or "", _number(p.get("published"))) for p in said]

    @property
    def volumes(self) -> list[str]:
        """The engine's names of the named volumes that it mounts."""
        volumes = self.project.get("volumes") or {}
        mounts = self.service.get("volumes") or ()
        sources = (m.get("source") for m in mounts if m.get("type") == "volume")
        return [volumes.get(source, {}).get("name", source) for source in sources if source]

    @property
    def files(self) -> list[str]:
        """The paths of the engine's machine that it mounts: folders, files, secrets, configurations."""
        bound = [m["source"] for m in self.service.get("volumes") or () if m.get("type") == "bind"]
        for kind in ("secrets", "configs"):
            known = self.project.get(kind) or {}
            bound += [known.get(each["source"], {}).get("file") for each in self.service.get(kind) or ()]
        return [path for path in bound if path]

    def from_image(self, key: str) -> Any:
        """What the image says where the file says nothing."""
        return (self.image.get("Config") or {}).get(key)

    def deployed(self, *path: str) -> Any:
        """What its `deploy` section says there."""
        found: Any = self.service.get("deploy")
        for key in path:
            found = (found or {}).get(key)
        return found


@dataclass(frozen=True)
class Made:
    """One container, as `inspect` gives it, with the image it was made from when the engine still has that."""

    facts: Facts
    image: Facts = field(default_factory=dict)

    def environment(self, declared: Collection[str]) -> dict[str, str]:
        """The variables it was given: the declared ones, and those that are not as its image has them.

        Without the image, which others were given cannot be told.
        """
        images = _pairs((self.image.get("Config") or {}).get("Env"))
        has = _pairs(self.config("Env"))
        return {k: v for k, v in has.items() if k in declared or (self.image and images.get(k) != v)}

    def addresses(self) -> tuple[str, ...]:
        """Its addresses on its networks, while it runs."""
        networks = (self.facts["NetworkSettings"].get("Networks") or {}).values()
        found = (network.get(key) for network in networks for key in ("IPAddress", "GlobalIPv6Address"))
        return tuple(address for address in found if address)

    def config(self, key: str) -> Any:
        """One of the settings that the image could have made."""
        return self.facts["Config"].get(key)

    def host(self, key: str) -> Any:
        """One of the settings that belong to the engine's machine."""
        return self.facts["HostConfig"].get(key)

    def labels(self, declared: Collection[str]) -> dict[str, str]:
        """Its labels, those of compose left out; which of them, as for the environment."""
        images, has = (self.image.get("Config") or {}).get("Labels") or {}, self.config("Labels") or {}
        own = {key: value for key, value in has.items() if not key.startswith(OWN_LABELS)}
        return {k: v for k, v in own.items() if k in declared or (self.image and images.get(k) != v)}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _pairs(said: Sequence[str] | None) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in said or () if "=" in pair)
