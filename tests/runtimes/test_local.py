from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from ports import free_port
from replicas import Replica, replica, until

from recover.errors import PlaybookError, StepError, Unreachable
from recover.runtimes import RUNTIMES, Site
from recover.stack import Given

YAML = """
local: 1
services:
  web: {command: ["${python}", "-c", "import time; time.sleep(600)"], ports: ["${PORT}", "1234"], stop: {signal: KILL}}
  nosy:
    command: ["${python}", "${stack}/nosy.py"]
    environment: {DECLARED: "${VALUE}"}
    oneshot: true
  fails: {command: ["${python}", -c, "${FAILING}"], oneshot: true}
  speaks: {command: ["${python}", "${stack}/speaks.py"], stop: {signal: INT}}
"""
NOSY = r"""
import json, os, sys
fds = [os.readlink(f"/proc/self/fd/{n}") for n in sorted(map(int, os.listdir("/proc/self/fd")))[:-1]]
print(json.dumps({"env": dict(os.environ), "fds": fds, "cwd": os.getcwd(), "stdin": sys.stdin.read()}))
"""
SPEAKS = r"""
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (os.write(1, b"polite\n"), os._exit(0)))
os.write(1, b"caf\xe9 \xff\r\nsecond\n")
time.sleep(600)
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Replica]:
    env = {
        "PORT": free_port(),
        "VALUE": "as the file says",
        "FAILING": "import sys; print('a', flush=True); sys.exit('no table')",
    }
    with replica(tmp_path, YAML, env) as made:
        (made.file.parent / "nosy.py").write_text(NOSY)
        (made.file.parent / "speaks.py").write_text(SPEAKS)
        yield made


def told(made: Replica) -> dict[str, object]:
    import json

    made.runtime.start("nosy")
    until(lambda: made.runtime.state("nosy").status == "exited")
    answer: dict[str, object] = json.loads("".join(made.runtime.logs("nosy")))
    return answer


def test_a_service_gets_a_minimal_environment_and_what_is_declared(
    made: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOVER_PROBE_PASSWORD", "planted")
    monkeypatch.setenv("TZ", "UTC")
    env = told(made)["env"]
    assert isinstance(env, dict)
    assert env["DECLARED"] == "as the file says"
    assert env["PATH"] == os.environ["PATH"]
    assert set(env) <= {"PATH", "HOME", "LANG", "TZ", "DECLARED", "LC_CTYPE"}  # Python itself sets LC_CTYPE


@pytest.mark.parametrize("ours", ["", "Europe/Berlin", ":/etc/localtime", "CET-1CEST,M3.5.0,M10.5.0/3"])
def test_its_times_are_those_of_its_tz_or_ours(made: Replica, monkeypatch: pytest.MonkeyPatch, ours: str) -> None:
    monkeypatch.setenv("TZ", ours)
    assert made.runtime.state("nosy").zone == ""  # whatever it is called: it may have no name
    made.runtime.start("nosy", Given({"TZ": "America/New_York"}))
    assert made.runtime.state("nosy").zone == "America/New_York"


def test_a_service_gets_no_file_of_the_caller_and_nothing_to_read(made: Replica) -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept:
        kept.set_inheritable(True)
        seen = told(made)
    log = str(made.project / "log" / "nosy.log")
    assert seen["fds"] == ["/dev/null", log, log]
    assert seen["stdin"] == ""


def test_a_service_runs_in_the_project_folder(made: Replica) -> None:
    assert told(made)["cwd"] == str(made.project)


def test_a_changed_variable_counts_from_the_next_start_on(made: Replica) -> None:
    runtime = made.runtime
    runtime.start("nosy")
    made.env(PORT=1, VALUE="changed", FAILING="")
    assert runtime.state("nosy").declared == {"DECLARED": "changed"}
    assert runtime.state("nosy").environment == {"DECLARED": "as the file says"}
    runtime.start("nosy")
    assert runtime.state("nosy").environment == {"DECLARED": "changed"}


def test_a_port_taken_by_a_stranger_is_said_before_anything_starts(made: Replica) -> None:
    port = made.runtime.address("web").port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StepError) as caught:
        made.runtime.start("web")
    assert caught.value.what == f"cannot start web: port {port} is taken"
    comm = Path("/proc/self/comm").read_text().strip()
    assert caught.value.why == f"pid {os.getpid()} ({comm}) listens there"
    assert made.runtime.state("web").status == "missing"
    made.runtime.start("web")
    assert made.runtime.state("web").running


def test_a_one_shot_that_failed_is_not_ready_and_says_its_last_words(made: Replica) -> None:
    made.runtime.start("fails")
    until(lambda: made.runtime.state("fails").status == "exited")
    state = made.runtime.state("fails", probe=True)
    assert (state.ready, state.exit_code) == (False, 1)
    assert state.detail == "it ended with exit code 1; its last words: a | no table"


def test_last_words_are_those_of_the_present_incarnation(made: Replica) -> None:
    made.runtime.start("fails")
    until(lambda: made.runtime.state("fails").status == "exited")
    made.env(PORT=1, VALUE="", FAILING="import os; os._exit(9)")
    made.runtime.start("fails")
    until(lambda: made.runtime.state("fails").exit_code == 9)
    assert made.runtime.state("fails", probe=True).detail == "it ended with exit code 9"


def test_a_one_shot_that_runs_is_not_ready_yet(made: Replica) -> None:
    made.env(PORT=1, VALUE="", FAILING="import time; time.sleep(600)")
    made.runtime.start("fails")
    state = made.runtime.state("fails", probe=True)
    assert (state.status, state.ready, state.detail) == ("running", False, "it has not ended yet")


def test_a_killed_service_names_the_signal(made: Replica) -> None:
    made.runtime.start("web")
    made.runtime.stop("web")
    assert made.runtime.state("web", probe=True).detail == "it is stopped"
    made.runtime.start("web")
    record = made.process("web").record()
    assert record
    record.signal(9)
    until(lambda: not made.runtime.state("web").running)
    assert made.runtime.state("web", probe=True).detail == "it was ended by SIGKILL"


def test_a_service_is_ended_with_its_own_signal(made: Replica) -> None:
    made.runtime.start("speaks")
    until(lambda: len(list(made.runtime.logs("speaks"))) == 2)
    made.runtime.stop("speaks")
    assert list(made.runtime.logs("speaks"))[-1] == "polite"
    assert made.runtime.state("speaks").exit_code == 0


def test_a_log_line_that_is_not_utf8_is_shown_as_well_as_can_be(made: Replica) -> None:
    made.runtime.start("speaks")
    until(lambda: len(list(made.runtime.logs("speaks"))) == 2)
    assert list(made.runtime.logs("speaks")) == ["caf\ufffd \ufffd", "second"]


def test_a_huge_log_is_read_as_it_is_taken(made: Replica) -> None:
    made.runtime.start("web")
    with (made.project / "log" / "web.log").open("r+b") as log:
        log.truncate(1 << 40)  # a terabyte of nothing, without one line break
    assert [len(line) for line in islice(made.runtime.logs("web"), 3)] == [64 * 1024] * 3


def test_a_log_that_was_cut_from_outside_is_read_from_its_beginning(made: Replica) -> None:
    made.runtime.start("speaks")
    made.runtime.stop("speaks")
    made.runtime.start("speaks")
    (made.project / "log" / "speaks.log").write_text("new\n")
    assert next(iter(made.runtime.logs("speaks"))) == "new"


def test_services_are_named_without_a_replica_and_nothing_else_is_told(made: Replica) -> None:
    (made.project / ".env").unlink()
    assert made.runtime.names() == ("web", "nosy", "fails", "speaks")
    for ask in (made.runtime.state, made.runtime.start, made.runtime.stop, made.runtime.logs, made.runtime.address):
        with pytest.raises(Unreachable) as caught:
            ask("web")
        assert caught.value.exit_code == 7
        assert caught.value.next == "recover drill up enum-cascade"


def test_any_of_its_ports_has_an_address(made: Replica) -> None:
    assert made.runtime.address("web", 1234).port == 1234
    with pytest.raises(PlaybookError, match="web has no port 123") as caught:
        made.runtime.address("web", 123)
    assert caught.value.next == "did you mean '1234'?"
    with pytest.raises(PlaybookError, match="speaks has no ports"):
        made.runtime.address("speaks")


def test_the_table_takes_exactly_one_file(made: Replica) -> None:
    site = Site((made.file,), "project", made.project, made.project)
    assert RUNTIMES["local"](site).names()[0] == "web"
    with pytest.raises(PlaybookError, match="exactly one file, not 2"):
        RUNTIMES["local"](replace(site, files=(made.file, made.file)))


def test_a_script_runs_with_the_services_folder_and_environment(made: Replica) -> None:
    script = "import os,sys; print(os.environ['DECLARED'], os.getcwd(), sys.argv[1:], end='')"
    done = made.runtime.python("nosy", script, ["a"], timeout=60)
    assert (done.exit_code, done.output) == (0, f"as the file says {told(made)['cwd']} ['a']")
    with pytest.raises(StepError, match="did not end within 1 s"):
        made.runtime.python("nosy", "import time; time.sleep(5)", [], timeout=1)
