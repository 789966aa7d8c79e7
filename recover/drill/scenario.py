"""A scenario: how a replica is built and broken. `playbooks/<incident>/scenarios/<name>.yml`.

scenario: 1
title: one sentence
playbook: ../playbook.yml
target: local                      # which target of the playbook the replica is, unless --runtime says otherwise
restored: login                    # the step whose checkpoint ends the outage (RTO)
replica: {secrets: [pg], ports: [API_PORT], env: {RELEASE: before}}
break: {env: {RELEASE: incident}, restart: [api]}
faults: {slow-disk: {env: FAULT, help: one sentence, choices: [a, b]}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recover.errors import UsageError
from recover.marked_yaml import did_you_mean, read
from recover.playbook.decode import decode

DEFAULT = "incident"


@dataclass(frozen=True)
class ReplicaSpec:
    """What has to be made before the services can start: random secrets, free ports, variables.

    `env_files` (NAME=VALUE lines, beside the playbook) need not be there; `env` counts more.
    """

    secrets: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()


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
class Fault:
    """A further fault to choose by name: sets one variable to one of the choices, or to several with commas between."""

    env: str
    help: str
    choices: tuple[str, ...]


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

    def fault_env(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """The variables for the chosen faults. Raises UsageError for one that does not exist."""
        env = {}
        for name, choice in chosen.items():
            fault = self.faults.get(name)
            if fault is None:
                raise UsageError(f"no fault {name!r}", why=did_you_mean(name, self.faults), next=_known(self.faults))
            for one in choice.split(","):
                if one not in fault.choices:
                    hint = did_you_mean(one, fault.choices)
                    raise UsageError(f"{name} cannot be {one!r}", why=hint, next=_known(fault.choices))
            env[fault.env] = choice
        return env


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
    return decode(read(path), Scenario, folder=path.parent)


def _known(names: object) -> str:
    return f"known: {', '.join(names)}"  # type: ignore[arg-type]  # a mapping or a tuple of names
