"""The replica's database: what the migration makes, what the seed puts in, and where the models differ."""

from __future__ import annotations

from typing import Any

import pytest

LABELS = {
    "userrole": ["admin", "user"],
    "userstatus": ["pending_approval", "active", "disabled"],
    "taskstatus": ["pending", "in_progress", "completed", "cancelled"],
    "taskpriority": ["low", "medium", "high", "urgent"],
    "tasktype": ["general", "research", "coding", "meeting"],
    "eventcategory": ["work", "personal", "health", "deadline"],
    "documentstatus": ["uploaded", "processing", "completed", "failed"],
    "googleservice": ["calendar", "drive", "gmail"],
}
EXPECTED = {
    "userrole": ["ADMIN", "USER"],
    "userstatus": ["PENDING", "ACTIVE", "DISABLED"],
    "taskstatus": ["PENDING", "IN_PROGRESS", "COMPLETED", "CANCELLED"],
    "taskpriority": ["LOW", "MEDIUM", "HIGH", "URGENT"],
    "tasktype": ["GENERAL", "RESEARCH", "CODING", "MEETING"],
    "eventcategory": ["work", "personal", "health", "deadline"],
    "documentstatus": ["UPLOADED", "PROCESSING", "COMPLETED", "FAILED", "ARCHIVED"],
    "googleservice": ["calendar", "drive", "gmail"],
}
BROKEN_TABLES = {"users", "invitations", "tasks", "task_history", "documents"}


def tables() -> dict[str, Any]:
    from aiwfe.models import Base

    return {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}


def unreadable(stack: Any, dbname: str) -> dict[str, str]:
    """The tables that the ORM cannot read, with its words."""
    from sqlalchemy import select

    found = {}
    with stack.sessions(dbname) as sessions, sessions() as session:
        for name, mapped in tables().items():
            try:
                assert len(session.scalars(select(mapped)).all()) >= 2000
            except LookupError as error:
                found[name] = str(error)
    return found


def test_the_migration_makes_22_tables_8_types_and_their_foreign_keys(stack: Any, lower_case: str) -> None:
    made = stack.admin("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", lower_case)
    assert {name for (name,) in made} == set(tables()) | {"alembic_version"}
    assert len(tables()) == 22
    assert stack.admin("SELECT count(*) >= 15 FROM pg_constraint WHERE contype = 'f'", lower_case) == [(True,)]
    assert stack.admin("SELECT version_num FROM alembic_version", lower_case) == [("c1f348491f8",)]


def test_the_labels_are_the_values_and_belong_to_the_application(stack: Any, lower_case: str) -> None:
    query = (
        "SELECT typname::text, array_agg(enumlabel::text ORDER BY enumsortorder), typowner::regrole::text"
        " FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY typname, typowner"
    )
    assert stack.admin(query, lower_case) == [(name, LABELS[name], "app") for name in sorted(LABELS)]


def test_the_models_differ_from_the_schema_in_nothing_but_labels(stack: Any, lower_case: str) -> None:
    from aiwfe.models import Base
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with stack.sessions(lower_case) as sessions, sessions() as session:
        compared = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(compared, Base.metadata) == []


def test_the_deployed_code_expects_names_in_most_columns_and_values_in_two() -> None:
    from aiwfe.models import Base
    from sqlalchemy import Enum

    columns = [
        column
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Enum) and column.type.native_enum
    ]
    assert len(columns) == 10
    assert {column.type.name: column.type.enums for column in columns} == EXPECTED
    assert all(column.type.enums == EXPECTED[column.type.name] for column in columns)
    values = {f"{column.table.name}.{column.name}" for column in columns if column.type.enums[0].islower()}
    assert values == {"events.category", "user_oauth_tokens.service"}


def test_every_table_has_thousands_of_rows_and_every_label_occurs(stack: Any, lower_case: str) -> None:
    for name, mapped in tables().items():
        assert stack.admin(f"SELECT count(*) FROM {name}", lower_case)[0][0] >= 2000, name
        for column in mapped.__table__.columns:
            if labels := LABELS.get(getattr(column.type, "name", "") or ""):
                seen = stack.admin(f"SELECT DISTINCT {column.name}::text FROM {name}", lower_case)
                assert {label for (label,) in seen} == set(labels), f"{name}.{column.name}"


def test_a_second_seed_does_nothing_and_another_database_gets_the_same_rows(stack: Any) -> None:
    again = stack.copy("seeded")
    assert "nothing done" in stack.once("aiwfe.seed", dbname=again)
    names = ", ".join(tables())
    stack.admin(f"TRUNCATE {names}", again)
    assert stack.once("aiwfe.seed", dbname=again) == "seeded\n"
    for name in tables():
        rows = f"SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {name} AS t"
        assert stack.admin(rows, again) == stack.admin(rows, "seeded"), name


def test_it_is_broken_for_the_right_reason(stack: Any, lower_case: str) -> None:
    from aiwfe.models import User
    from sqlalchemy import select

    with stack.sessions(lower_case) as sessions, sessions() as session, pytest.raises(LookupError) as caught:
        session.scalars(select(User).where(User.email == "probe@example.com")).one()
    assert str(caught.value) == (
        "'user' is not among the defined enum values. Enum name: userrole. Possible values: ADMIN, USER"
    )


def test_a_half_fix_left_two_columns_readable_and_five_tables_broken(stack: Any, lower_case: str) -> None:
    failed = unreadable(stack, lower_case)
    assert set(failed) == BROKEN_TABLES
    assert all("is not among the defined enum values" in words for words in failed.values())


def test_with_the_expected_labels_the_orm_reads_every_table(stack: Any, repaired: str) -> None:
    assert unreadable(stack, repaired) == {}


def test_the_member_missing_in_the_database_fails_at_the_first_insert_only(stack: Any, repaired: str) -> None:
    from aiwfe.models import Document, DocumentStatus
    from sqlalchemy.exc import DataError

    renamed = stack.copy("seeded")
    for old, new in zip(LABELS["documentstatus"], EXPECTED["documentstatus"], strict=False):
        stack.admin(f"ALTER TYPE documentstatus RENAME VALUE '{old}' TO '{new}'", renamed)
    archived = {"user_id": 2, "name": "old.pdf", "size": 1, "status": DocumentStatus.ARCHIVED}
    with stack.sessions(renamed) as sessions, sessions() as session:
        assert session.get(Document, 1)
        session.add(Document(**archived))
        with pytest.raises(DataError, match='invalid input value for enum documentstatus: "ARCHIVED"'):
            session.flush()
    with stack.sessions(repaired) as sessions, sessions() as session:
        session.add(Document(**archived))
        session.flush()


def test_the_migration_can_be_taken_back(stack: Any) -> None:
    from pathlib import Path

    import aiwfe

    ini = str(Path(aiwfe.__file__).parent.parent / "alembic.ini")
    copy = stack.copy("seeded")
    stack.once("alembic", "-c", ini, "downgrade", "base", dbname=copy)
    assert stack.admin("SELECT count(*) FROM pg_type WHERE typtype = 'e'", copy) == [(0,)]
    assert stack.admin("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", copy) == [("alembic_version",)]
