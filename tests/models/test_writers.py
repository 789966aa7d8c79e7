"""Raw SQL that goes on writing old labels."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from recover.models.imported import from_import
from recover.models.writers import Writer, columns_of, raw_writers

REPLICA = Path(__file__).parents[2] / "playbooks/enum-cascade/stack"

OLD = {"role": {"admin", "user"}, '"Odd State"': {"it's on", "admin"}}
COLUMNS = {"role": ["public.users.role"], '"Odd State"': ['"S 1"."Things"."State"']}
Find = Callable[..., tuple[Writer, ...]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    def look(text: str, name: str = "app.py") -> tuple[Writer, ...]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return raw_writers(tmp_path, OLD, COLUMNS)

    return look


def told(found: tuple[Writer, ...]) -> list[tuple[int, str, str, str]]:
    return [(w.line, w.type, w.label, w.certainty) for w in found]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("text(\"INSERT INTO users (role) VALUES ('admin')\")", [("role", "admin", "sure")]),
        ("q = \"select id from users where role = 'user'\"", [("role", "user", "sure")]),
        (
            "q = \"update users set role='user' where role in ('admin')\"",
            [("role", "user", "sure"), ("role", "admin", "sure")],
        ),
        ("text(\"SELECT 'admin'::role\")", [("role", "admin", "sure")]),
        ("text(\"SELECT CAST('admin' AS public.role)\")", [("role", "admin", "sure")]),
        ("q = f\"INSERT INTO users (role) VALUES ('{x}', 'user')\"", [("role", "user", "sure")]),
        ("q = 'SELECT 1 FROM users WHERE ' + \"role = 'user'\"", [("role", "user", "sure")]),
        ("q = \"SELECT %s FROM users WHERE role = 'user'\" % x", [("role", "user", "sure")]),
        ("q = \"SELECT 1 FROM users u WHERE u.role = E'user'\"", [("role", "user", "sure")]),
        (
            'q = "SELECT 1 FROM users WHERE role = ANY(\'{user,\\"admin\\"}\')"',
            [("role", "user", "sure"), ("role", "admin", "sure")],
        ),
        (
            "q = 'SELECT 1 FROM \"S 1\".\"Things\" WHERE \"State\" = \\'it\\'\\'s on\\''",
            [('"Odd State"', "it's on", "sure")],
        ),
        ("q = \"DO $$ BEGIN UPDATE users SET role = 'user'; END $$\"", [("role", "user", "sure")]),
        ("text(\"role = 'user'\")", [("role", "user", "possible")]),
        ("CheckConstraint(\"role IN ('user')\")", [("role", "user", "possible")]),
        ("q = f\"SELECT 1 FROM {table} WHERE role = 'user'\"", [("role", "user", "possible")]),
        ("db.execute(\"SELECT 1 FROM users WHERE role = %s\", ('user',))", [("role", "user", "possible")]),
        ("db.execute(text('UPDATE users SET role = :r'), {'r': 'user', 'user': 1})", [("role", "user", "possible")]),
        ("text(\"x = 'admin'\")", [("role", "admin", "possible"), ('"Odd State"', "admin", "possible")]),
    ],
)
def test_sql_in_python_is_found(find: Find, code: str, expected: list[tuple[str, str, str]]) -> None:
    assert told(find(f"import x\n{code}\n")) == [(2, *each) for each in expected]


@pytest.mark.parametrize(
    "code",
    [
        "if user.role == 'admin': pass",
        "'''SELECT 1 FROM users WHERE role = 'admin' '''",
        "def f():\n    \"INSERT INTO users (role) VALUES ('admin')\"",
        "# text(\"INSERT INTO users (role) VALUES ('admin')\")",
        "text(\"INSERT INTO users (role) VALUES ('ADMIN')\")",
        "text(\"SELECT 1 FROM users -- role = 'admin'\")",
        "text(\"SELECT 1 FROM users /* role = 'admin' */\")",
        "print(\"the role 'admin' is not allowed\")",
        "text(\"SELECT 1 FROM users WHERE role = 'administrator'\")",
        "log('SELECT', 'admin')",
    ],
)
def test_what_is_no_sql_and_no_old_label_is_not(find: Find, code: str) -> None:
    assert find(code + "\n") == ()


def test_a_statement_over_lines_tells_the_literals_own_line(find: Find) -> None:
    found = find('''
    query = text(
        "INSERT INTO users (name, role)"
        " VALUES (:name, 'user'),"
        " (:other, 'admin'), (:third, 'user')"
    )
    more = """
        UPDATE users
        SET role = 'admin'
    """
    ''')
    assert told(found) == [
        (4, "role", "user", "sure"),
        (5, "role", "admin", "sure"),
        (5, "role", "user", "sure"),
        (9, "role", "admin", "sure"),
    ]


def test_an_sql_file_is_read_statement_by_statement(find: Find) -> None:
    found = find(
        """\
        -- role 'admin'
        SELECT 'admin';
        INSERT INTO users (role)
        VALUES ('admin'); SELECT 1 FROM users, roles WHERE role = ';' OR role = 'user';
        """,
        "seed.sql",
    )
    assert [(w.line, w.type, w.certainty, w.kind) for w in found] == [
        (2, "role", "possible", "sql"),
        (2, '"Odd State"', "possible", "sql"),
        (4, "role", "sure", "sql"),
        (4, "role", "sure", "sql"),
    ]


def test_no_other_literal_is_shown(find: Find) -> None:
    [found] = find("text(\"INSERT INTO users (password, role) VALUES ('hunter2', 'admin', $$hunter3$$)\")")
    assert found.excerpt.startswith("INSERT INTO users (password, role) VALUES ('…', 'admin', ")
    assert "hunter2" not in found.excerpt
    [found] = find("text(\"DO $$ BEGIN UPDATE users SET role = 'admin', p = 'hunter2'; END $$\")")
    assert "role = 'admin', p = '…'" in found.excerpt
    assert "hunter2" not in found.excerpt


@pytest.mark.parametrize("name", ["app/migrations/0001.py", "alembic/versions/a.py", "db/migrations/1.sql"])
def test_migrations_are_told_apart(find: Find, name: str) -> None:
    sql = "INSERT INTO users (role) VALUES ('admin')"
    [found] = find(f"{sql};" if name.endswith("sql") else f'op.execute("{sql}")', name)
    assert found.kind == "migration"


def test_a_file_that_imports_alembic_is_a_migration(find: Find) -> None:
    [found] = find("from alembic import op\nop.execute(\"INSERT INTO users (role) VALUES ('admin')\")")
    assert found.kind == "migration"


def test_a_file_that_is_no_python_is_read_line_by_line(find: Find) -> None:
    found = find("print 'old'\nexecute(\"INSERT INTO users (role) VALUES ('admin')\")\n")
    assert [(w.line, w.label, w.certainty) for w in found] == [(2, "admin", "sure")]


def test_the_replicas_register_endpoint_and_its_seed(warm_python: Path) -> None:
    expected = from_import("aiwfe.models:Base", folder=REPLICA, python=warm_python)
    old = {type: {value for pairs in expected.pairs(type) for value in pairs.values()} for type in expected.types}
    found = raw_writers(REPLICA, old, columns_of(expected))
    assert {(w.path.relative_to(REPLICA).as_posix(), w.kind) for w in found} == {
        ("aiwfe/routes/auth.py", "code"),
        ("aiwfe/seed.sql", "sql"),
    }
    in_code = [(w.line, w.type, w.label, w.certainty) for w in found if w.kind == "code"]
    assert in_code == [(52, "userrole", "user", "sure"), (52, "userstatus", "pending_approval", "sure")]
    assert {w.type for w in found} == set(expected.types)
    assert {w.certainty for w in found} == {"sure"}
