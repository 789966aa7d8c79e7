"""enums expected: what the deployed code expects, from its models, its source, or the very container it runs in."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from recover.enums.expected import Expected
from recover.errors import Precondition, UsageError
from recover.models import imported
from recover.models.agree import differences
from recover.session.doctor import declared
from recover.session.expected_file import text
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened, project_of
from recover.session.options import Options
from recover.session.output import require_writable, write_output
from recover.session.saying import note, say, say_file, say_json
from recover.world import RunPlace, Runtime

TIMEOUT = 120.0  # seconds the import may take


@dataclass(frozen=True)
class Where:
    """What the command was told: MODULE:ATTR, a folder of source, a service of a playbook, a Python."""

    models: str | None = None
    source: Path | None = None
    service: str | None = None
    playbook: Path | None = None
    python: str = ""


def expected(where: Where, options: Options, output: Path | None) -> int:
    """Print, and with `output` write, what is expected; say where two sources differ. 0."""
    require_writable(output)
    found = _found(where, options)
    file = text(found)
    if output is not None:
        write_output(output, file)
    if options.json:
        say_json({"v": 1, "types": found.types, "columns": found.columns, "notes": list(found.notes)})
    elif output is None:
        say_file(file)
    else:
        say(f"{output}: {len(found.types)} types, {len(found.columns)} text columns, from {found.source}")
        say(f"next: recover enums diff --expected {output} --dsn …")
    for line in found.notes:
        note(f"mind: {line}")
    return 0


def _found(where: Where, options: Options) -> Expected:
    if where.service is not None:
        return _of_service(where, options)
    if where.models is None and where.source is None:
        next = "recover enums expected --models app.models:Base, --source app/, or --service api --playbook P"
        raise UsageError("where is the code?", why="neither models, nor source, nor a service was named", next=next)
    source = _of_source(where.source) if where.source is not None else None
    if where.models is None:
        assert source is not None  # one of them was named  # noqa: S101
        return source
    python = where.python or sys.executable
    return _compared(imported.from_import(where.models, python=python), source)


def _of_service(where: Where, options: Options) -> Expected:
    """The models as the service itself has them: its container's image, not what lies in the folder."""
    if where.playbook is None or where.models is None or where.service is None:
        next = "recover enums expected --service api --playbook P --models app.models:Base"
        raise UsageError("--service needs --playbook, which has it, and --models, which it imports", next=next)
    imported.require_target(where.models)
    playbook = load_playbook(where.playbook, options)
    place = RunPlace("enums", options.state / project_of(playbook, options) / "enums")
    with opened(playbook, options, place) as session:
        ended = session.runtime.python(where.service, imported.SCRIPT.read_text(), [where.models], timeout=TIMEOUT)
        stale = _stale(session.runtime, where.service)
        name = f"the models {where.models} in {where.service}"
        found = imported.told(ended.output, ended.output, where.models, name)
        found = replace(found, notes=(*found.notes, *stale))
        found = replace(found, notes=(*found.notes, *_declared_otherwise(session, found)))
        return _compared(found, _of_source(where.source) if where.source is not None else None)


def _declared_otherwise(session: Opened, found: Expected) -> tuple[str, ...]:
    """Where the playbook's own enum.repair steps expect other labels than the code."""
    own = declared(session)
    return () if own is None else differences(replace(found, members={}, columns={}), own)


def _stale(runtime: Runtime, service: str) -> tuple[str, ...]:
    state = runtime.state(service)
    has, wants = state.settings.get("image"), state.declared_settings.get("image")
    if not wants or has == wants:
        return ()
    return (f"{service} runs {has}, its file names {wants}: what it expects will change when it is made anew",)


def _of_source(folder: Path) -> Expected:
    from recover.models.source import from_source

    if not folder.is_dir():
        raise Precondition("there is no such folder", where=str(folder))
    return from_source(folder)


def _compared(found: Expected, source: Expected | None) -> Expected:
    if source is None:
        return found
    return replace(found, notes=(*found.notes, *source.notes, *differences(found, source)))
