"""A login check that can be fooled is worse than none: every fooling server here must be refused."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from servers import Answer, Asked, answer, site

from recover.checks.http import Expect
from recover.checks.login import Accept, Csrf, Follow, LoginWorks, Reject, _forged
from recover.checks.totp import Totp
from recover.checks.wait import Patience, Waiter
from recover.errors import PlaybookError
from recover.evidence import Evidence
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


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("name", ["token", "jwt", "id_token"])
def test_a_token_under_another_name_than_is_expected_is_not_kept(name: str) -> None:
    with site(lambda _: answer(200, {"ok": 1, name: TOKEN})) as here:
        evidence = check(here.url).ask(VIEW)
    assert "no access_token" in evidence.answer
    assert TOKEN not in str(evidence.attachment)
    assert '"ok": 1' in str(evidence.attachment)


def test_a_token_whose_name_says_nothing_is_not_kept_of_an_answer_to_the_wrong_one() -> None:
    with site(lambda _: answer(200, {"email": "probe@x", "sid": "opaque-1"})) as here:
        usual = check(here.url)
        evidence = replace(usual, accept=replace(usual.accept, token="sid", then=None)).ask(VIEW)
    assert "who must be refused" in evidence.answer
    assert "opaque-1" not in str(evidence.attachment)


@pytest.mark.parametrize(("status", "words"), [(500, "with the token, "), (200, "with a forged token, ")])
def test_a_token_in_the_answer_to_the_call_after_the_login_is_not_kept(status: int, words: str) -> None:
    def server(asked: Asked) -> Answer:
        return good(asked) if asked.path == "/login" else answer(status, {"email": "probe@x", "t": TOKEN})

    with site(server) as here:
        evidence = check(here.url).ask(VIEW)
    assert words in evidence.answer
    assert TOKEN not in str(evidence.attachment)
    assert "probe@x" in str(evidence.attachment)


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


def token_of_any_shape(asked: Asked) -> Answer:
    """It looks at the claims and not at the signature."""
    bearer = asked.headers.get("Authorization", "").startswith("Bearer ")
    return answer(200, {"email": "probe@x"}) if asked.path == "/me" and bearer else good(asked)


def no_token_needed(asked: Asked) -> Answer:
    return (
        answer(200, {"email": "probe@x"})
        if asked.path == "/me" and "Authorization" not in asked.headers
        else good(asked)
    )


def claims_unverified(asked: Asked) -> Answer:
    """It reads the claims of a JWT, and does not look at the signature."""
    if asked.path != "/me":
        right = asked.form == {"username": "probe@x", "password": "right-one"}
        claims = {"email": "probe@x", "scopes": [{}] * 200}
        return answer(200, {"access_token": jwt.encode(claims, "k" * 32)}) if right else answer(401)
    with suppress(jwt.InvalidTokenError):
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        return answer(200, jwt.decode(token, options={"verify_signature": False}))
    return answer(401)


def error_body(asked: Asked) -> Answer:
    return answer(200, {"detail": "user cannot be loaded"}) if asked.path == "/me" else good(asked)


def error_for_a_forged_token(asked: Asked) -> Answer:
    known = asked.headers.get("Authorization") in (None, "Bearer tok-probe")
    return answer(500) if asked.path == "/me" and not known else good(asked)


class EverySecond:
    """Two workers behind one address, of which one is still the incident's."""

    def __init__(self) -> None:
        self.logins = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.path != "/login":
            return good(asked)
        right = asked.form["password"] == "right-one"
        self.logins += right
        return incident(asked) if right and self.logins % 2 == 0 else good(asked)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (token_of_any_shape, "with a forged token"),
        (claims_unverified, "with a forged token"),
        (no_token_needed, "without a token"),
        (error_body, "body.email is missing"),
        (error_for_a_forged_token, "status 500, wanted 401 or 403"),
    ],
)
def test_a_token_that_proves_nothing_is_seen_through(server: Callable[[Asked], Answer], words: str) -> None:
    with site(server) as here:
        evidence = check(here.url).ask(VIEW)
    assert not evidence.passed
    assert words in evidence.answer


def test_without_an_expectation_the_answer_has_to_name_the_user() -> None:
    with site(error_body) as here:
        accept = Accept("probe@x", PASSWORD, then=Follow(f"{here.url}/me"))
        assert "does not name probe@x" in replace(check(here.url), accept=accept).ask(VIEW).answer
    with site(good) as here:
        accept = Accept("probe@x", PASSWORD, then=Follow(f"{here.url}/me"))
        assert replace(check(here.url), accept=accept).ask(VIEW).passed


def test_one_that_is_right_on_every_second_worker_is_asked_as_often_as_there_are_workers() -> None:
    with site(EverySecond()) as here:
        assert check(here.url).ask(VIEW).passed  # one answer is not enough to see it
    with site(EverySecond()) as here:
        evidence = replace(check(here.url), workers=2).ask(VIEW)
        connections = len(here.connections)
        assert connections == len(here.asked)
    assert not evidence.passed
    assert "round 2 of 2" in evidence.answer


def test_without_a_list_a_wrong_password_and_an_unknown_user_are_tried() -> None:
    with site(good) as here:
        assert replace(check(here.url), reject=None).ask(VIEW).passed
        tried = [(asked.form["username"], asked.form["password"]) for asked in here.asked if asked.method == "POST"]
    assert tried[1:] == [("probe@x", "not-the-password"), ("nobody@example.invalid", "not-the-password")]
    with site(token_for_anyone) as here:
        assert not replace(check(here.url), reject=None).ask(VIEW).passed


def test_a_guarded_login_tries_no_wrong_password_and_still_sees_through_a_token() -> None:
    with site(good) as here:
        evidence = check(here.url).guarding.ask(VIEW)
        assert [asked.form["password"] for asked in here.asked if asked.method == "POST"] == ["right-one"]
    assert (evidence.question, evidence.answer) == ("can probe@x log in?", "let in with a token that works")
    assert evidence.passed
    for fooling in (incident, token_of_any_shape, no_token_needed, another_user):
        with site(fooling) as here:
            assert not check(here.url).guarding.ask(VIEW).passed
    assert replace(check("http://x"), retired_keys=("x",)).guarding.retired_keys == ("x",)


def test_a_disabled_and_a_pending_user_are_refused_each_in_its_own_way() -> None:
    def server(asked: Asked) -> Answer:
        return answer(403) if asked.form.get("username") == "pending@x" else good(asked)

    barred = (Reject("disabled@x", PASSWORD), Reject("pending@x", PASSWORD, 403))
    with site(server) as here:
        assert replace(check(here.url), reject=barred).ask(VIEW).passed
    with site(good) as here:
        evidence = replace(check(here.url), reject=barred).ask(VIEW)
    assert evidence.answer == "pending@x, who must be refused: status 401, wanted 403"


# --- keys that are no longer in use -----------------------------------------------------------------

KEY, RETIRED = "k" * 64, "d" * 64
CLAIMS = {"sub": "probe@x"}


def with_keys(*keys: str, algorithm: str = "HS256") -> Callable[[Asked], Answer]:
    """Its tokens are JSON Web Tokens; it takes what any of the keys has signed."""

    def known(token: str) -> bool:
        for key in keys:
            with suppress(jwt.InvalidTokenError):
                return bool(jwt.decode(token, key, algorithms=[algorithm]) == CLAIMS)
        return False

    def server(asked: Asked) -> Answer:
        if asked.path == "/me":
            told = f"Cookie {asked.headers.get('Cookie')}, Authorization {asked.headers.get('Authorization')}"
            found = re.search(r"Cookie session=([\w.-]+)|Authorization Bearer ([\w.-]+)", told)
            return answer(200, {"email": "probe@x"}) if found and known(found[1] or found[2]) else answer(401)
        if good(asked)[0] != 200:
            return answer(401)
        token = jwt.encode(CLAIMS, keys[0], algorithm=algorithm)
        return answer(200, {"access_token": token}, **{"set-cookie": f"session={token}; HttpOnly"})

    return server


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("cookie", ["", "session"])
def test_a_token_of_a_retired_key_must_be_refused(cookie: str, algorithm: str) -> None:
    def asked_of(server: Callable[[Asked], Answer]) -> Evidence:
        with site(server) as here:
            usual = check(here.url)
            accept = replace(usual.accept, cookie=cookie)
            keys = (Secret("older", "o" * 64), Secret("degraded", RETIRED))
            return replace(usual, accept=accept, retired_keys=keys).ask(VIEW)

    assert asked_of(with_keys(KEY, algorithm=algorithm)).passed
    still = asked_of(with_keys(KEY, RETIRED, algorithm=algorithm))
    assert not still.passed
    assert "with a token of a retired key, " in still.answer
    assert "status 200, wanted 401 or 403" in still.answer
    assert not asked_of(with_keys(RETIRED, algorithm=algorithm)).passed  # the degraded mode was never left


def test_what_no_shared_key_signs_cannot_be_asked_and_that_is_no_yes() -> None:
    with site(good) as here:
        evidence = replace(check(here.url), retired_keys=("x",)).ask(VIEW)
    assert not evidence.passed
    assert "no JWT with an HMAC signature" in evidence.answer


def test_retired_keys_need_something_to_call() -> None:
    with pytest.raises(PlaybookError, match=r"accept\.then"):
        LoginWorks("http://x", Accept("probe@x", "p"), retired_keys=("x",))


# --- other ways to log in ---------------------------------------------------------------------------


def with_cookies(asked: Asked) -> Answer:
    """A session cookie, and a form that repeats the CSRF cookie."""
    cookies = dict(part.split("=") for part in asked.headers.get("Cookie", "").split("; ") if part)
    if asked.path == "/csrf":
        return answer(200, {}, **{"set-cookie": "csrf_token=c-1; SameSite=Strict"})
    if asked.path == "/me":
        return answer(200, {"email": "probe@x"}) if cookies.get("session") == "s-123456" else answer(401)
    if cookies.get("csrf_token") != "c-1" or asked.headers.get("X-CSRF-Token") != "c-1":
        return answer(400, "csrf")
    right = asked.form == {"username": "probe@x", "password": "right-one"}
    return answer(200, {}, **{"set-cookie": "session=s-123456; HttpOnly"}) if right else answer(401)


def test_a_login_by_cookie_with_a_csrf_token() -> None:
    with site(with_cookies) as here:
        by_cookie = replace(
            check(here.url), accept=replace(check(here.url).accept, cookie="session"), csrf=Csrf(f"{here.url}/csrf")
        )
        assert by_cookie.ask(VIEW).passed
        assert "status 400" in replace(by_cookie, csrf=None).ask(VIEW).answer
        wrong = replace(by_cookie, accept=replace(by_cookie.accept, cookie="sid"))
        assert "holds no cookie sid" in wrong.ask(VIEW).answer


def test_a_login_as_json() -> None:
    def server(asked: Asked) -> Answer:
        if asked.path == "/login" and asked.headers["Content-Type"] != "application/json":
            return answer(415)
        form = json.loads(asked.body or b"{}")
        return good(replace_body(asked, form)) if asked.path == "/login" else good(asked)

    with site(server) as here:
        assert replace(check(here.url), send="json").ask(VIEW).passed
        assert not check(here.url).ask(VIEW).passed


def replace_body(asked: Asked, form: dict[str, str]) -> Asked:
    return replace(asked, body=urlencode(form).encode())


@pytest.mark.parametrize("letter", ["A", "B", "x"])
@pytest.mark.parametrize("credential", ["Bearer {}.{}.{}", "sid={}{}", "Bearer {}"])
def test_a_forged_credential_is_another_one_of_the_same_shape(credential: str, letter: str) -> None:
    """Whichever letter stands at the place: one that stayed the same would make every server look fooled."""
    real = credential.format(*[letter * 40] * 3)
    forged = _forged(real).reveal()
    assert len(forged) == len(real)
    assert sum(one != other for one, other in zip(forged, real, strict=True)) == 1
    assert forged[-1] == real[-1]


def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B: the secret "12345678901234567890", eight digits."""
    totp = Totp(Secret("t", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), digits=8)
    known = {59: "94287082", 1111111109: "07081804", 1234567890: "89005924", 20000000000: "65353130"}
    assert {at: totp.code(at) for at in known} == known
    with pytest.raises(PlaybookError, match="base32"):
        Totp("not base32!").code(0)


@pytest.mark.parametrize("length", range(1, 17))
@pytest.mark.parametrize("shown", [str, str.lower, lambda text: text.rstrip("="), " ".join])
def test_a_secret_of_any_length_is_read_however_it_is_shown(length: int, shown: Callable[[str], str]) -> None:
    """An app shows base32 without its padding, in groups, or in small letters; 10 bytes need 16 letters, 20 need 32."""
    key = bytes(range(length))
    at = 59.0
    digest = hmac.digest(key, (1).to_bytes(8, "big"), "sha1")
    place = digest[-1] % 16
    code = (int.from_bytes(digest[place : place + 4], "big") % 2**31) % 10**6
    assert Totp(Secret("t", shown(base64.b32encode(key).decode()))).code(at) == f"{code:06}"


@pytest.mark.parametrize("url", ["", "/second"])
def test_a_login_with_a_second_factor(url: str) -> None:
    totp = Totp(Secret("t", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"))

    def server(asked: Asked) -> Answer:
        codes = {totp.code(time.time() + shift) for shift in (-5, 0)}  # the period may end meanwhile
        if asked.path == "/second":
            first = asked.headers.get("Authorization") == "Bearer half"
            return (
                answer(200, {"access_token": "tok-probe"})
                if first and asked.form["totp_code"] in codes
                else answer(401)
            )
        if asked.path == "/me" or asked.form["password"] != "right-one":
            return good(asked)
        if url:
            return answer(200, {"access_token": "half"})
        known = asked.form.get("totp_code") in codes
        return answer(200, {"access_token": "tok-probe"}) if known else answer(401)

    with site(server) as here:
        second = replace(check(here.url), totp=replace(totp, url=here.url + url if url else ""))
        evidence = second.ask(VIEW)
        assert evidence.passed, evidence.answer
        assert not check(here.url).ask(VIEW).passed


# --- how often --------------------------------------------------------------------------------------


def test_a_limiter_is_left_alone_for_as_long_as_it_says() -> None:
    web = HttpWeb()
    view: Any = SimpleNamespace(web=web)
    with site(lambda _: answer(429, "slow down", **{"Retry-After": "40"})) as here:
        evidence = check(here.url).ask(view)
        assert (evidence.passed, evidence.again_in) == (False, 40)
        assert "40 s" in evidence.answer
        assert len(here.asked) == 1  # nothing more was tried


def test_a_limiter_that_refuses_the_call_after_the_login_is_no_answer_either() -> None:
    def server(asked: Asked) -> Answer:
        return answer(429, "", **{"Retry-After": "7"}) if asked.path == "/me" else good(asked)

    with site(server) as here:
        evidence = check(here.url).ask(VIEW)
    assert (evidence.passed, evidence.again_in) == (False, 7)
    assert "/me answers 429" in evidence.answer


def test_a_limiter_that_refuses_for_a_second_is_asked_again_after_it() -> None:
    refusals = ["1"]

    def server(asked: Asked) -> Answer:
        return answer(429, "", **{"Retry-After": refusals.pop()}) if refusals else good(asked)

    with site(server) as here:
        assert Waiter(SimpleNamespace(web=HttpWeb())).ask(check(here.url), Patience(within=20, every=0.05)).passed


def test_a_limiter_whose_time_has_passed_by_our_clock_is_a_limiter_all_the_same() -> None:
    with site(lambda _: answer(429, "", **{"Retry-After": "Mon, 10 Aug 2020 12:00:00 GMT"})) as here:
        assert check(here.url).ask(VIEW).again_in > 0


def test_a_limiter_that_refuses_for_longer_than_there_is_time_ends_the_wait() -> None:
    with site(lambda _: answer(429, "", **{"Retry-After": "3000"})) as here:
        evidence = Waiter(SimpleNamespace(web=HttpWeb())).ask(check(here.url), Patience(within=20))
    assert not evidence.passed
    assert "3000 s" in evidence.answer


def test_attempts_stop_at_the_first_wrong_answer() -> None:
    with site(incident) as here:
        check(here.url).ask(VIEW)
        assert len(here.asked) == 1
