"""`recover enums …`: the enum doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recover.cli.words import Json, Project, Quiet, Set, State, Target, Yes, options_of

if TYPE_CHECKING:
    from recover.enums.choices import Choices
    from recover.session.doctor import Asked
    from recover.session.enums import Limits

enums = typer.Typer(
    help="Find, plan, repair, prove and undo drift between enum labels and the code.", no_args_is_help=True
)

Dsn = Annotated[
    str | None, typer.Option(metavar="DSN", help="The database: URI or key=value; default: PGHOST and its like.")
]
Book = Annotated[Path | None, typer.Option(help="A playbook whose database it is, instead of --dsn.")]
Database = Annotated[str | None, typer.Option(help="Which database of the playbook.")]
Expected = Annotated[Path | None, typer.Option(help="A file with the expected labels (recover enums expected).")]
Models = Annotated[str | None, typer.Option(metavar="MODULE:ATTR", help="Import what is expected from the models.")]
Source = Annotated[Path | None, typer.Option(help="Read what is expected from source, without importing it.")]
Map = Annotated[
    list[str] | None, typer.Option("--map", metavar="TYPE.old=new", help="What a label became; may be repeated.")
]
Strategy = Annotated[str, typer.Option(help="rename, expand or retype.")]
Rewrite = Annotated[
    bool, typer.Option("--rewrite-dependants", help="Rewrite views, policies, checks, functions bound to old labels.")
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="OBJECT", help="Leave this dependant to break; may be repeated.")
]
LockTimeout = Annotated[str, typer.Option(metavar="SPAN", help="How long to wait for a lock, each of five tries.")]
Timeout = Annotated[str, typer.Option("--statement-timeout", metavar="SPAN", help="How long one statement may take.")]


@enums.command("diff")
def enums_diff(
    dsn: Dsn = None,
    playbook: Book = None,
    database: Database = None,
    expected: Expected = None,
    models: Models = None,
    source: Source = None,
    map: Map = None,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    format: Annotated[str, typer.Option(help="text, json, junit or github.")] = "text",
    json: Json = False,
) -> int:
    """What differs between the database and the code. Exit 0 clean, 4 drift, 7 ambiguous or blocked."""
    from recover.session import enums as session

    return session.diff(_asked(locals()), "json" if json else format)


@enums.command("plan")
def enums_plan(
    dsn: Dsn = None,
    playbook: Book = None,
    database: Database = None,
    expected: Expected = None,
    models: Models = None,
    source: Source = None,
    map: Map = None,
    strategy: Strategy = "rename",
    rewrite_dependants: Rewrite = False,
    ignore: Ignore = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the plan here too.")] = None,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Exactly what a repair would do, and what takes it back. Changes nothing."""
    from recover.session import enums as session

    return session.make_plan(_asked(locals()), _choices(locals()), output)


@enums.command("repair")
def enums_repair(
    dsn: Dsn = None,
    playbook: Book = None,
    database: Database = None,
    expected: Expected = None,
    models: Models = None,
    source: Source = None,
    map: Map = None,
    strategy: Strategy = "rename",
    rewrite_dependants: Rewrite = False,
    ignore: Ignore = None,
    plan: Annotated[Path | None, typer.Option(help="Do exactly what this plan file says.")] = None,
    lock_timeout: LockTimeout = "2s",
    statement_timeout: Timeout = "10m",
    yes: Yes = False,
    no_input: Quiet = False,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Make the labels what the code expects, in one transaction that proves itself before its COMMIT."""
    from recover.session import enums as session

    return session.repair(_asked(locals()), _choices(locals()), plan, _limits(lock_timeout, statement_timeout))


@enums.command("undo")
def enums_undo(
    dsn: Dsn = None,
    playbook: Book = None,
    database: Database = None,
    repair: Annotated[str | None, typer.Option(metavar="ID", help="Which repair; default: the latest.")] = None,
    lock_timeout: LockTimeout = "2s",
    statement_timeout: Timeout = "10m",
    yes: Yes = False,
    no_input: Quiet = False,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Take a repair back: labels, rows, defaults. Labels that were added stay, for PostgreSQL cannot drop one.

    When the latest was taken back already, an older one has to be named.
    """
    from recover.session import enums as session

    return session.undo(_asked(locals()), repair, _limits(lock_timeout, statement_timeout))


@enums.command("rehearse")
def enums_rehearse(
    dsn: Dsn = None,
    playbook: Book = None,
    database: Database = None,
    expected: Expected = None,
    models: Models = None,
    source: Source = None,
    map: Map = None,
    strategy: Strategy = "rename",
    rewrite_dependants: Rewrite = False,
    ignore: Ignore = None,
    lock_timeout: LockTimeout = "2s",
    statement_timeout: Timeout = "10m",
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Repair a copy of the database, prove it, take it back, drop the copy. The database itself is only read."""
    from recover.session import enum_rehearsing

    return enum_rehearsing.rehearse(_asked(locals()), _choices(locals()), _limits(lock_timeout, statement_timeout))


@enums.command("verify")
def enums_verify(
    dsn: Dsn = None,
    playbook: Book = None,
    database: Database = None,
    expected: Expected = None,
    models: Models = None,
    source: Source = None,
    map: Map = None,
    no_write: Annotated[bool, typer.Option("--no-write", help="Do not even write a row that is rolled back.")] = False,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Prove in a new session that the labels work: members written and rolled back, mappers, functions, indexes."""
    from recover.session import enum_rehearsing

    return enum_rehearsing.verify(_asked(locals()), write=not no_write)


@enums.command("expected")
def enums_expected(
    models: Models = None,
    source: Source = None,
    service: Annotated[str | None, typer.Option(help="Import --models in this service of the playbook.")] = None,
    playbook: Annotated[Path | None, typer.Option(help="The playbook that has the service.")] = None,
    python: Annotated[str, typer.Option(help="The Python that imports --models.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the file here.")] = None,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """What the deployed code expects, as a file for the other commands."""
    from recover.session import expecting

    words = expecting.Where(models, source, service, playbook, python)
    return expecting.expected(words, options_of(locals()), output)


def _asked(values: dict[str, Any]) -> Asked:
    from recover.session.doctor import Asked
    from recover.session.enums import parse_map

    named = ("dsn", "playbook", "database", "expected", "models", "source")
    return Asked(options_of(values), **{name: values.get(name) for name in named}, map=parse_map(values.get("map")))


def _choices(values: dict[str, Any]) -> Choices:
    from recover.enums.choices import choices_of

    return choices_of(values["strategy"], rewrite=values["rewrite_dependants"], ignore=values["ignore"] or ())


def _limits(lock: str, statement: str) -> Limits:
    from recover.session.enums import Limits
    from recover.session.options import span_of

    return Limits(span_of("--lock-timeout", lock), span_of("--statement-timeout", statement))
