"""A tiny stack for tests of the command line: one web service as a local process, no database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import pages
from ports import free_port

if TYPE_CHECKING:
    from recover.postgres.connection import Server

WEB = f'["${{python}}", -I, -S, "{Path(pages.__file__)}", "${{WEB_PORT}}", "${{project}}/www"]'
STACK = f"""\
local: 1
services:
  web:
    command: {WEB}
    environment: {{MODE: full}}
    ports: ["${{WEB_PORT}}"]
    ready: {{http: /}}
  other:
    command: [sleep, "3600"]
"""
PLAYBOOK = """\
recover: 1
name: tiny
title: A tiny stack
target: {services: {runtime: local, project: tiny, files: [local.yaml]}}
secrets: {token: {file: "${target.folder}/secrets/token"}}
variables: {greeting: {default: hello, help: what the page says}}
stages:
- stage: Alone
  steps:
  - {id: freeze, name: Stop the rest, service.stop: {except: [web]}}
- stage: Web
  steps:
  - id: web
    name: Start the web service
    service.start: {services: [web], env: {web: {MODE: degraded}}}
    check:
    - http: {get: "${services.web.url}/", headers: {X-Token: "${secret.token}"}, expect: {contains: "${greeting}"}}
  - {id: full, name: Leave the degraded mode, service.start: {services: [web, other], wait: started}}
final: [{service: {name: web, as_declared: true}}]
"""
STACK_WITH_DATABASE = """\
local: 1
services:
  db: {command: ["${python}", -c, "raise SystemExit"], ports: ["%s"]}
"""
PLAYBOOK_WITH_DATABASE = """\
recover: 1
name: tiny
title: A tiny stack with a database
target:
  services: {runtime: local, project: tiny, files: [local.yaml]}
  databases: {main: {service: db, dbname: %s, user: app, password: "${secret.pg}"}}
secrets: {pg: {file: "${target.folder}/secrets/pg"}}
stages:
- stage: All
  steps:
"""
TOKEN = "planted-t0ken-5ecret"


@dataclass
class Tiny:
    """Its folder: the playbook, the stack and the state."""

    folder: Path

    @property
    def playbook(self) -> Path:
        return self.folder / "playbook.yml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def replica(self) -> Path:
        return self.state / "tiny" / "replica-local"

    @property
    def port(self) -> int:
        return int((self.replica / ".env").read_text().split("=")[1])

    def build(self) -> Tiny:
        self.playbook.write_text(PLAYBOOK)
        (self.folder / "local.yaml").write_text(STACK)
        (self.replica / "www").mkdir(parents=True)
        (self.replica / "www" / "index.html").write_text("hello")
        (self.replica / "secrets").mkdir()
        (self.replica / "secrets" / "token").write_text(TOKEN)
        (self.replica / ".env").write_text(f"WEB_PORT={free_port()}\n")
        return self

    def with_database(self, database: Server, password: str, steps: str, services: str = "") -> Tiny:
        """The same with a database of the test server, which it only reaches; `steps` are those of its one stage."""
        (self.folder / "local.yaml").write_text(STACK_WITH_DATABASE % database.port + services)
        (self.replica / "secrets" / "pg").write_text(password)
        self.write(PLAYBOOK_WITH_DATABASE % database.dbname + steps)
        return self

    def write(self, text: str) -> Path:
        self.playbook.write_text(text)
        return self.playbook

    def recover(
        self, *words: str, expect: int | None = 0, env: Mapping[str, str] | None = None, shell: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line with this state folder; `shell` is put before it (ulimit …)."""
        command = [sys.executable, "-m", "recover", *words]
        if words[0] not in ("lint", "schema", "--version", "--help"):
            command += ["--state-dir", str(self.state)]
        if shell:
            command = ["sh", "-c", f'{shell}; exec "$@"', "sh", *command]
        environment = {**os.environ, **(env or {})}
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert expect is None or done.returncode == expect, f"{words}: {done.returncode}\n{said}"
        assert "Traceback" not in said
        assert TOKEN not in said
        return done

    def down(self) -> None:
        from recover.runtimes.local import LocalRuntime

        services = LocalRuntime(self.folder / "local.yaml", self.replica)
        for name in services.names():
            services.stop(name)
