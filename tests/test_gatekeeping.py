"""Who answers a gate, with which word, and what becomes of the run then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from recover.answers import Question
from recover.errors import Aborted, Interrupted, LeftOut, NeedsApproval, StepError
from recover.events import StepApproved
from recover.gatekeeping import Gatekeeper
from recover.halt import Halt
from recover.journal.progress import Progress

ORDINARY, TWO = Question("Drop the cache?"), Question("Drop the cache?", approvers=2)
DESTRUCTIVE = Question("Drop the data?", destructive=True)


class Human:
    """A terminal at which lines are typed."""

    def __init__(self) -> None:
        self.terminal, self._typing = os.openpty()
        self.stdin = os.fdopen(self._typing, "r")

    def types(self, *lines: str) -> None:
        os.write(self.terminal, "".join(f"{line}\n" for line in lines).encode())

    def leaves(self) -> None:
        self.stdin.close()
        os.close(self.terminal)


@pytest.fixture
def human(monkeypatch: pytest.MonkeyPatch) -> Iterator[Human]:
    made = Human()
    monkeypatch.setattr("sys.stdin", made.stdin)
    monkeypatch.setattr("sys.stderr", StringIO())
    yield made
    made.leaves()


def gate(*, yes: bool = False, ask: bool = False, **more: Any) -> Gatekeeper:
    """A gatekeeper whose approvals are kept as a run keeps them."""
    progress = Progress(run="r")

    def keep(approval: StepApproved) -> None:
        progress.approvals.setdefault(approval.step, []).append(vars(approval))

    return Gatekeeper(yes, ask, step="gate", progress=progress, approved=keep, **more)


def said(keeper: Gatekeeper) -> list[tuple[str, str]]:
    return [(each["how"], each["because"]) for each in keeper.progress.approvals.get("gate", [])]


def another(keeper: Gatekeeper, by: str = "eva") -> None:
    keeper.approved(StepApproved("gate", by, "h", "I looked", "recover approve"))


def test_yes_given_beforehand_is_recorded_with_who_gave_it() -> None:
    keeper = gate(yes=True)
    assert keeper(ORDINARY)["by"]
    assert said(keeper) == [("--yes", "answered beforehand")]


def test_a_destructive_gate_is_answered_beforehand_by_its_name_only() -> None:
    with pytest.raises(NeedsApproval) as caught:
        gate(yes=True)(DESTRUCTIVE)
    assert "--yes-destructive gate" in caught.value.next
    with pytest.raises(NeedsApproval):
        gate(yes=True, destructive=frozenset({"other"}))(DESTRUCTIVE)
    assert gate(destructive=frozenset({"gate"}))(DESTRUCTIVE)["answer"] == "yes"


def test_with_nobody_there_the_run_waits_for_approval() -> None:
    with pytest.raises(NeedsApproval, match="Drop the cache") as caught:
        gate()(ORDINARY)
    assert caught.value.exit_code == 10
    assert caught.value.next.startswith("recover approve r gate --because")


def test_who_approved_from_elsewhere_need_not_be_asked() -> None:
    keeper = gate()
    another(keeper)
    assert keeper(ORDINARY)["by"] == "eva"


def test_two_approvers_are_two_people() -> None:
    keeper = gate(yes=True)
    with pytest.raises(NeedsApproval, match="1 more of 2 people"):
        keeper(TWO)
    with pytest.raises(NeedsApproval):
        keeper(TWO)  # the same one again
    another(keeper)
    assert keeper(TWO)["answer"] == "yes"


@pytest.mark.parametrize("typed", ["yes", "y", "Y", "YES"])
def test_yes_at_the_terminal_goes_on_with_its_reason(human: Human, typed: str) -> None:
    human.types(f"{typed} the dump is good")
    keeper = gate(ask=True)
    keeper(ORDINARY)
    assert said(keeper) == [("terminal", "the dump is good")]


@pytest.mark.parametrize("typed", ["n", "", "no not now"])
def test_no_or_just_enter_fails_the_step(human: Human, typed: str) -> None:
    human.types(typed)
    with pytest.raises(StepError, match="said no") as caught:
        gate(ask=True)(ORDINARY)
    assert caught.value.why == ("not now" if "now" in typed else "")


def test_skip_and_abort_have_their_reasons(human: Human) -> None:
    human.types("skip not tonight")
    with pytest.raises(LeftOut) as left_out:
        gate(ask=True)(ORDINARY)
    assert left_out.value.why == "not tonight"
    human.types("abort wrong stack")
    with pytest.raises(Aborted) as aborted:
        gate(ask=True)(ORDINARY)
    assert aborted.value.why == "wrong stack"


def test_explain_says_what_comes_next_and_asks_again_as_does_what_is_no_word(
    human: Human, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", shown := StringIO())
    human.types("maybe", "explain", "yes")
    keeper = gate(ask=True, explain=lambda step: [f"behind {step}: drop"])
    keeper(ORDINARY)
    assert "behind gate: drop" in shown.getvalue()
    assert shown.getvalue().count("Drop the cache?") == 3


def test_a_signal_ends_the_question(human: Human) -> None:
    halt = Halt()
    halt.set()
    with pytest.raises(Interrupted) as caught:
        gate(ask=True, halt=halt)(ORDINARY)
    assert caught.value.untouched


@pytest.mark.parametrize("ask", [False, True])
def test_when_time_is_up_the_playbook_decides(human: Human, ask: bool) -> None:
    ago = datetime.now(UTC) - timedelta(seconds=5)

    def late(otherwise: Any) -> Any:
        keeper = gate(ask=ask)
        keeper.progress.asked["gate"] = ago
        return keeper(Question("Now?", within=4, otherwise=otherwise))

    with pytest.raises(StepError, match="nobody answered within 4 s"):
        late("stop")
    with pytest.raises(LeftOut, match="nobody answered"):
        late("skip")
    assert late("yes")["by"] == "nobody"


def test_time_runs_out_while_the_terminal_waits(human: Human) -> None:
    keeper = gate(ask=True)
    keeper.progress.asked["gate"] = datetime.now(UTC)  # as the intent of the gate, kept before it is asked
    with pytest.raises(LeftOut):
        keeper(Question("Now?", within=0.3, otherwise="skip"))


def test_in_time_an_approval_counts_and_a_terminal_is_asked(human: Human) -> None:
    human.types("yes")
    assert gate(ask=True)(Question("Now?", within=60))["answer"] == "yes"
