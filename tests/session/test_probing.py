"""recover probe, on a web service that some of its features break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replicas import until
from tiny import Tiny

SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
on = os.environ.get("FEATURES", "").split(",")

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if "bad" in on and self.path == "/page" else 200)
        self.end_headers()
        self.wfile.write(",".join(on).encode())

    def log_message(self, *_): pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
STACK = """\
local: 1
services:
  web:
    command: ["${python}", "${stack}/server.py", "${WEB_PORT}"]
    environment: {FEATURES: "good,bad,fine"}
    ports: ["${WEB_PORT}"]
    ready: {http: /}
"""
PLAYBOOK = """\
recover: 1
name: tiny
title: A tiny stack
target: {services: {runtime: local, project: tiny, files: [local.yaml]}}
probes:
  page: {http: {get: "${services.web.url}/page"}}
  home: {http: {get: "${services.web.url}/"}}
stages:
- stage: Features
  steps:
  - id: features
    name: Switch on ${item}
    for_each: [good, bad, fine]
    on_failure: isolate
    service.start: {services: [web], env: {web: {FEATURES: "${kept}"}}}
    check: [{probe: home, within: 2s}, {probe: page, within: 0s}]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    made = Tiny(tmp_path).build()
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "local.yaml").write_text(STACK)
    made.write(PLAYBOOK)
    return made


def test_the_probes_of_a_playbook_are_asked_and_nothing_is_changed(tiny: Tiny) -> None:
    try:
        down = tiny.recover("probe", str(tiny.playbook), expect=1)
        assert "NO  home: does GET" in down.stdout
        diagnose = f"next: recover diagnose {tiny.playbook} --state-dir {tiny.state}"
        assert down.stdout.splitlines()[-1] == diagnose
        assert not list(tiny.state.glob("*/*/journal.jsonl"))
        tiny.recover("run", str(tiny.playbook), expect=3)
        told = json.loads(tiny.recover("probe", str(tiny.playbook), "--json").stdout)
        assert {name: answer["passed"] for name, answer in told["probes"].items()} == {"home": True, "page": True}
    finally:
        tiny.down()


def test_the_feature_that_breaks_it_is_named_and_all_is_put_back(tiny: Tiny) -> None:
    from recover.runtimes.local import LocalRuntime

    services = LocalRuntime(tiny.folder / "local.yaml", tiny.replica)
    try:
        services.start("web")
        before = services.state("web").environment["FEATURES"]
        waiting = tiny.recover("probe", str(tiny.playbook), "--each-middleware", expect=10)
        assert "5 times" in waiting.stderr
        found = tiny.recover("probe", str(tiny.playbook), "--each-middleware", "--yes", expect=3)
        lines = found.stdout.splitlines()
        assert [line.split()[:2] for line in lines[1:4]] == [["good", "good"], ["bad", "NO"], ["fine", "good"]]
        assert lines[-1] == "broken by bad"
        assert services.state("web").environment["FEATURES"] == before
        until(lambda: services.state("web", probe=True).ready)
        again = tiny.recover("resume", expect=7)
        assert "begun anew" in again.stderr
        told = json.loads(
            tiny.recover("probe", str(tiny.playbook), "--each-middleware", "--yes", "--json", expect=3).stdout
        )
        assert told["culprits"] == ["bad"]
        assert [row["on"] for row in told["rows"]] == [[], ["good"], ["bad"], ["fine"], ["good", "bad", "fine"]]
    finally:
        tiny.down()


def test_what_is_broken_without_any_of_them_is_to_be_diagnosed(tiny: Tiny) -> None:
    from recover.runtimes.local import LocalRuntime

    (tiny.folder / "server.py").write_text(SERVER.replace('"bad" in on and ', ""))
    try:
        LocalRuntime(tiny.folder / "local.yaml", tiny.replica).start("web")
        lines = tiny.recover("probe", str(tiny.playbook), "--each-middleware", "--yes", expect=3).stdout.splitlines()
        assert lines[-2].startswith("it is broken with none of them on")
        assert lines[-1] == f"next: recover diagnose {tiny.playbook} --state-dir {tiny.state}"
    finally:
        tiny.down()


def test_one_that_is_killed_is_rolled_back_to_what_was(tiny: Tiny) -> None:
    from recover.runtimes.local import LocalRuntime

    services = LocalRuntime(tiny.folder / "local.yaml", tiny.replica)
    try:
        services.start("web")
        words = ("probe", str(tiny.playbook), "--each-middleware", "--yes")
        tiny.recover(*words, expect=-9, env={"RECOVER_CRASH_AT": "features[bad]:after-act"})
        assert services.state("web").environment["FEATURES"] == "bad"
        tiny.recover("resume", expect=7)
        tiny.recover("rollback", "--yes")
        assert services.state("web").environment["FEATURES"] == "good,bad,fine"
    finally:
        tiny.down()
