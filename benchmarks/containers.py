"""The compose runtime against Docker's own programs, side by side on the replica of 24 containers.

1. From all exited to all ready: `docker compose up --detach --wait` against a playbook that starts the same
   services and then proves a login (aim <= 1.1 x).
2. The status of 24 services against one list call of the engine's API (aim <= 3 x).
3. How long a verdict takes: on a crash loop after its second exit (aim <= 5 s), on an exit at start (<= 2 s).

Needs a Docker engine and `make images`. Run: .ci/engine run .venv/bin/python benchmarks/containers.py
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from recover.checks.service import ServiceIs
from recover.checks.wait import Patience, Waiter
from recover.runtimes import RUNTIMES, Site

ROUNDS = 3
ROOT = Path(__file__).parents[1]
STACK = ROOT / "playbooks/enum-cascade/stack/compose.yaml"
WAVES = (
    "postgres, redis, qdrant, ollama, loki, node_exporter, blackbox_exporter, cadvisor, alertmanager",
    "pgbouncer, api, postgres_exporter, redis_exporter, promtail, log_watcher, prometheus",
    "worker, webui, google_sync, pgbouncer_exporter, grafana",
    "caddy",
)
PLAYBOOK = """
recover: 1
name: start-all
title: Start every service
target:
  services: {{runtime: compose, project: {project}, files: ["{stack}"]}}
variables: {{api: "${{services.api.url}}"}}
secrets: {{probe: {{file: "${{target.folder}}/secrets/probe_password"}}}}
stages:
- stage: Everything
  steps:
{steps}
final:
- login:
    url: "${{api}}/api/v1/auth/jwt/login"
    accept: {{as: probe@example.com, password: "${{secret.probe}}"}}
    reject: [{{as: probe@example.com, password: wrong, status: 401}}]
"""
LOOPS = """
services:
  loop: {{image: "{image}", entrypoint: [sh, -c, "sleep 0.3; exit 7"], restart: always}}
  ends: {{image: "{image}", entrypoint: [sh, -c, "echo no certificate; exit 5"]}}
"""
IMAGE = "recover-replica/app:incident"


def run(*words: str) -> None:
    """Run a program to its good end."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}")


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def starting(folder: Path, project: str) -> None:
    """All exited to all ready, by compose and by recover, in turn."""
    drill = [sys.executable, "-m", "recover", "drill"]
    flags = ["--runtime", "compose", "--project", project, "--state-dir", str(folder)]
    run(*drill, "up", "enum-cascade", *flags)
    replica = folder / project / "replica-compose"
    compose = ["docker", "compose", "--env-file", str(replica / ".env"), "-p", project, "-f", str(STACK)]
    waited = [name for wave in WAVES for name in wave.split(", ")]
    playbook = folder / "start.yml"
    steps = "\n".join(
        f"  - {{id: wave{n}, name: Wave {n}, service.start: {{services: [{w}]}}}}" for n, w in enumerate(WAVES)
    )
    playbook.write_text(PLAYBOOK.format(project=project, stack=STACK, steps=steps))
    ours = [sys.executable, "-m", "recover", "run", str(playbook), "--yes", "--state-dir", str(folder)]
    try:
        run(*compose, "up", "--detach", "--wait", *waited)  # compose's own containers, so that both only start them
        theirs, mine = [], []
        for _ in range(ROUNDS):
            run(*compose, "stop")
            theirs.append(timed(lambda: run(*compose, "up", "--detach", "--wait", *waited)))
            run(*compose, "stop")
            mine.append(timed(lambda: run(*ours)))
        report("24 exited -> ready, compose up --wait", theirs, "recover run, with a login proven", mine)
        looking(project, replica, folder)
    finally:
        run(*drill, "down", "enum-cascade", *flags)


def looking(project: str, replica: Path, folder: Path) -> None:
    """The status of every service against one list call, and every detail of every service."""
    runtime = RUNTIMES["compose"](Site((STACK,), project, replica, folder / project / "run", looking=True))
    runtime.statuses()  # connected, and the compose file read
    from docker import APIClient

    client = APIClient(version="auto")
    client.containers(all=True)
    lists = [timed(lambda: client.containers(all=True)) for _ in range(20)]
    ours = [timed(runtime.statuses) for _ in range(20)]
    report("one list call of the engine's API", lists, "status of 24 services", ours)
    whole = timed(lambda: [runtime.state(name, probe=True) for name in runtime.names()])
    print(f"{'every detail and health of 24 services':<44} {whole * 1000:8.1f} ms")


def verdicts(folder: Path) -> None:
    """Seconds from what happened to the verdict on it, by the engine's own clock."""
    file, project = folder / "compose.yaml", f"bench{secrets.token_hex(4)}"
    file.write_text(LOOPS.format(image=IMAGE))
    run("docker", "volume", "create", "--label", f"com.docker.compose.project={project}", f"{project}_trace")
    runtime: Any = RUNTIMES["compose"](Site((file,), project, folder / "none", folder / project / "run"))
    words = ["docker", "events", "--filter", f"label=com.docker.compose.project={project}", "--filter", "event=die"]
    events = subprocess.Popen([*words, "--format", "{{json .}}"], stdout=subprocess.PIPE, text=True)
    try:
        for service, exits in (("loop", 2), ("ends", 1)):
            runtime.start(service)
            verdict = Waiter(SimpleNamespace(services=runtime)).ask(ServiceIs(service), Patience(within=60))
            now = datetime.now(UTC).timestamp()
            assert events.stdout
            assert verdict.hopeless, verdict
            died = [json.loads(events.stdout.readline()) for _ in range(exits)][-1]
            print(f"{service}: verdict {now - died['timeNano'] / 1e9:5.2f} s after exit {exits}: {verdict.answer}")
            runtime.stop(service)
            if service == "loop":
                os.set_blocking(events.stdout.fileno(), False)
                while events.stdout.readline():
                    pass
                os.set_blocking(events.stdout.fileno(), True)
    finally:
        events.terminate()
        events.wait()
        run("docker", "compose", "-p", project, "down", "--volumes")
        run("docker", "volume", "rm", "--force", f"{project}_trace")


def report(theirs: str, base: list[float], ours: str, times: list[float]) -> None:
    """Both medians, and how many times the first the second is."""
    one, two = statistics.median(base), statistics.median(times)
    print(f"{theirs:<44} {one * 1000:8.1f} ms")
    print(f"{ours:<44} {two * 1000:8.1f} ms   {two / one:.2f} x")


def main() -> None:
    """Print all three."""
    with tempfile.TemporaryDirectory() as name:
        verdicts(Path(name))
        starting(Path(name), f"bench{secrets.token_hex(4)}")


if __name__ == "__main__":
    main()
