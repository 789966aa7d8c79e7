"""Literals: found wherever SQL may put them, exchanged all at once."""

from __future__ import annotations

import pytest

from recover.enums.rewriting import elements, exchanged, in_array, literals


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("'a' -- 'b'\n'c'", ["a", "c"]),
        ("/* 'a' /* 'b' */ 'c' */ 'd'", ["d"]),
        ("\"it's\" 'it''s'", ["it's"]),
        (r"E'it\'s' e'a\\b\n' 'a\'", ["it's", "a\\b\n", "a\\"]),
        ("$$'a'$$ $q$ $$ $q$ $1 'b'", ["'a'", " $$ ", "b"]),
        ("name'a'", ["a"]),
    ],
)
def test_literals_are_read_as_the_server_reads_them(text: str, values: list[str]) -> None:
    assert [literal.value for literal in literals(text)] == values


def test_labels_that_change_places_are_exchanged_at_once() -> None:
    new = {"a": "b", "b": "a"}
    assert exchanged("'a' = 'b' or $$a$$ or \"a\"", lambda each: new.get(each.value)) == "'b' = 'a' or $$a$$ or \"a\""


def test_what_needs_quoting_is_quoted() -> None:
    assert exchanged("x = E'a'", lambda _: "it's\\%") == "x = E'it''s\\\\%'"


def test_the_elements_of_an_array() -> None:
    assert elements('{a,"b \\"c\\"", d}') == ["a", 'b "c"', "d"]
    assert in_array("{a,{b,a}}", {"a": 'x"y', "b": "a"}) == '{"x\\"y",{"a","x\\"y"}}'


def test_a_backslash_in_a_label_of_an_array_is_doubled_and_read_as_one() -> None:
    """As array_out writes {a\\b, c"d} and array_in reads it again (PostgreSQL documentation, "Arrays", 8.15.6)."""
    kept = r'{"a\\b","c\"d",e}'
    assert elements(kept) == ["a\\b", 'c"d', "e"]
    assert in_array(kept, {"a\\b": "A\\B"}) == r'{"A\\B","c\"d",e}'
    assert in_array("{e}", {"e": "\\"}) == r'{"\\"}'
