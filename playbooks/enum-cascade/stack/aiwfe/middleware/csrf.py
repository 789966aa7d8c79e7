"""Double submit: an unsafe request that rides on a cookie has to repeat the CSRF cookie in a header.

A page of another site can make the browser send our cookies, but cannot read them. A bearer token is
never sent by a browser of its own accord, and the login form comes before there is a session.
"""

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiwfe.parts import Parts
from aiwfe.tokens import SESSION_COOKIE

CSRF_COOKIE = "csrf_token"
CSRF_HEADER = "x-csrf-token"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
LOGIN = "/api/v1/auth/jwt/login"


def build(parts: Parts, broken: bool):
    """Broken: the exemptions were lost, so that the login form is refused as well."""

    async def dispatch(request: Request, call_next) -> Response:
        checked = request.method not in SAFE and (broken or rides_on_cookie(request))
        if checked and not is_double_submit(request):
            return JSONResponse({"detail": "CSRF token missing or wrong"}, status_code=403)
        response = await call_next(request)
        if CSRF_COOKIE not in request.cookies and CSRF_COOKIE not in response.headers.get("set-cookie", ""):
            set_token(response)
        return response

    return dispatch


def set_token(response: Response) -> str:
    """A new token, in the cookie of the answer."""
    token = secrets.token_urlsafe(24)
    response.set_cookie(CSRF_COOKIE, token, samesite="strict")
    return token


def rides_on_cookie(request: Request) -> bool:
    """Whether the request is authorised by nothing but the session cookie."""
    has_bearer = request.headers.get("authorization", "").lower().startswith("bearer ")
    return SESSION_COOKIE in request.cookies and not has_bearer and request.url.path != LOGIN


def is_double_submit(request: Request) -> bool:
    """Whether cookie and header hold the same token."""
    cookie, header = request.cookies.get(CSRF_COOKIE, ""), request.headers.get(CSRF_HEADER, "")
    return bool(cookie) and secrets.compare_digest(cookie.encode(), header.encode())
