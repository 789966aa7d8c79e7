"""lint, schema, plan: nothing is started, nothing is changed, nothing is written."""

from __future__ import annotations

from pathlib import Path

from recover import plan as plans
from recover.checks import CHECK_TYPES
from recover.engine import preview
from recover.playbook.schema import schema as json_schema
from recover.session.looking import say, say_json
from recover.session.opening import load_playbook, opened, project_of
from recover.session.options import Options
from recover.steps import STEP_TYPES
from recover.ui import plan as shown
from recover.world import RunPlace

CHANGES_PENDING = 4


def lint(path: Path, options: Options) -> int:
    """Load the playbook. Raises PlaybookError with every mistake that can be seen without a target."""
    playbook = load_playbook(path, options)
    steps = sum(len(stage.steps) for stage in playbook.stages)
    facts = {"v": 1, "name": playbook.name, "stages": len(playbook.stages), "steps": steps, "sha256": playbook.sha256}
    if options.json:
        say_json(facts)
    else:
        say(f"{path}: good, {len(playbook.stages)} stages, {steps} steps")
    return 0


def schema() -> int:
    """Print the JSON Schema of the format."""
    say_json(json_schema(STEP_TYPES, CHECK_TYPES))
    return 0


def plan(path: Path, options: Options, *, detailed: bool) -> int:
    """Print what a run would do. 0, or with `detailed` 4 when there is something to do."""
    playbook = load_playbook(path, options)
    project = project_of(playbook, options)
    place = RunPlace("RUN", options.state / project / "RUN")
    with opened(playbook, options, place) as session:
        planned = plans.fresh(session.specs, session.bind, session.live)
        foreseen = preview(planned, session.bind, session.forecast())
        title = f"{playbook.name} on {session.target.name} ({project}): {playbook.title}"
        if options.json:
            steps = session.redactor.data(shown.data(foreseen))
            say_json({"v": 1, "nothing_to_do": planned.nothing_to_do, "steps": steps})
        else:
            say(*(session.redactor.text(line) for line in shown.text(title, foreseen)))
    return CHANGES_PENDING if detailed and not planned.nothing_to_do else 0
