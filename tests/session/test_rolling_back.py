"""rollback through the command line, on a tiny stack."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from tiny import Tiny

from recover.journal.records import NAME, records
from recover.runtimes.local import LocalRuntime
from recover.stack import Given, ServiceState

STEPS = ("full", "web", "freeze")
POINTS = ("before-undo", "after-undo", "after-undo-effect")


def services(tiny: Tiny) -> LocalRuntime:
    return LocalRuntime(tiny.folder / "local.yaml", tiny.replica)


def states(tiny: Tiny) -> dict[str, Any]:
    """Whether each service runs, and with what."""

    def told(state: ServiceState) -> tuple[bool, object]:
        return state.running, state.environment if state.running else None

    return {name: told(services(tiny).state(name)) for name in services(tiny).names()}


@pytest.fixture
def before(tiny: Tiny) -> dict[str, Any]:
    """The other service runs in a mode of its own, which the run stops, and the web service does not."""
    services(tiny).start("other", Given({"SPECIAL": "1"}))
    return states(tiny)


def test_a_rollback_shows_its_plan_and_waits_for_a_yes(tiny: Tiny, before: dict[str, Any]) -> None:
    tiny.recover("run", str(tiny.playbook))
    after = states(tiny)
    asked = tiny.recover("rollback", expect=10)
    assert [line.split()[0] for line in asked.stdout.splitlines()[1:]] == ["full", "full", "web", "freeze"]
    assert "stop web, as it was" in asked.stdout
    assert "start other, as it was, with SPECIAL='1'   (it did: stop other)" in asked.stdout
    assert states(tiny) == after != before


def test_what_the_run_did_is_taken_back_and_resume_does_it_again(tiny: Tiny, before: dict[str, Any]) -> None:
    tiny.recover("run", str(tiny.playbook))
    after = states(tiny)
    back = tiny.recover("rollback", "--yes", "--because", "a drill")
    assert "rolled back and verified" in back.stdout
    assert states(tiny) == before
    assert "rolled back and verified (exit 0)" in tiny.recover("status").stdout
    assert "has nothing to take back" in tiny.recover("rollback", "--yes").stdout
    story = tiny.recover("show").stdout
    assert "a drill" in story
    assert "undo of web: stop web, as it was" in story
    tiny.recover("resume")
    assert states(tiny) == after


def test_back_to_a_step_leaves_what_was_done_until_then(tiny: Tiny, before: dict[str, Any]) -> None:
    tiny.recover("run", str(tiny.playbook))
    tiny.recover("rollback", "--yes", "--to", "web")
    now = states(tiny)
    assert now["web"] == (True, {"MODE": "degraded"})
    assert now["other"] == (False, None)
    assert json.loads(tiny.recover("status", "--json").stdout)["done"] == ["freeze", "web"]
    assert "the run has no step 'wep'" in tiny.recover("rollback", "--to", "wep", expect=2).stderr


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("word", ["rollback", "resume"])
def test_killed_anywhere_in_a_rollback_it_goes_on(
    tiny: Tiny, before: dict[str, Any], step: str, point: str, word: str
) -> None:
    tiny.recover("run", str(tiny.playbook))
    killed = {"RECOVER_CRASH_AT": f"{step}:{point}"}
    tiny.recover("rollback", "--yes", env=killed, expect=-signal.SIGKILL)
    assert "killed in the middle of a rollback" in tiny.recover("status").stdout
    tiny.recover(word, "--yes")
    assert states(tiny) == before
    assert "rolled back and verified (exit 0)" in tiny.recover("status").stdout
    [folder] = [path.parent for path in tiny.state.glob(f"*/*/{NAME}")]
    undone = [record.data["act"] for record in records(folder / NAME) if record.event == "UndoDone"]
    assert len(undone) == len(set(undone)) == 4


def test_a_step_with_on_failure_rollback_ends_with_exit_5(tiny: Tiny, before: dict[str, Any]) -> None:
    (tiny.replica / "www" / "index.html").write_text("not what is wanted")
    text = tiny.playbook.read_text().replace('"${greeting}"}}', '"${greeting}"}}\n      within: 300ms')
    tiny.write(text.replace("name: Start the web service", "name: Start the web service\n    on_failure: rollback"))
    failed = tiny.recover("run", str(tiny.playbook), expect=5)
    assert "step web failed; what it did is taken back, and verified" in failed.stdout
    assert states(tiny) == {"web": (False, None), "other": (False, None)}
    (tiny.replica / "www" / "index.html").write_text("hello")
    tiny.recover("resume")
    assert states(tiny)["web"] == (True, {"MODE": "full"})


def test_a_later_run_that_acted_goes_first(tiny: Tiny, before: dict[str, Any]) -> None:
    tiny.recover("run", str(tiny.playbook))
    first = json.loads(tiny.recover("status", "--json").stdout)["run"]
    services(tiny).stop("web")
    tiny.recover("run", str(tiny.playbook))
    refused = tiny.recover("rollback", first, "--yes", expect=7)
    assert "came after it and changed things" in refused.stderr
    tiny.recover("rollback", "--yes")
    tiny.recover("rollback", first, "--yes")
    assert states(tiny) == before


def test_what_somebody_changed_since_stops_the_chain(tiny: Tiny, before: dict[str, Any]) -> None:
    tiny.recover("run", str(tiny.playbook))
    services(tiny).start("web", Given({"MODE": "somebody's"}))
    failed = tiny.recover("rollback", "--yes", expect=6)
    assert "the undo of step full failed" in failed.stderr
    assert "web is not as this run left it" in failed.stderr
    assert states(tiny)["web"] == (True, {"MODE": "somebody's"})
    services(tiny).start("web")
    tiny.recover("rollback", "--yes")
    assert states(tiny) == before


def test_the_plan_and_its_end_as_json(tiny: Tiny, before: dict[str, Any]) -> None:
    tiny.recover("run", str(tiny.playbook))
    lines = [json.loads(line) for line in tiny.recover("rollback", "--yes", "--json").stdout.splitlines()]
    assert [act["undo"] for act in lines[0]["data"]["acts"]][-1] == "start other, as it was, with SPECIAL='1'"
    assert [line["event"] for line in (lines[0], lines[-1])] == ["RollbackPlanned", "RunEnded"]
