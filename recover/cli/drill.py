"""recover drill …: break a replica of a stack on purpose, recover it, score it."""

from __future__ import annotations

from typing import Annotated

import typer

from recover.cli.words import Faults, Json, Project, Runtime, Scenario, State, options_of

drill = typer.Typer(help="Break a replica of a stack on purpose, recover it, score it.", no_args_is_help=True)


@drill.command("list")
def drill_list(json: Json = False) -> int:
    """The incidents there are drills for, with their faults."""
    from recover.session import drills

    return drills.drill_list(options_of(locals()))


@drill.command("up")
def drill_up(scenario: Scenario, runtime: Runtime = None, project: Project = None, state_dir: State = None) -> int:
    """Build the replica and start it, healthy."""
    from recover.session import drills

    return drills.drill_up(scenario, options_of(locals()))


@drill.command("break")
def drill_break(
    scenario: Scenario,
    fault: Faults = None,
    down: Annotated[bool, typer.Option("--down", help="Also stop every service, as the report says.")] = False,
    runtime: Runtime = None,
    project: Project = None,
    state_dir: State = None,
) -> int:
    """Make the incident: the stack runs on and fails as users saw it."""
    from recover.session import drills

    return drills.drill_break(scenario, options_of(locals()), down=down)


@drill.command("run")
def drill_run(
    scenario: Scenario,
    fault: Faults = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the replica up afterwards.")] = False,
    runtime: Runtime = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Up, break, recover with the playbook, score, down."""
    from recover.session import drills

    return drills.drill_run(scenario, options_of(locals()), keep=keep)


@drill.command("status")
def drill_status(
    scenario: Scenario, runtime: Runtime = None, project: Project = None, state_dir: State = None, json: Json = False
) -> int:
    """How the replica's services are, and how to reach them."""
    from recover.session import drills

    return drills.drill_status(scenario, options_of(locals()))


@drill.command("down")
def drill_down(scenario: Scenario, runtime: Runtime = None, project: Project = None, state_dir: State = None) -> int:
    """Stop the replica and delete it. The records of runs stay."""
    from recover.session import drills

    return drills.drill_down(scenario, options_of(locals()))
