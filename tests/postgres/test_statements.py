"""SQL text is read as the server reads it: quoting, comments, statements, positions."""

from __future__ import annotations

import pytest

from recover.postgres.statements import bind, excerpt, first_word, not_transactional, one_line, position, statements
from recover.secrets import Secret
from recover.world import Statement

ATOMIC = """create function f() returns int begin atomic
select case when true then 1 end; select 2; end"""


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" ; ;; -- nothing", 0),
        ("select 1", 1),
        ("select 1; select 2;", 2),
        ("select ';'; select \";\"", 2),
        ("select $$;$$; select $a$;$$;$a$", 2),
        ("select E'\\';'; select 2", 2),
        ("select 'it''s;'", 1),
        ("/* ; /* ; */ ; */ select 1", 1),
        ("-- ;\nselect 1", 1),
        ("select a$b$ from t; select $b$;$b$", 2),
        (ATOMIC + "; select 3", 2),
    ],
)
def test_statements_are_cut_at_semicolons_that_count(text: str, count: int) -> None:
    assert len(statements(text)) == count


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("update t set a = 1; commit", "commit"),
        ("BEGIN; select 1", "begin"),
        ("start transaction", "start"),
        ("select 1; end", "end"),
        ("/* x */ Rollback", "rollback"),
        ("rollback work", "rollback"),
        ("abort", "abort"),
        ("prepare transaction 'x'", "prepare"),
        ("commit prepared 'x'", "commit"),
        ("select 1;\n\\i other.sql", "\\"),
        ("select 1 \\gset", "\\"),
        ("savepoint a; rollback to a; rollback to savepoint a; rollback work to a; release a", None),
        ("prepare p as select 1", None),
        ("select 'commit; begin'", None),
        ("do $$ begin null; end $$", None),
        ("create function f() returns void language plpgsql as $f$ begin commit; end $f$", None),
        (ATOMIC, None),
        ("select '\\'", None),
    ],
)
def test_what_would_begin_or_end_a_transaction_is_found(text: str, found: str | None) -> None:
    token = not_transactional(text)
    assert (token.text if token else None) == found
    if token:
        assert text[token.start :].lower().startswith(token.text)


@pytest.mark.parametrize(
    ("text", "word"),
    [("  SELECT 1", "select"), ("(select 1) union select 2", "select"), ("-- select\ndelete", "delete"), ("", "")],
)
def test_the_first_word_is_what_the_statement_does(text: str, word: str) -> None:
    assert first_word(text) == word


def test_placeholders_are_numbered_once_per_name() -> None:
    statement = Statement("select %(b)s, %(a)s, %(b)s, 5 %% 2, 'x%'", {"a": 1, "b": Secret("b", "s3cret")})
    assert bind(statement) == ("select $1, $2, $1, 5 % 2, 'x%'", ["s3cret", 1])
    assert bind(Statement("like 'a%%' or %(x)s")) == ("like 'a%%' or %(x)s", [])


def test_a_position_is_shown_in_its_line() -> None:
    text = "select 1,\n\tnosuch"
    at = text.index("nosuch")
    assert position(text, at) == (2, 2)
    assert excerpt(text, at) == " nosuch\n ^"
    long = "x" * 500 + "!" + "y" * 500
    line, caret = excerpt(long, 500).split("\n")
    assert len(line) == 100
    assert line[caret.index("^")] == "!"


def test_one_line_keeps_what_runs_and_drops_what_does_not() -> None:
    text = "-- why\nupdate t -- here\n  set a = '  b\n--c' /* x */ ,\n b = 1;\n"
    assert one_line(text) == "update t set a = '  b\\n--c' , b = 1"
