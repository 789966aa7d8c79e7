"""What the drills of the monitoring share: faults chosen between two runs, and what Prometheus itself says."""

from __future__ import annotations

from drilling import Drill

from recover.drill.replica import Replica
from recover.web import HttpWeb

WHOLE = {"BROKEN_EXPORTER": "", "NOISY_EXPORTER": "", "LOGIN_BREAKER": "", "GRAFANA_DASHBOARDS": "dashboards"}


def with_faults(drill: Drill, **faults: str) -> None:
    """The variables that the next run's services start with; none: everything is whole."""
    Replica(drill.replica).set({**WHOLE, **faults})


def stopped(drill: Drill) -> set[str]:
    """The services that are not ready."""
    return {service for service, state in drill.status()["services"].items() if state != "ready"}


def healths(drill: Drill) -> dict[str, str]:
    """Per job what Prometheus says of its target."""
    port = Replica(drill.replica).env()["PROMETHEUS_PORT"]
    reply = HttpWeb().get(f"http://127.0.0.1:{port}/api/v1/targets")
    found = reply.json()["data"]["activeTargets"]  # type: ignore[index, call-overload]  # Prometheus' documented answer
    return {target["labels"]["job"]: target["health"] for target in found}


def because(output: str, step: str) -> str:
    """Why the step was left off, as it stands on the screen."""
    [line] = [line for line in output.splitlines() if f" {step}: LEFT OFF: " in line]
    return line.partition("LEFT OFF: ")[2]
