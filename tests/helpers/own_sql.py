"""Reading our own SQL with PostgreSQL's grammar: which names in it does the search_path decide?

Constructs that are keywords (coalesce, greatest, CASE, bigint, current_user) are no names. Source: pglast, libpg_query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pglast
import psycopg
from pglast import ast
from pglast.visitors import Visitor

_PLACEHOLDER = re.compile(r"%\(\w+\)s")
_DEFINITIONS = (
    ast.ViewStmt,
    ast.RuleStmt,
    ast.CreateTrigStmt,
    ast.CreateFunctionStmt,
    ast.AlterTableStmt,
    ast.AlterDomainStmt,
    ast.AlterPolicyStmt,
)
_TYPES = {"trigger", *(known.name for known in psycopg.adapters.types)}
_NAMED = ("typeName", "funcname", "objname")
"""Lists of name parts, in statements such as ALTER TYPE and CREATE FUNCTION."""


class _Names(Visitor):  # type: ignore[misc]  # pglast has no types
    def __init__(self) -> None:
        self.bare: list[str] = []
        self.ctes: set[str] = set()
        self.bodies: list[str] = []
        self.operators: list[str] = []

    def visit(self, _ancestors: object, node: Any) -> None:
        for name in _NAMED:
            parts = getattr(node, name, None)
            if isinstance(parts, tuple) and len(parts) == 1 and isinstance(parts[0], ast.String):
                self.bare.append(f"{type(node).__name__} {parts[0].sval}")
        match node:
            case ast.TypeName(names=(only,)):
                self.bare.append(f"type {only.sval}")
            case ast.RangeVar(schemaname=None):
                self.bare.append(f"relation {node.relname}")
            case ast.CommonTableExpr():
                self.ctes.add(node.ctename)
            case ast.A_Expr(name=(only,)):
                self.operators.append(only.sval)
            case ast.DoStmt():
                self.bodies.append("DO")
            case ast.CreateFunctionStmt(
                funcname=(ast.String(sval="recover"), _)
            ):  # others are users', as they wrote them
                self.bodies.append("FUNCTION")


@cache
def unqualified(text: str) -> tuple[str, ...]:
    """The functions, relations and types in the text that have no schema, in words; also those of a DO's body.

    %(name)s are values. Raises pglast.Error for what is no SQL.
    """
    sql = _PLACEHOLDER.sub("NULL", text)
    names = _read(sql)
    found = [name for name in names.bare if name.removeprefix("relation ") not in names.ctes]
    for _ in names.bodies:
        for query in _queries(json.loads(pglast.parser.parse_plpgsql_json(sql))):
            found += unqualified(query)
    return tuple(found)


def ambiguous(text: str) -> list[str]:
    """The same of a statement that quotes what the server has spelled: under our search_path that leaves out the schema
    of its own types everywhere, and of its own functions in definitions.
    """
    [first, *_] = pglast.parse_sql(_PLACEHOLDER.sub("NULL", text))
    spelled = ("type", "FuncCall") if isinstance(first.stmt, _DEFINITIONS) else ("type",)
    return [name for name in unqualified(text) if not _is_servers(name, spelled)]


def _is_servers(name: str, spelled: tuple[str, ...]) -> bool:
    kind, _, bare = name.partition(" ")
    return kind in spelled and (kind != "type" or bare in _TYPES)


def operators(text: str) -> tuple[str, ...]:
    """The operators in the text that have no schema."""
    return tuple(_read(_PLACEHOLDER.sub("NULL", text)).operators)


def _read(sql: str) -> _Names:
    names = _Names()
    names(pglast.parse_sql(sql))
    return names


def _queries(node: Any) -> Iterator[str]:
    """Every statement and expression of a function's body, as a statement."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ()):
        if key == "PLpgSQL_expr":
            yield _statement(value["query"])
        else:
            yield from _queries(value)


def _statement(text: str) -> str:
    try:
        pglast.parse_sql(text)
    except pglast.Error:
        return f"SELECT {text.partition(':=')[2] or text}"
    return text
