"""Names as this role is used to read them: what the server spells under our own search_path has every schema."""

from __future__ import annotations

import re
from collections.abc import Callable

from recover.postgres.names import quote_ident
from recover.world import SeeDatabase, Statement

_OWN = Statement("SELECT pg_catalog.current_schema()::pg_catalog.text AS schema", role_path=True)
_BARE = re.compile(r"[a-z_][a-z0-9_$]*")


def familiar(database: SeeDatabase) -> Callable[[str], str]:
    """A function that leaves the role's own schema, as in public.accounts, out of a text for readers.

    Raises as `rows` does. Source: PostgreSQL documentation, current_schema (the first one of the search_path).
    """
    [row] = database.rows("this role's own schema", _OWN)
    if row["schema"] is None:
        return lambda text: text
    schema = str(row["schema"])
    spelled = schema if _BARE.fullmatch(schema) else quote_ident(schema)
    prefix = re.compile(rf'(?<![\w."$]){re.escape(spelled)}\.(?=["\w])')
    return lambda text: prefix.sub("", text)
