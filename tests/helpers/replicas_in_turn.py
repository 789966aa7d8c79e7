"""How pytest-xdist hands out the tests on a Docker engine: by file, and one replica of 24 containers after the other.

Two replicas that start at the same moment take more than an engine on two cores has: health checks time out, and what
is "unhealthy" then says nothing about the code.
"""

from __future__ import annotations

from typing import Any

WHOLE_REPLICAS = ("tests/drills/test_compose_", "tests/playbooks/enum_cascade/test_compose_")


def scheduler(config: Any, log: Any) -> Any:
    """By file, but all tests of whole replicas are one worker's."""
    from xdist.scheduler import LoadScopeScheduling  # only where there are workers

    class ReplicasInTurn(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "whole replicas" if nodeid.startswith(WHOLE_REPLICAS) else nodeid.partition("::")[0]

    return ReplicasInTurn(config, log)
