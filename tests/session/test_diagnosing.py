"""recover diagnose on a tiny stack of real processes, and whatever else it may be pointed at."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authorities import authority
from conftest import Sql
from replicas import until
from tiny import TOKEN, Tiny

from recover.postgres.session import Server
from recover.runtimes.local import LocalRuntime

WELL = "nothing is wrong that can be seen: 2 services"
ENUM = "LookupError: 'user' is not among the defined enum values. Enum name: role. Possible values: ADMIN, USER"


@pytest.fixture
def running(tiny: Tiny) -> Iterator[Tiny]:
    """The tiny stack, recovered."""
    tiny.recover("run", str(tiny.playbook))
    return tiny


def services(tiny: Tiny) -> LocalRuntime:
    return LocalRuntime(tiny.folder / "local.yaml", tiny.replica)


def kill(tiny: Tiny, service: str) -> None:
    """End it as a machine that runs out of memory does, and wait until its keeper has noticed."""
    record = json.loads((tiny.replica / "run" / f"{service}.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    until(lambda: not services(tiny).state(service).running)


def diagnosed(tiny: Tiny, *words: str, expect: int = 1, **more: Any) -> list[str]:
    """What it says, line by line."""
    return tiny.recover("diagnose", *(words or [str(tiny.playbook)]), expect=expect, **more).stdout.splitlines()


def part(lines: list[str], label: str) -> str:
    """One part of the screen."""
    at = next((n for n, line in enumerate(lines) if line.startswith(label)), len(lines))
    more = next((n for n, line in enumerate(lines[at + 1 :]) if not line.startswith(" " * 13)), len(lines))
    return "\n".join(line[13:] for line in lines[at : at + 1 + more])


def log(tiny: Tiny, service: str, content: bytes) -> None:
    with (tiny.replica / "log" / f"{service}.log").open("ab") as file:
        file.write(content)


# --- well, broken, and mended ---------------------------------------------------------------------


def test_a_stack_that_is_well(running: Tiny) -> None:
    lines = diagnosed(running, expect=0)
    assert lines[0].startswith(WELL)
    told = json.loads(running.recover("diagnose", str(running.playbook), "--json").stdout)
    assert (told["root"], told["next"], told["unseen"]) == (None, [], {})


def test_whoever_waits_for_a_long_log_is_told(
    running: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from recover.diagnosis import scene
    from recover.session import diagnosing
    from recover.session.options import Options

    monkeypatch.setattr(scene, "LONG", 0.0)
    log(running, "web", b"2026-11-29T23:00:00Z INFO web: hello\n")
    assert diagnosing.diagnose(running.playbook, None, Options(state=running.state), 60.0) == 0
    assert "the log of web is long: 1 lines so far" in capsys.readouterr().err


def test_a_service_that_was_killed_is_named_and_the_command_that_is_printed_brings_it_back(running: Tiny) -> None:
    kill(running, "web")
    lines = diagnosed(running)
    assert lines[0].startswith("root cause   service-down: ")
    assert "web has ended" in part(lines, "evidence")
    command = part(lines, "type").splitlines()[0]
    assert shlex.split(command)[:2] == ["recover", "run"]
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    assert diagnosed(running, expect=0)[0].startswith(WELL)


def test_the_command_has_all_that_was_given(running: Tiny) -> None:
    kill(running, "web")
    book = running.folder / "a book.yml"
    book.write_text(running.playbook.read_text())
    lines = diagnosed(running, str(book), "-e", "greeting=good day", "--project", "tiny")
    words = shlex.split(part(lines, "type").splitlines()[0])
    assert words[2:] == [str(book), "-e", "greeting=good day", "--project", "tiny", "--state-dir", str(running.state)]


def test_a_stack_that_is_stopped_was_stopped_by_a_hand(tiny: Tiny) -> None:
    tiny.recover("run", str(tiny.playbook))
    tiny.down()
    assert "by a hand" in part(diagnosed(tiny), "evidence")


def test_old_lines_of_a_label_that_is_there_by_now_are_no_cause(tmp_path: Path, database: Server, sql: Sql) -> None:
    """And where the label is not there, it is the root, with the command to type."""
    assert database.password is not None
    sql("create type role as enum ('admin', 'user'); create table users (id int, role role)")
    steps = "  - {id: enums, name: Repair, enum.repair: {database: main, expected: {role: [ADMIN, USER]}}}\n"
    api = '  api: {command: [sleep, "3600"]}\n'
    made = Tiny(tmp_path).build().with_database(database, database.password.reveal(), steps, api)
    made.write(made.playbook.read_text())
    (made.folder / "local.yaml").write_text(
        "local: 1\nservices:\n" + api + f'  db: {{command: ["true"], ports: ["{database.port}"], oneshot: true}}\n'
    )
    services(made).start("api")
    try:
        log(made, "api", f"ERROR:api:login failed\nTraceback (most recent call last):\n{ENUM}\n".encode())
        lines = diagnosed(made)
        assert lines[0].startswith("root cause   enum-drift: ")
        assert "public.role lacks ADMIN, USER (it has admin, user)" in part(lines, "evidence")
        assert ENUM in part(lines, "log")
        assert part(lines, "type").startswith(f"recover run {made.playbook}")
        sql("alter type role rename value 'admin' to 'ADMIN'; alter type role rename value 'user' to 'USER'")
        lines = diagnosed(made, expect=0)
        assert "enum-drift" in part(lines, "asked")
    finally:
        made.down()


# --- what cannot be seen --------------------------------------------------------------------------


def test_a_secret_file_that_is_not_there_is_the_cause(running: Tiny) -> None:
    (running.replica / "secrets" / "token").unlink()
    lines = diagnosed(running)
    assert lines[0].startswith("root cause   missing-secret: ")
    assert "cannot read secret token from" in part(lines, "evidence")
    assert "put the file back" in part(lines, "type")


def test_a_secret_of_the_operator_that_is_not_set_is_told_and_the_rest_is_looked_at(running: Tiny) -> None:
    text = running.playbook.read_text().replace('file: "${target.folder}/secrets/token"', "env: NO_SUCH_TOKEN")
    running.write(text)
    lines = diagnosed(running, expect=7)
    assert lines[0].startswith(WELL)
    assert "secret token is not set" in part(lines, "not seen")
    kill(running, "web")
    assert "service-down" in diagnosed(running)[0]


def test_a_log_that_cannot_be_read_is_told(running: Tiny) -> None:
    path = running.replica / "log" / "web.log"
    path.unlink()
    path.mkdir()
    assert "the log of web" in part(diagnosed(running, expect=7), "not seen")
    path.rmdir()


def test_a_database_that_does_not_answer_is_told(tmp_path: Path, database: Server) -> None:
    made = (
        Tiny(tmp_path)
        .build()
        .with_database(database, "a wrong password", "  - {id: a, name: A, check: [{file: {path: /}}]}\n")
    )
    (made.folder / "local.yaml").write_text(
        f'local: 1\nservices:\n  db: {{command: [sleep, "9"], ports: ["{database.port}"], oneshot: true}}\n'
    )
    lines = diagnosed(made, expect=7)
    assert "password authentication failed" in part(lines, "not seen")


def test_the_replica_that_is_not_there_at_all(tiny: Tiny) -> None:
    kept = (tiny.replica / ".env").rename(tiny.folder / "kept")
    failed = tiny.recover("diagnose", str(tiny.playbook), expect=None)
    assert failed.returncode == 7
    assert failed.stderr.count("there is no replica") == 1
    kept.rename(tiny.replica / ".env")
    elsewhere = tiny.recover("diagnose", str(tiny.playbook), "--project", "elsewhere", expect=7)
    assert elsewhere.stdout == ""  # no secret to put back: all of it is missing
    assert "recover drill up SCENARIO --project elsewhere" in elsewhere.stderr


def test_a_file_without_services_is_nothing_to_look_at(tiny: Tiny) -> None:
    (tiny.folder / "local.yaml").write_text("local: 1\nservices: {}\n")
    steps = "stages: [{stage: A, steps: [{id: a, name: A, check: [{file: {path: /}}]}]}]\n"
    tiny.write(tiny.playbook.read_text().partition("stages:")[0] + steps)
    assert "there is no service" in tiny.recover("diagnose", str(tiny.playbook), expect=7).stderr


# --- odd input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(256)) * 100,
        b"x" * 1_000_000 + b"\n",
        b"\n" * 1000,
        b"\xff\xfe" * 500 + b"ERROR:\x00",
        b'{"level":' * 20000,
    ],
    ids=["bytes", "a megabyte", "nothing", "half a line", "JSON that never ends"],
)
def test_whatever_a_log_holds(running: Tiny, content: bytes) -> None:
    log(running, "web", content)
    lines = diagnosed(running, expect=0)
    assert all(line.isprintable() for line in lines)


def test_secrets_are_not_shown_wherever_they_are_cut(running: Tiny) -> None:
    """`Tiny.recover` looks for the whole; here no part of it may come through."""
    text = (f"ERROR:web:{'x' * (200 - 22)}{TOKEN} is no token\n" + f"ERROR:web:token {TOKEN}\n").encode()
    log(running, "web", text + f"ERROR:web:{'y' * (2000 - 20)}{TOKEN}\n".encode())
    kill(running, "other")
    for words in ((), (str(running.playbook), "--json")):
        said = "\n".join(diagnosed(running, *words))
        assert "x" * 100 in said
        assert "planted" not in said


@pytest.mark.parametrize("since", ["yesterday", "-1h", "", "1", "99999999999999h"])
def test_a_bad_since(tiny: Tiny, since: str) -> None:
    failed = tiny.recover("diagnose", str(tiny.playbook), f"--since={since}", expect=2)
    assert "--since takes a span" in failed.stderr


@pytest.mark.parametrize("since", ["0s", "8760h"])
def test_a_since_of_no_time_and_of_a_year(running: Tiny, since: str) -> None:
    running.recover("diagnose", str(running.playbook), "--since", since)


def test_a_playbook_and_a_dsn_are_one_too_many(tiny: Tiny) -> None:
    failed = tiny.recover("diagnose", str(tiny.playbook), "--dsn", "postgresql://h/x", expect=2)
    assert "without --dsn" in failed.stderr


def test_nothing_to_look_at(tiny: Tiny) -> None:
    assert "a playbook, or --project and --dsn" in tiny.recover("diagnose", expect=2).stderr


@pytest.mark.parametrize("dsn", ["nonsense", "postgresql://x:y@h:port/z", "mysql://h/x"])
def test_a_dsn_that_is_none(tiny: Tiny, dsn: str) -> None:
    failed = tiny.recover("diagnose", "--dsn", dsn, expect=None)
    assert failed.returncode in (2, 7), failed.stderr


def test_a_server_that_is_dead(tiny: Tiny) -> None:
    failed = tiny.recover("diagnose", "--dsn", "postgresql://app:pa55w0rd@127.0.0.1:1/app", expect=7)
    assert "nothing could be looked at" in failed.stderr
    assert "pa55w0rd" not in failed.stderr


def test_a_database_alone(tiny: Tiny, database: Server) -> None:
    assert database.password is not None
    password = database.password.reveal()
    dsn = f"postgresql://{database.user}:{password}@{database.host}:{database.port}/{database.dbname}"
    lines = diagnosed(tiny, "--dsn", dsn, expect=0)
    assert lines[0] == "nothing is wrong that can be seen: 1 database"


def test_a_project_on_an_engine_that_is_not_there(tiny: Tiny) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tiny.folder}/no.sock"}
    failed = tiny.recover("diagnose", "--project", "nobody", expect=7, env=nowhere)
    assert "nothing could be looked at" in failed.stderr


def test_nothing_is_written(running: Tiny) -> None:
    def files() -> dict[Path, int]:
        """All but the log of the web service, which writes down who asks it."""
        return {path: path.stat().st_mtime_ns for path in running.folder.rglob("*") if path.name != "web.log"}

    before = files()
    diagnosed(running, expect=0)
    running.recover("probe", str(running.playbook), expect=None)
    assert files() == before


def test_a_project_without_containers_is_nothing_to_look_at(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from fakes import FakeServices

    from recover.errors import Unreachable
    from recover.session import diagnosing
    from recover.session.options import Options

    monkeypatch.setitem(diagnosing.RUNTIMES, "compose", lambda _site: FakeServices({}))  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match="there is no service of the project nobody"):
        diagnosing.diagnose(None, None, Options(state=tiny.state, project="nobody"), 60.0)


def test_what_to_type_for_a_project_alone_names_its_services(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fakes import FakeServices

    from recover.session import diagnosing
    from recover.session.options import Options

    fake = FakeServices({"db": {}, "api": {}})
    for name in fake.names():
        fake.start(name)
    fake.end("db", 1)
    monkeypatch.setitem(diagnosing.RUNTIMES, "compose", lambda _site: fake)  # type: ignore[arg-type]
    assert diagnosing.diagnose(None, None, Options(state=tiny.state, project="my stack"), 60.0) == 1
    assert "docker compose --project-name 'my stack' restart db" in capsys.readouterr().out


@pytest.mark.parametrize(("end", "root"), [(9, None), (-1, "certificate")])
def test_a_certificate_that_ends_soon_breaks_nothing_yet(running: Tiny, end: int, root: str | None) -> None:
    ca = authority()
    (running.folder / "ca.crt").write_bytes(ca.pem)
    certificate, key = ca.leaf("localhost", begin=-10, end=end).write(running.folder)
    check = f"{{tls: {{authority: {running.folder}/ca.crt, certificate: {certificate}, key: {key}, days_left: 30}}}}"
    book = running.playbook.read_text().replace("final: [", f"final: [{check}, ")
    told = json.loads(running.recover("diagnose", str(running.write(book)), "--json", expect=1 if root else 0).stdout)
    assert (told["root"] and told["root"]["cause"]) == root
    assert "certificate" in {suspect["cause"] for suspect in (*told["refuted"], *told["suspects"])}
