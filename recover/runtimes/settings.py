"""What a container was made with, and what its compose file says: the same named settings from both, as text.

A setting that the file leaves open is the image's. Names and shapes are those of the engine's API reference
(container inspect) and of the Compose specification.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Facts = Mapping[str, Any]
ANONYMOUS = 64  # letters in the name that the engine makes up for a volume without one
OWN_LABELS = ("com.docker.compose.", "com.docker.desktop.", "desktop.docker.io/")


@dataclass(frozen=True)
class Declared:
    """One service of a compose configuration. `image` is what the engine has under the image's name, or nothing."""

    service: Facts
    project: Facts
    image: Facts = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Every setting that can be compared, beside the environment."""
        told = {name: of(self) for name, (of, _) in SETTINGS.items()}
        return _told({**told, **self._mounts(), **self._labels()})

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
    def name(self) -> str:
        """The service's name."""
        services = self.project.get("services") or {}
        return next((name for name, service in services.items() if service is self.service), "")

    @property
    def scale(self) -> int:
        """How many containers of it there are to be."""
        deployed = (self.service.get("deploy") or {}).get("replicas")
        wanted = self.service.get("scale", deployed)
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

    def from_image(self, key: str) -> Any:
        """What the image says where the file says nothing."""
        return (self.image.get("Config") or {}).get(key)

    def _mounts(self) -> dict[str, str]:
        volumes = self.project.get("volumes") or {}
        mounts = {}
        for mount in self.service.get("volumes") or ():
            source = mount.get("source") or ""
            if mount["type"] == "volume" and source:
                mounts[mount["target"]] = _mount("volume", volumes.get(source, {}).get("name", source), mount)
            elif mount["type"] == "bind":
                mounts[mount["target"]] = _mount("bind", source, mount)
        for kind, folder in (("secrets", "/run/secrets/"), ("configs", "/")):
            for each in self.service.get(kind) or ():
                file = (self.project.get(kind) or {}).get(each["source"], {}).get("file")
                target = each.get("target") or each["source"]
                if file:
                    mounts[target if target.startswith("/") else folder + target] = _mount(
                        "bind", file, {"read_only": True}
                    )
        return {f"mount {target}": said for target, said in mounts.items()}

    def _labels(self) -> dict[str, str]:
        return {f"label {key}": str(value) for key, value in (self.service.get("labels") or {}).items()}

    def networks(self) -> str | None:
        """The engine's names of its networks; None where it shares another's."""
        mode = self.service.get("network_mode")
        if mode:
            return None if ":" in mode else mode
        known = self.project.get("networks") or {}
        keys = self.service.get("networks") or {"default": None}
        return " ".join(sorted(known.get(key, {}).get("name", key) for key in keys))


@dataclass(frozen=True)
class Made:
    """One container, as `inspect` gives it, with the image it was made from when the engine still has that."""

    facts: Facts
    image: Facts = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Every setting that can be compared, beside the environment."""
        told = {name: of(self) for name, (_, of) in SETTINGS.items()}
        return _told({**told, **self._mounts(), **self._labels()})

    def environment(self, declared: Collection[str]) -> dict[str, str]:
        """The variables it was given: the declared ones, and those that are not as its image has them.

        Without the image, which others were given cannot be told.
        """
        images = _pairs((self.image.get("Config") or {}).get("Env"))
        has = _pairs(self.config("Env"))
        return {k: v for k, v in has.items() if k in declared or (self.image and images.get(k) != v)}

    def config(self, key: str) -> Any:
        """One of the settings that the image could have made."""
        return self.facts["Config"].get(key)

    def host(self, key: str) -> Any:
        """One of the settings that belong to the engine's machine."""
        return self.facts["HostConfig"].get(key)

    def networks(self) -> str | None:
        """The names of its networks; None where it shares another container's."""
        if str(self.host("NetworkMode")).startswith(("container:", "service:")):
            return None
        return " ".join(sorted(self.facts["NetworkSettings"].get("Networks") or {}))

    def addresses(self) -> tuple[str, ...]:
        """Its addresses on its networks, while it runs."""
        networks = (self.facts["NetworkSettings"].get("Networks") or {}).values()
        found = (network.get(key) for network in networks for key in ("IPAddress", "GlobalIPv6Address"))
        return tuple(address for address in found if address)

    def _mounts(self) -> dict[str, str]:
        """Its mounts, without anonymous volumes: those have no name that a file could say."""
        mounts = {}
        for mount in self.facts.get("Mounts") or ():
            source = mount.get("Name") if mount["Type"] == "volume" else mount.get("Source")
            anonymous = mount["Type"] == "volume" and len(source or "") == ANONYMOUS
            if mount["Type"] in ("volume", "bind") and not anonymous:
                said = {"read_only": not mount.get("RW", True)}
                mounts[f"mount {mount['Destination']}"] = _mount(mount["Type"], source or "", said)
        return mounts

    def _labels(self) -> dict[str, str]:
        images = (self.image.get("Config") or {}).get("Labels") or {}
        labels = self.config("Labels") or {}
        return {
            f"label {key}": value
            for key, value in labels.items()
            if not key.startswith(OWN_LABELS) and images.get(key) != value
        }


def compared(declared: Declared, made: Made) -> tuple[dict[str, str], dict[str, str]]:
    """The settings that can be compared: as the container has them, and as its file wants them.

    A container whose image has lost its name cannot be made anew, so that alone is no difference.
    """
    wanted, has = declared.settings(), made.settings()
    if not declared.image and made.config("Image") == declared.service.get("image"):
        wanted["image"] = has["image"]
    for name in SETTINGS:
        if name not in wanted or name not in has:
            wanted.pop(name, None)
            has.pop(name, None)
    return has, wanted


# --- the settings ---------------------------------------------------------------------------------


def _image_declared(declared: Declared) -> str:
    reference = str(declared.service.get("image") or "")
    return f"{reference} {_short(declared.image['Id'])}" if declared.image else f"{reference} (not on this engine)"


def _image_made(made: Made) -> str:
    return f"{made.config('Image')} {_short(made.facts['Image'])}"


def _words_of(declared: Declared, key: str, engine_key: str) -> str:
    said = declared.service.get(key)
    if said is not None:
        return shlex.join(said)
    if key == "command" and declared.service.get("entrypoint") is not None:
        return ""  # the engine drops the image's command with its entrypoint (Docker documentation, --entrypoint)
    return shlex.join(declared.from_image(engine_key) or ())


def _text_of(declared: Declared, key: str, engine_key: str) -> str:
    said = declared.service.get(key)
    return str(said) if said is not None else str(declared.from_image(engine_key) or "")


def _health_declared(declared: Declared) -> str:
    said = declared.service.get("healthcheck") or {}
    test = ["NONE"] if said.get("disable") else said.get("test")
    return _test(test or (declared.from_image("Healthcheck") or {}).get("Test"))


def _ports_declared(declared: Declared) -> str | None:
    ports = [p for p in declared.service.get("ports") or () if isinstance(p, dict)]
    if any("-" in (p.get("published") or "") for p in ports):
        return None  # a range: the engine has chosen one of it
    return _sorted(
        _port(p.get("host_ip") or "", p.get("published") or "", f"{p['target']}/{p.get('protocol', 'tcp')}")
        for p in ports
    )


def _ports_made(made: Made) -> str:
    bound = made.host("PortBindings") or {}
    pairs = ((target, each) for target, several in bound.items() for each in several or ())
    return _sorted(_port(each.get("HostIp") or "", each.get("HostPort") or "", target) for target, each in pairs)


def _restart_made(made: Made) -> str:
    policy = made.host("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{most}" if most else name


def _memory_declared(declared: Declared) -> str:
    limits = ((declared.service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    return str(declared.service.get("mem_limit") or limits.get("memory") or 0)


SETTINGS: dict[str, tuple[Callable[[Declared], str | None], Callable[[Made], str | None]]] = {
    "image": (_image_declared, _image_made),
    "command": (lambda d: _words_of(d, "command", "Cmd"), lambda m: shlex.join(m.config("Cmd") or ())),
    "entrypoint": (
        lambda d: _words_of(d, "entrypoint", "Entrypoint"),
        lambda m: shlex.join(m.config("Entrypoint") or ()),
    ),
    "user": (lambda d: _text_of(d, "user", "User"), lambda m: m.config("User") or ""),
    "working_dir": (lambda d: _text_of(d, "working_dir", "WorkingDir"), lambda m: m.config("WorkingDir") or ""),
    "healthcheck": (_health_declared, lambda m: _test((m.config("Healthcheck") or {}).get("Test"))),
    "networks": (lambda d: d.networks(), lambda m: m.networks()),
    "ports": (_ports_declared, _ports_made),
    "restart": (lambda d: str(d.service.get("restart") or "no"), _restart_made),
    "mem_limit": (_memory_declared, lambda m: str(m.host("Memory") or 0)),
    "privileged": (lambda d: _yes(d.service.get("privileged")), lambda m: _yes(m.host("Privileged"))),
    "read_only": (lambda d: _yes(d.service.get("read_only")), lambda m: _yes(m.host("ReadonlyRootfs"))),
    "init": (lambda d: _yes(d.service.get("init")), lambda m: _yes(m.host("Init"))),
    "cap_add": (lambda d: _caps(d.service.get("cap_add")), lambda m: _caps(m.host("CapAdd"))),
    "cap_drop": (lambda d: _caps(d.service.get("cap_drop")), lambda m: _caps(m.host("CapDrop"))),
}
"""Per setting: what the file says, and what the container has. None: it cannot be compared."""


def _told(settings: Mapping[str, str | None]) -> dict[str, str]:
    return {name: said for name, said in settings.items() if said is not None}


def _test(words: Sequence[str] | None) -> str:
    return shlex.join(words[1:]) if words and words[0] == "CMD" else " ".join((words or ["NONE"])[-1:])


def _mount(kind: str, source: str, said: Facts) -> str:
    return f"{kind} {source}{' (read only)' if said.get('read_only') else ''}"


def _port(address: str, published: str, target: str) -> str:
    return f"{address}:{published}->{target}"


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]


def _sorted(words: Iterable[str]) -> str:
    return " ".join(sorted(words))


def _caps(words: Sequence[str] | None) -> str:
    return _sorted(word.removeprefix("CAP_") for word in words or ())


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _pairs(said: Sequence[str] | None) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in said or () if "=" in pair)
