"""A database that does not come up: its own words reach the user, and a plan invents nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import Tiny

STACK = """\
local: 1
services:
  postgres:
    command: ["${python}", -m, recover.drill.postgres, --data, "${project}/data", --port, "${WEB_PORT}",
      --superuser-password-file, "${project}/secrets/token", --role, app,
      --role-password-file, "${project}/secrets/token", --database, app]
    ports: ["${WEB_PORT}"]
    ready: {sql: {dbname: app, user: app, password_file: "${project}/secrets/token"}}
    stop: {signal: INT}
"""
PLAYBOOK = """\
recover: 1
name: tiny
title: Only a database
target:
  services: {runtime: local, project: tiny, files: [local.yaml]}
  databases: {main: {service: postgres, dbname: app, user: app, password: "${secret.token}"}}
secrets: {token: {file: "${target.folder}/secrets/token"}}
stages:
- stage: Database
  steps:
  - id: postgres
    name: Start it
    service.start: {services: [postgres]}
    check: [{sql: {database: main, query: select 1, expect: 1}}]
  - {id: enums, name: Repair, enum.repair: {database: main, expected: {role: [A]}}}
"""


@pytest.fixture
def database_stack(tmp_path: Path) -> Iterator[Tiny]:
    made = Tiny(tmp_path).build()
    (made.folder / "local.yaml").write_text(STACK)
    made.write(PLAYBOOK)
    yield made
    made.down()


def test_a_postgresql_that_does_not_start_says_why(database_stack: Tiny) -> None:
    (database_stack.replica / "data").mkdir()
    (database_stack.replica / "data" / "somebody's file").touch()
    failed = database_stack.recover("run", str(database_stack.playbook), expect=1)
    assert "is not empty and holds no PostgreSQL data" in failed.stderr
    assert "recover resume" in failed.stderr


def test_what_depends_on_a_database_that_is_down_is_decided_at_run_time(database_stack: Tiny) -> None:
    plan = database_stack.recover("plan", str(database_stack.playbook)).stdout
    assert "at run time enums" in plan
    assert "because step postgres changes postgres" in plan
    assert not (database_stack.replica / "data").exists()


def test_a_type_that_is_not_there_is_named(database_stack: Tiny) -> None:
    failed = database_stack.recover("run", str(database_stack.playbook), expect=1)
    assert "role" in failed.stderr
    again = database_stack.recover("run", str(database_stack.playbook), expect=7)
    assert "role" in again.stderr  # now it is seen before anything is touched
