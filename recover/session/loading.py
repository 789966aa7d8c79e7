"""Reading a playbook, and the commands that do nothing else: lint, schema. They import little, so they start fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recover.checks import CHECK_TYPES
from recover.playbook.load import load
from recover.playbook.model import Playbook
from recover.session.options import Options
from recover.session.saying import say, say_json
from recover.steps import STEP_TYPES


def load_playbook(path: Path, options: Options) -> Playbook:
    """The playbook, valid as far as that can be seen without its target. Raises PlaybookError."""
    return load(path, options.variables, STEP_TYPES, CHECK_TYPES)


def lint(path: Path, options: Options) -> int:
    """Load the playbook. Raises PlaybookError with every mistake that can be seen without a target."""
    playbook = load_playbook(path, options)
    for target in playbook.targets.values():
        if target.services.runtime == "local":
            _require_stacks(target.services.files)
    steps = sum(len(stage.steps) for stage in playbook.stages)
    facts = {"v": 1, "name": playbook.name, "stages": len(playbook.stages), "steps": steps, "sha256": playbook.sha256}
    if options.json:
        say_json(facts)
    else:
        say(f"{path}: good, {len(playbook.stages)} stages, {steps} steps")
    return 0


def _require_stacks(files: Sequence[Path]) -> None:
    """Raises PlaybookError for a file that is no description of a local stack."""
    from recover.marked_yaml import read
    from recover.runtimes.local_file import entries

    for file in files:
        entries(read(file))


def schema() -> int:
    """Print the JSON Schema of the format."""
    from recover.playbook.schema import schema as json_schema

    say_json(json_schema(STEP_TYPES, CHECK_TYPES))
    return 0
