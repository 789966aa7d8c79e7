"""Stand-ins that only the containers need: programs that Debian has no package of, and two of the system's own.

STAND_IN names the one. Each answers what is asked of the real program to see whether it is up, and nothing
else; the exporter of the pooler reads the real pooler. Flags of the real program are taken and not used.
"""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from stand_ins.grafana import HEALTH, read_dashboards
from stand_ins.serving import Answer, Asked, Route, serve


class Program(NamedTuple):
    """What it stands for, the port of the real one, what it answers, and what it does first."""

    about: str
    port: int
    routes: Mapping[str, Route]
    first: Callable[[], None] = lambda: None


def always(body: str, kind: str = "text/plain") -> Route:
    """A route with one answer."""
    answer = Answer(body.encode(), kind)
    return lambda _: answer


def pooler(_: Asked) -> Answer:
    """The real pooler's numbers. Its client is imported by this one stand-in only."""
    from stand_ins.pooler import exposition

    return exposition()


READY = always("ready\n")
JSON = "application/json"
METRICS = always('stand_in_info{program="cadvisor"} 1\n', "text/plain; version=0.0.4")

PROGRAMS = {
    "pgbouncer_exporter": Program("pgbouncer_exporter, small, on the real PgBouncer", 9127, {"/metrics": pooler}),
    "grafana": Program(
        "Grafana's health, and the titles of its dashboards", 3000, {"/api/health": lambda _: HEALTH}, read_dashboards
    ),
    "loki": Program("Loki's readiness, keeps no line", 3100, {"/ready": READY}),
    "promtail": Program("Promtail's readiness, ships no line", 9080, {"/ready": READY}),
    "cadvisor": Program("cAdvisor's health, measures nothing", 8080, {"/healthz": READY, "/metrics": METRICS}),
    "qdrant": Program("Qdrant's readiness, holds no vector", 6333, {"/readyz": READY}),
    "ollama": Program("Ollama's list of models, an empty one", 11434, {"/api/tags": always('{"models": []}', JSON)}),
    "log_watcher": Program("the reader of the error logs, reads none", 8001, {"/health": READY}),
    "google_sync": Program("the calendar sync, has no Google account", 8002, {"/health": READY}),
}


def main() -> None:
    """Answer until a signal comes. SystemExit for a name that is none."""
    name = os.environ.get("STAND_IN", "")
    if name not in PROGRAMS:
        raise SystemExit(f"STAND_IN: unknown program {name!r}; known: {', '.join(PROGRAMS)}")
    program = PROGRAMS[name]
    serve(program.port, program.about, program.routes, first=program.first)


if __name__ == "__main__":
    main()
