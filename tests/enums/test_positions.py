"""Where a label stands, told from its tokens: no brackets, comments, casts or lists mislead."""

from __future__ import annotations

from typing import Any

import pytest

from recover.enums.bodies import in_body
from recover.enums.drift import EnumType
from recover.enums.lexing import tokens
from recover.enums.operands import place
from recover.enums.positions import Columns, in_definition, keeps_text, parts_of

ROLE = EnumType("public", "role", ("admin",), oid=7)
COLUMNS = Columns(frozenset({"role"}), frozenset({"made"}), frozenset({"note"}))
FIELDS = [{"relation": 1, "table": "users", "name": "role", "number": 2, "enum": 7}]


def deparsed(text: str) -> list[str]:
    """A word for each hit."""
    hits = in_definition(text, "role", {"admin": "ADMIN"}, COLUMNS)
    return [("sure" if h.sure else "likely" if h.likely else "foreign" if h.foreign else "possible") for h in hits]


@pytest.mark.parametrize(
    "text",
    [
        "((role)::text = 'admin'::text)",
        "('admin'::text <> (u.role)::text)",
        "((u.role)::text = ANY (ARRAY['x'::text, 'admin'::text]))",
        "(((role)::character varying)::text = ANY ((ARRAY['admin'::character varying])::text[]))",
        "((role)::text IS DISTINCT FROM 'admin'::text)",
        "('admin'::text IS NOT DISTINCT FROM (role)::text)",
        "CASE (role)::text WHEN 'x'::text THEN (CASE 1 WHEN 2 THEN 3 END) WHEN 'admin'::text THEN 1 END",
        "(('admin'::text)::role = role)",
        "((role)::text = ANY ('{admin,x}'::text[]))",
    ],
)
def test_it_is_sure_where_nothing_else_can_be_meant(text: str) -> None:
    assert deparsed(text) == ["sure"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("(lower((role)::text) = 'admin'::text)", "possible"),
        ("(('x'::text || (role)::text) = 'admin'::text)", "possible"),
        ("('admin'::text = ((role)::text || 'x'::text))", "possible"),
        ("((role)::text = COALESCE('admin'::text, 'x'::text))", "possible"),
        ("((other)::text = 'admin'::text)", "possible"),
        ("((role)::text = 'admin'::text) FROM (SELECT n AS role FROM t) x", "possible"),
        ("WITH x(role) AS (SELECT 1) SELECT ((x.role)::text = 'admin'::text)", "possible"),
        ("((role)::text = '{admin}'::text)", "possible"),
        ("(('admin'::text)::s2.role = role)", "possible"),
        ("(made = 'admin'::text)", "likely"),
        ("(note = 'admin'::text)", "foreign"),
    ],
)
def test_it_is_not_sure_where_something_else_may_be_meant(text: str, word: str) -> None:
    assert deparsed(text) == [word]


@pytest.mark.parametrize("text", ["(role = 'admin'::role)", "'admin'", "('admin'::other)", "(\"admin\" = 'x'::text)"])
def test_what_follows_or_is_a_name_is_no_hit(text: str) -> None:
    assert deparsed(text) == []


ROW = {
    "body": "select from users where role = 'admin'", "language": "plpgsql", "returns": 7, "arguments": [],
    "types": [], "inputs": [], "fires_on": [], "homonyms": [], "domains": {},
}  # fmt: skip


def written(body: str, **more: Any) -> list[bool]:
    row = {**ROW, "body": body, **more}
    return [hit.sure for hit in in_body(row, ROLE, {"admin": "ADMIN"}, {"users": FIELDS, 1: FIELDS})]


@pytest.mark.parametrize(
    "body",
    [
        "select from users where role = 'admin'",
        "select from users u where u.role in ('x', 'admin')",
        "select from users where not 'admin' = role -- 'admin'",
        "/* 'admin' /* nested */ 'admin' */ update users set role = 'admin'",
        "insert into users (id, role) overriding system value values (f(1, 2), 'x'), (2, 'admin')",
        "select 'admin'::public.role",
        "select cast('admin' as role)",
        "select role 'admin'",
        "begin return 'admin'; end",
        "declare a constant public.role not null default 'admin'; begin end",
        "declare a text; b role; begin b := 'admin'; end",
        "select from users where x::role = 'admin'",
        "select from users where role not in ('x', 'admin')",
        "declare a users.role%type := 'admin'; begin end",
        "declare a constant public.users.role%type default 'admin'; begin end",
        "select case role when 'x' then 'y' when 'admin' then 1 end from users",
        "select case role when 'x', 'admin' then 1 end from users",
        "select case role when other then 'y' when 'admin' then 1 end from users",
    ],
)
def test_a_body_is_sure_where_nothing_else_can_be_meant(body: str) -> None:
    assert written(body) == [True]


@pytest.mark.parametrize(
    "body",
    [
        "select from others where role = 'admin'",
        "declare role text; begin if role = 'admin' then perform from users; end if; end",
        "select from users where note || role = 'admin'",
        "select from users where role = 'admin' || note",
        "insert into users (id, role) values ('admin', 'x')",
        "insert into users (id, role) values (1, f('admin'))",
        "select from (select note role from users) x where role = 'admin'",
        "execute 'update users set role = ''admin'''",
        "select $q$admin$q$ from users",
        "begin return 'admin' || x; end",
        "declare a text := 'admin'; begin end",
        "declare a users.note%type := 'admin'; begin end",
        "declare a role%type := 'admin'; begin perform from users; end",
        "declare a role := x || 'admin'; begin end",
        "declare a role; begin a := x; perform f('admin'); end",
    ],
)
def test_a_body_is_not_sure_where_something_else_may_be_meant(body: str) -> None:
    assert written(body) == [False]


def test_a_type_of_that_name_elsewhere_makes_a_name_unsure() -> None:
    assert written("select 'admin'::role", homonyms=["role"]) == [False]
    assert written("select 'admin'::public.role", homonyms=["role"]) == [True]


def test_a_parameter_is_known_by_name_and_by_number() -> None:
    known = {"arguments": ["a", "b"], "types": [7, 25], "inputs": [7, 25]}
    assert written("select a = 'admin', $1 = 'admin', b = 'admin', $2 = 'admin'", **known) == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "how", "other"),
    [
        ("return 'a'", "returned", ()),
        ("return next 'a';", "returned", ()),
        ("return 'a' || b", "", ()),
        ("x := 'a'", "assigned", ("x",)),
        ("t.x <> 'a'", "equal", ("t", "x")),
        ("x not in ('b', 'a')", "equal", ("x",)),
        *((f"x {operator} 'a'", "equal", ("x",)) for operator in ("=", "<>", "!=", "&&", "@>", "<@")),
        *((f"'a' {operator} x", "equal", ("x",)) for operator in ("=", "<>", "!=", "&&", "@>", "<@")),
        *((f"x {operator} 'a'", "like", ("x",)) for operator in ("~~", "!~~", "~~*", "!~~*", "~", "~*", "!~", "!~*")),
        *((f"x {operator} 'a'", "like", ("x",)) for operator in ("like", "ILIKE")),
        ("x < 'a'", "", ()),
        ("x::t = 'a'", "equal", ("x",)),
        ("cast('a' as t) = x", "equal", ("x",)),
        ("cast('a' as t u) = x", "", ()),
        ("'a' = null", "equal", ()),
        ("'a' = any (x)", "equal", ("x",)),
        ("values ('a', 1)", "in a row", ()),
        ("f('a', 1)", "", ()),
    ],
)
def test_what_a_literal_is_set_against(text: str, how: str, other: tuple[str, ...]) -> None:
    sql = tokens(text)
    found = place(sql, next(at for at, token in enumerate(sql.all) if token.text == "a"))
    assert (found.how, found.other.path if found.other else ()) == (how, other)


def test_a_hit_says_after_the_renames_what_the_literal_then_says() -> None:
    [hit] = in_body(ROW, ROLE, {"admin": "ADMIN"}, {"users": FIELDS})
    assert hit.respelled({"admin": "ADMIN"}) == "ADMIN"
    [hit] = in_definition("((role)::text = ANY ('{x,admin}'::text[]))", "role", {"admin": "ADMIN"}, COLUMNS)
    assert hit.respelled({"admin": "ADMIN"}) == '{x,"ADMIN"}'


def test_a_type_is_read_in_its_parts() -> None:
    assert parts_of('"My ""App"""."Mood"') == ('My "App"', "Mood")
    assert parts_of("character varying") == ("character varying",)
    assert parts_of("") == ()


def test_brackets_before_a_token_do_not_enclose_it() -> None:
    sql = tokens("f(a, (b), [c][1], d)")
    assert sql.around(len(sql) - 2) == 1
    assert sql.around(1) == -1


@pytest.mark.parametrize(
    "text", ["a = ", "'x", "((", "))", "'a' = (b", "case when 'a'", "x::", "in ('a'", "$$a", "/* a"]
)
def test_broken_sql_is_read_to_its_end(text: str) -> None:
    sql = tokens(text)
    for at in range(len(sql)):
        place(sql, at)


def test_a_view_keeps_text_when_it_casts() -> None:
    assert keeps_text("SELECT (u.role)::text AS r", {"role"})
    assert not keeps_text("SELECT u.role, (note)::text, 'role::text'::text", {"role"})
