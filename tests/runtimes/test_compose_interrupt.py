"""Ctrl-C and SIGTERM while a container does not become healthy: it ends at once, and nothing stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import IMAGE, Project, docker, project
from replicas import until

pytestmark = pytest.mark.docker

FILE = """
services:
  api:
    image: "${IMAGE}"
    command: [sleep, "600"]
    init: true
    healthcheck: {test: [CMD, sleep, "3"], interval: 1s, timeout: 2s, retries: 1000, start_period: 600s}
"""
PLAYBOOK = """\
recover: 1
name: waits
title: One service
target: {services: {runtime: compose, project: %s, files: [compose.yaml]}}
stages:
- stage: All
  steps:
  - {id: api, name: Start, service.start: {services: [api], within: 90s}}
"""
MOST = 20.0
"""Seconds in which what ends at once has ended, on the slowest machine; what it waits for takes longer."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, FILE, {"IMAGE": IMAGE}) as made:
        made.compose("create")
        (tmp_path / "playbook.yml").write_text(PLAYBOOK % made.name)
        yield made


def begin(tmp_path: Path, *command: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "recover", *command, "--state-dir", str(tmp_path / "state")]
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize("signals", ["INT", "TERM", "INT INT"])
def test_a_wait_for_health_ends_at_once_and_resume_waits_again(made: Project, tmp_path: Path, signals: str) -> None:
    running = "{{.State.Running}}"
    for command in (("run", str(tmp_path / "playbook.yml")), ("resume",)):
        with begin(tmp_path, *command) as process:
            until(lambda: docker("inspect", "--format", running, made.container("api")).strip() == "true", 60)
            time.sleep(1.5)
            for name in signals.split():
                process.send_signal(signal.Signals[f"SIG{name}"])
                time.sleep(0.3)
            said, _ = process.communicate(timeout=MOST)
        assert process.returncode == 128 + signal.Signals[f"SIG{signals.split(maxsplit=1)[0]}"], said
        assert "Traceback" not in said
        left = f"label=dev.recover.lease={made.name}"
        assert docker("ps", "--all", "--quiet", "--filter", left) == ""
