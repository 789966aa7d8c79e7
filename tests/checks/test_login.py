"""A login check that can be fooled is worse than none: every fooling server here must be refused."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from servers import Answer, Asked, answer, site

from recover.checks.http import Expect
from recover.checks.login import Accept, Follow, LoginWorks, Reject
from recover.secrets import Secret
from recover.web import HttpWeb

VIEW: Any = SimpleNamespace(web=HttpWeb())
PASSWORD = Secret("probe", "right-one")


def check(url: str) -> LoginWorks:
    return LoginWorks(
        url=f"{url}/login",
        accept=Accept("probe@x", PASSWORD, then=Follow(f"{url}/me", Expect(json={"email": "probe@x"}))),
        reject=(Reject("probe@x", "wrong"), Reject("nobody@x", "wrong")),
    )


def good(asked: Asked) -> Answer:
    if asked.path == "/me":
        allowed = asked.headers.get("Authorization") == "Bearer tok-probe"
        return answer(200, {"email": "probe@x"}) if allowed else answer(401)
    right = asked.form == {"username": "probe@x", "password": "right-one"}
    return answer(200, {"access_token": "tok-probe"}) if right else answer(401)


def incident(asked: Asked) -> Answer:
    return answer(500, "LookupError") if asked.form.get("username") == "probe@x" else answer(401)


def wrong_password_500(asked: Asked) -> Answer:
    return answer(500) if asked.form.get("password") == "wrong" else good(asked)


def token_for_anyone(asked: Asked) -> Answer:
    return answer(200, {"access_token": "tok-probe"}) if asked.path == "/login" else good(asked)


def another_user(asked: Asked) -> Answer:
    return answer(200, {"email": "root@x"}) if asked.path == "/me" else good(asked)


def no_token(asked: Asked) -> Answer:
    return answer(200, {"error": "try later"}) if asked.path == "/login" else good(asked)


def token_refused(asked: Asked) -> Answer:
    return answer(401) if asked.path == "/me" else good(asked)


def test_a_working_login_passes_and_the_password_shows_nowhere() -> None:
    with site(good) as here:
        evidence = check(here.url).ask(VIEW)
    assert evidence.passed
    assert "right-one" not in repr(evidence)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (incident, "status 500, wanted 200"),
        (wrong_password_500, "status 500, wanted 401"),
        (token_for_anyone, "status 200, wanted 401"),
        (another_user, "body.email is 'root@x'"),
        (no_token, "no access_token"),
        (token_refused, "status 401, wanted 200"),
    ],
)
def test_a_login_that_only_looks_right_is_refused(server: Callable[[Asked], Answer], words: str) -> None:
    with site(server) as here:
        evidence = check(here.url).ask(VIEW)
    assert not evidence.passed
    assert words in evidence.answer


def test_attempts_stop_at_the_first_wrong_answer() -> None:
    with site(incident) as here:
        check(here.url).ask(VIEW)
        assert len(here.asked) == 1
