"""The table of step types: a new one is a file beside this and a line here."""

from recover.steps.backup import BackUpDatabase
from recover.steps.command import RunCommand
from recover.steps.confirm import Confirm
from recover.steps.enum import RepairEnum
from recover.steps.http import CallHttp
from recover.steps.service import StartService, StopService
from recover.steps.sql import RunSql

STEP_TYPES: dict[str, type] = {
    "service.start": StartService,
    "service.stop": StopService,
    "enum.repair": RepairEnum,
    "database.backup": BackUpDatabase,
    "sql.run": RunSql,
    "command.run": RunCommand,
    "http.call": CallHttp,
    "confirm": Confirm,
}
