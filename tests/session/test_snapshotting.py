"""snapshot and plan --against: the same plan, without the stack, the database and the secrets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Sql
from tiny import TOKEN, Tiny

from recover.answers import Reply
from recover.postgres.session import Server
from recover.runtimes.local import LocalRuntime
from recover.secrets import Redactor
from recover.snapshot import Recording, text
from recover.stack import Given

pytestmark = pytest.mark.postgres

STEPS = """\
  - {id: freeze, name: Stop, service.stop: {services: [other]}}
  - id: enums
    name: Repair
    enum.repair: {database: main, expected: {role: [ADMIN, USER]}}
    check: [{sql: {database: main, query: "select count(*) from users where role::text = 'USER'", expect: 20}}]
  - {id: other, name: Start, service.start: {services: [other], wait: started, env: {other: {MODE: degraded}}}}
"""
OTHER = """\
  other: {command: [sleep, "3600"], environment: {MODE: full}}
"""


@pytest.fixture
def stack(tmp_path: Path, database: Server, sql: Sql) -> Iterator[Tiny]:
    assert database.password is not None
    sql("create type role as enum ('admin', 'user'); create table users (id int primary key, role role)")
    sql("insert into users select g, 'user' from generate_series(1, 20) g")
    made = Tiny(tmp_path).build().with_database(database, database.password.reveal(), STEPS, OTHER)
    LocalRuntime(made.folder / "local.yaml", made.replica).start("other", Given({"SPECIAL": "1"}))
    yield made
    made.down()


def without_outlook(text: str) -> str:
    return text.partition("\ntakes ")[0]


def test_the_plan_is_the_same_when_everything_is_gone(stack: Tiny, sql: Sql) -> None:
    file, book = stack.folder / "snap.json", str(stack.playbook)
    real = stack.recover("plan", book).stdout
    assert "recreate other" in real or "start other" in real
    assert "RENAME VALUE 'user' TO 'USER'" in real
    said = stack.recover("snapshot", book, "-o", str(file)).stdout
    assert f"recover plan {book} --against {file}" in said
    assert file.stat().st_mode & 0o077 == 0
    stack.down()
    sql("drop table users; drop type role")
    away = stack.state.rename(stack.folder / "away")
    assert without_outlook(stack.recover("plan", book, "--against", str(file)).stdout) == without_outlook(real)
    told = json.loads(stack.recover("plan", book, "--against", str(file), "--json").stdout)
    assert told["blast_radius"]["types"] == ['"public"."role"']
    shutil.rmtree(stack.state, ignore_errors=True)
    away.rename(stack.state)


def test_no_secret_is_in_it_and_a_changed_one_is_refused(stack: Tiny, database: Server) -> None:
    file = stack.folder / "snap.json"
    stack.recover("snapshot", str(stack.playbook), "-o", str(file))
    assert database.password is not None
    assert database.password.reveal() not in file.read_text()
    assert TOKEN not in file.read_text()
    file.write_text(file.read_text().replace('"running"', '"stopped"'))
    refused = stack.recover("plan", str(stack.playbook), "--against", str(file), expect=2)
    assert "the snapshot was changed" in refused.stderr
    file.write_text("[]")
    assert "not a snapshot" in stack.recover("plan", str(stack.playbook), "--against", str(file), expect=2).stderr
    file.unlink()
    refused = stack.recover("plan", str(stack.playbook), "--against", str(file), expect=2).stderr
    assert f"cannot read {file}" in refused
    assert f"recover snapshot PLAYBOOK -o {file}" in refused


def test_what_only_looks_like_a_secret_is_masked_too(stack: Tiny) -> None:
    """A container's own passwords, and the token that a login hands out, wherever they stand."""
    url = "postgresql://u:pl4nted-in-a-url@h/db"
    given = Given({"API_TOKEN": "pl4nted-t0ken-env", "DATABASE_URL": url})
    LocalRuntime(stack.folder / "local.yaml", stack.replica).start("other", given)
    file = stack.folder / "snap.json"
    stack.recover("snapshot", str(stack.playbook), "-o", str(file))
    assert "pl4nted" not in file.read_text()
    assert "API_TOKEN" in file.read_text()
    recording = Recording(Redactor())
    token = {"access_token": "pl4nted-t0ken-reply", "token_type": "bearer"}
    reply = Reply(200, {"set-cookie": "session=pl4nted-c00kie"}, json.dumps(token))
    recording.answer(["logs"], lambda: ["pl4nted-t0ken-reply was seen before"])
    recording.answer(["web", "sign in"], lambda: reply)
    recording.answer(["web", "get", "Bearer pl4nted-t0ken-reply"], lambda: Reply(200, {}, "{}"))
    assert "pl4nted" not in text({}, recording)
    assert "Bearer ***" in text({}, recording)


def test_an_edited_playbook_is_planned_as_far_as_the_snapshot_knows(stack: Tiny) -> None:
    file = stack.folder / "snap.json"
    stack.recover("snapshot", str(stack.playbook), "-o", str(file))
    text = stack.playbook.read_text()
    stack.write(text.replace("MODE: degraded", "MODE: other"))
    assert "with MODE='other'" in stack.recover("plan", str(stack.playbook), "--against", str(file)).stdout
    stack.write(text.replace("role::text = 'USER'", "id > 3"))
    plan = stack.recover("plan", str(stack.playbook), "--against", str(file)).stdout
    assert "RENAME VALUE 'user' TO 'USER'" in plan


def test_another_target_and_a_plan_file_are_refused(stack: Tiny) -> None:
    file = stack.folder / "snap.json"
    stack.recover("snapshot", str(stack.playbook), "-o", str(file))
    words = ("plan", str(stack.playbook), "--against", str(file))
    assert "the snapshot is of local (tiny)" in stack.recover(*words, "--project", "x", expect=2).stderr
    assert "not from a snapshot" in stack.recover(*words, "-o", str(stack.folder / "p"), expect=2).stderr
