"""Reading a compose file through the docker program, its errors, and its lock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clocks import SleptClock
from engines import project
from replicas import until

from recover.errors import PlaybookError, Precondition, RecoverError, StepError, Unreachable
from recover.runtimes import compose_file
from recover.runtimes.compose_file import ComposeFile
from recover.stack import AS_DECLARED, Given

ONE = "services: {a: {image: x}}"
Say = Callable[..., ComposeFile]


@pytest.fixture
def file(tmp_path: Path) -> Say:
    """A compose file with this text, and its reader."""

    def write(text: str, project: str = "recovertestfile") -> ComposeFile:
        (tmp_path / "compose.yaml").write_text(text)
        return ComposeFile((tmp_path / "compose.yaml",), project, tmp_path / "state" / "lock")

    return write


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A docker program that is this shell script, and comes first."""

    def write(script: str) -> Path:
        path = tmp_path / "bin" / "docker"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        return path

    return write


def refused(act: Callable[[], object], kind: type[RecoverError], code: int) -> RecoverError:
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    return caught.value


# --- the program ----------------------------------------------------------------------------------


def test_without_the_docker_program(file: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(file(ONE).read, Precondition, 7)
    assert error.what == "the program docker is not installed"


@pytest.mark.parametrize(
    "words", ["docker: 'compose' is not a docker command.", "docker: unknown command: docker compose"]
)
def test_without_the_compose_plugin(file: Say, program: Callable[[str], Path], words: str) -> None:
    program(f'echo "{words}" >&2; echo "See \'docker --help\'" >&2; exit 1')
    error = refused(file(ONE).read, Precondition, 7)
    assert (error.what, error.why) == ("Docker Compose v2 is not installed", words)


def test_a_program_that_says_nothing(file: Say, program: Callable[[str], Path]) -> None:
    program("exit 5")
    error = refused(file(ONE).read, PlaybookError, 2)
    assert (error.what, error.why) == ("docker compose cannot read the file", "it said nothing")


@pytest.mark.parametrize("said", ["", "[]", "warning: {}"])
def test_a_program_that_does_not_say_a_configuration(file: Say, program: Callable[[str], Path], said: str) -> None:
    program(f"echo '{said}'")
    assert refused(file(ONE).read, StepError, 1).what == "docker compose config did not answer with JSON"


def test_a_program_that_does_not_end(
    file: Say, program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose_file, "CREATING", 0.2)
    program("exec sleep 600")
    assert refused(file(ONE).read, StepError, 1).what == "docker compose did not end within 0.2 s"


def test_the_files_are_read_again_only_when_one_has_changed(
    file: Say, program: Callable[[str], Path], tmp_path: Path
) -> None:
    program("""echo read >> "${0%/*}/asked"; echo '{"services": {"a": {}}}'""")
    made, override = file(ONE), tmp_path / "override.yaml"

    def asked() -> int:
        return len((tmp_path / "bin" / "asked").read_text().splitlines())

    made.read()
    assert made.names() == ("a",)
    assert asked() == 1
    override.write_text("{}")
    made.read([override])
    assert asked() == 2
    override.write_text("{ }")
    made.read([override])
    (tmp_path / ".env").write_text("A=1")
    made.read()
    assert asked() == 4


# --- the file -------------------------------------------------------------------------------------

WRONG = {
    "invalid": ("services: {a: {imag: x}}", "services.a Additional property imag is not allowed"),
    "no YAML": ("services: {a: {image: x}", "did not find expected"),
    "a required variable": (
        "services: {a: {image: '${NEED:?give it}'}}",
        "required variable NEED is missing a value: give it",
    ),
    "empty": ("", "empty compose file"),
}


@pytest.mark.docker
@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_cannot_be_used_is_refused_in_composes_words(file: Say, tmp_path: Path, kind: str) -> None:
    text, words = WRONG[kind]
    error = refused(file(text).read, PlaybookError, 2)
    assert words in error.why
    assert (error.what, error.where) == ("docker compose cannot read the file", f"{tmp_path}/compose.yaml")
    assert error.next == f"docker compose -f {tmp_path}/compose.yaml config"


@pytest.mark.docker
def test_a_file_that_is_missing_is_never_a_project_without_services(file: Say, tmp_path: Path) -> None:
    made = file(ONE)
    (tmp_path / "compose.yaml").unlink()
    error = refused(made.names, PlaybookError, 2)
    assert error.why == f"open {tmp_path}/compose.yaml: no such file or directory"


@pytest.mark.docker
def test_reading_needs_no_engine(file: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert file(ONE).names() == ("a",)


@pytest.mark.docker
def test_an_engine_that_is_away_when_a_container_is_made(
    file: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    error = refused(lambda: file(ONE).create("a", AS_DECLARED, tmp_path, _clear, _settled), Unreachable, 7)
    assert error.what == "the Docker engine does not answer"
    assert "nowhere.sock" in error.where


@pytest.mark.docker
def test_a_file_without_services_leaves_those_that_have_containers(tmp_path: Path) -> None:
    with project(tmp_path, "services: {a: {image: '${IMAGE}', command: [sleep, '60'], init: true}}") as made:
        made.compose("up", "--detach")
        made.file.write_text("services: {}")
        assert made.runtime.names() == ("a",)
        assert made.runtime.state("a").note == "no compose file names it, so it is taken as it is"
        error = refused(lambda: made.runtime.start("a", Given({"A": "b"})), StepError, 1)
        assert error.what == "cannot give a another configuration"
        made.runtime.stop("a")
        made.runtime.start("a")
        assert made.runtime.state("a").running


@pytest.mark.docker
def test_what_others_depend_on_comes_first_otherwise_as_written(file: Say) -> None:
    made = file(
        "x-tag: {a: !reset null}\n"
        "services:\n"
        "  web: {image: x, depends_on: [api]}\n"
        "  api: {image: x, links: [db], profiles: [p]}\n"
        "  alone: {image: x}\n"
        "  db: {image: x}\n"
    )
    assert made.names() == ("db", "api", "web", "alone")


@pytest.mark.docker
def test_values_come_out_as_the_container_gets_them(file: Say) -> None:
    made = file("services: {a: {image: x, environment: {A: '$$x $${y} $$$$'}}}")
    assert made.read()["services"]["a"]["environment"] == {"A": "$x ${y} $$"}


# --- one at a time --------------------------------------------------------------------------------

CREATES = """
import sys
from pathlib import Path
from recover.runtimes import compose_file
from recover.runtimes.compose_file import ComposeFile
from recover.stack import AS_DECLARED
locked = compose_file._locked
def told(file):
    got = locked(file)
    print("got it" if got else "held", flush=True)
    return got
compose_file._locked = told
folder = Path(sys.argv[1])
file = ComposeFile((folder / "compose.yaml",), "x", folder / "state" / "lock")
file.create(sys.argv[2], AS_DECLARED, folder, lambda: None, lambda needs: False)
"""


def test_what_a_killed_recover_has_begun_is_waited_for(
    file: Say, program: Callable[[str], Path], tmp_path: Path
) -> None:
    """The docker compose of the first outlives it and holds the lock; the second makes nothing until it has ended."""
    file(ONE.replace("{a:", "{b: {image: x}, a:"))
    program(
        """
        [ "${*#* config }" = "$*" ] || { echo '{"services": {"a": {}, "b": {}}}'; exit; }
        for service; do :; done
        echo "begin $service" >> "${0%/*}/said"
        while [ "$service" = a ] && [ ! -e "${0%/*}/go" ]; do sleep 0.05; done
        echo "end $service" >> "${0%/*}/said"
        """
    )

    def said() -> list[str]:
        path = tmp_path / "bin" / "said"
        return path.read_text().splitlines() if path.exists() else []

    first = subprocess.Popen([sys.executable, "-c", CREATES, str(tmp_path), "a"])
    until(lambda: said() == ["begin a"])
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    with subprocess.Popen([sys.executable, "-c", CREATES, str(tmp_path), "b"], stdout=subprocess.PIPE) as second:
        assert second.stdout is not None
        assert [second.stdout.readline() for _ in range(10)] == [b"held\n"] * 10
        assert said() == ["begin a"]
        (tmp_path / "bin" / "go").touch()
        assert second.communicate(timeout=60)[0].endswith(b"got it\n")
    assert second.returncode == 0
    assert said() == ["begin a", "end a", "begin b", "end b"]


def test_one_that_is_held_for_too_long_is_said(
    file: Say, program: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("""echo '{"services": {"a": {}}}'""")
    monkeypatch.setattr(compose_file, "time", SleptClock())
    made = file(ONE)
    with made._alone("other"):
        error = refused(lambda: made.create("a", AS_DECLARED, tmp_path, _clear, _settled), StepError, 1)
    assert error.what == "cannot make the container of a"
    assert error.why == f"another docker compose of recovertestfile has held {tmp_path}/state/lock for 120 s"
    assert made.lock.parent.stat().st_mode & 0o777 == 0o700
    made.create("a", AS_DECLARED, tmp_path, _clear, _settled)


def test_the_override_is_private_whatever_the_umask(file: Say, program: Callable[[str], Path], tmp_path: Path) -> None:
    program("""echo '{"services": {"a": {}}}'; echo "$*" >> "${0%/*}/asked" """)
    before = os.umask(0)
    try:
        file(ONE).create("a", Given({"PASSWORD": "a$b"}, ("c", "$d")), tmp_path / "run", _clear, _settled)
    finally:
        os.umask(before)
    kept = tmp_path / "run" / "overrides" / "a.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text()) == {
        "services": {"a": {"environment": {"PASSWORD": "a$$b"}, "command": ["c", "$$d"]}}
    }
    asked = (tmp_path / "bin" / "asked").read_text().splitlines()[-1]
    assert f"-f {kept} up --no-start " in asked
    assert "a$b" not in asked


def _clear() -> None:
    pass


def _settled(_needs: object) -> bool:
    return True
