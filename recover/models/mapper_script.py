"""Runs in the user's own Python, behind probe_script.py: does every mapper read? Prints one JSON line.

Started with MODULE:ATTR; its standard input is a line with both scripts and a line that says where the database is.
Everything is done in transactions that are read-only and rolled back.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recover.models.probe_script import bare, described, main, metadata_of

KINDS = {
    "22P02": "labels",
    "42703": "schema",
    "42P01": "schema",
    "42704": "schema",
    "3F000": "schema",
    "42804": "schema",
    "42883": "schema",
    "42501": "refused",
    "57014": "time",
}
"""What an SQLSTATE says: a label the type has not, a column, table, type or schema that is not there."""

ASYNC = ("asyncpg", "psycopg_async", "aiopg")
DRIVERS = ("psycopg", "psycopg2", "pg8000", "asyncpg")


def ask(target: str) -> dict[str, Any]:
    """An answer for each mapper of the metadata, and one more for each further thing that is wrong with it."""
    place = json.loads(sys.stdin.readline())
    metadata = metadata_of(target)
    asked_of = mappers(metadata)
    found: list[dict[str, Any]] = []
    try:
        connected(place, lambda connection: found.extend(answers(connection, asked_of, place["statement_timeout"])))
    except Exception as error:
        return {"unreachable": words(error)}
    return {"mappers": found}


def answers(connection: Any, asked_of: list[Any], seconds: float) -> Iterator[dict[str, Any]]:
    """In the order of the mappers."""
    for mapper in asked_of:
        problems: dict[tuple[str, str], None] = {}
        for probe in probes(mapper):
            kind, detail = asked(connection, probe, seconds)
            if kind != "ok":
                problems.setdefault((kind, detail))
        for kind, detail in problems or {("ok", ""): None}:
            yield {"mapper": mapper.class_.__name__, "table": str(mapper.local_table), "kind": kind, "detail": detail}


def mappers(metadata: Any) -> list[Any]:
    """Those whose tables are in the metadata."""
    from sqlalchemy.orm import configure_mappers, mapperlib

    configure_mappers()
    known = [mapper for registry in mapperlib._all_registries() for mapper in registry.mappers]  # noqa: SLF001
    mine = [mapper for mapper in known if getattr(mapper.local_table, "metadata", None) is metadata]
    return sorted(mine, key=lambda mapper: (mapper.class_.__module__, mapper.class_.__qualname__))


def probes(mapper: Any) -> Iterator[Callable[[Any], object]]:
    """One row as the application reads it; what each enum column holds; whether it takes every member."""
    from sqlalchemy import cast, literal, select
    from sqlalchemy.orm import Session, lazyload

    def rows(query: Any, connection: Any) -> object:
        return connection.execute(query).all()

    def entity(connection: Any) -> object:
        return Session(bind=connection).execute(select(mapper.class_).options(lazyload("*")).limit(1)).first()

    yield entity
    for column in mapper.local_table.columns:
        kind = bare(column.type)
        if not hasattr(kind, "enums"):
            continue
        yield partial(rows, select(column).distinct())
        if kind.native_enum and kind.enums:
            yield partial(rows, select(*(cast(literal(value, kind), kind) for value in members(kind))))


def members(kind: Any) -> list[Any]:
    """What the application would write: the members of its enum, or the bare labels."""
    python = getattr(kind, "enum_class", None)
    return [member for name, member in python.__members__.items() if member.name == name] if python else kind.enums


def asked(connection: Any, probe: Callable[[Any], object], seconds: float) -> tuple[str, str]:
    """What came of one probe, in a transaction of its own."""
    from sqlalchemy import text

    transaction = connection.begin()
    try:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
        probe(connection)
    except LookupError as error:
        return ("labels" if "is not among" in str(error) else "other"), described(error)
    except Exception as error:
        return KINDS.get(state(error), "other"), words(error)
    finally:
        transaction.rollback()
    return "ok", ""


def words(error: Any) -> str:
    """The driver's own words, in one line."""
    orig = getattr(error, "orig", None) or error
    first = (getattr(orig, "args", None) or [None])[0]
    return f"{type(orig).__name__}: {first['M']}" if isinstance(first, dict) and "M" in first else described(orig)


def state(error: Any) -> str:
    """The SQLSTATE, wherever the driver keeps it."""
    orig = getattr(error, "orig", None)
    for place in (orig, getattr(orig, "__cause__", None)):
        for name in ("sqlstate", "pgcode"):
            if getattr(place, name, None):
                return str(getattr(place, name))
    first = (getattr(orig, "args", None) or [None])[0]
    return str(first.get("C", "")) if isinstance(first, dict) else ""


def connected(place: dict[str, Any], use: Callable[[Any], object]) -> None:
    """Use one connection, of the first driver that is installed here."""
    from sqlalchemy.engine import URL
    from sqlalchemy.exc import NoSuchModuleError

    words = {key: place[key] or None for key in ("username", "password", "host", "port", "database")}
    for driver in DRIVERS:
        options = place["options"] if driver.startswith("psycopg") else {}
        url = URL.create(f"postgresql+{driver}", query=options, **words)
        try:
            engine = engine_of(url, driver)
        except (ImportError, NoSuchModuleError):
            continue
        run(engine, driver, use)
        return
    raise ImportError(f"none of {', '.join(DRIVERS)} is installed in this python")


def engine_of(url: Any, driver: str) -> Any:
    """An engine that keeps no connection; it never logs what is bound to a statement."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    if driver not in ASYNC:
        return create_engine(url, poolclass=NullPool, hide_parameters=True)
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(url, poolclass=NullPool, hide_parameters=True)


def run(engine: Any, driver: str, use: Callable[[Any], object]) -> None:
    """Use one connection of the engine."""
    if driver not in ASYNC:
        with engine.connect() as connection:
            use(connection)
        return
    import asyncio

    async def later() -> None:
        async with engine.connect() as connection:
            await connection.run_sync(use)

    asyncio.run(later())


main(ask, sys.argv[1])
