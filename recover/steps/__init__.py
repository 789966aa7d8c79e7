"""The table of step types: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recover.plain import load
from recover.table import Table

if TYPE_CHECKING:
    from recover.world import Action

STEP_TYPES = Table(
    {
        "service.start": "recover.steps.service:StartService",
        "service.stop": "recover.steps.service:StopService",
        "enum.repair": "recover.steps.enum:RepairEnum",
        "database.backup": "recover.steps.backup:BackUpDatabase",
        "sql.run": "recover.steps.sql:RunSql",
        "command.run": "recover.steps.command:RunCommand",
        "http.call": "recover.steps.http:CallHttp",
        "confirm": "recover.steps.confirm:Confirm",
        "tls.reissue": "recover.steps.tls:ReissueCertificate",
    }
)

ACTIONS = Table(
    {
        "Start": "recover.steps.service:Start",
        "Stop": "recover.steps.service:Stop",
        "RepairLabels": "recover.steps.enum:RepairLabels",
        "RunStatements": "recover.steps.sql:RunStatements",
        "RunProgram": "recover.steps.command:RunProgram",
        "Call": "recover.steps.http:Call",
        "Reissue": "recover.steps.tls:Reissue",
    }
)
"""The actions that change something beside the run's evidence, by the name a journal keeps them under."""


def load_action(data: Mapping[str, Any]) -> Action:
    """The action that a journal kept. Raises ValueError for one of another version."""
    name, kept = str(data.get("type")), {key: value for key, value in data.items() if key != "type"}
    if name not in ACTIONS:
        raise ValueError(f"there is no action {name}")
    action: Action = load(ACTIONS[name], kept)
    return action
