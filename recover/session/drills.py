"""drill list, up, break, run, status, down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from recover.drill.breaking import break_it
from recover.drill.containers import remove_containers
from recover.drill.replica import Replica, start_all, stop_all
from recover.drill.scenario import DEFAULT, Scenario, find, scenarios
from recover.drill.score import Census, Score, count, outage
from recover.errors import Precondition, Unreachable, UsageError
from recover.journal.lock import project_lock
from recover.journal.records import NAME, records, write_private
from recover.journal.runs import every, folders, progress
from recover.marked_yaml import did_you_mean
from recover.playbook.model import Playbook
from recover.session.loading import load_playbook
from recover.session.opening import Opened, opened, project_of, replica_folder, target_of
from recover.session.options import Options
from recover.session.running import run
from recover.session.saying import note, say, say_json
from recover.stack import ServiceState
from recover.world import RunPlace

BEFORE = "before.json"
MADE_FOR = "scenario"  # the file in the replica's folder that names it


@dataclass(frozen=True)
class Drill:
    """A scenario with its playbook, and the replica they are about."""

    name: str
    scenario: Scenario
    playbook: Playbook
    options: Options
    project: str
    replica: Replica

    def command(self, verb: str) -> str:
        """The drill command to type for this very replica."""
        return f"recover drill {verb} {self.name}{self.options.drill_flags}"

    @property
    def break_command(self) -> str:
        """The command that breaks this replica, with the first fault where only a fault breaks anything."""
        example = self.scenario.example
        fault = f" {example}" if example else ""
        other = "   # one of its faults: recover drill list" if example else ""
        return f"{self.command('break')}{fault}{other}"

    @property
    def anew_command(self) -> str:
        """The commands that take this replica down and build a new one."""
        return f"{self.command('down')} && {self.command('up')}"

    @property
    def plan_command(self) -> str:
        """The command that shows how the playbook would recover this very replica."""
        target = f" --target {self.options.target}" if self.options.runtime else ""
        return f"recover plan {self.playbook.source}{target}{self.options.project_flags}"

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Hold the project: a drill does not change a stack that a run is working on. Raises Locked."""
        with project_lock(self.options.state, self.project, what):
            yield

    def require_own(self) -> None:
        """Raises Precondition for a replica that was made for another scenario: its data are not as this one's."""
        path = self.replica.folder / MADE_FOR
        name = path.read_text() if path.is_file() else self.name
        if name != self.name:
            what = f"the replica was made for {name}"
            raise Precondition(what, where=str(self.replica.folder), next=self.anew_command)

    def recovered(self) -> bool:
        """Has a run ended well since the break?"""
        broken = self.replica.broken_at()
        runs = (now for _, now in every(self.options.state, self.project))
        return any(broken and now.started and now.started > broken and not now.resumable for now in runs)

    @contextmanager
    def session(self) -> Iterator[Opened]:
        """The replica's world. Raises Unreachable when it was not built."""
        self.replica.require(self.command("up"))
        with opened(self.playbook, self.options, RunPlace("drill", self.replica.folder)) as session:
            yield session


def drill_list(options: Options) -> int:
    """The incidents there are drills for, with their scenarios' faults."""
    found = dict(scenarios())
    if options.json:
        facts = {
            name: {"title": s.title, "faults": {k: f.choices for k, f in s.faults.items()}} for name, s in found.items()
        }
        say_json({"v": 1, "drills": facts})
        return 0
    for name, scenario in found.items():
        say(f"{name}  {scenario.title}")
        say(*(f"    {f.words(fault)}  {f.help}" for fault, f in scenario.faults.items()))
    return 0


def drill_up(name: str, options: Options) -> int:
    """Build the replica and start it, healthy, and count its rows. Raises Precondition when it was broken since."""
    drill = _drill(name, options)
    with drill.alone("drill up"):
        if broken := drill.replica.broken_at():
            raise Precondition(
                f"the replica is there, and was broken at {broken:%H:%M:%S}Z", next=drill.command("down")
            )
        drill.require_own()
        drill.replica.prepare(drill.scenario)
        write_private(drill.replica.folder / MADE_FOR, drill.name)
        with drill.session() as session:
            session.write_passfile("main")
            start_all(session.live, session.live, _tell)
            _count(session).save(drill.replica.folder / BEFORE)
    say(f"the replica is up: {drill.command('status')}", f"next: {drill.break_command}")
    return 0


def drill_break(name: str, options: Options, *, down: bool) -> int:
    """Make the incident; with `down` also stop every service.

    Raises Precondition for a replica that was broken and recovered: breaking it again would change nothing, and
    UsageError for a scenario of faults without one of them.
    """
    drill = _drill(name, options)
    with drill.alone("drill break"), drill.session() as session:
        drill.require_own()
        if drill.recovered():
            what = "the replica was broken and recovered; a break needs one that was not"
            raise Precondition(what, next=drill.anew_command)
        if drill.scenario.example and not options.faults and not down:
            raise UsageError("without a fault this breaks nothing", next=drill.break_command)
        damage = drill.scenario.damage(options.faults, session.target.services.runtime)
        if drill.replica.broken_at() is None:
            _count(session).save(drill.replica.folder / BEFORE)
        break_it(drill.replica, drill.scenario, damage, session.live, session.live, _tell)
        if down:
            stop_all(session.live, session.live, _tell)
    faults = ", ".join(f"{name}={choice}" if choice else name for name, choice in options.faults.items())
    say(f"broken: {drill.scenario.title}{f': {faults}' if faults else ''}", f"next: {drill.plan_command}")
    return 0


def drill_run(name: str, options: Options, *, keep: bool) -> int:
    """Up, break, recover, score, down; the run's exit code, or 1 when the objectives were missed."""
    drill = _drill(name, options)
    drill_up(name, options)
    try:
        drill_break(name, options, down=True)
        code = run(drill.playbook.source, replace(drill.options, yes=True, ask=False))
        score = _score(drill, code)
        say_json(score.data()) if options.json else say("", *score.text().splitlines())
    finally:
        if not keep:
            drill_down(name, options)
    return code if code or score.met else 1


def drill_status(name: str, options: Options) -> int:
    """How the services are, and how to reach the database and the API."""
    drill = _drill(name, options)
    with drill.session() as session:
        services = session.live.services
        states = {service: services.state(service, probe=True) for service in services.names()}
        facts = {
            "v": 1,
            "runtime": session.target.services.runtime,
            "state_dir": str(options.state),
            "project": drill.project,
            "folder": str(drill.replica.folder),
            "dsn": session.dsn("main"),
            "api": services.address("api").url,
            "services": {service: _word(state) for service, state in states.items()},
        }
    if options.json:
        say_json(facts)
    else:
        say(*(f"{key:<10} {value}" for key, value in facts.items() if key not in ("v", "services")))
        say(*(f"  {service:<20} {_word(state):<10} {state.detail}".rstrip() for service, state in states.items()))
    return 0


def drill_down(name: str, options: Options) -> int:
    """Stop the replica and delete its folder."""
    drill = _drill(name, options)
    drill.replica.sweep()
    with drill.alone("drill down"):
        with drill.session() as session:
            if session.target.services.runtime == "compose":
                remove_containers(drill.replica.env()["REPLICA_ID"], _tell)
            else:
                stop_all(session.live, session.live, _tell)
        drill.replica.remove()
    say(f"the replica is gone; the records of its runs stay in {options.state / drill.project}")
    return 0


def _drill(name: str, options: Options) -> Drill:
    scenario = find(name)
    playbook = load_playbook(scenario.playbook, options)
    options = replace(options, target=_target(scenario, playbook, options.runtime))
    project = project_of(playbook, options)
    folder = replica_folder(options.state, project, target_of(playbook, options))
    return Drill(name.removesuffix(f"/{DEFAULT}"), scenario, playbook, options, project, Replica(folder))


def _target(scenario: Scenario, playbook: Playbook, runtime: str | None) -> str:
    """The first target of that runtime, or the scenario's. Raises UsageError when there is none."""
    if runtime is None:
        return scenario.target
    runtimes = {target.services.runtime: name for name, target in reversed(list(playbook.targets.items()))}

    if runtime not in runtimes:
        hint = did_you_mean(runtime, runtimes) or f"it has: {', '.join(runtimes)}"
        raise UsageError(f"the playbook has no target on the runtime {runtime!r}", where=str(playbook.source), why=hint)
    return runtimes[runtime]


def _count(session: Opened) -> Census:
    return count(session.live.database("main"))


def _score(drill: Drill, code: int) -> Score:
    folder = folders(drill.options.state, drill.project)[-1]
    after = Census()
    try:
        with drill.session() as session:
            after = _count(session)
    except Unreachable as error:
        _tell(f"the rows cannot be counted: {error.what}: {error.why}")
    score = Score(
        scenario=drill.name,
        run=folder.name,
        folder=str(folder),
        exit_code=code,
        rto=outage(drill.replica.broken_at(), list(records(folder / NAME)), drill.scenario.restored),
        rto_objective=drill.playbook.objectives.rto,
        rpo_objective=drill.playbook.objectives.rpo,
        before=Census.load(drill.replica.folder / BEFORE),
        after=after,
        isolated=tuple(progress(folder).isolated),
    )
    write_private(folder / "score.json", json.dumps(score.data(), indent=1))
    return score


def _word(state: ServiceState) -> str:
    return "ready" if state.ready else state.status


def _tell(line: str) -> None:
    note(f"drill: {line}")
