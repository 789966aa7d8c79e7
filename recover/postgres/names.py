"""SQL names and literals: quoting them, reading them, and what does not fit into them. Pure.

Facts are from the PostgreSQL documentation: "Lexical Structure" (4.1.1, 4.1.2) and NAMEDATALEN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_NAME = 63
"""Bytes of an identifier or an enum label (NAMEDATALEN - 1)."""

PATH = "pg_catalog, pg_temp"
"""The search_path of our own statements: a role that may create in another schema cannot give a name of ours another
meaning. pg_temp is last: where it is not named it is searched first, for tables and types (PostgreSQL documentation,
search_path; "Writing SECURITY DEFINER Functions Safely")."""

_PART = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')


def quote_ident(name: str) -> str:
    """The name as a quoted identifier: keywords, upper case and spaces are all safe in it."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """The text as a string literal that reads the same whatever standard_conforming_strings is."""
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def too_long(name: str) -> bool:
    """Whether the server would cut (an identifier) or refuse (a label) the name."""
    return len(name.encode()) > LONGEST_NAME


@dataclass(frozen=True)
class TypeName:
    """The name of a type as the catalog spells it; `schema` is None when the search_path decides."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        parts = [quote_ident(part) for part in (self.schema, self.name) if part is not None]
        return ".".join(parts)


def read_names(text: str) -> tuple[str, ...] | None:
    """The parts of a dotted name such as `app.users."Role"`, each folded as SQL does. None when it is none."""
    parts, at = [], 0
    while part := _PART.match(text, at):
        parts.append(_folded(part))
        if part.end() == len(text):
            return tuple(parts)
        if text[part.end()] != ".":
            return None
        at = part.end() + 1
    return None


def read_type_name(text: str) -> TypeName | None:
    """Read `userrole`, `app.userrole` or `"App"."UserRole"` as SQL does: unquoted folds to lower case.

    None when it is not such a name.
    """
    parts = read_names(text)
    if parts is None or len(parts) > 2:  # noqa: PLR2004 - a schema and a name
        return None
    return TypeName(parts[0] if len(parts) > 1 else None, parts[-1])


def _folded(part: re.Match[str]) -> str:
    quoted = part.group(1)
    return quoted.replace('""', '"') if quoted is not None else part.group(2).lower()
