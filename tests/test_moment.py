from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recover.errors import Unreachable
from recover.moment import Moment
from recover.stack import Address, ServiceState


@dataclass
class Counted:
    """Services that change each time they are asked for, and the questions put to them."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    away: bool = False

    def names(self) -> tuple[str, ...]:
        self.asked.append(("names",))
        return ("api",)

    def statuses(self) -> dict[str, str]:
        self.asked.append(("statuses",))
        return {"api": "running"}

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        self.asked.append(("state", service, probe, *overrides))
        if self.away:
            raise Unreachable("it does not answer")
        return ServiceState(service, "running", restarts=len(self.asked))

    def logs(self, service: str, _since: object = None) -> list[str]:
        self.asked.append(("logs", service))
        return []

    def address(self, service: str, port: int | None = None) -> Address:
        self.asked.append(("address", service, port))
        return Address("127.0.0.1", 80)


@dataclass
class View:
    services: Counted = field(default_factory=Counted)
    web: str = "the web"

    def database(self, name: str) -> str:
        return f"the database {name}"


@pytest.fixture
def view() -> Any:
    return View()


def test_what_was_asked_of_a_service_is_not_asked_again(view: Any) -> None:
    moment = Moment(view)
    for _ in range(2):
        assert moment.services.state("api").restarts == 1
        assert moment.services.state("api", probe=True).restarts == 2
        assert moment.services.state("api", overrides=[Path("x")]).restarts == 3
        assert moment.services.names() == ("api",)
        assert moment.services.statuses() == {"api": "running"}
        assert moment.services.address("api") == moment.services.address("api", 80)
    assert len(view.services.asked) == len(set(view.services.asked)) == 7


def test_a_moment_later_is_another_one(view: Any) -> None:
    assert Moment(view).services.state("api").restarts == 1
    assert Moment(view).services.state("api").restarts == 2


def test_what_could_not_be_told_is_asked_again(view: Any) -> None:
    moment, view.services.away = Moment(view), True
    with pytest.raises(Unreachable):
        moment.services.state("api")
    view.services.away = False
    assert moment.services.state("api").status == "running"


def test_logs_databases_and_the_web_are_asked_each_time(view: Any) -> None:
    moment = Moment(view)
    for _ in range(2):
        moment.services.logs("api")
    assert view.services.asked == [("logs", "api")] * 2
    assert (moment.web, moment.database("main")) == ("the web", "the database main")
