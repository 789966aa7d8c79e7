"""Signing in and up."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from aiwfe.middleware.csrf import set_token
from aiwfe.models import User, UserStatus
from aiwfe.parts import CurrentUser, Database, parts_of
from aiwfe.passwords import hash_password, password_matches
from aiwfe.tokens import LIFETIME, SESSION_COOKIE, issue_token

router = APIRouter(prefix="/api/v1")


class Registration(BaseModel):
    """What a new user sends."""

    email: str
    password: str


@router.post("/auth/jwt/login")
def login(
    request: Request,
    response: Response,
    session: Database,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
) -> dict[str, str]:
    """A token for the right password; 401 for anything wrong or disabled, 403 while approval is pending."""
    user = session.scalars(select(User).where(User.email == form.username)).first()
    if user is None or not password_matches(form.password, user.password_hash) or user.status is UserStatus.DISABLED:
        raise HTTPException(401, "Incorrect email or password")
    if user.status is UserStatus.PENDING:
        raise HTTPException(403, "This account waits for approval")
    token = issue_token(user.id, parts_of(request).settings.jwt_key)
    seconds = int(LIFETIME.total_seconds())
    response.set_cookie(SESSION_COOKIE, token, max_age=seconds, httponly=True, samesite="lax")
    return {"access_token": token, "token_type": "bearer"}


@router.post("/auth/register", status_code=201)
def register(registration: Registration, session: Database) -> dict[str, int | str]:
    """A new user who waits for approval. Past the ORM: this is why it went on working in the incident."""
    insert = text(
        "INSERT INTO users (email, password_hash, role, status)"
        " VALUES (:email, :password_hash, 'user', 'pending_approval') RETURNING id"
    )
    password_hash = hash_password(registration.password, secrets.token_hex(8))
    try:
        new = session.execute(insert, {"email": registration.email, "password_hash": password_hash}).scalar_one()
    except IntegrityError as error:
        raise HTTPException(409, "This address is registered already") from error
    session.commit()
    return {"id": new, "email": registration.email}


@router.get("/auth/csrf-token")
def csrf_token(response: Response) -> dict[str, str]:
    """The token that a page with a session cookie sends back in X-CSRF-Token; no user is looked up."""
    return {"csrf_token": set_token(response)}


@router.get("/users/me")
def me(user: CurrentUser) -> dict[str, int | str]:
    """Who the token belongs to; role and status are spelled as the members' values."""
    return {"id": user.id, "email": user.email, "role": user.role.value, "status": user.status.value}
