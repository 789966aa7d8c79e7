"""In which order, and by which worker of pytest-xdist, the tests are run.

Tests marked `long` are dealt out first: one that begins last keeps one core busy while the others have nothing to do.
On a Docker engine the tests go by file, each drill by itself, and whole replicas of 24 containers are spread among the
others: three that start at the same moment take more than an engine on two cores has.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
DRILLS = "tests/drills/"
WHOLE_REPLICAS = (DRILLS + "test_compose_", "tests/playbooks/enum_cascade/test_compose_")


def rotated(args: list[str], worker: int, workers: int) -> list[str]:
    """Where this worker begins to read the tests, when it is to read all of them.

    Each begins somewhere else: so each compiles a share of the files, and finds the others' compiled.
    """
    if [(ROOT / arg).resolve() for arg in args] != [ROOT / "tests"]:
        return args
    entries = sorted({path.relative_to(ROOT).parts[1] for path in ROOT.glob("tests/**/test_*.py")})
    begin = len(entries) * worker // workers
    return [str(ROOT / "tests" / entry) for entry in entries[begin:] + entries[:begin]]


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests by file, as they stand in it: the same for every worker, wherever it began to read."""
    return sorted(items, key=lambda item: item.nodeid.partition("::")[0])


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in shares of equal number, as `--dist worksteal` hands them out, the long ones at the heads."""
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    share = len(items) // workers
    order: list[pytest.Item] = []
    for worker in range(workers):
        head = long[worker::workers]
        more = share - len(head) if worker < workers - 1 else len(others)
        order += [*head, *others[:more]]
        others = others[more:]
    return order


def spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests on an engine: two whole replicas first, the longest before the others, and each further one later."""
    by_scope: dict[str, list[pytest.Item]] = {}
    for item in sorted(items, key=lambda item: not item.get_closest_marker("long")):
        by_scope.setdefault(_scope(item.nodeid), []).append(item)
    replicas = [own for scope, own in by_scope.items() if scope.startswith(WHOLE_REPLICAS)]
    others = [own for scope, own in by_scope.items() if not scope.startswith(WHOLE_REPLICAS)]
    order, others = [*replicas[:2], *others[:1]], others[1:]
    between = len(others) // max(1, len(replicas) - 1)
    for replica in replicas[2:]:
        order += [replica, *others[:between]]
        others = others[between:]
    return [item for own in [*order, *others] for item in own]


def _scope(nodeid: str) -> str:
    return nodeid if nodeid.startswith(DRILLS) else nodeid.partition("::")[0]


def scheduler(config: Any, log: Any) -> Any:
    """By file, since the tests of a file share a project; each drill by itself."""
    from xdist.scheduler import LoadScopeScheduling  # only where there are workers

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return ByFile(config, log)
