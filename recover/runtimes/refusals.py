"""What the compose runtime does not do, and what to do instead: its errors, in words."""

from __future__ import annotations

from collections.abc import Sequence

from recover.errors import PlaybookError, Precondition, StepError, Unreachable
from recover.marked_yaml import did_you_mean
from recover.runtimes.service_facts import Declared

UNWRITTEN = "no compose file names it, so it is taken as it is"


def unknown(service: str, known: Sequence[str], source: str) -> PlaybookError:
    """Neither the file nor a container has such a service."""
    hint = did_you_mean(service, known) or f"known: {', '.join(known) or 'none'}"
    return PlaybookError(f"there is no service {service!r}", where=source, next=hint)


def unwritten(service: str) -> StepError:
    """What no file names can be started and stopped, and is never made."""
    return StepError(
        f"cannot give {service} another configuration",
        why=UNWRITTEN,
        next="name the project's files in the playbook: target.services.files",
    )


def no_image(declared: Declared, project: str, source: str) -> StepError:
    """Nothing is pulled or built here: which image that would be, only a human can answer for."""
    build = f"docker compose -p {project} -f {source} build {declared.name}"
    return StepError(
        f"cannot make the container of {declared.name}: its image is missing",
        where=source,
        why=f"the engine has no image {declared.reference!r}, and nothing is pulled or built here",
        next=build if declared.service.get("build") else f"docker pull {declared.reference}",
    )


def too_many(service: str, names: Sequence[str], wanted: int) -> StepError:
    """Compose would remove the surplus without asking."""
    return StepError(
        f"there are {len(names)} containers of {service}, not {wanted}",
        where=", ".join(names),
        why="which of them is the right one cannot be told",
        next=f"look at them, then remove the wrong one: docker rm -f {names[-1]}",
    )


def no_project(project: str, engine: str, others: Sequence[str]) -> Unreachable:
    """Neither a container nor a volume: likely another engine than the one that was meant."""
    return Unreachable(
        f"the engine has no project {project!r}",
        where=engine,
        why=f"no container and no volume has its label; projects here: {', '.join(others) or 'none'}",
        next=f"docker context ls; to make the project on this engine: docker compose -p {project} create",
    )


def another_stack(project: str, engine: str, what: str) -> Precondition:
    """A drill never touches what is not its replica's, though it goes by the same project name."""
    return Precondition(
        f"the engine has another project {project!r}, which is not the replica",
        where=engine,
        why=f"{what} has not the replica's label",
        next="give the replica a name of its own: --project NAME",
    )
