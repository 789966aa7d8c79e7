"""What the routes and middlewares of one application share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import redis
from fastapi import Depends, HTTPException, Request
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session, sessionmaker

from aiwfe.models import User
from aiwfe.settings import Settings
from aiwfe.tokens import token_of, user_of


@dataclass(frozen=True)
class Parts:
    """The application's settings and connections."""

    settings: Settings
    sessions: sessionmaker[Session]
    redis: redis.Redis
    registry: CollectorRegistry


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves this request."""
    return request.app.state.parts


def open_session(request: Request) -> Iterator[Session]:
    """A session for one request, closed after it."""
    with parts_of(request).sessions() as session:
        yield session


Database = Annotated[Session, Depends(open_session)]


def current_user(request: Request, session: Database) -> User:
    """The user the token belongs to; 401 without one. It does not rely on the authentication middleware."""
    user = user_of(token_of(request), parts_of(request).settings.jwt_key, session)
    if user is None:
        raise HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})
    return user


CurrentUser = Annotated[User, Depends(current_user)]
