"""What a container was made with, and what its compose file says: the same named settings from both, as text.

A setting that the file leaves open is the image's. What has no name here is not compared (logging, ulimits,
sysctls, devices, security options): it is as its file says whenever the container is made anew.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recover.runtimes.service_facts import Declared, Facts, Made

GENERATED = 64  # letters in the name that the engine makes up for a volume without one
NAMELESS = "a volume without a name"
NANOSECONDS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}
TIMES = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}
CONDITIONS = {"none": "no", "any": "always"}  # Compose specification, deploy.restart_policy


def compared(declared: Declared, made: Made) -> tuple[dict[str, str], dict[str, str]]:
    """The settings that can be compared: as the container has them, and as its file wants them.

    A container whose image has lost its name cannot be made anew, so that alone is no difference: what
    the file leaves open is then the image's that it was made from, or as it is.
    """
    if not declared.image and made.config("Image") == declared.reference:
        declared = replace(declared, image=made.image or {"Id": made.facts["Image"], "Config": made.facts["Config"]})
    has, wanted = _made(made, declared), _declared(declared)
    for name in _unsaid(has, wanted, made.image):
        wanted.pop(name, None)
        has.pop(name, None)
    return has, wanted


def _declared(declared: Declared) -> dict[str, str]:
    labels = {f"label {key}": str(value) for key, value in (declared.service.get("labels") or {}).items()}
    said = {name: of(declared) for name, (of, _) in SETTINGS.items()}
    return _told({**said, **_mounts_declared(declared), **labels})


def _made(made: Made, declared: Declared) -> dict[str, str]:
    labels = {f"label {key}": value for key, value in made.labels(declared.service.get("labels") or ()).items()}
    return _told({**{name: of(made) for name, (_, of) in SETTINGS.items()}, **_mounts_made(made), **labels})


def _unsaid(has: Mapping[str, str], wanted: Mapping[str, str], image: Facts) -> set[str]:
    """What one side cannot say: settings, and the nameless volumes that come from the image."""
    volumes = (image.get("Config") or {}).get("Volumes") or {}
    nameless = {name for name in (*has, *wanted) if {has.get(name, NAMELESS), wanted.get(name, NAMELESS)} == {NAMELESS}}
    by_image = {name for name in nameless if not image or name.removeprefix("mount ") in volumes}
    return by_image | {name for name in SETTINGS if name not in has or name not in wanted}


# --- mounts ---------------------------------------------------------------------------------------


def _mounts_declared(declared: Declared) -> dict[str, str]:
    said = declared.service
    mounts = {mount["target"]: _mount_declared(mount, declared.project) for mount in said.get("volumes") or ()}
    for each in said.get("tmpfs") or ():
        path, _, options = each.partition(":")
        mounts[path] = _tmpfs(options)
    for kind, folder in (("secrets", "/run/secrets/"), ("configs", "/")):
        for each in said.get(kind) or ():
            target = each.get("target") or each["source"]
            if file := (declared.project.get(kind) or {}).get(each["source"], {}).get("file"):
                mounts[target if target.startswith("/") else folder + target] = _mount(f"bind {file}", read_only=True)
    return {f"mount {target}": text for target, text in mounts.items()}


def _mount_declared(mount: Facts, project: Facts) -> str:
    source, kind = mount.get("source") or "", mount["type"]
    if kind == "tmpfs":
        return _tmpfs(_size((mount.get("tmpfs") or {}).get("size")))
    if kind == "volume":
        source = (project.get("volumes") or {}).get(source, {}).get("name", source)
    what = f"{kind} {source}" if source else NAMELESS
    return _mount(what, read_only=bool(mount.get("read_only")))


def _mounts_made(made: Made) -> dict[str, str]:
    mounts = {path: _tmpfs(options) for path, options in (made.host("Tmpfs") or {}).items()}
    for asked in made.host("Mounts") or ():
        if asked["Type"] == "tmpfs":
            mounts[asked["Target"]] = _tmpfs(_size((asked.get("TmpfsOptions") or {}).get("SizeBytes")))
    for mount in made.facts.get("Mounts") or ():
        if mount["Type"] != "tmpfs":
            mounts[mount["Destination"]] = _mount_made(mount)
    return {f"mount {target}": text for target, text in mounts.items()}


def _mount_made(mount: Facts) -> str:
    volume = mount["Type"] == "volume"
    source = (mount.get("Name") if volume else mount.get("Source")) or ""
    what = NAMELESS if volume and len(source) == GENERATED else f"{mount['Type']} {source}"
    return _mount(what, read_only=not mount.get("RW", True))


# --- the settings ---------------------------------------------------------------------------------


def _image_declared(declared: Declared) -> str:
    known = short(declared.image["Id"]) if declared.image else "(not on this engine)"
    return f"{declared.reference} {known}"


def _image_made(made: Made) -> str:
    return f"{made.config('Image')} {short(made.facts['Image'])}"


def _entrypoint_declared(declared: Declared) -> str:
    said = declared.service.get("entrypoint")
    return shlex.join(declared.from_image("Entrypoint") or () if said is None else said)


def _command_declared(declared: Declared) -> str:
    """Without one the image's, unless there is an entrypoint (Docker documentation, --entrypoint)."""
    if said := declared.service.get("command"):
        return shlex.join(said)
    return "" if declared.service.get("entrypoint") else shlex.join(declared.from_image("Cmd") or ())


def _text_of(declared: Declared, key: str, engine_key: str) -> str:
    return str(declared.service.get(key) or declared.from_image(engine_key) or "")


def _networks_declared(declared: Declared) -> str | None:
    """The engine's names of its networks; None where it shares another's."""
    if mode := declared.service.get("network_mode"):
        return None if ":" in mode else str(mode)
    return _sorted(_network_names(declared).values())


def _network_names(declared: Declared) -> dict[str, str]:
    known = declared.project.get("networks") or {}
    return {key: known.get(key, {}).get("name", key) for key in declared.service.get("networks") or {"default": None}}


def _networks_made(made: Made) -> str | None:
    if str(made.host("NetworkMode")).startswith("container:"):
        return None
    return _sorted(made.facts["NetworkSettings"].get("Networks") or {})


def _aliases_declared(declared: Declared) -> str | None:
    """The names by which others reach it, per network; None where it has no network of its own."""
    if declared.service.get("network_mode"):
        return None
    said, added = declared.service.get("networks") or {}, {declared.service.get("hostname")}
    aliases = {name: (said.get(key) or {}).get("aliases") or () for key, name in _network_names(declared).items()}
    return _sorted(f"{name}:{','.join(sorted({declared.name, *own} - added))}" for name, own in aliases.items())


def _aliases_made(made: Made) -> str:
    """Without those that the engine and compose add: its id, its name and its host name."""
    added = {made.facts["Id"][:12], made.facts["Name"].lstrip("/"), made.config("Hostname")}
    networks = made.facts["NetworkSettings"].get("Networks") or {}
    aliases = {name: set(facts.get("Aliases") or ()) - added for name, facts in networks.items()}
    return _sorted(f"{name}:{','.join(sorted(own))}" for name, own in aliases.items())


def _hostname_made(made: Made) -> str | None:
    """What it was given; None where it is the machine's or another container's."""
    if made.host("NetworkMode") == "host" or str(made.host("NetworkMode")).startswith("container:"):
        return None
    name = str(made.config("Hostname") or "")
    return "" if made.facts["Id"].startswith(name) else name


def _health_declared(declared: Declared) -> str:
    said, image = declared.service.get("healthcheck") or {}, declared.from_image("Healthcheck") or {}
    times = {of: _nanoseconds(said[key]) for key, of in TIMES.items() if said.get(key)}
    own = {**times, "Test": ["NONE"] if said.get("disable") else said.get("test"), "Retries": said.get("retries")}
    return _health({**image, **{key: value for key, value in own.items() if value}})


def _health(said: Facts) -> str:
    test = said.get("Test") or ["NONE"]
    if test[0] == "NONE":
        return "none"
    times = [f"{key} {said[of] / 1e9:g} s" for key, of in TIMES.items() if said.get(of)]
    retries = [f"retries {said['Retries']}"] if said.get("Retries") else []
    words = shlex.join(test[1:]) if test[0] == "CMD" else " ".join(test[1:])
    return ", ".join([words, *times, *retries])


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


def _restart_declared(declared: Declared) -> str:
    policy = declared.deployed("restart_policy")
    if policy is None:
        return str(declared.service.get("restart") or "no")
    condition, most = policy.get("condition") or "no", policy.get("max_attempts")
    return CONDITIONS.get(condition, condition) + (f":{most}" if most else "")


def _restart_made(made: Made) -> str:
    policy = made.host("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{most}" if most else name


def _memory_declared(declared: Declared) -> str:
    return str(declared.service.get("mem_limit") or declared.deployed("resources", "limits", "memory") or 0)


def _reserved_declared(declared: Declared) -> str:
    reserved = declared.deployed("resources", "reservations", "memory")
    return str(declared.service.get("mem_reservation") or reserved or 0)


def _cpus_declared(declared: Declared) -> str:
    return f"{float(declared.service.get('cpus') or declared.deployed('resources', 'limits', 'cpus') or 0):g}"


SETTINGS: dict[str, tuple[Callable[[Declared], str | None], Callable[[Made], str | None]]] = {
    "image": (_image_declared, _image_made),
    "command": (_command_declared, lambda m: shlex.join(m.config("Cmd") or ())),
    "entrypoint": (_entrypoint_declared, lambda m: shlex.join(m.config("Entrypoint") or ())),
    "user": (lambda d: _text_of(d, "user", "User"), lambda m: m.config("User") or ""),
    "working_dir": (lambda d: _text_of(d, "working_dir", "WorkingDir"), lambda m: m.config("WorkingDir") or ""),
    "hostname": (lambda d: d.service.get("hostname") or "", _hostname_made),
    "healthcheck": (_health_declared, lambda m: _health(m.config("Healthcheck") or {})),
    "networks": (_networks_declared, _networks_made),
    "aliases": (_aliases_declared, _aliases_made),
    "ports": (_ports_declared, _ports_made),
    "restart": (_restart_declared, _restart_made),
    "mem_limit": (_memory_declared, lambda m: str(m.host("Memory") or 0)),
    "mem_reservation": (_reserved_declared, lambda m: str(m.host("MemoryReservation") or 0)),
    "cpus": (_cpus_declared, lambda m: f"{(m.host('NanoCpus') or 0) / 1e9:g}"),
    "privileged": (lambda d: _yes(d.service.get("privileged")), lambda m: _yes(m.host("Privileged"))),
    "read_only": (lambda d: _yes(d.service.get("read_only")), lambda m: _yes(m.host("ReadonlyRootfs"))),
    "init": (lambda d: _yes(d.service.get("init")), lambda m: _yes(m.host("Init"))),
    "cap_add": (lambda d: _caps(d.service.get("cap_add")), lambda m: _caps(m.host("CapAdd"))),
    "cap_drop": (lambda d: _caps(d.service.get("cap_drop")), lambda m: _caps(m.host("CapDrop"))),
}
"""Per setting: what the file says, and what the container has. None: it cannot be compared."""


def _told(settings: Mapping[str, str | None]) -> dict[str, str]:
    return {name: said for name, said in settings.items() if said is not None}


def _mount(what: str, *, read_only: bool) -> str:
    return f"{what} (read only)" if read_only else what


def _tmpfs(options: str) -> str:
    return f"tmpfs {options}".strip()


def _size(size: Any) -> str:
    return f"size={size}" if size else ""


def _port(address: str, published: str, target: str) -> str:
    return f"{address}:{published}->{target}"


def _nanoseconds(duration: str) -> float:
    """Of a duration as compose writes it: 1h30m0s."""
    return sum(float(number) * NANOSECONDS[unit] for number, unit in re.findall(r"([\d.]+)([a-zµ]+)", duration))


def short(image: str) -> str:
    """The twelve digits by which people know the id of an image."""
    return image.removeprefix("sha256:")[:12]


def _sorted(words: Iterable[str]) -> str:
    return " ".join(sorted(words))


def _caps(words: Sequence[str] | None) -> str:
    return _sorted(word.removeprefix("CAP_") for word in words or ())


def _yes(value: object) -> str:
    return "yes" if value else "no"
