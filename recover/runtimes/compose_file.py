"""A compose file, as `docker compose config` reads it: variables, extends, profiles and merges are its business.

The reading says what a service declares; containers are made by `docker compose up --no-start` from the
same files and a generated override, so that they are what compose itself would have made.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from recover import inputs, programs
from recover.errors import PlaybookError, Precondition, StepError
from recover.runtimes import keeper
from recover.runtimes.engine_api import away
from recover.stack import Given

CREATING = 120.0  # seconds `docker compose` may take to make the containers of one service
EVERY = 0.05
ORDER = "x-recover-order"  # the names of the services, kept beside what compose says
AWAY = ("Cannot connect to the Docker daemon", "error during connect")
"""What the docker program says when its engine does not answer, or no longer."""
Facts = Mapping[str, Any]
Settled = Callable[[Mapping[str, str]], bool]
"""Are these services, each with the hash of its configuration, as compose would make them?"""


@dataclass(frozen=True)
class ComposeFile:
    """The files of one project. `environment` is an env file given to compose. `lock` is held while compose
    changes anything, and inherited by the compose process: a recover that comes after a killed one waits
    until what that one began has ended.
    """

    files: tuple[Path, ...]
    project: str
    lock: Path
    environment: Path | None = None
    _read: dict[tuple[object, ...], Facts] = field(default_factory=dict, repr=False)

    def read(self, overrides: Sequence[Path] = ()) -> Facts:
        """The whole configuration with the override files laid over it; read again when a file has changed.

        Raises PlaybookError with compose's words, or for a file that it would wait for or fill the memory with;
        Precondition when compose is not installed.
        """
        for path in (*self.files, *overrides, self._env_file()):
            _require_readable(path)
        key = tuple(_stamp(path) for path in (*self.files, *overrides, self._env_file()))
        if key not in self._read:
            facts = _plain(self._config(overrides))
            self._read[key] = {**facts, ORDER: self._in_order(facts.get("services") or {})}
        return self._read[key]

    def _config(self, overrides: Sequence[Path]) -> Facts:
        said = self._compose(*self._words(overrides), "config", "--format", "json")
        with suppress(ValueError):
            if isinstance(facts := json.loads(said), dict):
                return facts
        raise StepError("docker compose config did not answer with JSON", next="docker compose version")

    def names(self) -> tuple[str, ...]:
        """Every service: what others depend on first, otherwise in the order of the files."""
        order: tuple[str, ...] = self.read()[ORDER]
        return order

    def _in_order(self, services: Facts) -> tuple[str, ...]:
        written = [name for path in self.files for name in _keys(path) if name in services]
        order: dict[str, None] = {}
        for name in (*written, *services):
            _visit(name, services, order, ())
        return tuple(order)

    def create(self, service: str, given: Given, folder: Path, clear: Callable[[], None], settled: Settled) -> None:
        """Make the service's container what the files and `given` say, without starting it.

        One that is otherwise is replaced; its volumes stay, anonymous ones too. Nothing is pulled or
        built, no other service is touched. The override file is kept in `folder`. `clear` is called first, when
        no other compose is at work. Raises StepError.

        With --no-deps compose forgets `depends_on` in the hash that it labels the container with, and a later
        `docker compose up` makes it anew. So it is left out where compose finds nothing to do for those services.
        """
        words = self._words((*given.overrides, *_override(service, given, folder)))
        with self._alone(service) as lock:
            clear()
            deps = [] if settled(self._needs(service, given.overrides)) else ["--no-deps"]
            words += ["up", "--no-start", *deps, "--no-build", "--pull", "never", "--force-recreate", service]
            self._compose(*words, lock=lock)

    def _needs(self, service: str, overrides: Sequence[Path]) -> dict[str, str]:
        """The services that it depends on, directly or not, each with the hash of what the files say of it."""
        needs: dict[str, None] = {}
        _visit(service, self.read(overrides).get("services") or {}, needs, ())
        del needs[service]
        said = self._compose(*self._words(overrides), "config", "--hash", ",".join(needs)) if needs else ""
        return dict(line.split() for line in said.splitlines())

    # --- the program ----------------------------------------------------------------------------

    def _words(self, overrides: Sequence[Path | str]) -> list[str]:
        env = ["--env-file", str(self.environment)] if self.environment else []
        files = [word for path in (*self.files, *overrides) for word in ("-f", str(path))]
        return [*env, "-p", self.project, "--profile", "*", *files]

    def _compose(self, *words: str, lock: int | None = None) -> str:
        try:
            done = programs.run(
                ["docker", "compose", *words], timeout=CREATING, pass_fds=[] if lock is None else [lock]
            )
        except FileNotFoundError:
            raise Precondition(
                "the program docker is not installed", next="install the Docker CLI and its Compose v2 plugin"
            ) from None
        except subprocess.TimeoutExpired:
            raise StepError(f"docker compose did not end within {CREATING:g} s", where=self.project) from None
        if done.returncode != 0:
            self._refuse(done.stderr.decode(errors="replace"), acting=lock is not None)
        return done.stdout.decode(errors="replace")

    def _refuse(self, said: str, *, acting: bool) -> NoReturn:
        why = _last_words(said)
        if "is not a docker command" in said or "unknown command: docker compose" in said:
            first = said.strip().splitlines()[0]
            raise Precondition("Docker Compose v2 is not installed", why=first, next="docker compose version")
        if any(words in said for words in AWAY):
            raise away(why)
        if acting:
            raise StepError("docker compose cannot make the container", where=str(self.files[0]), why=why)
        config = " ".join(f"-f {path}" for path in self.files)
        raise PlaybookError(
            "docker compose cannot read the file",
            where=str(self.files[0]),
            why=why,
            next=f"docker compose {config} config",
        )

    @contextmanager
    def _alone(self, service: str) -> Iterator[int]:
        self.lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            until = time.monotonic() + CREATING
            while not _locked(file):
                if time.monotonic() > until:
                    why = f"another docker compose of {self.project} has held {self.lock} for {CREATING:g} s"
                    raise StepError(f"cannot make the container of {service}", why=why)
                time.sleep(EVERY)
            yield file
        finally:
            os.close(file)

    def _env_file(self) -> Path:
        return self.environment or self.files[0].parent / ".env"


def _override(service: str, given: Given, folder: Path) -> list[Path]:
    """The override file for this environment, command and image; JSON is YAML. None is needed for nothing."""
    says: dict[str, Any] = {"environment": dict(given.environment)} if given.environment else {}
    if given.command:
        says["command"] = list(given.command)
    if given.image:
        says["image"] = given.image
    if not says:
        return []
    path = folder / "overrides" / f"{service}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keeper.write(path, _escaped({"services": {service: says}}))
    return [path]


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _visit(name: str, services: Facts, order: dict[str, None], path: tuple[str, ...]) -> None:
    if name in order or name in path or name not in services:
        return
    for dependency in services[name].get("depends_on") or {}:
        _visit(dependency, services, order, (*path, name))
    order[name] = None


def _keys(path: Path) -> list[str]:
    """The services' names in the order of the file; the tags of compose (!reset) need not be understood."""
    import yaml

    try:
        text = inputs.text(path, inputs.YAML)
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    tops = node.value if isinstance(node, yaml.MappingNode) else []
    services = next((value for key, value in tops if key.value == "services"), None)
    return [str(key.value) for key, _ in services.value] if isinstance(services, yaml.MappingNode) else []


def _require_readable(path: Path) -> None:
    """What is not there is compose's to say."""
    try:
        inputs.require(path, inputs.YAML)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PlaybookError(f"cannot read {path}", where=str(path), why=error.strerror or str(error)) from None


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        seen = path.stat()
    except OSError:
        return (path,)
    return (path, seen.st_mtime_ns, seen.st_size, seen.st_ino)


def _plain(value: Any) -> Any:
    """`config` writes its output so that it can be read again: every $ doubled."""
    return _each_text(value, lambda text: text.replace("$$", "$"))


def _escaped(value: Any) -> Any:
    return _each_text(value, lambda text: text.replace("$", "$$"))


def _each_text(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(each, change) for key, each in value.items()}
    return [_each_text(each, change) for each in value] if isinstance(value, list) else value


def _last_words(said: str) -> str:
    """The last line that is no progress report; compose repeats its error there."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error response from daemon: ") if lines else "it said nothing"
