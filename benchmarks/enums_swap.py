"""One migration as alembic-postgresql-enum writes it, for several types; prints its seconds.

enums_swap.py URL JSON      JSON: [[type, labels, [[table, column], …], [[old, new], …]], …]
"""

from __future__ import annotations

import json
import sys
import time

import alembic_postgresql_enum  # noqa: F401 - registers the operation
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine


def main(url: str, asked: str) -> None:
    """All types in one transaction."""
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection)
        began = time.perf_counter()
        with context.begin_transaction():
            for name, labels, columns, renames in json.loads(asked):
                Operations(context).sync_enum_values(  # type: ignore[attr-defined]
                    enum_schema="public",
                    enum_name=name,
                    new_values=labels,
                    affected_columns=[tuple(column) for column in columns],
                    enum_values_to_rename=[tuple(rename) for rename in renames],
                )
        connection.commit()
        print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
