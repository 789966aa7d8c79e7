"""Names in our own SQL have a schema: what a search_path decides, a role that may create there decides.

Statements that are built are read as they are sent: see `every_name_has_a_schema` in tests/enums/conftest.py.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from helpers.own_sql import operators, unqualified

import recover
from recover.enums import familiar, proving
from recover.postgres.catalog import queries
from recover.world import Statement

ROOT = Path(recover.__file__).parent
SQL = re.compile(r"\s*(select|insert|update|delete|with|create|drop|alter|do|begin|set)\s", re.IGNORECASE)
IN_THE_APPLICATION = "recover.models."
"""Scripts that the application's own Python runs, on its own connections."""


def named() -> Iterator[tuple[str, str]]:
    for file in sorted(ROOT.rglob("*.sql")):
        yield from ((f"{file.stem}:{name}", text) for name, text in queries(file).items())


def constants() -> Iterator[tuple[str, str]]:
    """SQL that is a constant of a module."""
    for module in pkgutil.walk_packages([str(ROOT)], "recover."):
        if module.name.startswith(IN_THE_APPLICATION) or module.name.endswith("__main__"):
            continue
        for name, value in vars(import_module(module.name)).items():
            text = value.text if isinstance(value, Statement) else value
            if isinstance(text, str) and name.lstrip("_").isupper() and SQL.match(text):
                yield f"{module.name}.{name}", text.replace("{}", "NULL")


@pytest.mark.parametrize("text", [pytest.param(text, id=id) for id, text in [*named(), *constants()]])
def test_every_name_has_a_schema(text: str) -> None:
    assert unqualified(text) == ()


def test_there_is_something_to_read() -> None:
    assert len([*named()]) > 30
    assert {"recover.postgres.lease.TAKE", "recover.session.rehearsing.HELD"} <= {id for id, _ in constants()}


@pytest.mark.parametrize("text", [familiar._OWN.text, proving.VALIDATE.format("NULL")])
def test_what_is_asked_in_the_search_path_of_the_role_has_no_operator_either(text: str) -> None:
    assert (unqualified(text), operators(text)) == ((), ())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT count(*) FROM pg_class", ("FuncCall count", "relation pg_class")),
        ("SELECT %(a)s::text, coalesce(1, 2)::bigint, extract(epoch FROM pg_catalog.now())", ("type text",)),
        ("WITH old AS (SELECT 1) SELECT * FROM old", ()),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", ("AlterEnumStmt mood",)),
        ("CREATE TABLE recover.t (a text)", ("type text",)),
        ("DO 'BEGIN PERFORM now(); IF x(1) THEN NULL; END IF; END'", ("FuncCall now", "FuncCall x")),
        (
            "CREATE FUNCTION recover.f() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN NEW.a := NEW.a::text; RETURN NEW; END'",
            ("type trigger", "type text"),
        ),
    ],
)
def test_what_has_none_is_found(text: str, found: tuple[str, ...]) -> None:
    assert sorted(unqualified(text)) == sorted(found)
