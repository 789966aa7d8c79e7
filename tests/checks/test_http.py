from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from servers import answer, site

from recover.checks.http import Expect, HttpAnswers
from recover.web import HttpWeb

VIEW: Any = SimpleNamespace(web=HttpWeb())
BODY = {"status": "ok", "user": {"email": "a@b.c", "roles": ["x"]}}


@pytest.mark.parametrize(
    ("expect", "missed"),
    [
        (Expect(), ""),
        (Expect(status=200, contains='"ok"', json={"status": "ok"}), ""),
        (Expect(json={"user": {"email": "a@b.c"}}), ""),
        (Expect(headers={"X-Kind": "test"}), ""),
        (Expect(present=("X-Kind", "Content-Length"), cookies=("csrf",)), ""),
        (Expect(present=("X-Kind", "X-Other")), "the answer has no header X-Other"),
        (Expect(cookies=("csrf", "session", "sid")), "the answer sets no cookie session, no cookie sid"),
        (Expect(status=201), "status 200, wanted 201"),
        (Expect(contains="nothing"), "the body does not contain 'nothing'"),
        (Expect(headers={"x-kind": "other"}), "header x-kind is 'test', wanted 'other'"),
        (Expect(json={"user": {"email": "x"}}), "body.user.email is 'a@b.c', wanted 'x'"),
        (Expect(json={"user": {"name": "x"}}), "body.user.name is missing"),
        (Expect(json={"status": {"deep": 1}}), "body.status is not an object"),
        (Expect(json={"user": {"roles": ["x", "y"]}}), "body.user.roles is ['x'], wanted ['x', 'y']"),
    ],
)
def test_the_answer_is_compared_with_what_is_expected(expect: Expect, missed: str) -> None:
    with site(lambda _: answer(200, BODY, **{"X-Kind": "test", "Set-Cookie": "csrf=c-1; Path=/"})) as here:
        evidence = HttpAnswers(get=here.url, expect=expect).ask(VIEW)
    assert evidence.passed is (missed == "")
    if missed:
        assert evidence.answer == missed
        assert "a@b.c" in (evidence.attachment or "")


def test_a_body_that_is_no_json_fails_a_json_expectation() -> None:
    with site(lambda _: answer(200, "<html>")) as here:
        assert not HttpAnswers(get=here.url, expect=Expect(json={"a": 1})).ask(VIEW).passed


def test_no_answer_is_a_no_with_the_reason() -> None:
    with site(lambda _: answer()) as here:
        pass
    evidence = HttpAnswers(get=here.url).ask(VIEW)
    assert not evidence.passed
    assert "refused" in evidence.answer


def test_a_429_says_when_to_ask_again_unless_it_was_wanted() -> None:
    with site(lambda _: answer(429, "", **{"Retry-After": "9"})) as here:
        assert HttpAnswers(get=here.url).ask(VIEW).again_in == 9
        wanted = HttpAnswers(get=here.url, expect=Expect(status=429)).ask(VIEW)
    assert (wanted.passed, wanted.again_in) == (True, 0)
