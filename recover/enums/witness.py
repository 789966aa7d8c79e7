"""What a repaired database keeps of a run: a witness that who writes in the state folder does not reach."""

from __future__ import annotations

from collections.abc import Mapping

from recover.errors import Precondition
from recover.postgres.connection import application_name
from recover.world import SeeDatabase, Statement

LEDGER = """SELECT c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" AND NOT c.relhasrules
    AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) c.relowner
                AND (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) current_user)) AS ours
FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('recover.enum_repairs')"""

MADE = """SELECT e.id, e.application FROM recover.enum_repairs e
WHERE pg_catalog.starts_with(e.application, %(prefix)s) ORDER BY e.made_at"""


def repairs_of(database: SeeDatabase, run: str) -> Mapping[str, str]:
    """The application name of each repair that the run made in this database, by the repair's id.

    Raises Precondition when its ledger is not ours, or a superuser's: reading what somebody else made may run it.
    """
    ledger = database.rows("whose recover's own table is", Statement(LEDGER))
    if not ledger:
        return {}
    if not ledger[0]["ours"]:
        raise Precondition("the table recover.enum_repairs belongs to another role, or is no plain table: not read")
    rows = database.rows("the repairs of the run", Statement(MADE, {"prefix": application_name(run)}))
    return {str(row["id"]): str(row["application"]) for row in rows}
