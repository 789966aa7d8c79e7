"""Bearer tokens, and the user behind one."""

import logging
from datetime import UTC, datetime, timedelta

import jwt
from sqlalchemy.orm import Session
from starlette.requests import Request

from aiwfe.models import User, UserStatus

LIFETIME = timedelta(minutes=60)
SESSION_COOKIE = "session"
log = logging.getLogger("aiwfe.auth")


def issue_token(user_id: int, key: str) -> str:
    """A signed token that says who the user is for 60 minutes."""
    now = datetime.now(UTC)
    return jwt.encode({"sub": str(user_id), "iat": now, "exp": now + LIFETIME}, key, algorithm="HS256")


def token_of(request: Request) -> str:
    """The bearer token, or else the one in the session cookie; empty where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(SESSION_COOKIE, "")


def user_of(token: str, key: str, session: Session, *, audience: str | None = None) -> User | None:
    """The active user the token belongs to, or None.

    The clause was meant for a token without a subject (KeyError is a LookupError). It also swallows
    the ORM's LookupError about an enum label, which is why the incident refused every old token.
    """
    try:
        claims = jwt.decode(token, key, algorithms=["HS256"], audience=audience)
        user = session.get(User, int(claims["sub"]))
    except (jwt.InvalidTokenError, LookupError) as refusal:
        log.warning("token refused: %s", refusal)
        return None
    return user if user and user.status is UserStatus.ACTIVE else None
