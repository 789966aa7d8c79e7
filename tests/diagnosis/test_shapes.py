"""Lines by their shape: the fixed text tells them apart, what varies does not, and a log of any size has few."""

from __future__ import annotations

import json
import string
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recover.diagnosis.shapes import LONGEST, MASKED, MOST, REST, SAMPLED, SAMPLES, Shape, Shapes, records, shape_of

TIME = "2025-08-10 23:15:01,123"


def shapes(*lines: str, **more: object) -> list[Shape]:
    """The shapes of one log."""
    found = Shapes(**more)  # type: ignore[arg-type]  # test data
    found.read("api", lines)
    return list(found)


SAME = {
    "numbers": ("took 12 ms", "took 7 ms"),
    "addresses": ("from 10.0.0.7:52134 refused", "from 192.168.1.12:80 refused"),
    "IPv6": ("from [fe80::1]:80 refused", "from [::1]:8080 refused"),
    "e-mails": ("user eva@example.com is unknown", "user bob.x@example.org is unknown"),
    "uuids": (
        "task 0b9e2c4e-1c43-4b0e-9d1c-3f6f1b0a2b11 failed",
        "task 9f8d7c6b-aaaa-4bbb-8ccc-123456789abc failed",
    ),
    "quoted words": ("'admin' is not among them", "'user' is not among them"),
    "double-quoted words": ('role "admin" is gone', 'role "user" is gone'),
    "values of logfmt": ('level=info path="/a" n=1', 'level=info path="/b" n=22'),
    "values of JSON": ('{"level":"info","who":"eva","n":1}', '{"level":"info","who":"bob","n":22}'),
    "times": (f"{TIME} ERROR api: boom", "2025-08-11 01:02:03,999 ERROR api: boom"),
}
DIFFERENT = {
    "words": ("the login failed", "the logout failed"),
    "quoted messages": ('msg="the login failed"', 'msg="the logout failed"'),
    "messages of one word": ('level=info msg="started"', 'level=info msg="stopped"'),
    "messages of one word in JSON": ('{"level":"info","event": "started"}', '{"level":"info","event": "stopped"}'),
    "errors of one word in JSON": ('{"error":"timeout"}', '{"error":"refused"}'),
    "keys of JSON": ('{"admin": "x"}', '{"user": "x"}'),
    "colours": ("\x1b[31mLookupError\x1b[0m x", "\x1b[31mValueError\x1b[0m x"),
    "levels": ("ERROR:api:boom", "WARNING:api:boom"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_varies_is_masked(one: str, other: str) -> None:
    [found] = shapes(one, other)
    assert (found.count, found.samples) == (2, [one, other])
    assert MASKED in found.text


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_does_not_vary_tells_lines_apart(one: str, other: str) -> None:
    assert len(shapes(one, other)) == 2


WORDS = st.lists(st.text(string.ascii_letters, min_size=1, max_size=8), min_size=1, max_size=6)
VALUES = st.one_of(
    st.integers(0, 10**9).map(str),
    st.ip_addresses().map(str),
    st.uuids().map(str).filter(lambda text: any(map(str.isdigit, text))),
    st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.org", fullmatch=True),
    st.from_regex(r"'[a-z_]{1,8}'", fullmatch=True),
).filter(lambda value: any(char in value for char in "0123456789@'"))


@given(WORDS, WORDS, VALUES, VALUES)
def test_lines_with_different_fixed_words_never_merge(one: list[str], two: list[str], a: str, b: str) -> None:
    lines = f"{' '.join(one)} {a}", f"{' '.join(two)} {b}"
    assert (shape_of(lines[0]) == shape_of(lines[1])) == (one == two)


@given(st.lists(st.text(max_size=60), max_size=30))
def test_every_line_of_any_log_is_counted(lines: list[str]) -> None:
    found = Shapes()
    found.read("api", lines)
    assert found.lines == len(lines)
    assert sum(shape.count for shape in found) == len(list(records(lines)))


# --- records --------------------------------------------------------------------------------------

CHAINED = f"""\
{TIME} ERROR aiwfe.api: login failed
Traceback (most recent call last):
  File "/app/cache.py", line 12, in get
    return self.found[key]
           ~~~~~~~~~~^^^^^
KeyError: 'session:17'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/api.py", line 12, in login
    user = load()
LookupError: 'admin' is not among the defined enum values. Enum name: userrole. Possible values: ADMIN, USER
{TIME} INFO aiwfe.api: went on"""
SQL_ERROR = f"""\
{TIME} ERROR aiwfe.api: boom
Traceback (most recent call last):
  File "/app/x.py", line 1, in x
psycopg.errors.InvalidTextRepresentation: invalid input value for enum userrole: "ADMIN"
LINE 1: INSERT INTO users (email, role) VALUES ('eva@example.com', 'ADMIN')
                                                                   ^

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/x.py", line 2, in y
sqlalchemy.exc.DataError: (psycopg.errors.InvalidTextRepresentation) invalid input value for enum userrole: "ADMIN"
LINE 1: INSERT INTO users (email, role) VALUES ('eva@example.com', 'ADMIN')
                                                                   ^
[SQL: SELECT users.id AS users_id,
users.email AS users_email,
users.a AS a,
users.b AS b,
users.c AS c
FROM users
  WHERE users.email = %(email)s
 LIMIT %(n)s]
[parameters: {{'email': 'eva@example.com', 'role': 'ADMIN'}}]
(Background on this error at: https://sqlalche.me/e/20/9h9h)"""
GROUP = f"""\
{TIME} ERROR uvicorn.error: Exception in ASGI application
  + Exception Group Traceback (most recent call last):
  |   File "/app/main.py", line 3, in call
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/models.py", line 3, in role
    | LookupError: 'admin' is not among the defined enum values. Enum name: userrole.
    +------------------------------------"""


def test_a_chain_of_exceptions_is_one_record_with_all_that_was_raised() -> None:
    one, other = records(CHAINED.splitlines())
    assert one.level == "error"
    assert [line.partition(":")[0] for line in one.lines[1:]] == ["KeyError", "LookupError"]
    assert (other.level, len(other.lines)) == ("info", 1)


def test_an_error_of_sqlalchemy_is_one_record_without_its_statement_and_values() -> None:
    [record] = records(SQL_ERROR.splitlines())
    assert [line.partition(":")[0] for line in record.lines[1:]] == [
        "psycopg.errors.InvalidTextRepresentation",
        "sqlalchemy.exc.DataError",
    ]
    assert "eva@example.com" not in "\n".join(record.lines)


def test_lines_after_a_statement_of_one_line_are_not_lost() -> None:
    lines = ["ERROR:api:x", "sqlalchemy.exc.DataError: bad", "[SQL: select 1]", "ValueError: after it"]
    [record] = records(lines)
    assert record.lines == [lines[0], lines[1], lines[3]]


def test_what_an_exception_group_holds_is_read_although_all_of_it_is_indented() -> None:
    [record] = records(GROUP.splitlines())
    assert record.lines[-1].startswith("LookupError: 'admin' is not among")
    assert not any("File" in line for line in record.lines)


def test_real_tracebacks_keep_what_was_raised() -> None:
    try:
        try:
            raise KeyError("x")
        except KeyError as error:
            raise LookupError("'admin' is not among") from error
    except LookupError:
        lines = ["ERROR:api:boom", *traceback.format_exc().splitlines()]
    [record] = records(lines)
    assert record.lines == ["ERROR:api:boom", "KeyError: 'x'", "LookupError: 'admin' is not among"]


def test_the_tracebacks_of_one_fault_are_one_shape() -> None:
    later = SQL_ERROR.replace(TIME, "2025-08-11 00:00:00,001").replace("eva@", "bob@")
    [found] = shapes(*SQL_ERROR.splitlines(), *later.splitlines())
    assert found.count == 2
    assert (found.first, found.last) == (
        datetime(2025, 8, 10, 23, 15, 1, 123000, UTC),
        datetime(2025, 8, 11, 0, 0, 0, 1000, UTC),
    )


def test_where_lines_say_neither_time_nor_level_each_is_a_record() -> None:
    assert [found.text for found in shapes("starting", "Traceback (most recent call last):", "ValueError: x")] == [
        "starting",
        "Traceback (most recent call last):",
        "ValueError: x",
    ]


def test_what_a_program_prints_after_one_proper_line_is_not_swallowed_by_it() -> None:
    """An entrypoint logs one line, and the program that it starts prints without time and level."""
    printed = [f"word {'x' * n}" for n in range(1, 20)]
    texts = [text for found in shapes("INFO:root:starting", *printed) for text in found.text.splitlines()]
    assert texts == ["INFO:root:starting", *printed]


# --- levels and times -----------------------------------------------------------------------------


def test_the_record_says_whether_it_is_bad_and_not_the_name_of_its_logger() -> None:
    good = f"{TIME} INFO error_middleware: an ERROR was handled"
    bad = f"{TIME} WARNING info_middleware: hm"
    assert [found.bad for found in shapes("an ERROR without level", good, bad)] == [False, False, True]


def test_first_and_last_are_the_earliest_and_the_latest_whatever_their_order() -> None:
    [found] = shapes(*(f"2025-08-10T0{hour}:00:00Z ERROR boom {hour}" for hour in (3, 1, 2)))
    assert (found.first, found.last) == tuple(datetime(2025, 8, 10, hour, tzinfo=UTC) for hour in (1, 3))


def test_where_no_line_says_its_time_there_is_none() -> None:
    [found] = shapes("ERROR:api:boom")
    assert (found.first, found.last) == (None, None)


def test_services_are_told_apart() -> None:
    found = Shapes()
    found.read("api", ["boom"])
    found.read("web", ["boom"])
    assert [(shape.service, shape.count) for shape in found] == [("api", 1), ("web", 1)]


# --- how much is kept -----------------------------------------------------------------------------


def letters(number: int) -> str:
    """A word without digits, another one for each number."""
    return "".join(string.ascii_lowercase[int(digit)] for digit in str(number))


def different(count: int) -> Iterable[str]:
    return (f"nobody knows {letters(n)}" for n in range(count))


def test_samples_are_different_ones_and_few() -> None:
    [found] = shapes(*(f"took {n % 30} ms" for n in range(1000)))
    assert (found.count, len(found.samples), len(set(found.samples))) == (1000, SAMPLES, SAMPLES)


def test_samples_of_long_lines_are_fewer() -> None:
    [found] = shapes(*(f"took {1000 + n} ms {'x' * LONGEST}" for n in range(1000)))
    assert sum(map(len, found.samples)) < SAMPLED + LONGEST


def test_a_log_whose_lines_are_all_different_has_only_so_many_shapes() -> None:
    found = shapes(*different(10_000))
    assert len(found) == MOST + 1
    [rest] = [shape for shape in found if shape.text == REST]
    assert (rest.count, len(rest.samples)) == (10_000 - MOST, SAMPLES)


def test_one_service_with_too_many_takes_nothing_from_another() -> None:
    found = Shapes()
    found.read("noisy", different(2 * MOST))
    found.read("api", ["boom"])
    assert any((shape.service, shape.text) == ("api", "boom") for shape in found)


def test_what_speaks_of_a_known_cause_is_seen_among_too_many_lines() -> None:
    lines = [*different(10_000), *(f"the disk is full of {letters(n)}" for n in range(10_000))]
    found = shapes(*lines, telling=lambda record: "disk is full" in record)
    assert sum("disk is full" in shape.text for shape in found) == MOST - 1  # the rest is a shape too
    assert len(found) == 2 * MOST


def test_what_is_counted_together_still_has_its_level() -> None:
    found = shapes(*(f"{level}:api:{line}" for line in different(MOST) for level in ("ERROR", "INFO")))
    assert {shape.level for shape in found if shape.text == REST} == {"error", "info"}


@pytest.mark.parametrize(
    "line", ["x" * 10**6, '"' * 10**6, "x=" * 500_000, '{"level":"error","msg":"' + "x" * 10**6 + '"}', "7@" * 500_000]
)
def test_a_line_of_a_megabyte_is_kept_in_part(line: str) -> None:
    [found] = shapes(line)
    assert len(found.text) <= 2 * LONGEST
    assert [LONGEST // 2 <= len(sample) <= LONGEST for sample in found.samples] == [True]


def test_a_traceback_in_one_long_line_of_json_still_says_what_was_raised() -> None:
    frames = '\n  File "/usr/lib/app.py", line 3'
    [found] = shapes(json.dumps({"level": "ERROR", "exc_info": f"Traceback{frames * 200}\nLookupError: 'admin'"}))
    assert found.samples[0].startswith('{"level": "ERROR", "exc_info": "Traceback')
    assert found.samples[0].endswith("LookupError: 'admin'\"}")
    assert len(found.samples[0]) <= LONGEST


def test_the_end_of_a_long_line_begins_with_a_whole_word() -> None:
    [found] = shapes(f"{'a' * LONGEST}{'s3cret' * 100}{' b' * 400}")
    assert "cret" not in found.samples[0]


def test_garbage_is_text_like_any_other() -> None:
    assert shapes(bytes(range(256)).decode(errors="replace"), "\x00\x1b[", "�" * 50)
