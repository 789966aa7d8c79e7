"""Carrying out a step on a real project as the engine does it, for tests of what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from engines import IMAGE, Project, docker, project

from recover.checks.wait import Patience, Waiter
from recover.evidence import Evidence
from recover.live import Gatekeeper, LiveWorld
from recover.postgres.session import Session
from recover.steps.service import StartService, StopService
from recover.web import HttpWeb
from recover.world import Action, Check, RunPlace, Seconds

GENEROUS = Seconds(300)
"""A wait that ends by itself: no test is to see its end."""


BASE = """
x-base: &base {image: "${IMAGE}", stop_signal: SIGKILL, entrypoint: [/bin/sh, -c]}
services:
"""
"""The beginning of a compose file whose services are one line of shell each, and end at once when stopped."""


@cache
def image() -> str:
    """The image's id: its name may move to another while the tests run."""
    return docker("image", "inspect", IMAGE, "--format", "{{.Id}}").strip()


@contextmanager
def stack(folder: Path, services: str) -> Iterator[Project]:
    """A project from the text of its services."""
    with project(folder, BASE + services, {"IMAGE": image()}) as made:
        yield made


def world(made: Project) -> LiveWorld:
    """The world of a project, as the command line builds it."""

    def no_database(_name: str) -> Session:
        raise AssertionError("there is none")

    gate = Gatekeeper(yes=False, ask=False)
    return LiveWorld(made.runtime, HttpWeb(), no_database, gate, RunPlace("test", Path(made.file.parent)))


def carry_out(made: Project, work: StartService | StopService) -> tuple[Action, ...]:
    """Decide and apply; the actions."""
    actions = work.decide(world(made))
    for action in actions:
        action.apply(world(made))
    return actions


def ask(made: Project, check: Check, within: float = GENEROUS) -> Evidence:
    """The answer that ended the wait."""
    return Waiter(world(made)).ask(check, Patience(within))


def start(made: Project, *services: str) -> Evidence:
    """service.start with its proofs; the first answer that is no yes, else the last."""
    work = StartService(services, within=GENEROUS)
    carry_out(made, work)
    answers = [ask(made, check, within) for check, within in work.proofs()]
    return next((answer for answer in answers if not answer.passed), answers[-1])
