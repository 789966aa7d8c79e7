"""What the stand-in for pgbouncer_exporter reads: SHOW STATS and SHOW POOLS of the real PgBouncer.

It takes the public exporter's flag, --pgBouncer.connectionString=URL, and the password from PGPASSWORD.
"""

import sys
from collections.abc import Iterator

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from psycopg.rows import dict_row

from stand_ins.exporter import Sample, Source
from stand_ins.serving import Answer

FLAG = "--pgBouncer.connectionString="
STATS = {
    "pgbouncer_stats_queries_pooled_total": "total_query_count",
    "pgbouncer_stats_sql_transactions_pooled_total": "total_xact_count",
    "pgbouncer_stats_received_bytes_total": "total_received",
    "pgbouncer_stats_sent_bytes_total": "total_sent",
}
POOLS = {
    "pgbouncer_pools_client_active_connections": "cl_active",
    "pgbouncer_pools_client_waiting_connections": "cl_waiting",
    "pgbouncer_pools_server_active_connections": "sv_active",
    "pgbouncer_pools_server_idle_connections": "sv_idle",
}


def exposition() -> Answer:
    """The numbers of now, over a fresh connection, or `pgbouncer_up 0`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Source("pgbouncer_up", read))
    return Answer(generate_latest(registry), CONTENT_TYPE_LATEST)


def read() -> Iterator[Sample]:
    """Every database and every pool. The admin console knows the simple protocol and no transactions."""
    url = next(word.removeprefix(FLAG) for word in sys.argv if word.startswith(FLAG))
    with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        stats, pools = cursor.execute("SHOW STATS").fetchall(), cursor.execute("SHOW POOLS").fetchall()
    for name, column in STATS.items():
        yield from (Sample(name, row[column], (("database", row["database"]),)) for row in stats)
    for name, column in POOLS.items():
        yield from (Sample(name, row[column], (("database", row["database"]), ("user", row["user"]))) for row in pools)
