"""The table of step types: a new one is a file beside this and a line here."""

from recover.table import Table

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
    }
)
