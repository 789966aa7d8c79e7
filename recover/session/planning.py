"""plan: nothing is started, nothing is changed, nothing is written."""

from __future__ import annotations

from pathlib import Path

from recover import plan as plans
from recover.engine import preview
from recover.session.dropping import dropped
from recover.session.loading import load_playbook
from recover.session.opening import opened, project_of
from recover.session.options import Options
from recover.session.saying import say, say_json
from recover.ui import plan as shown
from recover.world import RunPlace

CHANGES_PENDING = 4


def plan(path: Path, options: Options, *, detailed: bool) -> int:
    """Print what a run would do. 0, or with `detailed` 4 when there is something to do."""
    playbook = load_playbook(path, options)
    project = project_of(playbook, options)
    place = RunPlace("RUN", options.state / project / "RUN")
    with opened(playbook, options, place, looking=True) as session:
        planned = plans.fresh(session.specs, session.bind, session.live)
        foreseen = preview(planned, session.bind, session.forecast())
        drops = dropped(session, foreseen)
        title = f"{playbook.name} on {session.target.name} ({project}): {playbook.title}"
        if options.json:
            steps = session.redactor.data(shown.data(foreseen, drops))
            say_json({"v": 1, "nothing_to_do": planned.nothing_to_do, "steps": steps})
        else:
            say(*(session.redactor.text(line) for line in shown.text(title, foreseen, drops)))
    return CHANGES_PENDING if detailed and not planned.nothing_to_do else 0
