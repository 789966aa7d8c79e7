"""A replica driven through the command line, as a user drives it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recover.answers import Reply
from recover.checks.service import ServiceIs
from recover.checks.wait import Patience, Waiter
from recover.drill import disk
from recover.errors import Precondition
from recover.web import HttpWeb
from recover.world import Services

PLAYBOOK = "playbooks/enum-cascade/playbook.yml"
ROOT = Path(__file__).parents[1]


@dataclass
class Drill:
    """One replica of enum-cascade in its own state folder; on containers under a project name of its own."""

    state: Path
    runtime: str = "local"
    project: str = ""
    scenario: str = "enum-cascade"
    facts: dict[str, Any] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    file: str = PLAYBOOK

    def recover(
        self, *words: str, env: Mapping[str, str] | None = None, expect: int | None = 0, stdin: int = subprocess.DEVNULL
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line; fail with its whole output unless it ends as expected."""
        done = subprocess.run(
            [sys.executable, "-m", "recover", *words, "--state-dir", str(self.state)],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    @property
    def _project(self) -> tuple[str, ...]:
        return ("--project", self.project) if self.project else ()

    def drill(self, verb: str, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """A drill command on this replica."""
        runtime = ("--runtime", self.runtime) if self.runtime != "local" else ()
        return self.recover("drill", verb, self.scenario, *runtime, *self._project, *words, **how)

    def playbook(self, verb: str, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """plan or run with the shipped playbook, on this replica's target."""
        target = ("--target", self.runtime) if self.runtime != "local" else ()
        return self.recover(verb, self.file, *target, *self._project, *words, **how)

    def diagnosed(self, expect: int = 1) -> dict[str, Any]:
        """What `recover diagnose` says of this replica."""
        return json.loads(self.playbook("diagnose", "--json", expect=expect).stdout)

    def cause(self) -> str:
        """The one that it names first, and has confirmed."""
        root = self.diagnosed()["root"]
        assert root["answer"] == "yes", root
        return root["cause"]

    def resume(self, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """Go on with the latest run."""
        return self.recover("resume", *self._project, *words, **how)

    def up(self) -> None:
        self.drill("up")
        self.facts = self.status()

    def status(self) -> dict[str, Any]:
        return json.loads(self.drill("status", "--json").stdout)

    def progress(self) -> dict[str, Any]:
        """The latest run, as `recover status --json` says it."""
        return json.loads(self.recover("status", "--json", *self._project).stdout)

    def run_folder(self) -> Path:
        return Path(self.progress()["folder"])

    @property
    def replica(self) -> Path:
        return Path(self.facts["folder"])

    @property
    def password(self) -> str:
        return (self.replica / "secrets" / "probe_password").read_text()

    def login(self, email: str = "probe@example.com", password: str | None = None) -> Reply:
        form = {"username": email, "password": password or self.password}
        return HttpWeb().sign_in(f"{self.facts['api']}/api/v1/auth/jwt/login", form)

    def get(self, path: str, token: str = "") -> Reply:
        return HttpWeb().get(
            f"{self.facts['api']}{path}", headers={"Authorization": f"Bearer {token}"} if token else {}
        )

    def sql(self, text: str, user: str = "app") -> list[tuple[Any, ...]]:
        """As the application, or as the superuser."""
        import psycopg

        dsn = self.facts["dsn"]
        other = (
            {}
            if user == "app"
            else {"user": user, "password": (self.replica / "secrets/postgres_password").read_text()}
        )
        with psycopg.connect(dsn, autocommit=True, **other) as connection:  # type: ignore[arg-type]  # libpq's words
            cursor = connection.execute(text)  # type: ignore[call-overload]  # SQL built by the test
            return cursor.fetchall() if cursor.description else []

    @property
    def services(self) -> Services:
        """The replica's processes, beside the command line."""
        from recover.runtimes.local import LocalRuntime

        return LocalRuntime((ROOT / self.file).with_name("stack") / "local.yaml", self.replica)

    def wait_for(self, service: str) -> None:
        check = ServiceIs(service)
        view: Any = SimpleNamespace(services=self.services)
        assert Waiter(view).ask(check, Patience(within=60)).passed

    def copy_database(self, source: str, target: str) -> None:
        """Replace a database by a copy of another (CREATE DATABASE … TEMPLATE)."""
        import psycopg

        password = (self.replica / "secrets" / "postgres_password").read_text()
        dsn = self.facts["dsn"].replace("/aiwfe?", "/postgres?")
        with psycopg.connect(dsn, autocommit=True, user="postgres", password=password) as connection:
            connection.execute(f"drop database if exists {target} with (force)")  # type: ignore[call-overload]
            connection.execute(f"create database {target} template {source} owner app")  # type: ignore[call-overload]

    def labels(self) -> dict[str, list[str]]:
        rows = self.sql(
            "select t.typname, array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e "
            "join pg_type t on t.oid = e.enumtypid group by 1"
        )
        return dict(rows)

    def rows(self) -> dict[str, list[Any]]:
        """Every row of every table of the application as text, and every default."""
        tables = self.sql("select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
        found = {table: self.sql(f'select t::text from "{table}" t order by 1') for (table,) in sorted(tables)}
        defaults = (
            "select adrelid::regclass::text, adnum, pg_get_expr(adbin, adrelid) from pg_attrdef d "
            "join pg_class r on r.oid = d.adrelid and r.relnamespace = 'public'::regnamespace"
        )
        return {**found, **{f"default of {table}.{n}": [text] for table, n, text in self.sql(defaults)}}

    def census(self) -> dict[str, int]:
        """Rows per table, and per user role and status whatever the labels' spelling."""
        tables = self.sql("select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
        counts = {table: self.sql(f'select count(*) from "{table}"')[0][0] for (table,) in tables}
        for column in ("role", "status"):
            rows = self.sql(
                f"select e.enumsortorder, count(*) from users u join pg_enum e on e.enumlabel = u.{column}::text and "
                f"e.enumtypid = pg_typeof(u.{column})::oid group by 1"
            )
            counts |= {f"{column}#{order:g}": n for order, n in rows}
        return counts


def edited(drill: Drill, edit: Callable[[str], str]) -> Drill:
    """The same replica with an edited copy of the shipped playbook."""
    folder = drill.state.with_name("edited")
    folder.mkdir()
    (folder / "stack").symlink_to(ROOT / "playbooks/enum-cascade/stack")
    (folder / "playbook.yml").write_text(edit((ROOT / PLAYBOOK).read_text()))
    drill.file = str(folder / "playbook.yml")
    return drill


def shortened(drill: Drill) -> Drill:
    """With the middlewares re-enabled in two turns, for drills that are about something else: four boots less."""
    return edited(drill, _in_two_turns)


def _in_two_turns(playbook: str) -> str:
    one_by_one, rest = re.split(r"(?=      - id: full\n)", playbook)
    before, each = re.split(r"(?=      - id: middleware\n)", one_by_one)
    items = re.search(r"        for_each: \[(.*)\]\n", each)
    assert items
    names = items[1].split(", ")
    turns = [
        each.replace(items[0], "")
        .replace("${kept}", ",".join(names[:number]))
        .replace("${item}", f"{number} of them")
        .replace("id: middleware", f"id: middleware_{number}")
        for number in (3, 6)
    ]
    return "".join((before, *turns, rest))


def can_fill_a_disk(drill: Drill) -> None:
    """Skip, with the system's words, where no file system can be mounted: in a container without CAP_SYS_ADMIN."""
    try:
        disk.require(drill.replica)
    except Precondition as error:
        pytest.skip(f"{error.what}: {error.why}")
