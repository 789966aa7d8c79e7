"""Each middleware broken in turn, and two at once: left off, named, the rest on; later runs bring them back."""

from __future__ import annotations

import json

import pytest
from drilling import PLAYBOOK, Drill, edited

from recover.drill.replica import Replica

pytestmark = pytest.mark.drill

SIX = ("error", "security_headers", "authentication", "csrf", "request_protection", "metrics")


def on(drill: Drill) -> list[str]:
    return drill.services.state("api").environment["MIDDLEWARE"].split(",")


@pytest.mark.parametrize(
    "in_turn", [("request_protection",), pytest.param(SIX, marks=pytest.mark.nightly)], ids=["one", "each"]
)
def test_a_broken_middleware_is_left_off_and_named_and_the_rest_is_on(drill: Drill, in_turn: tuple[str, ...]) -> None:
    drill.recover("drill", "break", "enum-cascade", "--fault", "broken-middleware=csrf,metrics")
    drill.recover("run", PLAYBOOK, expect=3)
    assert drill.progress()["isolated"] == ["middleware[csrf]", "middleware[metrics]"]
    assert on(drill) == [name for name in SIX if name not in ("csrf", "metrics")]
    for broken in in_turn:
        Replica(drill.replica).set({"BROKEN_MIDDLEWARE": broken})
        done = drill.recover("run", PLAYBOOK, expect=3)
        assert f"{broken} is left off" in done.stdout
        assert drill.progress()["isolated"] == [f"middleware[{broken}]"]
        assert on(drill) == [name for name in SIX if name != broken]
        assert drill.login().status == 200
    Replica(drill.replica).set({"BROKEN_MIDDLEWARE": ""})
    drill.recover("run", PLAYBOOK)
    assert on(drill) == [*SIX]


def test_the_probe_names_the_culprits_and_leaves_everything_as_it_was(drill: Drill) -> None:
    drill.recover("drill", "break", "enum-cascade", "--fault", "broken-middleware=error,authentication")
    edited(drill, lambda text: text.replace(", ".join(SIX), "error, authentication, metrics"))
    words = ("probe", drill.file, "--each-middleware", "--yes", "--json")
    nothing = json.loads(drill.recover(*words, expect=3).stdout)
    assert nothing["verdict"].startswith("it is broken with none of them on")  # the labels are still the old ones
    drill.playbook("run", expect=3)
    before = on(drill)
    found = json.loads(drill.recover(*words, expect=3).stdout)
    assert found["culprits"] == ["error", "authentication"]
    assert on(drill) == before
