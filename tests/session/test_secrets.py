"""A secret is shown nowhere; and a secret that happens to be a name does not make the journal lie."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tiny import TOKEN, Tiny

BLIND = (
    "- stage: Blind\n  steps:\n  - id: web2\n    name: Count\n"
    "    command.run: {{command: [sh, -c, 'echo x >> {0}/ran']}}\n"
    "    done_when: [{{file: {{path: {0}/never}}}}]\n- stage: Alone"
)


def kept(tiny: Tiny) -> bytes:
    folders = [path.parent for path in tiny.state.glob("*/*/journal.jsonl")]
    return b"".join(p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", ["web2", "blind", "p.yml:", "true"])
def test_a_secret_that_equals_a_steps_name_does_not_make_an_act_happen_twice(tiny: Tiny, name: str) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", BLIND.format(tiny.folder)))
    (tiny.replica / "secrets" / "token").write_text(name)
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web2:after-act"}, expect=-signal.SIGKILL)
    assert "cannot be seen" in tiny.recover("resume", expect=6).stderr
    assert (tiny.folder / "ran").read_text() == "x\n"


def test_a_variable_may_not_hold_a_secrets_value(tiny: Tiny) -> None:
    refused = tiny.recover("run", str(tiny.playbook), "-e", f"greeting=say {TOKEN}", expect=2)
    assert "-e greeting=… holds the value of a secret" in refused.stderr
    assert not kept(tiny)


def test_a_reason_given_by_a_human_is_kept_without_the_secret_in_it(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:before-act"}, expect=-signal.SIGKILL)
    tiny.recover("mark", "2", "web", "retry", "--because", f"the token is {TOKEN}")
    assert TOKEN.encode() not in kept(tiny)
    assert "the token is ***" in tiny.recover("show").stdout


def test_a_name_that_holds_a_secret_is_masked_on_both_outputs(tiny: Tiny) -> None:
    """What a playbook writes out in clear is not its secret to keep; the screen masks it all the same."""
    name = f"Start it with {TOKEN}"
    tiny.write(tiny.playbook.read_text().replace("Start the web service", name).replace("hello, help", "bye, help"))
    failed = tiny.recover("run", str(tiny.playbook), expect=1)  # recover() asserts that neither output holds it
    assert "Start it with ***" in failed.stdout + failed.stderr


def test_the_journal_of_another_run_is_refused(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:after-act"}, expect=-signal.SIGKILL)
    [journal] = tiny.state.glob("*/*/journal.jsonl")
    other = journal.parent.with_name("20200101-000000-abcd")
    other.mkdir()
    (other / "journal.jsonl").write_bytes(journal.read_bytes())
    refused = tiny.recover("resume", "abcd", expect=7)
    assert f"is that of run {journal.parent.name}" in refused.stderr
    assert Path(other / "journal.jsonl").read_bytes() == journal.read_bytes()


CANARY = "c4nary's/\"secret+é"
LEAK = """\
- stage: Leak
  steps:
  - id: leak
    name: A program that tells its secret
    command.run:
      command: [sh, -c, {program}]
      environment: {{S: "${{secret.token}}"}}
    done_when: [{{file: {{path: /nowhere}}}}]
"""
PROGRAMS = {
    "cut in the middle": "head -c 5000 /dev/zero | tr '\\0' x; printf %s \"$S\"; head -c 990 /dev/zero | tr '\\0' y",
    "base64": 'printf %s "user:$S" | base64 -w0',
    "hex": "printf %s \"$S\" | od -An -vtx1 | tr -d ' \\n'",
    "as it is": 'printf "%s\\n" "$S"',
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_that_tells_its_secret_tells_it_to_no_sink(tiny: Tiny, program: str) -> None:
    import base64
    import json

    (tiny.replica / "secrets" / "token").write_text(CANARY)
    leak = LEAK.format(program=json.dumps(f"{program}; exit 3"))
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", f"{leak}- stage: Alone"))
    plan = tiny.folder / "plan.json"
    done = [tiny.recover("plan", str(tiny.playbook), "-o", str(plan))]
    done += [tiny.recover("run", "--plan", str(plan), "--yes", expect=1)]
    done += [tiny.recover(word, *json_) for word in ("show", "explain", "status") for json_ in ((), ("--json",))]
    done += [tiny.recover("snapshot", str(tiny.playbook), "-o", str(tiny.folder / "snapshot.json"))]
    said = "".join(each.stdout + each.stderr for each in done)
    said += kept(tiny).decode() + plan.read_text() + (tiny.folder / "snapshot.json").read_text()
    assert "***" in said
    raw = CANARY.encode()
    parts = [
        "c4nar",
        "secret+é",
        raw.hex()[:12],
        *(base64.b64encode(b"user:" + raw).decode()[i : i + 10] for i in (7, 12)),
    ]
    assert not [part for part in parts if part in said]
