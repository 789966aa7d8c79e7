"""The table of checks: a new one is a file beside this and a line here."""

from recover.checks.enum import EnumLabels
from recover.checks.file import FileIs
from recover.checks.http import HttpAnswers
from recover.checks.login import LoginWorks
from recover.checks.logs import LogsAre
from recover.checks.service import ServiceIs
from recover.checks.sql import SqlAnswers

CHECK_TYPES: dict[str, type] = {
    "service": ServiceIs,
    "sql": SqlAnswers,
    "enum": EnumLabels,
    "http": HttpAnswers,
    "login": LoginWorks,
    "logs": LogsAre,
    "file": FileIs,
}
