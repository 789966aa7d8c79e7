"""Each middleware does what it is for, and, built broken, keeps users out while health stays 200."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("fresh_redis")

SIX = ("error", "security_headers", "authentication", "csrf", "request_protection", "metrics")
# What the probe user's login and, with the token, /users/me answer. 0: there is no token to ask with.
KEPT_OUT = {
    "error": (500, 0),
    "security_headers": (500, 0),
    "authentication": (200, 401),
    "csrf": (403, 0),
    "request_protection": (429, 0),
    "metrics": (500, 0),
}


def login_and_me(caller: Any) -> tuple[int, int]:
    login = caller.login("probe")
    if login.status_code != 200:
        return login.status_code, 0
    return 200, caller.get("/api/v1/users/me", Authorization=f"Bearer {login.json()['access_token']}").status_code


@pytest.mark.parametrize("name", SIX)
def test_alone_it_lets_users_in(stack: Any, repaired: str, name: str) -> None:
    with stack.app(repaired, middleware=(name,)) as caller:
        assert login_and_me(caller) == (200, 200)


@pytest.mark.parametrize("others", [False, True], ids=["alone", "among all six"])
@pytest.mark.parametrize("name", SIX)
def test_broken_it_keeps_users_out_while_health_is_200(stack: Any, repaired: str, name: str, *, others: bool) -> None:
    with stack.app(repaired, middleware=SIX if others else (name,), broken_middleware=name) as caller:
        assert login_and_me(caller) == KEPT_OUT[name]
        assert caller.get("/api/health").status_code == 200


@pytest.mark.parametrize("name", SIX)
def test_broken_but_switched_off_it_harms_nobody(stack: Any, repaired: str, name: str) -> None:
    rest = tuple(each for each in SIX if each != name)
    with stack.app(repaired, middleware=rest, broken_middleware=name) as caller:
        assert login_and_me(caller) == (200, 200)


def test_error_masks_an_exception_and_logs_it(stack: Any, repaired: str, caplog: pytest.LogCaptureFixture) -> None:
    with stack.app(repaired, middleware=()) as caller:
        bare = caller.register("x")
    with stack.app(repaired, middleware=("error",)) as caller, caplog.at_level("INFO", "error_middleware"):
        caplog.clear()
        masked = caller.register("x")
        caller.get("/api/health")
    assert (bare.status_code, bare.text) == (500, "Internal Server Error")
    assert (masked.status_code, masked.json()) == (500, {"detail": "Server error occurred"})
    lines = [record for record in caplog.records if record.name == "error_middleware"]
    assert [record.levelname for record in lines] == ["ERROR", "INFO"]
    assert "DataError in POST /api/v1/auth/register" in lines[0].message
    assert "invalid input value" in caplog.text


def test_security_headers_are_on_every_answer(stack: Any, repaired: str) -> None:
    names = ("Content-Security-Policy", "Strict-Transport-Security", "X-Frame-Options")
    with stack.app(repaired, middleware=("security_headers",)) as caller:
        for path in ("/api/health", "/api/v1/users/me", "/nowhere"):
            assert all(caller.get(path).headers.get(name) for name in names), path
    with stack.app(repaired, middleware=()) as caller:
        assert not any(name in caller.get("/api/health").headers for name in names)


def test_authentication_refuses_before_any_route_is_looked_for(stack: Any, repaired: str) -> None:
    with stack.app(repaired, middleware=("authentication",)) as caller:
        assert caller.get("/api/v1/nowhere").status_code == 401
        assert caller.get("/api/v1/nowhere", Authorization=caller.bearer()).status_code == 404
        assert caller.get("/api/v1/auth/csrf-token").status_code == 200
        assert caller.get("/api/v1/monitoring/metrics").status_code == 200
    with stack.app(repaired, middleware=()) as caller:
        assert caller.get("/api/v1/nowhere").status_code == 404


def test_csrf_wants_the_cookie_repeated_where_only_a_cookie_authorises(stack: Any, repaired: str) -> None:
    def say(caller: Any, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return caller.request("POST", "/api/v1/chat", json={"message": "hello"}, headers=named).status_code

    with stack.app(repaired, middleware=("csrf",)) as caller:
        session = caller.login("probe").cookies["session"]
        csrf = caller.get("/api/v1/auth/csrf-token")
        token = csrf.json()["csrf_token"]
        assert csrf.cookies["csrf_token"] == token
        assert len(csrf.headers.get_list("set-cookie")) == 1
        assert caller.get("/nowhere").cookies["csrf_token"]
        assert "csrf_token" not in caller.get("/nowhere", Cookie=f"csrf_token={token}").cookies
        both = f"session={session}; csrf_token={token}"
        assert say(caller, Cookie=f"session={session}") == 403
        assert say(caller, Cookie=both) == 403
        assert say(caller, Cookie=both, X_CSRF_Token="guessed") == 403
        assert say(caller, Cookie=both, X_CSRF_Token=token) == 201
        assert say(caller, Authorization=f"Bearer {session}") == 201
        assert caller.get("/api/v1/chat", Cookie=f"session={session}").status_code == 200
    with stack.app(repaired, middleware=()) as caller:
        assert say(caller, Cookie=f"session={session}") == 201
        assert "csrf_token" not in caller.get("/nowhere").cookies


def test_logins_are_limited_per_account(stack: Any, repaired: str) -> None:
    with stack.app(repaired, middleware=("request_protection",), login_limit=2) as caller:
        assert [caller.login("probe", "wrong").status_code for _ in range(3)] == [401, 401, 429]
        refused = caller.login("probe")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 600
        assert caller.login("admin").status_code == 200


def test_requests_are_limited_per_client_but_never_health_and_metrics(stack: Any, repaired: str) -> None:
    with stack.app(repaired, middleware=("request_protection",), request_limit=3) as caller:
        assert [caller.get("/api/v1/auth/csrf-token").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert 0 < int(caller.get("/api/v1/users/me").headers["Retry-After"]) <= 60
        assert caller.get("/api/health").status_code == 200
        assert caller.get("/api/v1/monitoring/metrics").status_code == 200


def test_who_is_limited_is_told_the_limit(stack: Any, repaired: str) -> None:
    with stack.app(repaired, middleware=("request_protection",), request_limit=30) as caller:
        assert caller.get("/nowhere").headers["X-RateLimit-Limit"] == "30"
    with stack.app(repaired, middleware=()) as caller:
        assert "X-RateLimit-Limit" not in caller.get("/nowhere").headers


def test_nothing_is_limited_while_redis_does_not_answer(stack: Any, repaired: str) -> None:
    gone = {"redis_url": "redis://127.0.0.1:1/0", "request_limit": 1, "login_limit": 1}
    with stack.app(repaired, middleware=("request_protection",), **gone) as caller:
        assert [caller.login("probe").status_code for _ in range(3)] == [200, 200, 200]


def test_the_shipped_limits_leave_room_for_a_recovery(stack: Any) -> None:
    from aiwfe.settings import api_settings

    shipped = api_settings(stack.environ("seeded"))
    assert (shipped.login_limit, shipped.request_limit) == (200, 120)
    assert api_settings(stack.environ("seeded", RATE_LIMIT_LOGINS="20")).login_limit == 20


def test_metrics_count_by_method_route_and_status(stack: Any, repaired: str) -> None:
    with stack.app(repaired, middleware=("error", "metrics")) as caller:
        caller.login("probe")
        caller.login("probe", "wrong")
        caller.register("x")
        shown = caller.get("/api/v1/monitoring/metrics").text
    labels = 'aiwfe_requests_total{method="POST",route="/api/v1/auth/%s",status="%d"} 1.0'
    assert labels % ("jwt/login", 200) in shown
    assert labels % ("jwt/login", 401) in shown
    assert labels % ("register", 500) in shown


@pytest.mark.parametrize(
    ("environ", "chosen"), [({}, SIX), ({"MIDDLEWARE": ""}, ()), ({"MIDDLEWARE": "csrf, error"}, ("csrf", "error"))]
)
def test_unset_means_all_six_and_empty_means_none(stack: Any, environ: dict[str, str], chosen: tuple[str, ...]) -> None:
    from aiwfe.settings import api_settings

    assert api_settings(stack.environ("seeded", **environ)).middleware == chosen


def test_the_first_one_named_is_the_outermost(stack: Any, repaired: str) -> None:
    with stack.app(repaired, middleware=("error", "metrics"), broken_middleware="metrics") as caller:
        assert caller.login("probe").json() == {"detail": "Server error occurred"}
    with stack.app(repaired, middleware=("metrics", "error"), broken_middleware="metrics") as caller:
        assert caller.login("probe").text == "Internal Server Error"
