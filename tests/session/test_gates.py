"""Acts that need a human: confirm gates, and acts in doubt."""

from __future__ import annotations

import signal

from tiny import Tiny

GATE = "- stage: Gate\n  steps:\n  - {id: gate, name: Ask, confirm: {question: Go on?}}\n- stage: Alone"
BLIND = (
    "- stage: Blind\n  steps:\n  - id: blind\n    name: Count\n"
    "    command.run: {{command: [sh, -c, 'echo x >> {0}/ran']}}\n"
    "    done_when: [{{file: {{path: {0}/never}}}}]\n- stage: Alone"
)


def test_a_gate_without_a_human_waits_for_approval_and_yes_goes_on(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", GATE))
    waits = tiny.recover("run", str(tiny.playbook), expect=10)
    assert "Go on?" in waits.stderr
    assert not (tiny.replica / "run" / "web.json").exists()
    tiny.recover("resume", "--yes")


def test_an_unrepeatable_act_in_doubt_is_never_repeated_without_a_human(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", BLIND.format(tiny.folder)))
    ran = tiny.folder / "ran"
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "blind:after-act"}, expect=-signal.SIGKILL)
    doubt = tiny.recover("resume", expect=6)
    assert "recover mark" in doubt.stderr
    assert ran.read_text() == "x\n"
    (tiny.folder / "never").touch()
    tiny.recover("mark", "latest", "blind", "maybe", "--because", "x", expect=2)
    run = next((tiny.state / "tiny").glob("*/journal.jsonl")).parent.name
    tiny.recover("mark", run, "blind", "done", "--because", "I looked")
    tiny.recover("resume")
    assert ran.read_text() == "x\n"


def test_marked_retry_it_is_tried_again(tiny: Tiny) -> None:
    tiny.write(tiny.playbook.read_text().replace("- stage: Alone", BLIND.format(tiny.folder)))
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "blind:before-act"}, expect=-signal.SIGKILL)
    run = next((tiny.state / "tiny").glob("*/journal.jsonl")).parent.name
    tiny.recover("mark", run, "blind", "retry", "--because", "it never began")
    tiny.recover("resume", expect=1)  # it ran; its done_when is still false
    assert (tiny.folder / "ran").read_text() == "x\n"
