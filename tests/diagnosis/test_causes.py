"""causes.yml: it is read whole, its names are those of other tables, and an installed recover has it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from recover.diagnosis.causes import FILE, Cause, causes, is_known
from recover.diagnosis.questions import QUESTIONS
from recover.diagnosis.shapes import LONGEST, Shape
from recover.steps import STEP_TYPES

LINES = {
    "disk-full": "could not write to file: No space left on device",
    "missing-secret": "FileNotFoundError: [Errno 2] No such file or directory: '/run/secrets/key'",
    "certificate": "ssl.SSLCertVerificationError: certificate verify failed: certificate has expired",
    "blocked": "ERROR:  canceling statement due to lock timeout",
    "wrong-database": 'FATAL:  database "aiwfe_old" does not exist',
    "wrong-password": 'FATAL:  password authentication failed for user "app"',
    "enum-drift": "LookupError: 'admin' is not among the defined enum values. Enum name: userrole.",
    "service-down": "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.",
    "locked-out": '"POST /login HTTP/1.1" 429 Too Many Requests',
}
OTHERS = {
    "disk-full": ["the proxy is misconfigured", "MisconfigurationError: ALLOWED_HOSTS"],
    "blocked": ["block timeout is 5 s"],
    "missing-secret": [
        '10.0.0.1 - "GET /api/secrets/7 HTTP/1.1" 404 Not Found',
        "GET /secrets/7: not found",
        "cache key session was not found",
        "API key is missing in the request",
        "password missing",
    ],
    "certificate": ["loaded x509 key pair", "ValueError: unknown category 'x'", "unknown cause"],
    "wrong-database": ["the database does not exist yet, making it"],
    "locked-out": ['"GET /tasks/429 HTTP/1.1" 200'],
}


@pytest.mark.parametrize("cause", causes(), ids=lambda cause: cause.id)
def test_each_cause_names_a_question_and_a_step_that_there_are(cause: Cause) -> None:
    assert cause.ask in QUESTIONS or (cause.unrelated and not cause.ask)
    assert not cause.step or cause.step in STEP_TYPES
    for pattern in (*cause.lines, *cause.echoes, cause.services):
        re.compile(pattern)


def test_each_question_is_asked_for_a_cause() -> None:
    assert {cause.ask for cause in causes() if cause.ask} == set(QUESTIONS)


def test_each_has_a_name_of_its_own_and_the_deepest_comes_first() -> None:
    assert len({cause.id for cause in causes()}) == len(causes())
    assert [cause.depth for cause in causes()] == sorted(cause.depth for cause in causes())


@pytest.mark.parametrize(("id", "line"), LINES.items(), ids=LINES)
def test_a_line_speaks_of_its_cause_alone(id: str, line: str) -> None:
    shape = Shape("api", "error", line, 1, samples=[line])
    assert [cause.id for cause in causes() if cause.speaks_in(shape)] == [id]
    assert is_known(line)


SPELLED_OTHERWISE = [
    ("disk-full", "MISCONF Redis is configured to save RDB snapshots"),
    ("certificate", "SSL error: tlsv1 alert unknown ca"),
    ("certificate", "tls: unknown CA, closing"),
    ("blocked", "ERROR: lock timeout"),
    ("missing-secret", "error: file ../secrets/pg.txt does not exist"),
    ("service-down", "Error: connect ECONNREFUSED 172.18.0.4:5432"),
    ("service-down", "Error: getaddrinfo ENOTFOUND redis"),
]


@pytest.mark.parametrize(("id", "line"), SPELLED_OTHERWISE)
def test_other_words_for_it_are_read_too(id: str, line: str) -> None:
    assert [cause.id for cause in causes() if cause.reads(f"one line before\n{line}")] == [id]
    assert is_known(line)


@pytest.mark.parametrize("word", ["secret/", "secrets/a ", "key file ", "could not open file "])
def test_a_long_line_of_one_word_is_read_in_no_time(word: str) -> None:
    line = word * (LONGEST // len(word))
    began = time.process_time()
    assert not any(cause.reads(line) for cause in causes())
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("id", "line"), [(id, line) for id, lines in OTHERS.items() for line in lines])
def test_what_only_sounds_like_it_does_not(id: str, line: str) -> None:
    [cause] = [cause for cause in causes() if cause.id == id]
    assert not cause.reads(line)


def test_what_an_exporter_says_of_its_clients_is_noise_and_the_same_of_another_service_is_not() -> None:
    [noise] = [cause for cause in causes() if cause.unrelated]
    line = "error encoding and sending metric family: write tcp 127.0.0.1:9100: write: broken pipe"
    assert noise.speaks_in(Shape("node_exporter", "error", line, 1, samples=[line]))
    assert not noise.speaks_in(Shape("api", "error", line, 1, samples=[line]))


def test_the_file_lies_inside_the_package_so_that_a_wheel_has_it() -> None:
    import tomllib

    root = Path(__file__).parents[2]
    assert FILE.relative_to(root / "recover") == Path("causes.yml")
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["recover"]
    assert not {"exclude", "only-include", "include"} & wheel.keys()
