"""The table of questions, by the names that causes.yml calls them: a new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from recover.diagnosis.data import credentials, database_name, enum_labels, locks, pooler
from recover.diagnosis.machine import certificates, disk, missing_file
from recover.diagnosis.running import images, limiter, probes, services
from recover.diagnosis.told import Question

QUESTIONS: Mapping[str, Question] = {
    "disk": disk,
    "missing_file": missing_file,
    "certificates": certificates,
    "locks": locks,
    "database_name": database_name,
    "credentials": credentials,
    "enum_labels": enum_labels,
    "pooler": pooler,
    "services": services,
    "images": images,
    "limiter": limiter,
    "probes": probes,
}
