"""Where the enum doctor's commands find their database and what the code expects of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from recover.enums.expected import Expected
from recover.errors import UsageError
from recover.marked_yaml import did_you_mean
from recover.playbook.model import StepSpec
from recover.postgres.session import Session, server_of
from recover.secrets import Redactor
from recover.session.loading import load_playbook
from recover.session.opening import Opened, masking, opened, project_of
from recover.session.options import Options
from recover.steps.enum import RepairEnum
from recover.world import RunPlace


@dataclass(frozen=True)
class Asked:
    """What a command was told: a database (`dsn`, or a playbook and one of its databases), and what is expected.

    Without `expected` and `models` a playbook's own enum.repair steps say it. `map` is type to old label to new.
    """

    options: Options
    dsn: str | None = None
    playbook: Path | None = None
    database: str | None = None
    expected: Path | None = None
    models: str | None = None
    source: Path | None = None
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def flags(self) -> str:
        """What a next command needs to find the same database; a DSN may hold a password and is not repeated."""
        where = f" --playbook {self.playbook}" if self.playbook else " --dsn …" if self.dsn else ""
        return where + (f" --database {self.database}" if self.database else "")

    @property
    def all_flags(self) -> str:
        """The same for a command that has to know as well what the code expects; `map` is left out."""
        said = {"expected": self.expected, "models": self.models, "source": self.source}
        return self.flags + "".join(f" --{name} {shlex.quote(str(value))}" for name, value in said.items() if value)


@dataclass(frozen=True)
class Patient:
    """The database, and what the code expects of it."""

    database: Session
    expected: Expected
    redactor: Redactor


@contextmanager
def patient(asked: Asked, *, expecting: bool = True) -> Iterator[Patient]:
    """Open the database and read what is expected of it.

    Raises UsageError when neither says it, Precondition and Unreachable as the database and the models do.
    """
    if asked.playbook is not None and asked.dsn is not None:
        raise UsageError("--dsn and --playbook both name a database", next="leave one of them out")
    with _playbook_database(asked) if asked.playbook is not None else _dsn_database(asked) as (database, own, redactor):
        expected = _with_map(_expected(asked, own), asked.map) if expecting else Expected()
        yield Patient(database, expected, redactor)


@contextmanager
def _dsn_database(asked: Asked) -> Iterator[tuple[Session, Expected | None, Redactor]]:
    server, redactor = server_of(asked.dsn or ""), Redactor()
    if server.password:
        redactor.learn(server.password)
    with masking(redactor), closing(Session(server, run="enums")) as database:
        yield database, None, redactor


@contextmanager
def _playbook_database(asked: Asked) -> Iterator[tuple[Session, Expected | None, Redactor]]:
    assert asked.playbook is not None  # noqa: S101 - the caller looked
    playbook = load_playbook(asked.playbook, asked.options)
    place = RunPlace("enums", asked.options.state / project_of(playbook, asked.options) / "enums")
    with opened(playbook, asked.options, place, looking=True) as session:
        repairs = _repairs(session)
        name = asked.database or _only([*session.target.databases], [r.database for r in repairs])
        with closing(session.databases(name)) as database:
            yield database, _own([r for r in repairs if r.database == name]), session.redactor


def declared(session: Opened) -> Expected | None:
    """What the playbook's own enum.repair steps expect, or None when it has none."""
    return _own(_repairs(session))


def _repairs(session: Opened) -> list[RepairEnum]:
    return [work for spec in session.specs if (work := _repair(session, spec))]


def _repair(session: Opened, spec: StepSpec) -> RepairEnum | None:
    if spec.work_type is not RepairEnum:
        return None
    work = session.bind(spec, ()).work
    return work if isinstance(work, RepairEnum) else None


def _only(known: list[str], used: list[str]) -> str:
    names = list(dict.fromkeys(used)) or known
    if len(names) == 1:
        return names[0]
    has = f"it has {', '.join(known) or 'none'}"
    raise UsageError("which database of the playbook is meant?", why=has, next="--database NAME")


def _own(repairs: list[RepairEnum]) -> Expected | None:
    if not repairs:
        return None
    types = {name: labels for repair in repairs for name, labels in repair.expected.items()}
    maps = {name: labels for repair in repairs for name, labels in repair.map.items()}
    return Expected(types=types, map=maps, source="the playbook")


def _expected(asked: Asked, own: Expected | None) -> Expected:
    if asked.expected is not None:
        from recover.session.expected_file import read

        return read(asked.expected)
    if asked.models is not None:
        from recover.models.imported import from_import

        return from_import(asked.models)
    if asked.source is not None:
        from recover.models.source import from_source

        return from_source(asked.source)
    if own is not None:
        return own
    raise UsageError(
        "what does the code expect?",
        why="neither a file, nor models, nor a playbook's enum.repair step says it",
        next="--expected FILE, --models MODULE:ATTR or --source DIR; see: recover enums expected --help",
    )


def _with_map(expected: Expected, further: Mapping[str, Mapping[str, str]]) -> Expected:
    for type in further:
        if type not in expected.types:
            hint = did_you_mean(type, expected.types) or f"known: {', '.join(expected.types)}"
            raise UsageError(f"--map names the type {type!r}, of which nothing is expected", why=hint)
    maps = {type: {**expected.map.get(type, {}), **further.get(type, {})} for type in {**expected.map, **further}}
    return replace(expected, map=maps)
