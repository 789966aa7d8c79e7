"""The end of a replica on containers: everything that carries its label is removed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from recover.runtimes.compose_project import REPLICA
from recover.runtimes.engine_api import Engine


def remove_containers(replica: str, tell: Callable[[str], None]) -> None:
    """Remove the replica's containers, networks and volumes. Raises Unreachable, StepError.

    The label's value is the replica's own random id, so that no other project's data can be meant.
    """
    tell("remove every container, network and volume of the replica")
    Engine().remove_labelled(REPLICA, replica)
