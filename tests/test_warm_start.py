"""`recover` started warm is the process that a cold start would have been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest
from helpers.warm_start import COLD
from replicas import until
from tiny import Tiny

RECOVER = [sys.executable, "-m", "recover"]
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COLD in os.environ, reason="there is no warm start here, and nothing rests on it"
)


@pytest.mark.parametrize(
    "words",
    [["--version"], ["lint", "no-such-file.yml"], ["plan", "--no-such-option"], ["run", "playbook.yml"], ["status"]],
)
def test_it_says_and_ends_as_a_cold_one(tiny_folder: Tiny, words: list[str]) -> None:
    state = ["--state-dir", "state"] if words[0] in ("run", "status") else []
    ends = []
    for more in ({}, {COLD: "yes"}):
        env = {**os.environ, **more}
        done = subprocess.run(
            [*RECOVER, *words, *state], cwd=tiny_folder.folder, env=env, capture_output=True, check=False
        )
        ends.append((done.returncode, done.stdout.splitlines()[-1:], done.stderr.splitlines()[-1:]))
    assert ends[0] == ends[1]


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Tiny:
    """A playbook that is refused before anything is done: it needs a service that is nowhere."""
    made = Tiny(tmp_path).build()
    made.write(made.playbook.read_text().replace("except: [web]", "except: [nowhere]"))
    return made


@contextmanager
def waiting(folder: Path, env: Mapping[str, str] | None = None, **how: object) -> Iterator[subprocess.Popen[bytes]]:
    """A command that waits for its playbook: for whoever writes to a pipe."""
    pipe = folder / "playbook.yml"
    os.mkfifo(pipe)
    process = subprocess.Popen([*RECOVER, "lint", str(pipe)], env=env, stderr=subprocess.PIPE, **how)  # type: ignore[call-overload]  # Popen's own words
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def command(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/cmdline").read_text()


def test_it_is_a_child_with_a_session_of_its_own_and_ends_by_its_signal(tmp_path: Path) -> None:
    with waiting(tmp_path, start_new_session=True) as process:
        assert "warm_process" in command(process)
        until(lambda: os.getsid(process.pid) == process.pid)
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        assert int(stat[1]) == os.getpid()
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_it_has_the_environment_and_the_descriptors_that_it_was_given_and_no_other(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    env = {"PATH": os.environ["PATH"], **{key: os.environ[key] for key in os.environ if key.startswith("PYTHON")}}
    with waiting(tmp_path, env, pass_fds=[writing]) as process:
        os.close(writing)
        until(lambda: set(descriptors(process)) == {0, 1, 2, writing})
        assert descriptors(process)[writing] == str(Path(f"/proc/self/fd/{reading}").readlink())
        assert not select([reading], [], [], 0)[0]  # it holds the other end
    assert os.read(reading, 1) == b""  # and nobody else did
    os.close(reading)


def descriptors(process: subprocess.Popen[bytes]) -> dict[int, str]:
    return {int(entry.name): str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}


@pytest.mark.parametrize("variable", [{"PYTHONUTF8": "1"}, {COLD: "yes"}])
def test_what_only_a_new_interpreter_takes_up_starts_cold(tmp_path: Path, variable: dict[str, str]) -> None:
    with waiting(tmp_path, {**os.environ, **variable}) as process:
        until(lambda: "recover\0lint" in command(process))


def test_a_recover_of_another_folder_starts_cold(tmp_path: Path) -> None:
    (tmp_path / "recover").mkdir()
    (tmp_path / "recover" / "__init__.py").touch()
    (tmp_path / "recover" / "__main__.py").write_text("print('another')")
    done = subprocess.run([*RECOVER, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "another\n"
