"""What a service was before an act, and the question whether it is so again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from recover.checks.service import differences, looks_secret, shown
from recover.errors import RecoverError
from recover.evidence import Evidence
from recover.stack import Given, ServiceState, Status, same_settings
from recover.world import Resource, View

GIVEN = ("command", "image")
"""The settings beside the environment that an instance can be given otherwise than its file says."""


@dataclass(frozen=True)
class Former:
    """Its status, and what its instance had otherwise than its file says.

    `lost` names what cannot be brought back: variables that were unset or hold a secret, and settings that can
    be given to no instance (mounts, networks, …). `fixed` as in `ServiceState`: without it there is nothing
    but the status of a service that did not run.
    """

    status: Status
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    fixed: bool = True

    @property
    def ran(self) -> bool:
        """Was it up?"""
        return self.status in ("running", "restarting", "paused")

    @property
    def given(self) -> Given:
        """What starts it so again."""
        command = tuple(shlex.split(self.settings.get("command", "")))
        return Given(self.environment, command, (), self.settings.get("image", ""))


def former(state: ServiceState) -> Former:
    """What has to be kept of the service before it is changed. Values of secrets are not kept."""
    if state.status == "missing" or not (state.running or state.fixed):
        return Former(state.status, fixed=False)
    environment = _beyond(state.declared, state.environment)
    settings = _beyond(state.declared_settings, state.settings)
    plain = {key: value for key, value in environment.items() if value is not None and shown(key, value) == repr(value)}
    brought = {key: value for key in GIVEN if (value := settings.get(key))}
    lost = [key for key in (*environment, *settings) if key not in plain and key not in brought]
    lost += ["being paused"] if state.status == "paused" else []
    return Former(state.status, plain, brought, tuple(lost))


def _beyond(declared: Mapping[str, str], has: Mapping[str, str]) -> dict[str, str | None]:
    """What is otherwise than declared; None for what is declared and not there."""
    return {key: has.get(key) for key in {**declared, **has} if declared.get(key) != has.get(key)}


@dataclass(frozen=True)
class ServiceAsBefore:
    """The service runs, or does not, as it did before, with the configuration that it had.

    One that was restarting again and again need only have been started: it may have ended once more.
    """

    name: str
    before: Former

    @property
    def about(self) -> frozenset[Resource]:
        """The service."""
        return frozenset({f"service:{self.name}"})

    def ask(self, view: View) -> Evidence:
        """Look at it now."""
        question = f"is {self.name} as it was before?"
        try:
            wrong = self._differs(view.services.state(self.name))
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why or error.next}", passed=False)
        return Evidence(question, "; ".join(wrong) or f"yes: {self.before.status}", passed=not wrong)

    def _differs(self, now: ServiceState) -> list[str]:
        begun = now.running or (self.before.status == "restarting" and now.status == "exited")
        status = [] if begun == self.before.ran else [f"it is {now.status}, it was {self.before.status}"]
        return status + otherwise(now, self.before)


def otherwise(now: ServiceState, before: Former) -> list[str]:
    """How its configuration differs from the former one; secrets are not compared, because none was kept."""
    if not before.fixed or now.status == "missing" or not (now.running or now.fixed):
        return []
    wanted, settings = before.given.over(now.declared_settings), []
    if not same_settings(wanted, now.settings):
        settings = differences(wanted, now.settings)
    file, has = ({k: v for k, v in of.items() if not looks_secret(k)} for of in (now.declared, now.environment))
    return settings + differences({**file, **before.environment}, has)
