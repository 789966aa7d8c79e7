from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from servers import answer, site

from recover.answers import BODY_LIMIT
from recover.errors import Unreachable
from recover.secrets import Secret
from recover.web import HttpWeb, ping


def test_a_get_brings_status_headers_and_json() -> None:
    with site(lambda _: answer(201, {"a": 1}, x_kind="test")) as here:
        reply = HttpWeb().get(f"{here.url}/x")
    assert (reply.status, reply.headers["x-kind"], reply.json()) == (201, "test", {"a": 1})


def test_every_request_has_a_connection_of_its_own() -> None:
    with site(lambda _: answer()) as here:
        web = HttpWeb()
        web.get(here.url)
        web.get(here.url)
        assert len(here.connections) == 2


def test_signing_in_posts_a_form_and_reveals_the_secret_to_the_server_only() -> None:
    with site(lambda _: answer()) as here:
        HttpWeb().sign_in(here.url, {"username": "a", "password": Secret("p", "s3cret!")})
        assert here.asked[0].method == "POST"
        assert here.asked[0].form == {"username": "a", "password": "s3cret!"}


def test_redirects_are_an_answer_and_not_followed() -> None:
    with site(lambda _: answer(302, location="/elsewhere")) as here:
        assert HttpWeb().get(here.url).status == 302
        assert len(here.asked) == 1


COOKIES = {
    "for another domain, as a probe of a published port sees it": "sid=a; Domain=shop.example; Path=/; Secure",
    "two of a name": "sid=b; Path=/\r\nSet-Cookie: sid=a; Path=/api",
    "the old one taken away": "sid=a; Max-Age=60\r\nSet-Cookie: sid=x; Path=/old; Max-Age=0",
    "one that ends at a time that is none": "sid=a; Expires=soon; Max-Age=soon",
    "one whose age counts, and not a date": "sid=a; Max-Age=60; Expires=Thu, 01-Jan-1970 00:00:01 GMT",
    "blanks around it": " sid = a ; Path=/",
    "one that never ends": f"sid=a; Max-Age={'9' * 5000}",
    "taken away by a date": "sid=a\r\nSet-Cookie: sid=deleted; Expires=Thu, 01-Jan-1970 00:00:01 GMT",
}


@pytest.mark.parametrize("told", COOKIES.values(), ids=COOKIES)
def test_the_cookies_are_those_that_the_answer_sets(told: str) -> None:
    with site(lambda _: answer(set_cookie=told)) as here:
        assert HttpWeb().get(here.url).cookies == {"sid": "a"}


def test_a_cookies_end_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "AAA-5")  # as POSIX has it: ahead of UTC
    time.tzset()
    soon = datetime.now(UTC) + timedelta(hours=1)
    try:
        with site(lambda _: answer(set_cookie=f"sid=a; Expires={soon:%a, %d %b %Y %H:%M:%S}")) as here:
            assert HttpWeb().get(here.url).cookies == {"sid": "a"}
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("charset", ["base64", "idna", "undefined", "nonsense"])
def test_a_body_that_is_no_text_or_json_without_an_end_is_an_answer_all_the_same(charset: str) -> None:
    with site(lambda _: answer(200, "[" * BODY_LIMIT, content_type=f"text/plain; charset={charset}")) as here:
        reply = HttpWeb().get(here.url)
    assert (reply.text[:2], reply.json()) == ("[[", None)


def test_only_the_beginning_of_a_long_body_is_kept() -> None:
    with site(lambda _: answer(200, "x" * (BODY_LIMIT + 5))) as here:
        assert len(HttpWeb().get(here.url).text) == BODY_LIMIT


def test_nobody_listening_is_unreachable_with_the_reason() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no answer") as caught:
            HttpWeb().get(url)
    assert "refused" in caught.value.why


def test_a_server_that_never_answers_is_unreachable_in_finite_time() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(Unreachable) as caught:
            HttpWeb().get(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout=0.2)
    assert "timed out" in caught.value.why


def test_a_nonsense_address_is_unreachable_and_not_a_crash() -> None:
    with pytest.raises(Unreachable):
        HttpWeb().get("http://exa mple:port/")


def test_ping_is_empty_for_success_and_says_why_not_otherwise() -> None:
    with site(lambda asked: answer(200 if asked.path == "/good" else 503, "warming up")) as here:
        assert ping(f"{here.url}/good") == ""
        assert ping(f"{here.url}/bad") == "HTTP 503: warming up"


def test_a_server_without_tls_shows_no_certificate_and_says_why() -> None:
    with site(lambda _asked: answer()) as here:
        host, port = here.url.removeprefix("http://").split(":")
        with pytest.raises(Unreachable, match="shows no certificate") as caught:
            HttpWeb().certificates(host, int(port))
    assert "wrong version number" in caught.value.why.lower()


@pytest.mark.parametrize("protocol", ["tls", "postgres"])
def test_a_mute_server_is_not_waited_for_forever(protocol: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(Unreachable) as caught:
        HttpWeb().certificates("127.0.0.1", mute.getsockname()[1], protocol=protocol, timeout=0.2)
    assert "timed out" in caught.value.why


def test_a_host_that_is_no_name_is_an_answer_too() -> None:
    with pytest.raises(Unreachable):
        HttpWeb().certificates("exa mple..", 1)
