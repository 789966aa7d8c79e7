"""Ctrl-C once, twice and SIGTERM, in the middle of everything that takes time: what ends at once, what ends first."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

import pexpect
import psycopg
import pytest
from conftest import PostgresServer, Sql
from ports import free_port
from replicas import until
from signalling import press
from tiny import Tiny

from recover.journal.lock import holder
from recover.postgres.connection import Server
from recover.runtimes.ports import taken

pytestmark = pytest.mark.postgres

SERVICES = """\
  deaf:
    command: ["${python}", -c, "%(code)s"]
    ports: ["%(mute)s"]
    ready: {http: /}
"""
STEPS = """\
  - {id: first, name: First, sql.run: {database: main, query: "insert into done values ('first')"},
     done_when: [{sql: {database: main, query: "select count(*) from done", expect: 1}}]}
  - id: slow
    name: Slow
%(step)s
  - {id: last, name: Last, check: [{sql: {database: main, query: "select 1", expect: 1}}]}
"""
CODE = "import socket, time; s = socket.create_server(('127.0.0.1', %d)); time.sleep(3600)"
"""A service that takes connections and never says a word."""

MOST = 120.0
"""Seconds after which a test that hangs fails. That it ended at once is seen by what it says of the step."""

UPDATE = """\
    sql.run: {database: main, query: "update t set n = n + 1 where pg_sleep(%s) is not null", lock_timeout: 90s,
      statement_timeout: 90s}
    repeatable: %s
    done_when: [{sql: {database: main, query: "select n from t", expect: 1}}]
"""
TOLD = """
create table told (); create function told() returns boolean language plpgsql volatile as
'begin while not exists (select from told) loop perform pg_sleep(0.05); end loop; return true; end';
"""
ENDED = """\
    sql.run: {database: main, query: "update t set n = n + 1 where told()", statement_timeout: 90s}
    repeatable: false
    done_when: [{sql: {database: main, query: "select n from t", expect: 1}}]
"""
POLL = """\
    check: [{http: {get: "http://127.0.0.1:%(deaf)s/", expect: {status: 200}}, within: 60s}]
"""
READ = """\
    check:
    - {sql: {database: main, query: "select 1 from pg_sleep((select 29 * count(*) from done))", expect: 1}, within: 60s}
"""
QUICK = """\
    check: [{sql: {database: main, query: "select 1", expect: 1}}]
"""
HEALTH = """\
    service.start: {services: [deaf], within: 60s}
"""
PROGRAM = """\
    command.run: {command: [sh, -c, "while [ ! -e %(token)s.go ]; do sleep 0.1; done; echo %(token)s > %(token)s"]}
    done_when: [{file: {path: "%(token)s"}}]
"""
GATE = """\
    confirm: {question: "Shall it go on?"}
"""


@dataclass
class Slow:
    """The tiny stack with a slow step, on a database of the test server."""

    tiny: Tiny
    sql: Sql
    deaf: socket.socket
    mute: int
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, step: str) -> subprocess.Popen[str]:
        """Begin the run, and come back when its slow step has begun to take its time."""
        self.write(step)
        return self.begin("run", str(self.tiny.playbook))

    def begin(self, *command: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "recover", *command, "--state-dir", str(self.tiny.state)]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.begun.append(process)
        until(lambda: self.at("slow", process.pid) or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        return process

    def write(self, step: str) -> None:
        text = self.tiny.playbook.read_text()
        self.tiny.write(text.replace("%(step)s", step.rstrip()))

    def at(self, step: str, pid: int) -> bool:
        """Is that process at the step?"""
        if holder(self.tiny.state, "tiny").get("pid") != pid:
            return False
        said = self.tiny.recover("status", "--json", expect=None).stdout  # the lock is held before there is a run
        return bool(said) and json.loads(said)["current"] == step

    def backends(self) -> list[tuple[Any, ...]]:
        return self.sql(
            "select application_name, state, wait_event_type from pg_stat_activity where application_name like "
            "'recover/%' and datname = current_database()"
        )

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.tiny.recover("status", "--json").stdout)
        return told

    def sleeps(self) -> bool:
        """Is the step's statement at its pg_sleep?"""
        return any(kind == "Timeout" for _, _, kind in self.backends())

    def waits_for_a_lock(self) -> bool:
        return any(kind == "Lock" for _, _, kind in self.backends())

    def n(self) -> int:
        return int(self.sql("select n from t")[0][0])


@pytest.fixture
def slow(tmp_path: Path, database: Server, postgres_server: PostgresServer, sql: Sql) -> Iterator[Slow]:
    made = Tiny(tmp_path).build()
    with socket.socket() as listening:  # it takes connections and never says a word
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        mute = free_port()
        services = SERVICES % {"mute": mute, "code": CODE % mute}
        made.with_database(database, postgres_server.cluster.role_password, STEPS, services)
        sql("create table t (n int); insert into t values (0); create table done (what text)")
        slow = Slow(made, sql, listening, mute)
        yield slow
        for process in slow.begun:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        made.down()


def ended(process: subprocess.Popen[str], signals: str) -> str:
    """What it said, once it ended as the signal says, leaving no connection behind."""
    said, _ = process.communicate(timeout=MOST)
    assert process.returncode == 128 + signal.Signals[f"SIG{signals.split(maxsplit=1)[0]}"], said
    assert "Traceback" not in said
    return said


@contextmanager
def locked(server: Server, password: str) -> Iterator[Callable[[], None]]:
    """The table t locked by somebody else, until the function is called."""
    with psycopg.connect(
        host=server.host, port=server.port, dbname=server.dbname, user=server.user, password=password
    ) as other:
        other.execute("lock table t in share mode")
        yield other.rollback


@pytest.mark.parametrize("signals", ["INT", "TERM", "INT INT"])
def test_a_statement_that_waits_for_a_lock_is_given_up_without_effect(
    slow: Slow, database: Server, postgres_server: PostgresServer, signals: str
) -> None:
    with locked(database, postgres_server.cluster.role_password) as unlock:
        process = slow.start(UPDATE % ("0", "true"))
        until(slow.waits_for_a_lock)
        press(process.pid, signals)
        said = ended(process, signals)
        until(lambda: not slow.backends())
        unlock()
    if signals != "INT INT":
        assert "stopped by a signal while it waited for a lock" in said
        assert slow.status()["in_doubt"] is None
    assert slow.n() == 0
    slow.tiny.recover("resume")
    assert slow.n() == 1


def test_given_up_while_it_waited_for_a_lock_it_is_not_in_doubt_even_if_it_may_not_be_repeated(
    slow: Slow, database: Server, postgres_server: PostgresServer
) -> None:
    with locked(database, postgres_server.cluster.role_password) as unlock:
        process = slow.start(UPDATE % ("0", "false"))
        until(slow.waits_for_a_lock)
        press(process.pid, "INT")
        ended(process, "INT")
        unlock()
    slow.tiny.recover("resume")
    assert slow.n() == 1


def test_a_run_from_another_machine_on_the_same_database_is_refused_by_name(
    slow: Slow, database: Server, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Another state folder and another project: all that they share is the database."""
    process = slow.start(UPDATE % ("60", "false"))
    until(slow.sleeps)
    (there := tmp_path / "there").mkdir()
    other = Tiny(there).build().with_database(database, postgres_server.cluster.role_password, STEPS % {"step": QUICK})
    refused = other.recover("run", str(other.playbook), expect=9)
    assert f"on {os.uname().nodename} is running" in refused.stderr
    assert "on this database, for " in refused.stderr
    assert not list(other.state.glob("*/2*"))
    process.kill()
    process.wait()
    slow.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'recover/%'")
    until(lambda: other.recover("run", str(other.playbook), "--only", "first", expect=None).returncode != 9)


@pytest.mark.long
def test_a_frozen_colleagues_run_is_taken_over_with_its_hold_on_the_database(slow: Slow) -> None:
    process = slow.start((POLL % {"deaf": slow.deaf.getsockname()[1]}).replace("within: 60s", "within: 10s"))
    process.send_signal(signal.SIGSTOP)
    slow.tiny.recover("resume", expect=9)
    words = ("--because", "eva went to bed", "--yes")
    run = slow.status()["run"]
    again = [sys.executable, "-m", "recover", "takeover", run, *words, "--state-dir", str(slow.tiny.state)]
    with subprocess.Popen(again, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as mine:
        until(lambda: slow.at("slow", mine.pid))
        mine.send_signal(signal.SIGINT)
        assert mine.wait(MOST) == 130
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=MOST)
    assert process.returncode == 9, said
    assert "lost ownership" in said


@pytest.mark.parametrize("signals", ["INT", "TERM"])
def test_a_long_update_ends_first_and_is_not_done_again(slow: Slow, signals: str) -> None:
    slow.sql(TOLD)
    process = slow.start(ENDED)
    until(slow.sleeps)
    press(process.pid, signals)
    assert process.poll() is None
    slow.sql("insert into told default values")
    ended(process, signals)
    until(lambda: not slow.backends())
    assert slow.n() == 1
    slow.tiny.recover("resume")
    assert slow.n() == 1


def test_a_second_ctrl_c_cancels_a_long_update_at_the_server_and_leaves_it_in_doubt(slow: Slow) -> None:
    process = slow.start(UPDATE % ("60", "false"))
    until(slow.sleeps)
    press(process.pid, "INT INT")
    assert "in doubt" in ended(process, "INT")
    until(lambda: not slow.backends())
    assert slow.n() == 0
    doubt = slow.tiny.recover("resume", expect=6)
    assert "recover mark" in doubt.stderr
    run = slow.status()["run"]
    slow.tiny.recover("mark", run, "slow", "retry", "--because", "n is still 0")
    slow.write("")
    slow.sql("update t set n = 1")  # as the step would, had it not to sleep so long
    slow.tiny.recover("resume")


@pytest.mark.parametrize("signals", ["INT", "TERM", "INT INT"])
@pytest.mark.parametrize(
    ("step", "waits"),
    [
        (POLL, lambda slow: select([slow.deaf], [], [], 0)[0]),  # it has connected
        (READ, lambda slow: slow.sleeps()),
        (HEALTH, lambda slow: taken(slow.mute)),
    ],
    ids=["http", "sql", "health"],
)
def test_a_wait_ends_at_once(slow: Slow, step: str, waits: Callable[[Slow], object], signals: str) -> None:
    process = slow.start(step.replace("%(deaf)s", str(slow.deaf.getsockname()[1])))
    until(lambda: waits(slow))
    press(process.pid, signals)
    ended(process, signals)
    assert slow.status()["done"] == ["first"]
    until(lambda: not slow.backends())
    again = slow.begin("resume")
    press(again.pid, "INT")
    ended(again, "INT")


@pytest.mark.parametrize(("signals", "ran"), [("INT", True), ("TERM", True), ("INT INT", False)])
def test_a_program_ends_first_or_is_ended_with_all_it_started(slow: Slow, signals: str, ran: bool) -> None:
    token = slow.tiny.folder / "t0ken"
    process = slow.start(PROGRAM % {"token": token})
    until(lambda: running(str(token)))
    press(process.pid, signals)
    if ran:
        assert process.poll() is None
        token.with_name("t0ken.go").touch()
    ended(process, signals)
    assert token.exists() == ran
    until(lambda: not running(str(token)))


def running(word: str) -> list[int]:
    """The processes with that word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text()
            if word in words and "recover" not in words.split("\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_question_at_the_terminal_ends_at_once(slow: Slow, number: signal.Signals) -> None:
    slow.write(GATE)
    words = ["-m", "recover", "run", str(slow.tiny.playbook), "--state-dir", str(slow.tiny.state)]
    child = pexpect.spawn(sys.executable, words, env={**os.environ, "TERM": "xterm"}, timeout=60, encoding="utf-8")
    child.expect(r"steps\?")
    child.sendline("y")
    child.expect("Shall it go on")
    child.kill(number)
    child.expect("stopped by a signal while a question waited")
    child.expect(pexpect.EOF)
    assert child.wait() == 128 + number
    slow.tiny.recover("resume", "--yes")
