"""Replicas for drills, copied from one that is built once a run: its data, secrets and files, on ports of its own.

Building one takes 11 CPU seconds, breaking it 5 more, and every drill needs one. A copy is the same stack: the
database, the records of its services, what the migration and the seed did; only its folder and ports are its own.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import crashing
from drilling import Drill
from helpers.clusters import locked, shared_folder
from monitored import healths
from ports import free_port
from replicas import until

from recover.drill.replica import Replica

PASSFILE = Path("secrets/pgpass")
BEFORE = "before.json"
STORES = ("postgres", "redis")


def prepared(name: str, build: Callable[[Path], Drill]) -> Drill:
    """The model of that name with nothing of it running, built by whichever worker needs it first."""
    folder = shared_folder() / name
    with locked(shared_folder() / f"{name}.lock"):
        if not (folder / BEFORE).exists():
            folder.mkdir(exist_ok=True)
            model = build(folder / "state")
            for service in reversed(model.services.names()):
                model.services.stop(service)
            (folder / BEFORE).write_text(json.dumps([model.scenario, model.before]))
    scenario, before = json.loads((folder / BEFORE).read_text())
    return Drill(folder / "state", scenario=scenario, before=before)


def healthy(state: Path, scenario: str = "enum-cascade") -> Drill:
    """As `recover drill up` leaves it."""
    drill = Drill(state, scenario=scenario)
    drill.up()
    drill.before = drill.census()
    return drill


def faultless(state: Path) -> Drill:
    """The same for the scenario of single faults."""
    return healthy(state, "enum-cascade/faults")


def broken(state: Path) -> Drill:
    """As the report found it. The break starts what it is seen by; the rest would be started to be stopped."""
    drill = copy(prepared("healthy", healthy), state)
    begin(drill, STORES)
    crashing.broken(drill)
    return drill


def copy(model: Drill, state: Path) -> Drill:
    """A replica like the model, stopped, in a state folder of its own."""
    home = next(model.state.glob("*/replica-local"))
    copied = Replica(state / home.relative_to(model.state))
    copied.folder.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(home), str(copied.folder)], check=True)
    before = copied.env()
    ports = {name: str(free_port()) for name in before if name.endswith("_PORT")}
    copied.set({"REPLICA": str(copied.folder), "REPLICA_ID": secrets.token_hex(8), **ports})
    passfile = copied.folder / PASSFILE
    passfile.write_text(passfile.read_text().replace(f":{before['POSTGRES_PORT']}:", f":{ports['POSTGRES_PORT']}:"))
    drill = Drill(state, scenario=model.scenario, before=model.before)
    drill.facts = drill.status()
    return drill


def start(drill: Drill) -> None:
    """Start every service of a healthy replica and wait for each, the stores before what asks them."""
    services = [name for name in drill.services.names() if not drill.services.state(name).oneshot]
    for wave in (STORES, [name for name in services if name not in STORES]):
        begin(drill, wave)
    until(lambda: set(healths(drill).values()) == {"up"})  # the first scrape: until then a run would wait for it


def begin(drill: Drill, services: Sequence[str]) -> None:
    """Start these and wait for each."""
    for service in services:
        drill.services.start(service)
    for service in services:
        drill.wait_for(service)


@contextmanager
def taken_down(drill: Drill) -> Iterator[Drill]:
    """Nothing of it runs afterwards."""
    try:
        yield drill
    finally:
        drill.drill("down", expect=None)
