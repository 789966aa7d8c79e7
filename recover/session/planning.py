"""plan: nothing is started, nothing is changed, nothing is written but the plan file that was asked for."""

from __future__ import annotations

from pathlib import Path

from recover import plan as plans
from recover.errors import UsageError
from recover.moment import Moment
from recover.previewing import preview
from recover.session import agreeing, outlook
from recover.session.dropping import dropped
from recover.session.loading import load_playbook
from recover.session.opening import opened, opened_from, project_of
from recover.session.options import Options
from recover.session.output import require_writable, write_output
from recover.session.running import without
from recover.session.saying import note, say, say_json
from recover.snapshot import read
from recover.ui import plan as shown
from recover.world import RunPlace

CHANGES_PENDING = 4


def plan(
    path: Path, options: Options, *, detailed: bool, output: Path | None = None, against: Path | None = None
) -> int:
    """Print what a run would do, and with `output` write it. 0, or with `detailed` 4 when there is something to do.

    `against` a snapshot neither engine nor database is needed.
    """
    if against and output:
        raise UsageError("a plan that is to be carried out is made from the world, not from a snapshot")
    require_writable(output)
    playbook = load_playbook(path, options)
    project = project_of(playbook, options)
    place = RunPlace("RUN", options.state / project / "RUN")
    with (
        opened_from(playbook, options, place, read(against))
        if against
        else opened(playbook, options, place, looking=True)
    ) as session:
        now = Moment(session.live)
        planned = plans.fresh(session.specs, session.bind, now)
        planned = without(planned, options.choice.left_out(session.specs))
        foreseen = preview(planned, session.bind, session.forecast(now))
        drops = dropped(session, foreseen)
        ahead = outlook.outlook(session, options, foreseen, drops)
        title = f"{playbook.name} on {session.target.name} ({project}): {playbook.title}"
        if options.json:
            steps = session.redactor.data(shown.data(foreseen, drops))
            say_json({"v": 1, "nothing_to_do": planned.nothing_to_do, "steps": steps, **outlook.data(ahead)})
        else:
            text = [*shown.text(title, foreseen, drops, outlook.spans(ahead)), *outlook.lines(ahead)]
            say(*(session.redactor.text(line) for line in text))
        if output:
            write_output(output, agreeing.text(session, options, planned, foreseen, outlook.data(ahead)))
            note(f"next: recover run --plan {output}{options.flags}")
    return CHANGES_PENDING if detailed and not planned.nothing_to_do else 0
