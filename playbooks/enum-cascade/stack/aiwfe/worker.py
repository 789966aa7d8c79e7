"""The background worker: looks for a pending task every second and says in Redis that it is alive.

It changes no row on purpose: a drill compares the rows before and after, and whatever the worker
wrote in between would look like a loss. `/health` on WORKER_PORT is 200 only while its last loop succeeded.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from aiwfe.database import open_sessions
from aiwfe.logs import log_to_stdout
from aiwfe.models import Task, TaskStatus
from aiwfe.settings import database_url, redis_url, release

HEARTBEAT = "worker:heartbeat"
EVERY = 1.0  # seconds between two loops
STALE = 10.0  # seconds after which the last success no longer counts: the loop hangs
BATCH = 50
log = logging.getLogger("aiwfe.worker")


@dataclass
class Health:
    """What the last loop did. `succeeded_at` is a monotonic time, None after a failure."""

    succeeded_at: float | None = None

    @property
    def good(self) -> bool:
        return self.succeeded_at is not None and time.monotonic() - self.succeeded_at < STALE


def work_once(sessions: sessionmaker[Session], store: redis.Redis, after: int) -> int:
    """Look at the next tasks after this id; returns the id to go on from, 0 at the end of the table."""
    with sessions() as session:
        batch = session.scalars(select(Task).where(Task.id > after).order_by(Task.id).limit(BATCH)).all()
    pending = next((task for task in batch if task.status is TaskStatus.PENDING), None)
    store.set(HEARTBEAT, json.dumps({"at": time.time(), "task": pending.id if pending else None}), ex=60)
    log.info("picked task %s", pending.id if pending else "none")
    return pending.id if pending else batch[-1].id if batch else 0


def work(step: Callable[[int], int], health: Health) -> None:
    """Loop for ever. A failure is logged, and the next loop begins at the start."""
    after = 0
    while True:
        try:
            after = step(after)
            health.succeeded_at = time.monotonic()
        except (LookupError, SQLAlchemyError, redis.RedisError) as failure:
            after, health.succeeded_at = 0, None
            log.exception("loop failed: %s", type(failure).__name__)
        time.sleep(EVERY)


def hold_lock(sessions: sessionmaker[Session], table: str) -> Session:
    """A drill's fault (HOLD_LOCK): a transaction that locks the table and is then forgotten, idle."""
    session = sessions()
    session.execute(text(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE'))
    log.info("locked %s", table)
    return session


def health_server(port: int, health: Health, registry: CollectorRegistry) -> ThreadingHTTPServer:
    """Answers /health by the last loop and /metrics for Prometheus."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 200 if self.path == "/metrics" or health.good else 503
            body = generate_latest(registry) if self.path == "/metrics" else json.dumps({"good": health.good}).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "text/plain; version=0.0.4" if self.path == "/metrics" else "application/json"
            )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes are not worth a line."""

    return ThreadingHTTPServer((os.environ.get("WORKER_HOST", "127.0.0.1"), port), Answer)


def main() -> None:
    """Work and answer for it until a signal comes."""
    log_to_stdout()
    registry, health = CollectorRegistry(), Health()
    loops = Counter("aiwfe_worker_loops_total", "Loops that succeeded", registry=registry)
    Gauge("aiwfe_worker_good", "1 while the last loop succeeded", registry=registry).set_function(lambda: health.good)
    sessions = open_sessions(database_url(os.environ), release(os.environ), "aiwfe-worker")
    store = redis.Redis.from_url(redis_url(os.environ), socket_timeout=1, socket_connect_timeout=1)

    def step(after: int) -> int:
        reached = work_once(sessions, store, after)
        loops.inc()
        return reached

    held = hold_lock(sessions, table) if (table := os.environ.get("HOLD_LOCK")) else None  # noqa: F841 - kept alive
    server = health_server(int(os.environ["WORKER_PORT"]), health, registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    work(step, health)


if __name__ == "__main__":
    main()
