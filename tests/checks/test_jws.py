from __future__ import annotations

import jwt
import pytest

from recover.checks.jws import signed_by

CLAIMS = {"sub": "2", "exp": 4_000_000_000, "name": "Zoë"}
KEY, OTHER = "k" * 64, "ü" * 40


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_signed_again_is_what_a_library_would_have_signed(algorithm: str) -> None:
    token = signed_by(OTHER, jwt.encode(CLAIMS, KEY, algorithm=algorithm))
    assert token == jwt.encode(CLAIMS, OTHER, algorithm=algorithm)
    assert jwt.decode(token, OTHER, algorithms=[algorithm]) == CLAIMS


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c", "W10.e30.x", "bnVsbA.e30.x", "é.e30.x", jwt.encode(CLAIMS, "", algorithm="none")]
)
def test_what_is_not_signed_with_a_shared_key_is_left(token: str) -> None:
    assert signed_by(OTHER, token) == ""
