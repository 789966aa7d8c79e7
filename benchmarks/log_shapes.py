"""Grouping log lines by shape: ours beside drain3, on 46,769 lines in the proportions of the incident's report.

    python benchmarks/log_shapes.py            # ours alone
    pip install drain3 && python benchmarks/log_shapes.py

Both get the same lines, one after the other, in this one run. `pure` is the part of the lines whose group holds lines
of one origin only, `split` how many groups the origins were torn into. drain3 0.9.11 is from 2022.
"""

from __future__ import annotations

import random
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from recover.diagnosis.shapes import Shapes, shape_of

BEGIN = datetime(2025, 8, 9, 23, 15, tzinfo=UTC)
WRITE = 'caller=stdlib.go:105 level=error msg="error encoding and sending metric family: write tcp 127.0.0.1:9100->'
ORIGINS = {
    "pipe": (34_000, "ts={at} " + WRITE + '127.0.0.1:{n}: write: broken pipe"'),
    "reset": (5_686, "ts={at} " + WRITE + '127.0.0.1:{n}: write: connection reset by peer"'),
    "info": (6_501, "{at} INFO error_middleware: GET /api/v1/tasks/{n} answered 200 in {n} ms"),
    "query": (
        340,
        '{at} ERROR aiwfe.database: query {n} failed: connection to server at "10.0.0.{n}", port 5432 failed',
    ),
    "scrape": (
        149,
        'ts={at} level=warn msg="Failed to determine correct type of scrape target." target=http://web:{n}/',
    ),
    "login": (51, "{at} WARNING aiwfe.auth: token refused: user of session {n}"),
    "enum": (42, "{at} ERROR api: '{who}' is not among the defined enum values. Enum name: userrole."),
}


def lines() -> list[tuple[str, str]]:
    """Each with its origin, mixed."""
    source = random.Random(7)
    made = []
    for name, (count, line) in ORIGINS.items():
        for _ in range(count):
            at = BEGIN + timedelta(seconds=source.uniform(0, 86_400))
            values = {"at": at.isoformat(timespec="milliseconds"), "n": source.randint(1, 60_000)}
            made.append((name, line.format(**values, who=source.choice(["user", "admin"]))))
    source.shuffle(made)
    return made


def quality(pairs: Iterator[tuple[str, object]]) -> tuple[float, int]:
    """The share of pure lines in per cent, and the number of groups."""
    groups: dict[object, defaultdict[str, int]] = {}
    for origin, group in pairs:
        groups.setdefault(group, defaultdict(int))[origin] += 1
    total = sum(sum(group.values()) for group in groups.values())
    return 100 * sum(sum(g.values()) for g in groups.values() if len(g) == 1) / total, len(groups)


def ours(made: list[tuple[str, str]]) -> float:
    """Seconds for the shapes alone; printed too: for everything a diagnosis does with lines."""
    began = time.perf_counter()
    Shapes().read("all", (line for _, line in made))
    whole = time.perf_counter() - began
    began = time.perf_counter()
    pairs = [(origin, shape_of(line)) for origin, line in made]
    seconds = time.perf_counter() - began
    pure, groups = quality(iter(pairs))
    print(f"ours    {seconds:6.2f} s  {groups:4} groups for {len(ORIGINS)} origins, {pure:.1f} % pure")
    print(f"        {whole:6.2f} s  with levels, times and samples")
    return seconds


def drain(made: list[tuple[str, str]]) -> float | None:
    """Seconds of drain3 with its defaults, which reads no level and no time; None where it is not installed."""
    try:
        from drain3 import TemplateMiner
        from drain3.template_miner_config import TemplateMinerConfig
    except ImportError:
        return None
    miner, found = TemplateMiner(config=TemplateMinerConfig()), []
    began = time.perf_counter()
    for origin, line in made:
        found.append((origin, miner.add_log_message(line)["cluster_id"]))
    seconds = time.perf_counter() - began
    pure, groups = quality(iter(found))
    print(f"drain3  {seconds:6.2f} s  {groups:4} groups for {len(ORIGINS)} origins, {pure:.1f} % pure")
    return seconds


def main() -> None:
    """Print both, and the ratio."""
    made = lines()
    print(f"{len(made)} lines, {sum(len(line) for _, line in made) / 1e6:.1f} MB")
    own, other = ours(made), drain(made)
    print(f"drain3 takes {other / own:.1f} x as long" if other else "drain3 is not installed: ours alone")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
