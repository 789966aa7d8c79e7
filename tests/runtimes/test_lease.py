"""One run per project on one engine, from whichever machine: refused by name, free once the holder is dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import IMAGE, Project, docker, own_tag, project
from replicas import until

from recover.errors import Drifted, Locked, LostOwnership
from recover.journal.records import records
from recover.runtimes.lease import Lease
from recover.session.options import Options
from recover.session.running import resume

pytestmark = pytest.mark.docker

FILE = """
services:
  api: {image: "${IMAGE}", command: [sleep, "600"], init: true}
"""
PLAYBOOK = """\
recover: 1
name: leased
title: One service
target: {services: {runtime: compose, project: %s, files: [compose.yaml]}}
stages:
- stage: All
  steps:
  - {id: api, name: Start, service.start: {services: [api], wait: started}}
  - {id: wait, name: Wait, check: [{file: {path: "%s/go"}, within: 90s}]}
  - {id: last, name: Last, service.stop: {services: [api]}}
"""
EVA = {"by": "eva", "host": "berlin", "run": "r-1"}
ELSEWHERE = ["unshare", "--fork", "--pid", "--mount-proc", "--uts", "sh", "-c", 'hostname munich; exec "$@"', "sh"]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, FILE, {"IMAGE": IMAGE}) as made:
        made.compose("create")
        (tmp_path / "playbook.yml").write_text(PLAYBOOK % (made.name, tmp_path))
        yield made
        docker("rm", "--force", f"recover-lease-{made.name}") if leases(made) else None


def leases(made: Project) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"label=dev.recover.lease={made.name}").split()


def words(tmp_path: Path, state: str) -> list[str]:
    recover = [sys.executable, "-m", "recover", "run", str(tmp_path / "playbook.yml")]
    return [*recover, "--state-dir", str(tmp_path / state)]


@pytest.fixture
def holder(made: Project, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that holds the project and waits."""
    process = subprocess.Popen(words(tmp_path, "mine"), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: leases(made) and (tmp_path / "mine").exists() and running(tmp_path / "mine") == "wait", 60)
        yield process
    finally:
        process.kill()
        process.wait()


def running(state: Path) -> str:
    status = [sys.executable, "-m", "recover", "status", "--json", "--state-dir", str(state)]
    said = subprocess.run(status, capture_output=True, text=True, check=False).stdout
    return str(json.loads(said)["current"]) if said else ""


def run(tmp_path: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, *words(tmp_path, "others")]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("before", [[], ELSEWHERE], ids=["same machine", "another machine"])
def test_with_a_state_folder_of_its_own_a_second_run_is_refused_by_name_and_free_after_a_kill(
    made: Project, tmp_path: Path, holder: subprocess.Popen[bytes], before: list[str]
) -> None:
    refused = run(tmp_path, *before)
    assert refused.returncode == 9, refused.stderr
    assert f"on {os.uname().nodename} is running" in refused.stderr
    assert f"process {holder.pid} there holds" in refused.stderr
    assert not list((tmp_path / "others").glob("*/2*"))
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    (tmp_path / "go").touch()
    done = run(tmp_path, *before)
    assert done.returncode == 0, done.stderr
    assert leases(made) == []


def test_the_lease_ends_with_the_run(made: Project, tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    (tmp_path / "go").touch()
    assert holder.wait(60) == 0
    assert leases(made) == []


def test_a_holder_that_was_frozen_and_lost_it_does_nothing_more(
    made: Project, tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    done = run(tmp_path, *ELSEWHERE)
    assert done.returncode == 0, done.stderr
    docker("start", made.container("api"))
    holder.send_signal(signal.SIGCONT)
    assert holder.wait(60) == 9
    assert docker("inspect", "--format", "{{.State.Running}}", made.container("api")).strip() == "true"


def test_a_run_is_bound_to_its_engine(
    made: Project, tmp_path: Path, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another engine, as far as anybody can tell: another id."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    [journal] = (tmp_path / "mine").glob("*/*/journal.jsonl")
    [bound] = [r.data["binding"] for r in records(journal) if r.event == "TargetBound"]
    assert bound == {"services:.engine": made.runtime.engine.id, "services:.project": made.name}
    monkeypatch.setattr(type(made.runtime.engine), "id", "another")
    options = Options.parse({"state_dir": tmp_path / "mine"})
    with pytest.raises(Drifted, match="what the services run on is not the one this run began on"):
        resume(None, options)


def test_it_can_be_taken_from_a_holder_who_then_does_nothing_more(made: Project) -> None:
    mine, theirs = (Lease(made.runtime.engine, made.name, card) for card in (EVA, {**EVA, "by": "ben"}))
    with mine.held() as require:
        require()
        with theirs.held(breaking=True) as also:
            also()
            with pytest.raises(LostOwnership) as caught:
                require()
            assert caught.value.why == "ben has it"
    assert leases(made) == []


def test_its_container_is_never_started_and_belongs_to_no_project(made: Project) -> None:
    with Lease(made.runtime.engine, made.name, EVA).held() as require:
        require()
        [id] = leases(made)
        [facts] = json.loads(docker("inspect", id))
        assert facts["State"]["Status"] == "created"
        assert made.containers("") == [made.container("api")]
        until(lambda: json.loads(docker("inspect", id))[0]["HostConfig"]["CpuShares"] > 2)
        with (
            pytest.raises(Locked, match="eva on berlin is running r-1"),
            Lease(made.runtime.engine, made.name, {}).held(),
        ):
            pass
        docker("rm", id)
        with pytest.raises(LostOwnership, match="not ours any more"):
            require()


def test_an_image_that_compose_made_hands_no_project_on_to_it(made: Project) -> None:
    tag = own_tag("committed")
    docker("commit", made.container("api"), tag)  # the newest image, with the labels of the container
    try:
        with Lease(made.runtime.engine, made.name, EVA).held():
            [id] = leases(made)
            assert made.containers("") == [made.container("api")]
            assert not json.loads(docker("inspect", id))[0]["Config"]["Labels"].get("com.docker.compose.project")
    finally:
        docker("image", "rm", "--force", tag)
