from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fakes import FakeServices

from recover.checks.mounts import MountsAreThere


def test_what_is_mounted_and_not_there_is_named_per_service() -> None:
    services = FakeServices({"db": {}, "api": {}})
    view: Any = SimpleNamespace(services=services)
    check = MountsAreThere(("db", "api"))
    assert check.ask(view).passed
    services.be("db", lacks=("volume shop_data", "/srv/secrets/pg"))
    evidence = check.ask(view)
    assert (evidence.passed, evidence.answer) == (False, "db lacks volume shop_data, /srv/secrets/pg")
    assert not MountsAreThere(("nothing",)).ask(view).passed
