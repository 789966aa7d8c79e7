"""Names and literals survive their quoting, on the real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recover.postgres.names import TypeName, quote_ident, quote_literal, read_type_name, too_long

ODD = [
    "plain",
    "select",
    "Mixed Case",
    'a"b',
    "it's",
    "back\\slash",
    "~retired:x",
    "größe",
    "$1 %s %(x)s",
    "a;b--c",
    "*/ /*",
]


@pytest.mark.postgres
@pytest.mark.parametrize("text", ODD)
def test_a_quoted_name_and_a_quoted_literal_mean_the_text(sql: Callable[..., list[tuple[Any, ...]]], text: str) -> None:
    sql(f"create table {quote_ident(text)} (n int)")
    assert sql(f"select count(*) from pg_class where relname = {quote_literal(text)}") == [(1,)]
    sql("set standard_conforming_strings = off; " + f"select {quote_literal(text)}")
    assert sql(f"select {quote_literal(text)}") == [(text,)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("userrole", TypeName(None, "userrole")),
        ("UserRole", TypeName(None, "userrole")),
        ('"UserRole"', TypeName(None, "UserRole")),
        ("App.UserRole", TypeName("app", "userrole")),
        ('"My ""App"""."a.b"', TypeName('My "App"', "a.b")),
        ("größe", TypeName(None, "größe")),
        ("", None),
        ("a.", None),
        ("a.b.c", None),
        ("user role", None),
        ('"open', None),
        ("1st", None),
    ],
)
def test_a_type_name_is_read_as_sql_reads_it(text: str, name: TypeName | None) -> None:
    assert read_type_name(text) == name


def test_length_is_counted_in_bytes() -> None:
    assert not too_long("x" * 63)
    assert too_long("x" * 64)
    assert too_long("ä" * 32)
