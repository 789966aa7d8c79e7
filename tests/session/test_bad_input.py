"""Bad input: what, where, why, next; the right exit code; nothing started, no traceback."""

from __future__ import annotations

import re

import pytest
from tiny import Tiny

from recover.journal.lock import project_lock

CASES = [
    ("title: A tiny stack", "title: [", 2, "malformed YAML"),
    ("name: tiny", "nmae: tiny", 2, "did you mean 'name'?"),
    ("service.start:", "service.strat:", 2, "did you mean 'service.start'?"),
    ("wait: started", "wait: strated", 2, "did you mean 'started'?"),
    ("services: [web, other], wait", "services: 7, wait", 2, "expects a list"),
    ("${greeting}", "${greting}", 2, "did you mean 'greeting'?"),
    ("${services.web.url}", "${services.wbe.url}", 2, "did you mean 'web'?"),
    ("recover: 1", "recover: 9", 2, "recover"),
    ("runtime: local", "runtime: locl", 2, "did you mean 'local'?"),
    ("files: [local.yaml]", "files: [nothing.yaml]", 2, "nothing.yaml"),
    ("secrets/token", "secrets/missing", 7, "No such file"),
    ("as_declared: true", "as_declared: yes", 2, "true or false"),
]


@pytest.mark.parametrize(("old", "new", "code", "words"), CASES)
def test_a_bad_playbook_is_refused_at_the_place_before_anything_starts(
    tiny: Tiny, old: str, new: str, code: int, words: str
) -> None:
    tiny.write(tiny.playbook.read_text().replace(old, new))
    refused = tiny.recover("run", str(tiny.playbook), expect=code)
    assert words in refused.stderr
    assert f"{tiny.playbook}:" in refused.stderr or "nothing.yaml" in refused.stderr or "locl" in refused.stderr
    assert not (tiny.replica / "run").exists()
    assert not list(tiny.state.glob("*/*/journal.jsonl"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "nothing.yml"), 2, "cannot read nothing.yml"),
        (("run", "--plan", "nothing.json"), 2, "recover plan PLAYBOOK -o nothing.json"),
        (("enums", "repair", "--plan", "nothing.json", "--yes"), 2, "recover enums plan -o nothing.json"),
        (("resume",), 2, "no runs yet"),
        (("status", "x"), 2, "no runs yet"),
        (("drill", "up", "enum-cascad"), 2, "did you mean 'enum-cascade'?"),
        (("drill", "break", "enum-cascade"), 7, "recover drill up enum-cascade"),
        (("drill", "status", "enum-cascade/none"), 2, "no scenario"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_bad_usage_says_what_to_type(tiny: Tiny, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in tiny.recover(*words, expect=code).stderr


@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_drill_does_not_touch_a_stack_that_a_run_works_on(tiny: Tiny, verb: str) -> None:
    with project_lock(tiny.state, "ai_workflow_engine", "run-7"):
        refused = tiny.recover("drill", verb, "enum-cascade", expect=9)
    assert "is running run-7" in refused.stderr
    assert not (tiny.state / "ai_workflow_engine" / "replica-local").exists()


def test_options_are_checked(tiny: Tiny) -> None:
    playbook = str(tiny.playbook)
    assert "NAME=VALUE" in tiny.recover("plan", playbook, "-e", "greeting", expect=2).stderr
    assert "did you mean 'greeting'?" in tiny.recover("plan", playbook, "-e", "greting=x", expect=2).stderr
    assert "no target" in tiny.recover("plan", playbook, "--target", "elsewhere", expect=2).stderr


def test_a_replica_that_is_not_there_is_said_and_nothing_is_made(tiny: Tiny) -> None:
    refused = tiny.recover("plan", str(tiny.playbook), "--project", "elsewhere", expect=7)
    assert "no replica" in refused.stderr
    assert re.search(rf"next: recover drill up \S+ --project elsewhere --state-dir {tiny.state}\n", refused.stderr)
    assert not (tiny.state / "elsewhere").exists()


def test_a_bug_is_a_report_file_and_no_traceback(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime module that raises what nobody expects stands for a bug."""
    site = tiny.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import recover.runtimes.local as l\n"
        "def broken(self, service, *, probe=False): raise ZeroDivisionError('planted-t0ken-5ecret')\n"
        "l.LocalRuntime.state = broken\n"
    )
    done = tiny.recover(
        "plan", str(tiny.playbook), env={"PYTHONPATH": str(site), "TMPDIR": str(tiny.folder)}, expect=70
    )
    assert "a bug in recover" in done.stderr
    [report] = tiny.folder.glob("recover-bug-*.txt")
    assert "ZeroDivisionError" in report.read_text()
    assert "planted" not in report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600
