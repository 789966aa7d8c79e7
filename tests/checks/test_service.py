from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeServices

from recover.checks.service import LOOP, ServiceIs, looks_secret, masked, shown
from recover.errors import Unreachable
from recover.evidence import Evidence
from recover.stack import Given


@pytest.fixture
def services() -> FakeServices:
    fake = FakeServices({"api": {"MIDDLEWARE": "a", "TOKEN": "t0p"}, "seed": {}}, oneshots=frozenset({"seed"}))
    fake.start("api")
    return fake


def ask(services: object, check: ServiceIs) -> Evidence:
    view: Any = SimpleNamespace(services=services)
    return check.ask(view)


def test_by_default_a_service_has_to_be_healthy(services: FakeServices) -> None:
    assert ask(services, ServiceIs("api")).passed
    services.unready["api"] = "HTTP 503: warming up"
    evidence = ask(services, ServiceIs("api"))
    assert (evidence.passed, evidence.hopeless) == (False, False)
    assert evidence.question == "is api healthy?"
    assert evidence.answer == "it is running: HTTP 503: warming up"
    assert ask(services, ServiceIs("api", "running")).passed


@pytest.mark.parametrize("state", ["healthy", "running"])
def test_what_has_ended_is_hopeless_and_brings_its_last_lines(services: FakeServices, state: Any) -> None:
    for number in range(30):
        services.say("api", f"line {number}")
    services.end("api", 3)
    evidence = ask(services, ServiceIs("api", state))
    assert (evidence.passed, evidence.hopeless) == (False, True)
    assert "exited" in evidence.answer
    assert evidence.attachment == "\n".join(f"line {number}" for number in range(10, 30))


@pytest.mark.parametrize("state", ["healthy", "running"])
def test_what_is_down_may_still_come_up(services: FakeServices, state: Any) -> None:
    services.stop("api")
    evidence = ask(services, ServiceIs("api", state))
    assert (evidence.passed, evidence.hopeless) == (False, False)


@pytest.mark.parametrize("status", ["paused", "restarting"])
def test_what_is_stuck_is_not_running(services: FakeServices, status: str) -> None:
    services.be("api", status=status)
    assert not ask(services, ServiceIs("api", "running")).passed
    assert not ask(services, ServiceIs("api", "stopped")).passed


def test_stopped_is_whatever_does_not_run(services: FakeServices) -> None:
    assert ask(services, ServiceIs("api", "stopped")).answer == "it is running"
    services.end("api", 1)
    evidence = ask(services, ServiceIs("api", "stopped"))
    assert (evidence.passed, evidence.hopeless) == (True, False)
    services.stop("api")
    assert ask(services, ServiceIs("api", "stopped")).passed


def test_a_one_shot_has_to_have_ended_well(services: FakeServices) -> None:
    services.start("seed")
    assert ask(services, ServiceIs("seed")).passed
    assert ask(services, ServiceIs("seed", "running")).passed
    services.end("seed", 1)
    assert ask(services, ServiceIs("seed")).hopeless


def test_restarts_are_counted_and_do_not_make_up_for_health(services: FakeServices) -> None:
    assert ask(services, ServiceIs("api", restarts=0)).passed
    services.be("api", restarts=2)
    assert ask(services, ServiceIs("api", restarts=2)).passed
    evidence = ask(services, ServiceIs("api", restarts=1))
    assert (evidence.passed, evidence.answer) == (False, "it was restarted 2 times, wanted at most 1")
    services.end("api", 0)
    assert not ask(services, ServiceIs("api", restarts=2)).passed


def test_as_declared_says_which_variables_the_degraded_mode_left_behind(services: FakeServices) -> None:
    assert ask(services, ServiceIs("api", as_declared=True)).passed
    services.start("api", Given({"MIDDLEWARE": "", "TOKEN": "planted", "EXTRA": "1"}))
    assert ask(services, ServiceIs("api")).passed
    evidence = ask(services, ServiceIs("api", as_declared=True))
    assert not evidence.passed
    assert evidence.answer == "MIDDLEWARE is '', wanted 'a'; TOKEN is ***, wanted ***; EXTRA is '1', wanted unset"


def test_a_runtime_that_cannot_tell_is_an_answer() -> None:
    def state(*_: object, **__: object) -> None:
        raise Unreachable("there is no replica", why="No such file or directory")

    evidence = ask(SimpleNamespace(state=state), ServiceIs("api"))
    assert (evidence.passed, evidence.answer) == (False, "there is no replica: No such file or directory")


def test_an_unknown_service_is_an_answer_with_a_suggestion(services: FakeServices) -> None:
    evidence = ask(services, ServiceIs("apii"))
    assert (evidence.passed, evidence.answer) == (False, "there is no service 'apii': did you mean 'api'?")


def test_it_is_about_its_service() -> None:
    assert ServiceIs("api").about == {"service:api"}


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "api_token", "JWT_KEY", "CLIENT_SECRET", "ANTHROPIC_API_KEY", "REDIS_PASS", "DB_PWD"]
)
def test_secrets_are_known_by_their_name(name: str) -> None:
    assert looks_secret(name)
    assert not looks_secret(f"{name}_FILE")
    assert not looks_secret("MIDDLEWARE")


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD_FILE", "PGPASSFILE", "PWD", "MODE", "mount /run/secrets/token"])
def test_the_path_of_a_secret_is_none(name: str) -> None:
    assert shown(name, "/run/secrets/x") == "'/run/secrets/x'"


@pytest.mark.parametrize(
    "text",
    [
        "redis-server --requirepass X5X --port 6379",
        "redis-server --requirepass 'X5X X5X' --port 6379",
        "serve --password=X5X",
        "serve --api-key X5X",
        "postgresql://u:X5X@h/db",
        "postgresql://u:X5X/X5X@X5X@h/db",
        "redis://:X5X@h:6379/0 and amqp://a:X5X@h",
        "sh -c 'PGPASSWORD=X5X psql'",
        "redis-cli -h redis -a X5X ping",
        "sh -c 'PGPASSWORD=\"X5X X5X\" psql'",
        "curl -H 'X-Api-Key: X5X' -H 'Authorization: Bearer X5X' http://h/",
        "curl -H 'Authorization: Basic X5X' http://h/",
        '{"level":"error","password":"X5X","user":"anna"}',
        '{"access_token": "X5X\\"X5X"}',
        r'{"msg":"{\"password\":\"X5X\"}"}',
        r'{"msg":"{\"password\":\"X5X\\nX5X\"}"}',
        '{"user":"anna","password":"X5X and m',
        '{"user":"anna","password":"X5X\\',
        r'{"msg":"{\"password\":\"X5X',
        "{'user': 'anna', 'password': 'X5X and m",
        "{'password': 'X5X'}",
        "ALTER ROLE app PASSWORD 'X5X'",
        '{"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJYNVgifQ.X5X-_"}',
    ],
)
def test_secrets_in_commands_and_addresses_are_masked(text: str) -> None:
    said = shown("command", text)
    assert "X5X" not in said
    assert "***" in said


def test_nothing_else_is_masked_in_a_command() -> None:
    words = (
        "serve --tls-key-file /run/secrets/key POSTGRES_PASSWORD_FILE=/run/secrets/pw --passfile=/p --port 80 "
        "http://h:80/a postgresql://h/db?passfile=/p MODE=full -a b"
    )
    assert shown("command", words) == repr(words)


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'DATABASE_URL'",
        "jwt.exceptions.InvalidTokenError: Signature has expired",
        "TokenException: it has expired",
        "open /run/secrets/db_password: no such file or directory",
        'FATAL:  password authentication failed for user "app"',
        '{"password": null}',
    ],
)
def test_what_is_said_about_a_secret_is_none(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text", ["KEY" * 20_000, "-key" * 15_000, "-" * 9000, "a" * 9000, "QWxhZGRpbjpvcGVuIHNlc2FtZQ" * 350]
)
def test_a_long_word_takes_as_much_longer_as_it_is_longer(text: str) -> None:
    """Four times the work for four times the text; sixteen times, were each place looked at from each other one."""
    assert masked(text) == text
    assert cost(text * 4) < 10 * cost(text)


def cost(text: str) -> float:
    """Seconds of this thread that it takes at least."""
    seconds = []
    for _ in range(5):
        began = time.thread_time()
        masked(text)
        seconds.append(time.thread_time() - began)
    return min(seconds)


def test_what_stands_around_a_masked_secret_stays() -> None:
    assert masked('{"password":"x","user":"anna"}') == '{"password":***,"user":"anna"}'
    assert shown("URL", "postgresql://u:p@h/db") == "'postgresql://u:***@h/db'"
    assert shown("command", "a --requirepass x --port 1") == "'a --requirepass *** --port 1'"
    assert shown("command", "a --password='x y' b") == "'a --password=*** b'"


def test_what_is_started_again_and_again_is_hopeless_and_brings_its_last_lines(services: FakeServices) -> None:
    services.say("api", "no such table")
    services.unready["api"] = "connection refused"
    services.be("api", restarts=LOOP)
    evidence = ask(services, ServiceIs("api"))
    assert (evidence.passed, evidence.hopeless, evidence.attachment) == (False, True, "no such table")
    services.be("api", restarts=LOOP - 1)
    evidence = ask(services, ServiceIs("api"))
    assert (evidence.passed, evidence.hopeless, evidence.attachment) == (False, False, None)
