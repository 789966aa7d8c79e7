from __future__ import annotations

import base64

import jwt
import pytest

from recover.checks.jws import signed_by

CLAIMS = {"sub": "2", "exp": 4_000_000_000, "name": "Zoë"}
KEY, OTHER = "k" * 64, "ü" * 40


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_signed_again_is_what_a_library_would_have_signed(algorithm: str) -> None:
    for kid in ("a", "ab", "abc"):  # base64 without its padding: two, one or no character of it is left out
        token = signed_by(OTHER, jwt.encode(CLAIMS, KEY, algorithm=algorithm, headers={"kid": kid}))
        assert token == jwt.encode(CLAIMS, OTHER, algorithm=algorithm, headers={"kid": kid})
        assert jwt.decode(token, OTHER, algorithms=[algorithm]) == CLAIMS


NESTED = base64.urlsafe_b64encode(b"[" * 99_999).decode()  # JSON without an end


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "W10.e30.x",
        "bnVsbA.e30.x",
        "é.e30.x",
        jwt.encode(CLAIMS, "", algorithm="none"),
        f"{NESTED}.e30.x",
    ],
    ids=lambda token: token[:20],
)
def test_what_is_not_signed_with_a_shared_key_is_left(token: str) -> None:
    assert signed_by(OTHER, token) == ""
