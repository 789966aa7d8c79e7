"""snapshot: everything that a plan looks at, in a file, redacted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from recover import __version__
from recover import plan as plans
from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.errors import RecoverError
from recover.evidence import utc_now
from recover.previewing import preview
from recover.session.dropping import dropped
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened, project_of
from recover.session.options import Options
from recover.session.output import require_writable, write_output
from recover.session.saying import say
from recover.snapshot import Recording, Seen, text
from recover.world import Forecast, RunPlace


def snapshot(path: Path, options: Options, output: Path) -> int:
    """Write the snapshot. 0."""
    require_writable(output)
    playbook = load_playbook(path, options)
    project = project_of(playbook, options)
    place = RunPlace("RUN", options.state / project / "RUN")
    with opened(playbook, options, place, looking=True) as session:
        recording = Recording(session.redactor)
        seen: Any = Seen(recording, session.live)
        _plan(replace(session, live=seen, scope=replace(session.scope, services=seen.services)))
        _look_around(session, seen)
        head = {
            "tool": f"recover {__version__}",
            "made_at": utc_now().isoformat(timespec="seconds"),
            "target": session.target.name,
            "project": project,
        }
        write_output(output, text(head, recording))
    say(f"{len(recording.kept)} answers in {output}", f"next: recover plan {path} --against {output}")
    return 0


def _plan(session: Opened) -> None:
    """Ask everything that a plan asks."""
    planned = plans.fresh(session.specs, session.bind, session.live)
    homes = {name: database.service for name, database in session.target.databases.items()}
    dropped(session, preview(planned, session.bind, Forecast(session.live, homes)))


def _look_around(session: Opened, seen: Seen) -> None:
    """And what a playbook that is edited later is likely to ask: every service, and the enum types."""
    for service in seen.services.names():
        for probe in (False, True):
            with suppress(RecoverError):
                seen.services.state(service, probe=probe)
        with suppress(RecoverError):
            seen.services.address(service)
    for name in session.target.databases:
        with suppress(RecoverError):
            diagnose(seen.database(name), Expected())
