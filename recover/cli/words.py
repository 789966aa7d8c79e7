"""The words of the command line that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recover.session.options import Options

Playbook = Annotated[Path, typer.Argument(help="The playbook file.")]
Run = Annotated[str | None, typer.Argument(help="Run id, or a unique part of it; default: the latest.")]
Scenario = Annotated[str, typer.Argument(help="INCIDENT or INCIDENT/SCENARIO; see: recover drill list.")]
Target = Annotated[str | None, typer.Option(help="Which of the playbook's targets; default: its first.")]
Set = Annotated[list[str] | None, typer.Option("-e", metavar="NAME=VALUE", help="Set a variable of the playbook.")]
State = Annotated[Path | None, typer.Option(help="Where runs and replicas are kept; default: $XDG_STATE_HOME/recover.")]
Project = Annotated[str | None, typer.Option(help="The target's project name, instead of the playbook's.")]
Runtime = Annotated[str | None, typer.Option(help="What the replica runs on: local (default) or compose.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer ordinary questions with yes.")]
YesDestructive = Annotated[
    list[str] | None,
    typer.Option("--yes-destructive", metavar="STEP", help="Answer this destructive gate with yes; --yes never does."),
]
Quiet = Annotated[bool, typer.Option("--no-input", help="Never ask; a question then ends with exit 10.")]
Since = Annotated[str | None, typer.Option("--from", metavar="STEP", help="Leave out every step before this one.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="STEP", help="Leave out all steps but these.")]
Tags = Annotated[list[str] | None, typer.Option("--tags", metavar="TAG", help="Leave out all steps but those with it.")]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="STEP", help="Leave out this step.")]
StepByStep = Annotated[bool, typer.Option("--step", help="Ask before each step that acts.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Because = Annotated[str, typer.Option(help="The reason, kept in the journal.")]
TrustOwner = Annotated[
    bool, typer.Option("--trust-owner", help="Act on a run that another user wrote: do as you what it says.")
]
Faults = Annotated[
    list[str] | None, typer.Option("--fault", metavar="NAME[=CHOICE]", help="A further fault of the scenario.")
]


def options_of(values: dict[str, Any]) -> Options:
    """A command's parameters, checked."""
    from recover.session.options import Options

    return Options.parse(values)
