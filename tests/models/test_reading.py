"""Every mapper is asked whether it reads, on a real server."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import Sql

from recover.errors import Precondition, Unreachable, UsageError
from recover.models.reading import MapperAnswer, probe_mappers
from recover.postgres.session import Server
from recover.secrets import Secret

pytestmark = pytest.mark.postgres

MODELS = """
import enum
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import *
Base = declarative_base()

class Role(str, enum.Enum):
    ADMIN = "admin"
    USER = "user"

class State(enum.Enum):
    ON = 1
    OFF = 2

class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    role = Column(Enum(Role))
    all_roles = Column(ARRAY(Enum(Role)))
    team_id = Column(ForeignKey("teams.id"))
    team = relationship("Team", lazy="joined")

class Team(Base):
    __tablename__ = "teams"
    id = Column(Integer, primary_key=True)
    state = Column(Enum(State, native_enum=False))
"""
TABLES = """
CREATE TYPE role AS ENUM ('ADMIN', 'USER');
CREATE TABLE teams (id int PRIMARY KEY, state varchar(3));
CREATE TABLE users (id int PRIMARY KEY, role role, all_roles role[], team_id int REFERENCES teams);
"""
OK = [("Team", "teams", "ok"), ("User", "users", "ok")]
Ask = Callable[..., tuple[MapperAnswer, ...]]


@pytest.fixture
def ask(tmp_path: Path, database: Server, sql: Sql, warm_python: Path) -> Ask:
    (tmp_path / "app.py").write_text(dedent(MODELS))
    sql(TABLES)
    return lambda **how: probe_mappers("app:Base", database, **{"folder": tmp_path, "python": warm_python, **how})


def short(found: tuple[MapperAnswer, ...]) -> list[tuple[str, str, str]]:
    assert all(answer.ok == (answer.kind == "ok") for answer in found)
    return [(answer.mapper, answer.table, answer.kind) for answer in found]


def test_what_reads_is_told_with_and_without_rows(ask: Ask, sql: Sql) -> None:
    assert short(ask(python=sys.executable)) == OK
    sql("INSERT INTO teams VALUES (1, 'ON'); INSERT INTO users VALUES (1, 'ADMIN', '{ADMIN,USER}', 1)")
    assert short(ask()) == OK


def test_a_table_without_rows_is_told_by_what_it_would_not_take(ask: Ask, sql: Sql) -> None:
    sql("ALTER TYPE role RENAME VALUE 'ADMIN' TO 'admin'")
    [team, user] = [answer for answer in ask() if answer.kind != "never"]
    assert (team.mapper, team.ok) == ("Team", True)
    assert (user.mapper, user.kind) == ("User", "labels")
    assert 'invalid input value for enum role: "ADMIN"' in user.detail


def test_rows_with_labels_the_code_has_not_are_told(ask: Ask, sql: Sql) -> None:
    sql("ALTER TYPE role ADD VALUE 'GUEST'")
    sql("INSERT INTO users VALUES (1, 'GUEST', NULL, NULL)")
    found = ask()
    assert {(a.mapper, a.kind) for a in found} == {("Team", "ok"), ("User", "labels")}
    assert "'GUEST' is not among the defined enum values" in found[-1].detail


def test_an_array_and_a_text_column_are_read_too(ask: Ask, sql: Sql) -> None:
    sql("ALTER TYPE role ADD VALUE 'GUEST'")
    sql("INSERT INTO teams VALUES (1, 'ON'), (2, 'on'); INSERT INTO users VALUES (1, 'USER', '{USER,GUEST}', NULL)")
    found = ask()
    assert {(a.mapper, a.kind) for a in found} == {("Team", "labels"), ("User", "labels")}
    assert "'on' is not among" in found[0].detail
    assert "'GUEST' is not among" in found[-1].detail


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ("ALTER TABLE users DROP COLUMN role", "column users.role does not exist"),
        ("ALTER TABLE users RENAME TO people", 'relation "users" does not exist'),
    ],
)
def test_other_drift_is_told_apart(ask: Ask, sql: Sql, change: str, detail: str) -> None:
    sql(change)
    found = [answer for answer in ask() if answer.mapper == "User"]
    assert {answer.kind for answer in found} == {"schema"}
    assert any(detail in answer.detail for answer in found)


def test_one_that_also_lost_a_column_is_told_both(ask: Ask, sql: Sql) -> None:
    sql("ALTER TABLE users DROP COLUMN team_id; ALTER TYPE role RENAME VALUE 'ADMIN' TO 'admin'")
    assert {answer.kind for answer in ask() if answer.mapper == "User"} == {"schema", "labels"}


def test_a_table_that_another_joins_eagerly_is_told_for_itself_only(ask: Ask, sql: Sql) -> None:
    sql("ALTER TABLE teams RENAME COLUMN state TO status")
    assert {(a.mapper, a.kind) for a in ask()} == {("Team", "schema"), ("User", "ok")}


def test_a_missing_grant_is_told(ask: Ask, admin_sql: Sql) -> None:
    admin_sql("ALTER TABLE users OWNER TO postgres")
    assert {answer.kind for answer in ask() if answer.mapper == "User"} == {"refused"}


def test_nothing_is_written(ask: Ask, sql: Sql, tmp_path: Path) -> None:
    eager = """
    @event.listens_for(User, "load")
    def loaded(user, context):
        object_session(user).execute(text("DELETE FROM users"))
    """
    (tmp_path / "app.py").write_text(MODELS + dedent(eager))
    sql("INSERT INTO users VALUES (1, 'ADMIN', NULL, NULL)")
    found = ask()
    assert sql("SELECT count(*) FROM users") == [(1,)]
    assert any("read-only transaction" in answer.detail for answer in found)


def test_a_query_that_takes_too_long_is_told(ask: Ask, sql: Sql, database: Server, tmp_path: Path) -> None:
    sql("""ALTER TABLE teams RENAME TO slow;
           CREATE VIEW teams AS SELECT id, state FROM slow WHERE pg_sleep(30) IS NOT NULL;
           INSERT INTO slow VALUES (1, 'ON')""")
    found = ask(statement_timeout=0.2)
    assert {(a.mapper, a.kind) for a in found} == {("Team", "time"), ("User", "ok")}


def test_the_password_is_no_word_of_a_command(ask: Ask, database: Server, tmp_path: Path) -> None:
    told = 'import sys; assert "app-password-5f1c" not in open("/proc/self/cmdline").read()\n'
    (tmp_path / "app.py").write_text(told + MODELS)
    assert short(probe_mappers("app:Base", database, folder=tmp_path)) == OK


def test_a_database_that_does_not_answer_is_told_without_the_password(
    ask: Ask, database: Server, tmp_path: Path, warm_python: Path
) -> None:
    wrong = replace(database, password=Secret("app", "wrong-5f1c"))
    with pytest.raises(Unreachable) as caught:
        probe_mappers("app:Base", wrong, folder=tmp_path, python=warm_python)
    assert "password authentication failed" in caught.value.why
    assert "wrong-5f1c" not in str(caught.value)


def test_models_that_do_not_import_are_told(database: Server, tmp_path: Path) -> None:
    with pytest.raises(Precondition, match="cannot be imported"):
        probe_mappers("nowhere:Base", database, folder=tmp_path)
    with pytest.raises(UsageError):
        probe_mappers("nowhere", database)
