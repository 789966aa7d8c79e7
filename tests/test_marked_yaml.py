"""YAML is read with its places, and nothing in it is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from recover.checks import CHECK_TYPES
from recover.errors import PlaybookError
from recover.marked_yaml import MarkedDict, MarkedList, Scalar, core, did_you_mean, fail, parse, read
from recover.playbook.load import load
from recover.steps import STEP_TYPES

REFUSED = [
    # text, line, column, a part of the message
    ("a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key 'a'; it is already on line 1"),
    ("a: {x: 1, y: 2, x: 3}\n", 1, 17, "duplicate key 'x'"),
    ("a: &one {x: 1}\nb:\n  <<: *one\n", 3, 3, "merge keys (<<) are not part of the format"),
    ("? [a, b]\n: 1\n", 1, 3, "a key must be plain text"),
    ("a: 1\n---\nb: 2\n", 2, 1, "a second document begins here"),
    ("a:\n\tb: 1\n", 2, 1, "malformed YAML"),
    ("a: b: c\n", 1, 5, "mapping values are not allowed"),
    ("a: [1\n", 1, 6, "while parsing a flow sequence from line 1"),
    ("a: 'x\n", 1, 6, "while scanning a quoted scalar from line 1"),
    ("ok: 1\na: x\x01y\n", 2, 5, "a character that is not text"),
    ("a: !!str 12\n", 1, 4, "the tag tag:yaml.org,2002:str is not part of the format"),
    ("a: !!python/object/apply:os.system [id]\n", 1, 4, "is not part of the format"),
    ("a: *b\n", 1, 4, "nothing above is named &b"),
    ("a: &b [*b]\n", 1, 8, "or it contains itself"),
    ("a: " + "[" * 100 + "\n", 1, 64, "nested deeper than 60 levels"),
    ("- x\n", 1, 1, "must be a mapping"),
    ("just text\n", 1, 1, "must be a mapping"),
    ("", 1, 1, "is empty"),
    ("# only a comment\n", 1, 1, "is empty"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED)
def test_a_mistake_is_named_at_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        parse(text, "book.yml")
    assert caught.value.where == f"book.yml:{line}:{column}"
    assert message in caught.value.what


def test_aliases_that_multiply_each_other_are_refused_before_they_fill_the_memory() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    with pytest.raises(PlaybookError, match="more than 50,000 values"):
        parse(bomb, "book.yml")


def test_an_alias_stands_for_what_it_names() -> None:
    tree = parse("a: &labels [ADMIN, USER]\nb: *labels\n", "book.yml")
    assert tree["b"] == ["ADMIN", "USER"]


def test_an_error_shows_three_lines_their_numbers_and_a_caret() -> None:
    tree = parse("one: 1\ntwo: {three: 3}\nfour: 4\nfive: 5\n", "book.yml")
    two = tree["two"]
    assert isinstance(two, MarkedDict)
    error = fail(two.key("three").mark, "no such thing", "did you mean 'tree'?")
    assert str(error).splitlines() == [
        "no such thing",
        "  at: book.yml:2:7",
        "  because: ",
        "        1 | one: 1",
        "        2 | two: {three: 3}",
        "          |       ^",
        "        3 | four: 4",
        "  next: did you mean 'tree'?",
    ]


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    with pytest.raises(PlaybookError) as caught:
        parse("a: \x1b[2J\n", "book.yml")
    assert "\x1b" not in str(caught.value)


def test_tabs_get_the_advice_to_use_spaces() -> None:
    with pytest.raises(PlaybookError) as caught:
        parse("a:\n\tb: 1\n", "book.yml")
    assert caught.value.next == "indent with spaces, not tabs"


def test_everything_knows_its_place_and_whether_it_was_quoted() -> None:
    tree = parse("name: plain\nlist:\n  - 'quoted'\n  - \"ä: b\"\n  - |\n    block\nflow: {x: [1]}\n", "book.yml")
    items = tree["list"]
    assert isinstance(items, MarkedList)
    assert [(str(item), item.plain, str(item.mark)) for item in items if isinstance(item, Scalar)] == [
        ("quoted", False, "book.yml:3:5"),
        ("ä: b", False, "book.yml:4:5"),
        ("block\n", False, "book.yml:5:5"),
    ]
    assert isinstance(tree["name"], Scalar)
    assert tree["name"].plain
    assert str(items.mark) == "book.yml:3:3"
    assert str(tree.key("flow").mark) == "book.yml:7:1"
    assert str(tree["flow"].mark) == "book.yml:7:7"


VALUES = [
    ("true", True),
    ("False", False),
    ("TRUE", True),
    ("null", None),
    ("~", None),
    ("", None),
    ("0", 0),
    ("-17", -17),
    ("1.50", 1.5),
    ("1e3", 1000.0),
    # YAML 1.1 would turn these into something else
    *((text, text) for text in ("on", "off", "yes", "No", "y", "n", "tRue", "1:30", "012", "0o14", "0x1f", "1_000")),
    *((text, text) for text in ("+1", ".5", "1.", ".inf", ".nan", "1e999", "2001-01-01", "=", "<<", "-0x1", "\u0661")),
    ("9" * 5000, "9" * 5000),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_plain_scalar_is_a_value_only_when_it_cannot_be_meant_otherwise(text: str, value: object) -> None:
    scalar = parse(f"a: {text}\n", "book.yml")["a"] if text != "<<" else parse("a: '<<'\n", "book.yml")["a"]
    assert isinstance(scalar, Scalar)
    got = core(scalar)
    assert (type(got), got) == (type(value), value)


@pytest.mark.parametrize("text", ["true", "null", "~", "12", "1.5", ""])
def test_a_quoted_scalar_is_always_text(text: str) -> None:
    scalar = parse(f'a: "{text}"\n', "book.yml")["a"]
    assert isinstance(scalar, Scalar)
    assert core(scalar) == text


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [("timout", "did you mean 'timeout'?"), ("TIMEOUT", "did you mean 'timeout'?"), ("zzz", "")],
)
def test_a_suggestion_is_made_only_for_a_likely_slip(word: str, suggestion: str) -> None:
    assert did_you_mean(word, ["timeout", "within", "status"]) == suggestion


def test_a_file_that_is_missing_or_no_text_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="cannot read") as missing:
        read(tmp_path / "none.yml")
    assert missing.value.why == "No such file or directory"
    with pytest.raises(PlaybookError, match="cannot read"):
        read(tmp_path)
    (tmp_path / "latin.yml").write_bytes("a: ä\n".encode("latin-1"))
    with pytest.raises(PlaybookError, match="not UTF-8"):
        read(tmp_path / "latin.yml")


def test_windows_line_ends_and_a_byte_order_mark_do_not_shift_places(tmp_path: Path) -> None:
    path = tmp_path / "book.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: [x]\r\n")
    assert str(read(path)["b"].mark) == f"{path}:2:4"


IN_CLEAR = {
    "a value": "  pg: hunter2",
    "a list": "  pg: [hunter2]",
    "a key of its own": "  pg: {value: hunter2}",
    "beside a file": "  pg: {file: x, value: hunter2}",
    "in quotes": '  pg: "hunter2 hunter2"',
    "a block": "  pg: |\n    hunter2\n    hunter2",
    "an alias": "  pg: *hunter2",
    "a tag": "  pg: !hunter2",
    "an anchor": "  pg: &hunter2 x",
    "not YAML": "  pg: @hunter2",
    "quotes that do not end": "  pg: 'hunter2",
    "brackets that do not end": "  pg: {file: hunter2hunter2, x: [hunter2",
    "twice": "  pg: {env: PG}\n  pg: hunter2",
}


@pytest.mark.parametrize("lines", IN_CLEAR.values(), ids=IN_CLEAR)
@pytest.mark.parametrize("after", ["", "\nstages: 7", "\nfoo: {"])
def test_a_secret_that_was_written_in_clear_is_not_repeated(tmp_path: Path, lines: str, after: str) -> None:
    head = "recover: 1\nname: tiny\ntitle: t\ntarget: {services: {runtime: local, project: x, files: [a]}}\nsecrets:\n"
    path = tmp_path / "p.yml"
    path.write_text(f"{head}{lines}{after}\n")
    with pytest.raises(PlaybookError) as caught:
        load(path, {}, STEP_TYPES, CHECK_TYPES)
    assert "hunter2" not in str(caught.value).replace("{file: hunter2hunter2", "")
    path.write_text(f"{head.rstrip()} {{pg: hunter2}}{after}\n")
    with pytest.raises(PlaybookError) as caught:
        load(path, {}, STEP_TYPES, CHECK_TYPES)
    assert "hunter2" not in str(caught.value)
