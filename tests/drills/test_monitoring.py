"""Monitoring that cannot join the cascade: the part that fails is named and stopped again, the rest is up."""

from __future__ import annotations

import pytest
from drilling import Drill, shortened
from monitored import because, healths, stopped, with_faults

from recover.drill.scenario import find

pytestmark = pytest.mark.drill


def test_each_part_that_fails_is_named_and_stopped_and_the_rest_is_up(broken_drill: Drill) -> None:
    drill = shortened(broken_drill)
    faults = ("broken-exporter=node_exporter", "login-breaker=postgres_exporter", "broken-dashboard=untitled")
    given = dict(fault.split("=") for fault in faults)
    with_faults(drill, **find("enum-cascade").damage(given, "local").env)
    done = drill.playbook("run", expect=3)
    assert "it serves text/html, an HTML page, not metrics" in because(done.stderr, "node_exporter")
    assert because(done.stderr, "postgres_exporter").startswith(
        "login was proven before, and fails since step postgres_exporter"
    )
    assert (
        "can probe@example.com log in? let in with a token that works" in done.stderr
    )  # no wrong password at each step
    assert "untitled/api.json" in because(done.stderr, "grafana")
    assert "Dashboard title cannot be empty" in because(done.stderr, "grafana")
    assert drill.progress()["isolated"] == ["node_exporter", "postgres_exporter", "grafana"]
    assert stopped(drill) == {"node_exporter", "postgres_exporter", "grafana"}
    assert drill.login().status == 200
    up = {job for job, health in healths(drill).items() if health == "up"}
    assert up == {"api", "worker", "redis_exporter"}

    # made whole, a later run brings back these alone
    with_faults(drill, NOISY_EXPORTER="node_exporter")
    assert "not needed  api " in drill.playbook("plan").stdout
    done = drill.playbook("run", expect=3)
    assert "ERROR exporter: collector failed" in because(done.stderr, "node_exporter")
    assert drill.progress()["isolated"] == ["node_exporter"]
    assert stopped(drill) == {"node_exporter"}

    with_faults(drill)
    drill.playbook("run")
    assert stopped(drill) == set()
    assert set(healths(drill).values()) == {"up"}

    # one that turns bad later is a reason to stop nothing else
    with_faults(drill, BROKEN_EXPORTER="node_exporter")
    drill.services.stop("node_exporter")
    drill.services.start("node_exporter")
    plan = drill.playbook("plan").stdout
    assert "not needed  freeze " in plan
    assert "will check  node_exporter " in plan
    assert stopped(drill) == set()
    instance = drill.services.state("api").instance
    done = drill.playbook("run", expect=3)
    assert "step node_exporter failed" in done.stdout
    assert drill.services.state("api").instance == instance

    # a dashboard without a title in the folder itself, as an operator names it
    with_faults(drill)
    done = drill.playbook("run", "-e", "dashboards=stack/config/grafana/untitled", expect=3)
    assert "can Grafana show its dashboards? no" in done.stderr
    assert "api.json: Dashboard title cannot be empty" in done.stderr
