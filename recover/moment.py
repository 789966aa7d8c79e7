"""The services of one moment: a plan asks about each of them many times, and the runtime is asked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from recover.stack import Address, ServiceState, Status
from recover.world import SeeDatabase, SeeServices, SeeWeb, View


class Moment:
    """A `world.View` in which every service stays as it was when it was first asked for.

    For one look at everything, never for waiting. Logs, databases and the web are asked each time, and so is a service
    about which the runtime raised something.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self.services: SeeServices = _AskedOnce(view.services)

    @property
    def web(self) -> SeeWeb:
        """As the view has it."""
        return self._view.web

    def database(self, name: str) -> SeeDatabase:
        """As the view has it."""
        return self._view.database(name)


class _AskedOnce:
    def __init__(self, services: SeeServices) -> None:
        self._services = services
        self._names, self._statuses = cache(services.names), cache(services.statuses)
        self._state, self._address = cache(self._asked), cache(services.address)

    def names(self) -> tuple[str, ...]:
        return self._names()

    def statuses(self) -> Mapping[str, Status]:
        return self._statuses()

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        return self._state(service, probe, tuple(overrides))

    def logs(self, service: str, since: datetime | None = None) -> Iterable[str]:
        return self._services.logs(service, since)

    def address(self, service: str, port: int | None = None) -> Address:
        return self._address(service, port)

    def _asked(self, service: str, probe: bool, overrides: tuple[Path, ...]) -> ServiceState:
        return self._services.state(service, probe=probe, overrides=overrides)
