"""The checks that ask Prometheus, beside the replica's stand-in for it, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ports import free_port
from servers import Asked, answer, site

from recover.checks.promql import PromqlAnswers
from recover.checks.scrape import ScrapeWorks
from recover.checks.targets import TargetsUp
from recover.checks.wait import Patience, Waiter
from recover.evidence import Evidence
from recover.web import HttpWeb
from recover.world import Check

STACK = Path(__file__).parents[2] / "playbooks" / "enum-cascade" / "stack"
VIEW: Any = SimpleNamespace(web=HttpWeb())


@contextmanager
def prometheus(targets: str, log: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "stand_ins.prometheus_stand_in", str(port)]
    with log.open("wb") as out:
        child = subprocess.Popen(command, env={**os.environ, "TARGETS": targets}, cwd=STACK, stdout=out, stderr=out)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()
            child.wait()


def soon(check: Check) -> Evidence:
    return Waiter(VIEW).ask(check, Patience(within=30))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    def respond(asked: Asked) -> Any:
        kind = "text/html; charset=utf-8" if asked.path == "/page" else "text/plain; version=0.0.4"
        return answer(200, 'load 0.5\njobs{state="x"} 3\n', Content_Type=kind)

    with site(respond) as here:
        targets = f"good={here.url[7:]}/metrics page={here.url[7:]}/page"
        with prometheus(targets, tmp_path_factory.mktemp("prometheus") / "log") as address:
            assert soon(PromqlAnswers(address, "up", ">= 0")).passed
            yield address


def test_targets(url: str) -> None:
    assert soon(TargetsUp(url, ("good",))).answer == "yes: 1 up"
    evidence = TargetsUp(url).ask(VIEW)
    assert not evidence.passed
    assert evidence.answer.startswith("page at 127.0.0.1:")
    assert evidence.answer.endswith(': down: received unsupported Content-Type "text/html; charset=utf-8"')


def test_promql(url: str) -> None:
    assert soon(PromqlAnswers(url, 'jobs{state="x"}', "< 4")).answer == "yes: 3"
    assert soon(PromqlAnswers(url, 'up{job="good"}', "1")).passed
    assert not PromqlAnswers(url, "load", "> 0.5").ask(VIEW).passed
    assert PromqlAnswers(url, "nothing", "1").ask(VIEW).answer == "no series"
    assert PromqlAnswers(url, "sum(up)", "1").ask(VIEW).answer.startswith("Prometheus refuses, bad_data: ")


def test_scrape_knows_its_api_from_metrics(url: str) -> None:
    evidence = ScrapeWorks(f"{url}/api/v1/targets").ask(VIEW)
    assert evidence.answer.startswith("it serves application/json, not metrics: ")
