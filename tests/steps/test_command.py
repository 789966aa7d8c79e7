from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from replicas import until

from recover.errors import StepError, Unreachable
from recover.live import Programs
from recover.secrets import Secret
from recover.steps.command import RunCommand

WORLD: Any = SimpleNamespace(commands=Programs())


def test_the_program_runs_in_its_folder_with_its_environment(tmp_path: Path) -> None:
    step = RunCommand(
        command=("sh", "-c", 'echo "$TOKEN" > out'), environment={"TOKEN": Secret("t", "s3cret")}, folder=str(tmp_path)
    )
    [action] = step.decide(WORLD)
    assert action.apply(WORLD)["exit_code"] == 0
    assert (tmp_path / "out").read_text() == "s3cret\n"
    assert "s3cret" not in action.describe


def test_a_failing_program_is_reported_with_the_end_of_its_output() -> None:
    [action] = RunCommand(command=("sh", "-c", "echo lost the volume >&2; exit 7")).decide(WORLD)
    with pytest.raises(StepError, match="exit code 7") as caught:
        action.apply(WORLD)
    assert caught.value.why == "lost the volume"


def test_a_program_that_is_not_there_is_an_error_with_the_systems_words() -> None:
    [action] = RunCommand(command=("no-such-program-here",)).decide(WORLD)
    with pytest.raises(StepError) as caught:
        action.apply(WORLD)
    assert "No such file" in caught.value.why


def test_a_program_that_does_not_end_is_stopped_with_everything_it_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    [action] = RunCommand(command=("sh", "-c", script), timeout=3.0).decide(WORLD)  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match="did not end"):
        action.apply(WORLD)
    child = int((tmp_path / "child").read_text())
    until(lambda: ended(child))  # a signal is delivered when the process gets its turn


def ended(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
