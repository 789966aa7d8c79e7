"""The command line: parse, call one function of `session`, leave with its exit code. No logic.

Start-up counts at 3 a.m.: `session` is imported by the command that runs, and imports what it needs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from recover.cli.drill import drill
from recover.cli.enums import enums
from recover.cli.words import (
    Because,
    Json,
    Only,
    Playbook,
    Project,
    Quiet,
    Run,
    Set,
    Since,
    Skip,
    State,
    StepByStep,
    Tags,
    Target,
    TrustOwner,
    Yes,
    YesDestructive,
    options_of,
)
from recover.errors import RecoverError, SystemRefused, UsageError
from recover.ui import streams

ACTING = [
    *(["run"], ["rehearse"], ["resume"], ["rollback"], ["takeover"], ["approve"], ["abort"], ["mark"], ["probe"]),
    *(["enums", "repair"], ["enums", "undo"], ["enums", "rehearse"]),
    *(["drill", name] for name in ("up", "break", "run", "down")),
]
"""The commands whose exit code says what was done, also when nobody could read it."""
JOURNALED = ("run", "resume", "rollback")
"""Those of them that change nothing before the journal has an intent; an approval or a takeover is a change."""

app = typer.Typer(
    name="recover",
    help="Bring a broken stack back in the order that works, one checkpointed step at a time.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(drill, name="drill")
app.add_typer(enums, name="enums")


@app.callback(invoke_without_command=True)
def version(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        from recover import __version__

        typer.echo(f"recover {__version__}")
        raise typer.Exit


@app.command()
def lint(playbook: Playbook, e: Set = None, json: Json = False) -> int:
    """Check a playbook without touching anything."""
    from recover.session import loading

    return loading.lint(playbook, options_of(locals()))


@app.command()
def schema() -> int:
    """Print the JSON Schema of the playbook format, for editors."""
    from recover.session import loading

    return loading.schema()


@app.command()
def plan(
    playbook: Playbook,
    target: Target = None,
    e: Set = None,
    since: Since = None,
    only: Only = None,
    tags: Tags = None,
    skip: Skip = None,
    project: Project = None,
    state_dir: State = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 4 when there is something to do.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the plan, for run --plan.")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Plan from this snapshot, without engine or database.")
    ] = None,
    json: Json = False,
) -> int:
    """Show what a run would do, with the exact SQL, and change nothing."""
    from recover.session import planning

    options = options_of(locals())
    return planning.plan(playbook, options, detailed=detailed_exitcode, output=output, against=against)


@app.command()
def snapshot(
    playbook: Playbook,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
) -> int:
    """Keep everything that a plan looks at in a file, redacted: to plan elsewhere, and to test a playbook."""
    from recover.session import snapshotting

    return snapshotting.snapshot(playbook, options_of(locals()), output)


@app.command()
def rehearse(
    playbook: Playbook,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Carry the database steps out on a copy of the database, and drop it: statements, locks, rows, checks."""
    from recover.session import rehearsing

    return rehearsing.rehearse(playbook, options_of(locals()))


@app.command()
def diagnose(
    playbook: Annotated[Path | None, typer.Argument(help="The playbook file; without one --project or --dsn.")] = None,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    dsn: Annotated[str | None, typer.Option(help="The database, where there is no playbook.")] = None,
    since: Annotated[str, typer.Option(help="How far back log lines are read: 30m, 24h, …")] = "24h",
    state_dir: State = None,
    json: Json = False,
) -> int:
    """Say why it is broken: the root cause, its evidence, what it explains, and what to type. Changes nothing."""
    from recover.session import diagnosing
    from recover.session.options import span_of

    words = {name: value for name, value in locals().items() if name != "since"}
    return diagnosing.diagnose(playbook, dsn, options_of(words), span_of("--since", since))


@app.command()
def probe(
    playbook: Playbook,
    each_middleware: Annotated[
        bool, typer.Option("--each-middleware", help="Each item of the step alone, all together, and none.")
    ] = False,
    step: Annotated[str | None, typer.Option(help="The step whose items are tried; default: the only one.")] = None,
    target: Target = None,
    e: Set = None,
    project: Project = None,
    state_dir: State = None,
    yes: Yes = False,
    no_input: Quiet = False,
    json: Json = False,
) -> int:
    """Ask the playbook's probes now; or find the middleware that breaks the service, and put it back as it was."""
    from recover.session import probing

    options = options_of(locals())
    return probing.each(playbook, options, step) if each_middleware or step else probing.ask(playbook, options)


@app.command()
def run(
    playbook: Annotated[Path | None, typer.Argument(help="The playbook file; a plan names its own.")] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Do exactly what this plan file says, or nothing.")
    ] = None,
    target: Target = None,
    e: Set = None,
    since: Since = None,
    only: Only = None,
    tags: Tags = None,
    skip: Skip = None,
    step_by_step: StepByStep = False,
    project: Project = None,
    state_dir: State = None,
    yes: Yes = False,
    yes_destructive: YesDestructive = None,
    no_input: Quiet = False,
    json: Json = False,
) -> int:
    """Recover: carry the playbook out, every step checkpointed."""
    from recover.session import running

    return running.run(playbook, options_of(locals()), plan)


@app.command()
def resume(
    run: Run = None,
    project: Project = None,
    state_dir: State = None,
    step_by_step: StepByStep = False,
    yes: Yes = False,
    yes_destructive: YesDestructive = None,
    no_input: Quiet = False,
    accept_edits: Annotated[bool, typer.Option("--accept-edits", help="Go on with an edited playbook.")] = False,
    trust_owner: TrustOwner = False,
    json: Json = False,
) -> int:
    """Go on with a run that was stopped, killed or failed."""
    from recover.session import running

    return running.resume(run, options_of(locals()), accept_edits=accept_edits)


@app.command()
def approve(
    run: str,
    step: str,
    because: Because,
    project: Project = None,
    state_dir: State = None,
    yes: Yes = False,
    yes_destructive: YesDestructive = None,
    no_input: Quiet = False,
    trust_owner: TrustOwner = False,
    json: Json = False,
) -> int:
    """Say yes at the gate a run waits at, and go on with the run here."""
    from recover.session import deciding

    return deciding.approve(run, step, because, options_of(locals()))


@app.command()
def abort(
    run: str, because: Because, project: Project = None, state_dir: State = None, trust_owner: TrustOwner = False
) -> int:
    """End a run for good. What it did stays; `rollback` can still take it back."""
    from recover.session import deciding

    return deciding.abort(run, because, options_of(locals()))


@app.command()
def takeover(
    run: str,
    because: Because,
    project: Project = None,
    state_dir: State = None,
    yes: Yes = False,
    yes_destructive: YesDestructive = None,
    no_input: Quiet = False,
    trust_owner: TrustOwner = False,
    json: Json = False,
) -> int:
    """Go on with a colleague's run from a shared state folder; elsewhere `run` converges from the world."""
    from recover.session import deciding

    return deciding.takeover(run, because, options_of(locals()))


@app.command()
def rollback(
    run: Run = None,
    to: Annotated[str | None, typer.Option(metavar="STEP", help="Back to where this step was done.")] = None,
    because: Annotated[str, typer.Option(help="The reason, kept in the journal.")] = "",
    project: Project = None,
    state_dir: State = None,
    yes: Yes = False,
    no_input: Quiet = False,
    trust_owner: TrustOwner = False,
    json: Json = False,
) -> int:
    """Take back what a run did, the last act first; shows its plan, then asks."""
    from recover.session import rolling_back

    return rolling_back.rollback(run, options_of(locals()), to=to, because=because)


@app.command()
def mark(
    run: str,
    step: str,
    verdict: Annotated[str, typer.Argument(help="done or retry")],
    because: Because,
    state_dir: State = None,
    trust_owner: TrustOwner = False,
) -> int:
    """Say of a step in doubt whether it happened (done, still verified) or is to be tried again (retry)."""
    from recover.session import deciding

    return deciding.mark(run, step, verdict, because, options_of(locals()))


@app.command()
def status(
    run: Run = None,
    project: Project = None,
    state_dir: State = None,
    handover: Annotated[bool, typer.Option("--handover", help="A card to paste for whoever goes on.")] = False,
    json: Json = False,
) -> int:
    """Where a run stands."""
    from recover.session import looking

    return looking.status(run, options_of(locals()), handover=handover)


@app.command()
def runs(project: Project = None, state_dir: State = None, json: Json = False) -> int:
    """All runs, the latest last."""
    from recover.session import looking

    return looking.runs(options_of(locals()))


@app.command()
def show(run: Run = None, project: Project = None, state_dir: State = None, json: Json = False) -> int:
    """Everything a run did and saw."""
    from recover.session import looking

    return looking.show(run, options_of(locals()))


@app.command()
def verify(
    run: Run = None,
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="The head that was printed at the end of the run, or in a ticket."),
    ] = None,
    ask_databases: Annotated[
        bool, typer.Option("--ask-databases", help="Ask the target's databases too which repairs the run made there.")
    ] = False,
    project: Project = None,
    state_dir: State = None,
    trust_owner: TrustOwner = False,
    json: Json = False,
) -> int:
    """Prove that what is kept of a run is what it wrote: records, head, files. Exit 7 when something differs."""
    from recover.session import verifying

    return verifying.verify(run, options_of(locals()), head, ask_databases=ask_databases)


@app.command()
def explain(
    run: Run = None,
    step: Annotated[str | None, typer.Argument(help="The step; default: the one that failed.")] = None,
    project: Project = None,
    state_dir: State = None,
    trust_owner: TrustOwner = False,
    json: Json = False,
) -> int:
    """Say why a step failed: what came in place of what, the services, the locks, the log, the likely cause."""
    from recover.session import explaining

    return explaining.explain(run, step, options_of(locals()))


def main() -> int:
    """Run the command line; its exit code."""
    if _acting():
        streams.go_on_alone()
    code, why = _command(), streams.product_lost()
    if _acting() or not why:
        return code
    return _complain(SystemRefused("stdout cannot be written: what was asked for is lost", where="stdout", why=why))


def _acting() -> bool:
    return sys.argv[1:2] in ACTING or sys.argv[1:3] in ACTING


def _command() -> int:
    """The command's exit code. The only place that catches; never shows a traceback."""
    try:
        _require_text(sys.argv[1:])
        with _noting_signals() as signals:
            code = int(app(standalone_mode=False) or 0)
        return _left_at_once(signals[0]) if signals else code
    except TyperException as error:  # bad usage, in typer's words
        error.show()  # type: ignore[attr-defined]  # each kind that reaches us has it
        return UsageError.exit_code
    except typer.Exit as done:
        return done.exit_code
    except RecoverError as error:
        return _complain(error)
    except OSError as error:
        return _complain(SystemRefused.of(error))
    except Exception as error:
        from recover.session.bugs import report_bug

        return _complain(report_bug(error))


def _require_text(words: list[str]) -> None:
    """Raises UsageError for a word that is not text in this locale: it could not be kept, nor shown again."""
    for word in words:
        if not word.isascii() and word.encode("utf-8", "replace") != word.encode("utf-8", "surrogatepass"):
            raise UsageError(f"{word!a} is not UTF-8 text", next="give the file a name in UTF-8")


@contextmanager
def _noting_signals() -> Iterator[list[int]]:
    """Remember a Ctrl-C or SIGTERM: typer makes a plain exit of it, and the user would be told nothing."""
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _complain(error: RecoverError) -> int:
    typer.echo(str(error), err=True)
    return error.exit_code


def _left_at_once(number: int) -> int:
    """No program that a thread of ours waited for outlives us, and a further Ctrl-C changes nothing any more."""
    from recover import programs
    from recover.errors import Interrupted
    from recover.halt import INTENDED

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    programs.end_all()
    if not _acting() or (sys.argv[1] in JOURNALED and not INTENDED.is_set()):
        code = _complain(Interrupted("stopped; nothing was changed", signal=number))
        sys.stderr.flush()
        os._exit(code)  # a question that hangs in a thread is not waited for
    return _complain(Interrupted("stopped at once: an act in flight is in doubt", signal=number, next="recover resume"))
