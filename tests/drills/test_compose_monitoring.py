"""Monitoring on a real engine: what the real Prometheus says of the real exporters decides, and isolates one."""

from __future__ import annotations

import pytest
from drilling import Drill
from monitored import because, healths, stopped, with_faults
from replicas import until

pytestmark = [pytest.mark.docker, pytest.mark.drill]

JOBS = {
    *("api", "worker", "node_exporter", "postgres_exporter", "redis_exporter"),
    *("pgbouncer_exporter", "blackbox_exporter", "cadvisor", "alertmanager"),
}


def test_what_prometheus_cannot_read_is_named_and_stopped_and_the_rest_is_up(compose_drill: Drill) -> None:
    drill = compose_drill
    drill.drill("break", "--down", "--fault", "broken-exporter=node_exporter", "--fault", "broken-dashboard=untitled")
    done = drill.playbook("run", expect=3)
    assert "it serves text/html, an HTML page, not metrics" in because(done.stderr, "node_exporter")
    assert "<title>Node Exporter</title>" in because(done.stderr, "node_exporter")  # the real one's own page
    assert "api.json" in because(done.stderr, "grafana")
    assert "Dashboard title cannot be empty" in because(done.stderr, "grafana")
    assert drill.progress()["isolated"] == ["node_exporter", "grafana"]
    assert stopped(drill) == {"node_exporter", "grafana"}
    found = healths(drill)
    assert found.keys() == JOBS
    assert {job for job, health in found.items() if health != "up"} == {"node_exporter"}
    assert drill.login().status == 200

    with_faults(drill, NOISY_EXPORTER="node_exporter")
    done = drill.playbook("run", expect=3)
    said = because(done.stderr, "node_exporter")
    assert "with fewer than 60/min errors? no" in said
    assert "level=error" in said
    assert stopped(drill) == {"node_exporter"}

    with_faults(drill)
    drill.playbook("run")
    assert stopped(drill) == set()
    until(lambda: healths(drill) == dict.fromkeys(JOBS, "up"), 20)
