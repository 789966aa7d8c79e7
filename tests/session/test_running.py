"""run and resume through the command line, on a tiny stack."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from fakes import died_before_its_head_was_kept
from helpers import pages
from tiny import TOKEN, WEB, Tiny

from recover.journal.places import head_file
from recover.journal.records import NAME, records
from recover.session import running as module
from recover.session.running import new_run_id


def folders(tiny: Tiny) -> list[Path]:
    return sorted(path.parent for path in tiny.state.glob(f"*/*/{NAME}"))


def test_a_run_recovers_records_and_leaves_nothing_to_do(tiny: Tiny) -> None:
    done = tiny.recover("run", str(tiny.playbook))
    assert "recovered and verified" in done.stdout
    [folder] = folders(tiny)
    assert (folder / "playbook.yml").read_text() == tiny.playbook.read_text()
    assert [step["status"] for step in json.loads((folder / "plan.json").read_text())["steps"]] == [
        "not needed",
        "will",
        "will",
        "will check",
    ]
    assert "nothing to do" in tiny.recover("run", str(tiny.playbook)).stdout
    assert folders(tiny) == [folder]


def test_what_it_looks_at_the_run_and_its_folder_are_named_first(tiny: Tiny) -> None:
    lines = tiny.recover("run", str(tiny.playbook)).stderr.splitlines()
    [folder] = folders(tiny)
    assert lines[0] == "looking at 4 steps of tiny on local (tiny)"
    assert folder.name in lines[1]
    assert str(folder) in lines[2]


def test_the_degraded_mode_is_entered_and_left(tiny: Tiny) -> None:
    said = tiny.recover("run", str(tiny.playbook)).stderr
    assert said.index("start web with MODE='degraded'") < said.index("MODE is 'degraded', wanted 'full'")


def test_json_is_one_object_per_line_with_a_version(tiny: Tiny) -> None:
    lines = [json.loads(line) for line in tiny.recover("run", str(tiny.playbook), "--json").stdout.splitlines()]
    assert {line["v"] for line in lines} == {1}
    assert [lines[0]["event"], lines[-1]["event"]] == ["RunStarted", "RunEnded"]


def test_a_failed_step_ends_with_commands_to_paste_and_resume_goes_on(tiny: Tiny) -> None:
    (tiny.replica / "www" / "index.html").write_text("not what is wanted")
    tiny.write(tiny.playbook.read_text().replace('"${greeting}"}}', '"${greeting}"}}\n      within: 300ms'))
    failed = tiny.recover("run", str(tiny.playbook), expect=1)
    run = folders(tiny)[0].name
    last = [line.split(maxsplit=1)[0] for line in failed.stderr.splitlines()[-4:]]
    assert last == ["look:", "undo:", "hand", "go"]
    assert failed.stderr.splitlines()[-1].endswith(f"recover resume {run} --state-dir {tiny.state}")
    assert "the body does not contain 'hello'" in failed.stderr
    (tiny.replica / "www" / "index.html").write_text("hello again")
    assert "recovered and verified" in tiny.recover("resume").stdout
    over = tiny.recover("resume", expect=7).stderr
    assert "nothing to resume" in over
    again = shlex.split(over.splitlines()[-1].partition("next: recover ")[2])
    assert "nothing to do" in tiny.recover(*again[: again.index("--state-dir")]).stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_while_it_looks_stays_the_latest(tiny: Tiny, number: signal.Signals) -> None:
    """Else `resume` says of a broken stack that it has recovered, for the run before did."""
    tiny.recover("run", str(tiny.playbook))
    tiny.recover("rollback", "--yes")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        tiny.write(f"{tiny.playbook.read_text().rstrip()[:-1]}, {{http: {{get: '{url}', expect: {{status: 200}}}}}}]\n")
        words = [sys.executable, "-m", "recover", "run", str(tiny.playbook), "--state-dir", str(tiny.state)]
        run = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with run, mute.accept()[0]:
            run.send_signal(number)
            _, said = run.communicate()
    assert run.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert number == signal.SIGKILL or "stopped; nothing was changed" in said.decode().splitlines()
    before, stopped = folders(tiny)
    for command in (("resume",), ("rollback", "--yes")):
        refused = tiny.recover(*command, expect=7).stderr
        assert f"run {stopped.name} never began: nothing was done" in refused
    again = shlex.split(refused.splitlines()[-1].partition("next: recover ")[2])
    listed = tiny.recover("runs").stdout
    assert re.search(f"{stopped.name} +never began", listed)
    assert "nothing was done" in tiny.recover("status").stdout
    assert before.name in listed
    tiny.write(re.sub(r", \{http: .*", "]", tiny.playbook.read_text()))
    assert "recovered and verified" in tiny.recover(*again[: again.index("--state-dir")]).stdout


def test_a_run_with_nothing_to_do_or_that_is_refused_leaves_no_record(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook))
    kept = folders(tiny)
    assert "nothing to do" in tiny.recover("run", str(tiny.playbook)).stdout
    plan = str(tiny.folder / "plan.json")
    tiny.recover("rollback", "--yes")
    tiny.recover("plan", str(tiny.playbook), "-o", plan)
    tiny.recover("run", str(tiny.playbook))
    tiny.recover("run", "--plan", plan, expect=8)
    assert len(folders(tiny)) == len(kept) + 1
    assert tiny.recover("status").returncode == 0, "nor a head without its run"


def test_a_variable_of_the_command_line_is_remembered_by_resume(tiny: Tiny) -> None:
    (tiny.replica / "www" / "index.html").write_text("good day")
    words = ("run", str(tiny.playbook), "-e", "greeting=good day")
    tiny.recover(*words, env={"RECOVER_CRASH_AT": "web:after-act"}, expect=-signal.SIGKILL)
    tiny.recover("resume")


@pytest.mark.parametrize("point", ["before-act", "after-act", "after-effect"])
def test_killed_in_a_step_it_goes_on_with_one_instance_of_each_service(tiny: Tiny, point: str) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": f"web:{point}"}, expect=-signal.SIGKILL)
    status = tiny.recover("status").stdout
    assert "killed" in status
    assert "recover resume" in status
    tiny.recover("resume")
    assert json.loads(tiny.recover("status", "--json").stdout)["exit_code"] == 0
    assert len(serving(tiny.port)) == 1


@pytest.mark.parametrize("point", ["before-act", "after-act", "after-effect"])
def test_killed_between_two_services_that_start_together_it_goes_on_with_one_instance_of_each(
    tiny: Tiny, point: str
) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": f"full:{point}:2"}, expect=-signal.SIGKILL)
    [folder] = folders(tiny)
    events = [(record.event, record.data) for record in records(folder / NAME) if record.data.get("step") == "full"]
    begun, ended = (
        [data["describe"] for event, data in events if event == kind] for kind in ("ActionStarted", "ActionDone")
    )
    assert begun == ["recreate web", "start other"]
    assert len(ended) == {"before-act": 0, "after-act": 1, "after-effect": 2}[point]
    doubtful = "; ".join(act for act in begun if act not in ended)
    assert (
        f"killed {f'in the middle of step full: {doubtful}' if doubtful else 'at step full'}"
        in tiny.recover("status").stdout
    )
    assert json.loads(tiny.recover("status", "--json").stdout)["in_doubt"] == ("full" if doubtful else None)
    tiny.recover("resume")
    assert json.loads(tiny.recover("status", "--json").stdout)["exit_code"] == 0
    assert len(serving(tiny.port)) == 1
    again = [record.data["describe"] for record in records(folder / NAME) if record.event == "ActionStarted"]
    assert again[1:].count("start other") + again[1:].count("recreate web") == (4 if point == "before-act" else 2)


def serving(port: int) -> list[str]:
    """The processes whose command line names the port."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(pages.__file__) in words and str(port).encode() in words:
            found.append(path.parent.name)
    return found


def test_the_last_record_cut_at_any_byte_still_resumes(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:after-effect"}, expect=-signal.SIGKILL)
    journal = folders(tiny)[0] / NAME
    whole = journal.read_bytes()
    last = len(whole) - len(whole.splitlines(keepends=True)[-1])
    died_before_its_head_was_kept(journal)
    head = head_file(journal.parent).read_bytes()
    for cut in (last, last + 1, (last + len(whole)) // 2, len(whole) - 1):
        journal.write_bytes(whole[:cut])
        head_file(journal.parent).write_bytes(head)
        tiny.recover("resume")


def test_a_changed_byte_is_refused_with_the_records_number_and_nothing_is_touched(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:before-act"}, expect=-signal.SIGKILL)
    journal = folders(tiny)[0] / NAME
    whole = journal.read_bytes()
    place = whole.index(b"freeze", whole.index(b"\n") + 1)
    journal.write_bytes(whole[:place] + b"F" + whole[place + 1 :])
    refused = tiny.recover("resume", expect=7)
    assert "record 2 of the journal is damaged" in refused.stderr
    assert not serving(tiny.port)


def test_a_playbook_that_is_gone_is_said_with_the_command_to_put_it_back(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:after-act"}, expect=-signal.SIGKILL)
    tiny.playbook.unlink()
    refused = tiny.recover("resume", expect=7)
    command = refused.stderr.rpartition("next: ")[2].split()
    assert command[0] == "cp"
    subprocess.run(command, check=True)
    tiny.recover("resume")


def test_a_second_run_is_refused_while_one_runs(tiny: Tiny) -> None:
    text = tiny.playbook.read_text().replace(
        "- stage: Web", "  - {id: wait, name: Wait, check: [{file: {path: /no/such}, within: 600s}]}\n- stage: Web"
    )
    tiny.write(text)
    first = subprocess.Popen(
        [sys.executable, "-m", "recover", "run", str(tiny.playbook), "--state-dir", str(tiny.state)],
        stderr=subprocess.PIPE,
        text=True,
    )
    with first:
        assert first.stderr is not None
        for line in first.stderr:
            if "wait: Wait" in line:
                break
        refused = tiny.recover("run", str(tiny.playbook), expect=9)
        assert "at step wait" in refused.stderr
        assert "running, at step wait" in tiny.recover("status").stdout
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 130
    assert "stopped by a signal" in tiny.recover("status").stdout


@pytest.mark.parametrize("json_lines", [(), ("--json",)])
def test_a_screen_that_goes_away_does_not_stop_a_recovery(tiny: Tiny, json_lines: tuple[str, ...]) -> None:
    words = [sys.executable, "-m", "recover", "run", str(tiny.playbook), "--state-dir", str(tiny.state), *json_lines]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, check=False)
    os.close(writer)
    assert done.returncode in (0, 120)  # 120: Python could not flush what nobody reads
    assert json.loads(tiny.recover("status", "--json").stdout)["exit_code"] == 0


def test_a_full_disk_stops_the_run_before_the_act(tiny: Tiny) -> None:
    """A file size limit makes the journal's write fail as a full disk does; its unit is 512 bytes."""
    failed = tiny.recover("run", str(tiny.playbook), expect=1, shell="ulimit -f 8")
    assert "cannot be written, so nothing more is done" in failed.stderr
    assert "because:" in failed.stderr
    kept = list(records(folders(tiny)[0] / NAME))
    assert kept
    tiny.recover("resume")


@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
def test_a_disk_that_is_full_from_the_start_is_no_bug_and_a_run_that_never_began_is_said(
    tiny: Tiny, blocks: int
) -> None:
    failed = tiny.recover("run", str(tiny.playbook), expect=1, shell=f"ulimit -f {blocks}")
    assert "cannot be written, so nothing more is done" in failed.stderr
    assert not serving(tiny.port)
    for folder in folders(tiny):
        if not list(records(folder / NAME)):
            assert "never began" in tiny.recover("status").stdout
            assert "never began" in tiny.recover("resume", expect=7).stderr
    tiny.recover("run", str(tiny.playbook))


def test_a_taken_port_is_named_with_who_holds_it(tiny: Tiny) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", tiny.port))
        holder.listen()
        failed = tiny.recover("run", str(tiny.playbook), expect=1)
    assert f"{tiny.port}" in failed.stderr
    assert f"{os.getpid()}" in failed.stderr


def test_a_service_that_ends_at_once_is_not_waited_for_and_its_last_words_are_shown(tiny: Tiny) -> None:
    stack = tiny.folder / "local.yaml"
    stack.write_text(stack.read_text().replace(WEB, """["${python}", -c, "raise SystemExit('no certificate')"]"""))
    failed = tiny.recover("run", str(tiny.playbook), expect=1)
    assert "no certificate" in failed.stderr


def test_the_planted_secret_is_in_no_file_of_the_run(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook))
    [folder] = folders(tiny)
    assert TOKEN.encode() not in b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_run_ids_of_one_second_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = datetime(2026, 8, 10, 23, 15, 0, 1000, tzinfo=UTC)
    moments = [begun + timedelta(milliseconds=8 * n) for n in range(200)]  # into the next second
    monkeypatch.setattr(module, "datetime", Mock(now=Mock(side_effect=moments)))
    ids = [new_run_id() for _ in moments]
    assert ids == sorted(ids)
    assert len({run.rpartition("-")[0] for run in ids}) == 2


EDITS = {
    "a step is inserted": (
        "  - id: web\n",
        "  - {id: new, name: New, service.stop: {services: [other]}}\n  - id: web\n",
    ),
    "a step is deleted": (
        "  - {id: full, name: Leave the degraded mode, service.start: {services: [web, other], wait: started}}\n",
        "",
    ),
    "a step is renamed": ("name: Start the web service", "name: Start it"),
    "an argument is changed": ("MODE: degraded", "MODE: safe"),
    "another id": ("{id: full,", "{id: whole,"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_between_kill_and_resume_is_shown_and_refused_until_accepted_or_reverted(
    tiny: Tiny, edit: tuple[str, str]
) -> None:
    text = tiny.playbook.read_text()
    assert edit[0] in text
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:before-act"}, expect=-signal.SIGKILL)
    tiny.write(edited := text.replace(*edit))
    refused = tiny.recover("resume", expect=8)
    assert "--accept-edits" in refused.stderr
    assert f"--state-dir {tiny.state} --accept-edits" in refused.stderr
    assert any(line.lstrip().startswith(("+ ", "- ")) for line in refused.stderr.splitlines())
    assert not serving(tiny.port)
    tiny.write("# reverted\n" + text)
    tiny.recover("resume", env={"RECOVER_CRASH_AT": "web:after-effect"}, expect=-signal.SIGKILL)
    tiny.write(edited)
    tiny.recover("resume", expect=8)
    tiny.recover("resume", "--accept-edits", expect=None)
    status = json.loads(tiny.recover("status", "--json").stdout)
    assert status["steps"] == steps_of(edited)
    assert set(status["done"]) | set(status["skipped"]) <= set(status["steps"])


def test_steps_in_another_order_are_an_edit_too(tiny: Tiny) -> None:
    text = tiny.playbook.read_text()
    first = text[text.index("- stage: Alone") : text.index("- stage: Web")]
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:before-act"}, expect=-signal.SIGKILL)
    tiny.write(text.replace(first, "").replace("final:", first + "final:"))
    assert "the order of its steps" in tiny.recover("resume", expect=8).stderr
    tiny.write(text)
    tiny.recover("resume")


def steps_of(text: str) -> list[str]:
    return [*re.findall(r"\bid: (\w+)", text), "final"]
