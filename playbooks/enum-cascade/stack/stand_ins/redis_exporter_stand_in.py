"""Stand-in for redis_exporter: a few of its metrics, read from the real INFO."""

import os
from collections.abc import Iterator

import redis
from aiwfe.settings import redis_url

from stand_ins.exporter import Sample, export

NAMES = {
    "redis_connected_clients": "connected_clients",
    "redis_memory_used_bytes": "used_memory",
    "redis_uptime_in_seconds": "uptime_in_seconds",
    "redis_commands_processed_total": "total_commands_processed",
    "redis_keyspace_hits_total": "keyspace_hits",
    "redis_keyspace_misses_total": "keyspace_misses",
}


def read() -> Iterator[Sample]:
    """What the server says of itself."""
    with redis.Redis.from_url(redis_url(os.environ), socket_timeout=2, socket_connect_timeout=2) as store:
        said = store.info()
    for metric, name in NAMES.items():
        yield Sample(metric, said[name])


if __name__ == "__main__":
    export("redis_exporter", "redis_exporter, small, on the real Redis-compatible server", "redis_up", read)
