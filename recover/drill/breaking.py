"""A replica is broken: the one place where the damage is done, in the order of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from recover.checks.service import ServiceIs
from recover.checks.wait import Patience, Waiter
from recover.drill import disk
from recover.drill.certificates import spoil
from recover.drill.damage import Damage
from recover.drill.replica import Replica, Tell, carry_out, start
from recover.drill.scenario import Scenario
from recover.errors import StepError
from recover.steps.service import StartService, StopService
from recover.world import View, World

SETTLING = Patience(within=5.0)  # what the slowest service of a replica takes to be ready, or to end


def break_it(replica: Replica, scenario: Scenario, damage: Damage, world: World, view: View, tell: Tell) -> None:
    """Make the incident: the stack runs on and fails as users saw it.

    The variables of an earlier break are taken back, its files are not. Raises Precondition, before anything is
    changed, for a disk that cannot be filled here.
    """
    if damage.fill:
        disk.require(replica.folder)
    replica.set({**scenario.replica.env, **damage.env})
    _tell_deployed(damage, tell)
    carry_out(StopService(services=damage.restart), world, view)
    replica.mark_broken()
    _change_files(replica, damage, tell)
    _start_again(damage.restart, world, view, tell)
    start(world, view, damage.wait)
    _settle(damage.restart, view)
    if damage.stop:
        tell(f"stop {', '.join(damage.stop)}")
        carry_out(StopService(services=damage.stop), world, view)
    if damage.later:
        tell(f"and later, taken up by no service: {_assignments(damage.later)}")
        replica.set(damage.later)


def _tell_deployed(damage: Damage, tell: Tell) -> None:
    if damage.env:
        tell(f"deploy {_assignments(damage.env)} to {_listed(damage.restart)}")
    elif damage.restart:
        tell(f"restart {_listed(damage.restart)}")


def _change_files(replica: Replica, damage: Damage, tell: Tell) -> None:
    for name in damage.remove:
        tell(f"remove {name}, to {name}.removed")
        path = replica.folder / name
        if path.exists():
            path.rename(path.with_name(f"{path.name}.removed"))
    for spoilt in damage.spoilt:
        tell(f"make the certificate {spoilt.pair} anew: {spoilt.kind}")
        spoil(replica.folder, spoilt, datetime.now(UTC))
    for name in damage.fill:
        tell(f"move {name} to a small disk, and fill it to the last byte")
        disk.fill(replica.folder / name)


def _start_again(services: tuple[str, ...], world: World, view: View, tell: Tell) -> None:
    """One that cannot even be started is what some faults are for."""
    try:
        carry_out(StartService(services=services, wait="started"), world, view)
    except StepError as error:
        tell(f"{error.what}: {error.why}")


def _settle(services: Iterable[str], view: View) -> None:
    """Until each is ready or has ended, for a while: a service that still starts has not failed yet."""
    waiter = Waiter(view)
    for name in services:
        waiter.ask(ServiceIs(name), SETTLING)


def _assignments(env: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in env.items())


def _listed(services: Iterable[str]) -> str:
    return ", ".join(services) or "no service yet"
