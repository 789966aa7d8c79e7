"""Why a step failed: below the failure, and again by `recover explain`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import PLAYBOOK, TOKEN, WEB, Tiny

from recover.journal.records import NAME
from recover.secrets import Redactor, Secret
from recover.session import bugs, explaining


@pytest.fixture
def failed(tmp_path: Path) -> Tiny:
    """The web service ends at its start, because a file that it wants is not there."""
    made = Tiny(tmp_path).build()
    script = "q = chr(39); raise SystemExit('No such file or directory: ' + q + '/nowhere/key' + q)"
    stack = (tmp_path / "local.yaml").read_text()
    assert WEB in stack
    (tmp_path / "local.yaml").write_text(stack.replace(WEB, f'["${{python}}", -c, "{script}"]'))
    made.write(PLAYBOOK.replace("{services: [web], env:", "{services: [web], within: 60s, env:"))
    return made


def test_the_block_says_what_came_why_and_what_to_type(failed: Tiny) -> None:
    try:
        done = failed.recover("run", str(failed.playbook), expect=1)
        block = done.stderr[done.stderr.index("why step web failed") :]
        for words in (
            "did:",
            "expected:   is web healthy?",
            "got:        it is exited: it ended with exit code 1",
            "web has ended with code 1",
            "likely:     missing-secret",
            "/nowhere/key is not there, and web needs it",
            "undo:       recover rollback",
            "hand over:  recover status",
        ):
            assert words in block, words
        again = failed.recover("explain")
        assert again.stdout.startswith("why step web failed")
        assert "go on:      recover resume" in again.stdout
        told = json.loads(failed.recover("explain", "--json").stdout)
        assert (told["step"], told["likely"]["cause"], told["likely"]["certain"]) == ("web", "missing-secret", True)
        assert TOKEN not in done.stdout + done.stderr + again.stdout
    finally:
        failed.down()


def test_a_bug_in_the_block_is_told_and_the_step_has_still_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object, **__: object) -> None:
        raise ZeroDivisionError("s3cret")

    monkeypatch.setattr(explaining, "look", look)
    monkeypatch.setattr(explaining, "source_of", lambda _session: None)
    monkeypatch.setattr(explaining, "replace", lambda source, **_: source)
    monkeypatch.setattr(explaining, "progress", lambda _folder: SimpleNamespace(run="r", resumable=False))
    monkeypatch.setattr(bugs.tempfile, "tempdir", str(tmp_path))
    (tmp_path / NAME).touch()
    redactor = Redactor()
    redactor.learn(Secret("s", "s3cret"))
    session, options = SimpleNamespace(redactor=redactor), SimpleNamespace(flags="")
    [said] = explaining.block(session, tmp_path, "web", options)  # type: ignore[arg-type]
    assert said.startswith("why step web failed cannot be said: ")
    report = Path(said.rpartition(": ")[2]).read_text()
    assert "ZeroDivisionError" in report
    assert "s3cret" not in report


def test_a_step_by_name_one_that_there_is_not_and_a_run_without_a_failure(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path).build()
    try:
        tiny.recover("run", str(tiny.playbook))
        none = tiny.recover("explain", expect=2).stderr
        assert "no step of run" in none
        assert re.search(rf"next: recover show \S+ --state-dir {tiny.state}\n", none)
        run = json.loads(tiny.recover("status", "--json").stdout)["run"]
        assert "has no step 'nothing'" in tiny.recover("explain", run, "nothing", expect=2).stderr
        told = json.loads(tiny.recover("explain", run, "web", "--json").stdout)
        assert told["services"] == {"web": "web is running and ready; other needs it"}
        assert told["likely"] is None
    finally:
        tiny.down()


def test_a_run_that_succeeds_explains_nothing(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path).build()
    try:
        assert "why step" not in tiny.recover("run", str(tiny.playbook)).stderr
    finally:
        tiny.down()
