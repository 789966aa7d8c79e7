"""A scenario: how a replica is built and broken. `playbooks/<incident>/scenarios/<name>.yml`.

scenario: 1
title: one sentence
playbook: ../playbook.yml
target: local                      # which target of the playbook the replica is, unless --runtime says otherwise
restored: login                    # the step whose checkpoint ends the outage (RTO)
replica: {secrets: [pg], ports: [API_PORT], env: {RELEASE: before}, certificates: {proxy: [localhost]}}
break: {env: {RELEASE: incident}, restart: [api]}
faults:
  slow-disk: {env: FAULT, help: one sentence, choices: [a, b]}    # --fault slow-disk=a
  no-queue: {help: one sentence, stop: [queue]}                   # --fault no-queue

`like: incident` takes playbook, target, restored and replica from incident.yml beside it; what the file says itself
counts more, also inside `replica`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from recover.drill.damage import Damage, Kind, Spoilt
from recover.errors import UsageError
from recover.marked_yaml import Marked, MarkedDict, did_you_mean, fail, read
from recover.playbook.decode import decode

DEFAULT = "incident"
SHARED = ("playbook", "target", "restored", "replica")


@dataclass(frozen=True)
class ReplicaSpec:
    """What has to be made before the services can start: random secrets, free ports, variables, certificates.

    `env_files` (NAME=VALUE lines, beside the playbook) need not be there; `env` counts more. `certificates` are the
    names that each pair `certs/PAIR.crt` and `.key` is for, signed by `certs/ca.crt`.
    """

    secrets: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    certificates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BreakSpec:
    """The change that broke it: variables of the stack, and the services that took them up.

    `wait` are those of them that still call themselves healthy afterwards. `then` are variables that
    changed later and that no service has taken up: what runs is stale.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    restart: tuple[str, ...] = ()
    wait: tuple[str, ...] = ()
    then: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BadCertificate:
    """The pair is replaced by one that is not good; without `as` the fault's choice says in which way."""

    pair: str
    as_: Kind | None = None


@dataclass(frozen=True)
class Fault:
    """A further fault to choose by name.

    `choices`: what `env`, a variable, is set to (several with commas between), or how the `certificate` is bad.
    Besides: variables to `set`, files to `remove` and a folder to `fill` (below the replica's), services to `restart`
    and to `stop`, and variables that change `later`, as `then` of the break. `only`: the runtime it can be made on.
    """

    help: str
    env: str | None = None
    choices: tuple[str, ...] = ()
    set_: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    certificate: BadCertificate | None = None
    fill: str | None = None
    restart: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    later: Mapping[str, str] = field(default_factory=dict)
    only: str | None = None

    def __post_init__(self) -> None:
        by_choice = self.env is not None or (self.certificate is not None and self.certificate.as_ is None)
        if by_choice != bool(self.choices):
            raise ValueError("choices go with env, or with a certificate that does not say as what")
        for path in map(PurePosixPath, self._paths):
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"{path} is not below the replica's folder")

    @property
    def _paths(self) -> tuple[str, ...]:
        return (*self.remove, *((self.fill,) if self.fill is not None else ()))

    def words(self, name: str) -> str:
        """How it is asked for."""
        return f"--fault {name}={'|'.join(self.choices)}" if self.choices else f"--fault {name}"

    def require(self, name: str, choice: str, runtime: str) -> None:
        """Raises UsageError for what is no choice of it, and for a runtime that it cannot be made on."""
        if self.only not in (None, runtime):
            flag = "" if self.only == "local" else f", with --runtime {self.only}"
            raise UsageError(f"{name} can only be made on the runtime {self.only}{flag}, not on {runtime}")
        if not self.choices and choice:
            raise UsageError(f"{name} takes no choice, not {choice!r}", next=self.words(name))
        for one in choice.split(",") if self.env else [choice]:
            if self.choices and one not in self.choices:
                raise UsageError(
                    f"{name} cannot be {one!r}" if choice else f"{name} needs a choice",
                    why=did_you_mean(one, self.choices),
                    next=_known(self.choices),
                )

    def damage(self, choice: str, names: Mapping[str, tuple[str, ...]]) -> Damage:
        """What it does; `names` are those of the replica's certificates."""
        spoilt = () if self.certificate is None else (_spoilt(self.certificate, choice, names),)
        env = {**self.set_, **({self.env: choice} if self.env else {})}
        fill = () if self.fill is None else (self.fill,)
        return Damage(env, self.remove, spoilt, fill, self.restart, (), self.stop, self.later)


def _spoilt(bad: BadCertificate, choice: str, names: Mapping[str, tuple[str, ...]]) -> Spoilt:
    return Spoilt(bad.pair, names[bad.pair], bad.as_ or cast("Kind", choice))


@dataclass(frozen=True)
class Scenario:
    """One scenario file."""

    scenario: Literal["1"]
    title: str
    playbook: Path
    target: str
    restored: str
    replica: ReplicaSpec = field(default_factory=ReplicaSpec)
    break_: BreakSpec = field(default_factory=BreakSpec)
    faults: Mapping[str, Fault] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, fault in self.faults.items():
            if fault.certificate and fault.certificate.pair not in self.replica.certificates:
                raise ValueError(f"the fault {name} spoils {fault.certificate.pair!r}, which is no certificate of it")

    @property
    def example(self) -> str:
        """The words that a break needs besides: a first fault, when none breaks anything by itself, or ""."""
        if self.break_ != BreakSpec() or not self.faults:
            return ""
        name, fault = next(iter(self.faults.items()))
        return f"--fault {name}={fault.choices[0]}" if fault.choices else f"--fault {name}"

    def damage(self, chosen: Mapping[str, str], runtime: str) -> Damage:
        """All that a break with the chosen faults does, and what takes back a former one's variables.

        Raises UsageError for a fault, a choice or a runtime that cannot be.
        """
        own = self.break_
        whole = Damage(env=own.env, restart=own.restart, wait=own.wait, later=own.then)
        for name, choice in chosen.items():
            fault = self.faults.get(name)
            if fault is None:
                raise UsageError(f"no fault {name!r}", why=did_you_mean(name, self.faults), next=_known(self.faults))
            fault.require(name, choice, runtime)
            whole = whole.and_also(fault.damage(choice, self.replica.certificates))
        return whole


def shelves() -> list[Path]:
    """Where incidents are looked for: ./playbooks, the checkout's, the installed package's."""
    package = Path(__file__).parent.parent
    return [Path("playbooks"), package.parent / "playbooks", package / "_playbooks"]


def incidents() -> dict[str, Path]:
    """Every incident with scenarios, by name; a nearer shelf wins."""
    found: dict[str, Path] = {}
    for shelf in reversed(shelves()):
        found |= {path.parent.parent.name: path.parent.parent for path in sorted(shelf.glob("*/scenarios/*.yml"))}
    return found


def find(name: str) -> Scenario:
    """The scenario `INCIDENT` or `INCIDENT/SCENARIO`. Raises UsageError, PlaybookError."""
    incident, _, scenario = name.partition("/")
    known = incidents()
    if incident not in known:
        hint = did_you_mean(incident, known) or f"known: {', '.join(known) or 'none'}"
        raise UsageError(f"there is no drill {incident!r}", why=hint, next="recover drill list")
    path = known[incident] / "scenarios" / f"{scenario or DEFAULT}.yml"
    if not path.is_file():
        there = ", ".join(p.stem for p in path.parent.glob("*.yml"))
        raise UsageError(f"the drill {incident} has no scenario {path.stem!r}", why=f"it has: {there}")
    return decode(_with_shared(read(path), path.parent), Scenario, folder=path.parent)


def scenarios() -> Iterator[tuple[str, Scenario]]:
    """Every scenario there is, by the name that `find` knows it by; raises what `find` raises."""
    for incident, folder in incidents().items():
        stems = sorted((path.stem for path in (folder / "scenarios").glob("*.yml")), key=lambda stem: stem != DEFAULT)
        for stem in stems:
            name = incident if stem == DEFAULT else f"{incident}/{stem}"
            yield name, find(name)


def _with_shared(tree: Marked, folder: Path) -> Marked:
    """The file with what it takes from the one that it is `like`."""
    if not isinstance(tree, MarkedDict) or "like" not in tree:
        return tree
    like = tree.pop(tree.key("like"))
    path = folder / f"{like}.yml"
    if not path.is_file():
        raise fail(like.mark, f"there is no scenario {str(like)!r} beside this one")
    other = read(path)
    if isinstance(other, MarkedDict):
        for name in set(other) - set(SHARED):
            del other[name]
    return _laid_over(other, tree)


def _laid_over(base: Marked, own: Marked) -> Marked:
    """Mappings are merged, and for all else the own one counts."""
    if not isinstance(base, MarkedDict) or not isinstance(own, MarkedDict):
        return own
    whole = MarkedDict(own.mark)
    whole.update({key: value for key, value in base.items() if key not in own})
    whole.update({key: _laid_over(base[key], value) if key in base else value for key, value in own.items()})
    return whole


def _known(names: Iterable[str]) -> str:
    return f"known: {', '.join(names)}"
