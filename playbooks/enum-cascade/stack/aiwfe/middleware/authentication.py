"""Refuses a request to a protected path without the token of an active user, before any route sees it."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiwfe.parts import Parts
from aiwfe.tokens import token_of, user_of

PROTECTED = "/api/v1/"
OPEN = ("/api/v1/auth/", "/api/v1/monitoring/")


def build(parts: Parts, broken: bool):
    """Broken: it demands the audience of the enhanced tokens, which login does not write into them yet."""
    audience = "aiwfe-api" if broken else None

    def is_known(token: str) -> bool:
        with parts.sessions() as session:
            return user_of(token, parts.settings.jwt_key, session, audience=audience) is not None

    async def dispatch(request: Request, call_next) -> Response:
        path = request.url.path
        protected = path.startswith(PROTECTED) and not path.startswith(OPEN)
        if protected and not await run_in_threadpool(is_known, token_of(request)):
            refusal = {"WWW-Authenticate": "Bearer"}
            return JSONResponse({"detail": "Not authenticated"}, status_code=401, headers=refusal)
        return await call_next(request)

    return dispatch
