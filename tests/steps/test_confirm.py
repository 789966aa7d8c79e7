from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from recover.errors import NeedsApproval, StepError
from recover.live import Gatekeeper
from recover.steps.confirm import Confirm


def answer(gate: Gatekeeper) -> Any:
    world: Any = SimpleNamespace(gate=gate)
    [action] = Confirm("Drop the cache?").decide(world)
    return action.apply(world)


def test_yes_given_beforehand_is_recorded_with_who_gave_it() -> None:
    outcome = answer(Gatekeeper(yes=True, ask=False))
    assert outcome["answer"] == "yes"
    assert outcome["by"]
    assert outcome["how"] == "--yes"


def test_with_nobody_there_the_run_waits_for_approval() -> None:
    with pytest.raises(NeedsApproval, match="Drop the cache") as caught:
        answer(Gatekeeper(yes=False, ask=False))
    assert caught.value.exit_code == 10


@pytest.mark.parametrize("typed", ["n\n", "\n", "maybe\n", ""])
def test_anything_but_yes_at_the_terminal_is_a_no(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(StepError, match="said no"):
        answer(Gatekeeper(yes=False, ask=True))


def test_yes_at_the_terminal_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Yes\n"))
    assert answer(Gatekeeper(yes=False, ask=True))["how"] == "terminal"
