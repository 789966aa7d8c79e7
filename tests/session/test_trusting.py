"""A run that another user wrote: no command acts on it, or opens its playbook, unless it is told to trust him."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import Tiny

ALICE = 64101
COMMANDS = {
    "resume": (),
    "rollback": ("--yes",),
    "approve": ("web", "--because", "x"),
    "takeover": ("--because", "x"),
    "mark": ("web", "retry", "--because", "x"),
    "abort": ("--because", "x"),
    "explain": (),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users: NOT TESTED HERE")


def killed(tiny: Tiny) -> Tiny:
    """With a run of Alice's that was killed in the middle of an act."""
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:after-act"}, expect=-signal.SIGKILL)
    for path in (tiny.state / "tiny").glob("**/*"):
        if "replica-local" not in path.parts:
            os.chown(path, ALICE, ALICE)
    return tiny


@pytest.fixture(scope="module")
def hers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """Nobody goes on with this one."""
    made = Tiny(tmp_path_factory.mktemp("hers")).build()
    yield killed(made)
    made.down()


def written(state: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in state.glob("tiny/2*/**/*") if path.is_file()}


@pytest.mark.parametrize("verb", COMMANDS)
def test_no_command_acts_on_it(hers: Tiny, verb: str) -> None:
    before = written(hers.state)
    [run] = (path.parent.name for path in hers.state.glob("tiny/*/journal.jsonl"))
    refused = hers.recover(verb, run, *COMMANDS[verb], expect=7).stderr
    assert f"was written by uid {ALICE}, and you are root (uid 0)" in refused
    again = refused.rpartition("then: ")[2].strip()
    assert again.startswith(f"recover {verb} {run} ")
    assert again.endswith(f"--state-dir {hers.state} --trust-owner")
    assert written(hers.state) == before
    assert not list((hers.state / "tiny").glob("lock.taken-*"))


def test_looking_at_it_is_free_and_it_is_gone_on_with_when_she_is_trusted(tiny: Tiny) -> None:
    killed(tiny)
    for words in (("status",), ("show",), ("runs",), ("verify",)):
        tiny.recover(*words)
    assert "recovered and verified" in tiny.recover("resume", "--trust-owner").stdout
    tiny.recover("verify")


ELSEWHERE = ["../x", "/etc", "..", "", "a/b"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_project_and_no_run_leads_out_of_the_state_folder(tiny: Tiny, name: str) -> None:
    outside = tiny.folder / "x" / "20260101-000000-abcd"
    outside.mkdir(parents=True)
    (outside / "journal.jsonl").touch()
    shutil.copytree(outside, tiny.state / "tiny" / outside.name)
    for words in (("status",), ("runs",), ("resume",), ("plan", str(tiny.playbook)), ("run", str(tiny.playbook))):
        assert "cannot be the name of a project" in tiny.recover(*words, "--project", name, expect=2).stderr
    for words in (("resume",), ("show",), ("verify",), ("abort", "--because", "x")):
        assert "no single run is called" in tiny.recover(words[0], name, *words[1:], expect=2).stderr


@pytest.mark.parametrize("name", ["../../x", "/etc/x", ".."])
def test_no_playbook_leads_out_of_the_state_folder(tiny: Tiny, name: str) -> None:
    text = tiny.playbook.read_text()
    tiny.write(text.replace("project: tiny", f"project: {name}"))
    for verb in ("plan", "run", "rehearse", "diagnose"):
        assert "cannot be the name of a project" in tiny.recover(verb, str(tiny.playbook), expect=2).stderr
    tiny.write(text.replace("project: tiny, ", "").replace("name: tiny", f"name: {name}"))
    assert "cannot be the name of a project" in tiny.recover("run", str(tiny.playbook), expect=2).stderr
    assert {path.name for path in tiny.folder.iterdir()} == {"state", "playbook.yml", "local.yaml"}
