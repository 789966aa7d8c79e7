"""What users see before the incident, in it, and after the labels were repaired; on the API as deployed."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("fresh_redis")

ERROR_TEXT = "is not among the defined enum values"
DATA = ("tasks", "calendar/calendars", "calendar/events", "documents", "chat")


def answers(caller: Any) -> dict[str, int]:
    return {
        "right password": caller.login("probe").status_code,
        "admin": caller.login("admin").status_code,
        "wrong password": caller.login("probe", "wrong").status_code,
        "unknown user": caller.login("nobody").status_code,
        "disabled": caller.login("disabled").status_code,
        "pending": caller.login("pending").status_code,
        "pending, wrong password": caller.login("pending", "wrong").status_code,
    }


WORKING = {
    "right password": 200,
    "admin": 200,
    "wrong password": 401,
    "unknown user": 401,
    "disabled": 401,
    "pending": 403,
    "pending, wrong password": 401,
}


def test_the_release_before_works_on_the_migrations_labels(stack: Any, lower_case: str) -> None:
    with stack.api(lower_case, RELEASE="before") as caller:
        assert answers(caller) == WORKING
        token = caller.bearer()
        assert caller.get("/api/v1/users/me", Authorization=token).json() == {
            "id": 2,
            "email": "probe@example.com",
            "role": "user",
            "status": "active",
        }
        for path in DATA:
            assert caller.get(f"/api/v1/{path}", Authorization=token).json(), path
        for path, body in {
            "tasks": {"title": "write", "status": "in_progress", "priority": "urgent"},
            "calendar/events": {"calendar_id": 2, "title": "meet", "starts_at": "2025-08-10T10:00:00Z"},
            "documents": {"name": "a.pdf", "size": 1, "status": "failed"},
        }.items():
            words = {"json": body, "headers": {"Authorization": token}}
            assert caller.request("POST", f"/api/v1/{path}", **words).status_code == 201, path
        assert caller.register("before").status_code == 201
        assert caller.register("before").status_code == 409
        assert ERROR_TEXT not in caller.log.read_text()


@pytest.mark.parametrize("middleware", [None, ""], ids=["all middlewares", "no middleware"])
def test_in_the_incident_every_existing_user_is_locked_out_and_health_is_200(
    stack: Any, lower_case: str, middleware: str | None
) -> None:
    from aiwfe.tokens import issue_token

    extra = {} if middleware is None else {"MIDDLEWARE": middleware}
    with stack.api(lower_case, **extra) as caller:
        assert answers(caller) == {**dict.fromkeys(WORKING, 500), "unknown user": 401}
        old = f"Bearer {issue_token(2, (stack.folder / 'jwt_key_file').read_text())}"
        for path in ("users/me", *DATA):
            assert caller.get(f"/api/v1/{path}", Authorization=old).status_code == 401, path
        assert caller.get("/api/health").json() == {"status": "ok", "database": "ok"}
        assert caller.get("/api/v1/auth/csrf-token").status_code == 200
        assert caller.register(f"incident-{middleware}").status_code == 201
        log = caller.log.read_text()
        assert f"LookupError: 'user' {ERROR_TEXT}" in log
        assert f"WARNING aiwfe.auth: token refused: 'user' {ERROR_TEXT}" in log
        assert ("INFO error_middleware" in log) is (middleware is None)


def test_with_the_expected_labels_logins_work_and_raw_sql_registration_breaks(stack: Any, repaired: str) -> None:
    with stack.api(repaired, RELEASE="incident") as caller:
        assert answers(caller) == WORKING
        token = caller.bearer()
        assert caller.get("/api/v1/users/me", Authorization=token).json()["role"] == "user"
        for path in DATA:
            assert caller.get(f"/api/v1/{path}", Authorization=token).json(), path
        assert ERROR_TEXT not in caller.log.read_text()
        assert caller.register("after").status_code == 500
        assert 'invalid input value for enum userrole: "user"' in caller.log.read_text()


def test_a_token_of_the_degraded_mode_does_not_outlive_it(stack: Any, repaired: str) -> None:
    from aiwfe.tokens import issue_token

    key = (stack.folder / "jwt_key_file").read_text()
    before = f"Bearer {issue_token(2, key)}"
    with stack.api(repaired, MIDDLEWARE="", DEGRADED="yes") as caller:
        degraded = caller.bearer()
        assert caller.get("/api/v1/users/me", Authorization=degraded).status_code == 200
        assert caller.get("/api/v1/users/me", Authorization=before).status_code == 401
    with stack.api(repaired) as caller:
        assert caller.get("/api/v1/users/me", Authorization=degraded).status_code == 401
        assert caller.get("/api/v1/users/me", Authorization=before).status_code == 200


def test_nobody_gets_in_with_a_forged_or_expired_token(stack: Any, repaired: str) -> None:
    from datetime import UTC, datetime, timedelta

    import jwt
    from aiwfe.tokens import issue_token

    key = (stack.folder / "jwt_key_file").read_text()
    expired = jwt.encode({"sub": "2", "exp": datetime.now(UTC) - timedelta(minutes=1)}, key, "HS256")
    no_subject = jwt.encode({"exp": datetime.now(UTC) + timedelta(minutes=1)}, key, "HS256")
    wrong = [expired, no_subject, issue_token(2, key[::-1]), issue_token(3, key), issue_token(4, key), "x"]
    with stack.app(repaired, middleware=()) as caller:
        for token in wrong:
            assert caller.get("/api/v1/users/me", Authorization=f"Bearer {token}").status_code == 401, token
        assert caller.get("/api/v1/users/me").status_code == 401
        assert caller.get("/api/v1/users/me", Authorization=f"Bearer {issue_token(2, key)}").status_code == 200


def test_health_says_so_when_the_database_does_not_answer(stack: Any) -> None:
    with stack.app("no_such_database", middleware=()) as caller:
        assert caller.get("/api/health").status_code == 503


@pytest.mark.parametrize(
    ("name", "value"), [("RELEASE", "next"), ("MIDDLEWARE", "error,csfr"), ("BROKEN_MIDDLEWARE", "csfr")]
)
def test_a_wrong_name_in_the_environment_ends_the_start_and_is_said(
    stack: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    from aiwfe.api import main

    for variable, text in stack.environ("seeded", API_PORT="1", **{name: value}).items():
        monkeypatch.setenv(variable, text)
    with pytest.raises(SystemExit, match=f"{name}: unknown .*{value.removeprefix('error,')}.*known: "):
        main()
