"""SQL as tokens: the rules of the PostgreSQL documentation, "Lexical Structure" (4.1)."""

from __future__ import annotations

import pytest

from recover.enums.lexing import plain, tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a /* b /* c */ d */ e /* f */ g", ["word a", "word e", "word g"]),
        ("a -- /* b\nc */ d", ["word a", "word c", "mark */", "word d"]),
        ("a /* b", ["word a"]),
        ("Admin \"Ad\"\"min\" 'Ad''min' $q$'$q$", ["word admin", 'name Ad"min', "literal Ad'min", "dollar '"]),
        ("a::b:=c=>d", ["word a", "mark ::", "word b", "mark :=", "word c", "mark =>", "word d"]),
        ("a<>-1.5e3--x\n$2", ["word a", "mark <>-", "number 1.5e3", "parameter $2"]),
        ("(ä_1$)", ["mark (", "word ä_1$", "mark )"]),
    ],
)
def test_the_tokens_of_a_text(text: str, found: list[str]) -> None:
    assert [f"{token.kind} {token.text}" for token in tokens(text).all] == found


def test_tokens_know_their_place() -> None:
    text = "x = /* 'y' */ 'it''s'"
    assert [text[token.start : token.end] for token in tokens(text).all] == ["x", "=", "'it''s'"]


def test_what_is_outside_is_a_token_of_nothing() -> None:
    sql = tokens("a")
    assert (sql[-1].kind, sql[1].kind, sql[0].kind) == ("nothing", "nothing", "word")
    assert not sql[1].named


def test_what_is_quoted_is_no_word() -> None:
    sql = tokens("select \"select\" 'select'")
    assert [sql.says(at, "select") for at in range(3)] == [True, False, False]
    assert [token.named for token in sql.all] == [True, True, False]


def test_brackets_are_paired_and_what_is_left_over_has_no_pair() -> None:
    sql = tokens(") f(a, (b), [c]) (")
    assert sql.pair == {2: 12, 12: 2, 5: 7, 7: 5, 9: 11, 11: 9}
    assert [sql.around(at) for at in (1, 3, 6, 10, 12, 13)] == [-1, 2, 5, 9, 2, -1]


def test_a_name_as_the_catalog_has_it() -> None:
    assert (plain("Role"), plain('"Role"'), plain('"a""b"')) == ("role", "Role", 'a"b')
