"""A Python script with a container's own code and environment: in it when it runs, beside it when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import Project, docker, project

from recover.errors import Precondition, StepError

pytestmark = pytest.mark.docker

FILE = """
services:
  api:
    image: "${IMAGE}"
    command: [sleep, "600"]
    init: true
    working_dir: /tmp
    environment: {MODE: full}
    volumes: ["./code:/code:ro"]
  other: {image: "${IMAGE}", command: [sleep, "600"], init: true}
  bare: {image: "${IMAGE}", command: [sleep, "600"], init: true, environment: {PATH: /nothing}}
"""
SCRIPT = "import os,sys,socket; print(os.environ['MODE'], os.getcwd(), open('/code/x').read(), sys.argv[1:], end='')"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "x").write_text("mounted")
    with project(tmp_path, FILE) as made:
        made.compose("up", "--detach", "api")
        yield made


def left_beside(made: Project) -> list[str]:
    """The containers beside that of api; those of other tests are none of them."""
    id = docker("inspect", "--format", "{{.Id}}", made.container("api"))[:12]
    return docker("ps", "--all", "--quiet", "--filter", f"label=dev.recover.beside={id}").split()


def test_in_a_running_container_and_beside_a_stopped_one(made: Project) -> None:
    inside = made.runtime.python("api", SCRIPT, ["an argument"], timeout=30)
    made.runtime.stop("api")
    before = made.containers()
    beside = made.runtime.python("api", SCRIPT, ["an argument"], timeout=30)
    assert inside == beside
    assert (inside.exit_code, inside.output) == (0, "full /tmp mounted ['an argument']")
    assert made.containers() == before
    assert left_beside(made) == []
    assert made.runtime.state("api").status == "stopped"


def test_much_output_a_failing_script_and_one_without_an_end(made: Project) -> None:
    for _ in ("inside", "beside"):
        assert len(made.runtime.python("api", "print('x' * 200_000)", [], timeout=30).output.strip()) == 200_000
        failed = made.runtime.python("api", "raise SystemExit('no such module')", [], timeout=30)
        assert (failed.exit_code, failed.output.strip()) == (1, "no such module")
        with pytest.raises(StepError, match="did not end within 1 s"):
            made.runtime.python("api", "import time; time.sleep(5)", [], timeout=1)
        made.runtime.stop("api")
    assert left_beside(made) == []


def test_without_a_container_or_without_python_it_is_said(made: Project) -> None:
    with pytest.raises(Precondition, match="there is no container of other"):
        made.runtime.python("other", "print()", [], timeout=10)
    made.compose("create", "bare")
    with pytest.raises(StepError, match="there is no Python in"):
        made.runtime.python("bare", "print()", [], timeout=10)
