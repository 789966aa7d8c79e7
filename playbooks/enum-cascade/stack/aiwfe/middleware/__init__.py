"""The six middlewares, each switched by its name in MIDDLEWARE.

A middleware is a function that gets the request and what comes after it. `BROKEN_MIDDLEWARE` names
those that are to be built broken, in a way that happens to them in practice: logins stop and health stays 200.
"""

from collections.abc import Awaitable, Callable

from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from aiwfe.middleware import authentication, csrf, error, metrics, request_protection, security_headers
from aiwfe.parts import Parts
from aiwfe.settings import names

Next = Callable[[Request], Awaitable[Response]]
Dispatch = Callable[[Request, Next], Awaitable[Response]]
Build = Callable[[Parts, bool], Dispatch]

MIDDLEWARE: dict[str, Build] = {
    "error": error.build,
    "security_headers": security_headers.build,
    "authentication": authentication.build,
    "csrf": csrf.build,
    "request_protection": request_protection.build,
    "metrics": metrics.build,
}


def chosen_middleware(parts: Parts) -> list[Middleware]:
    """The chosen middlewares, the first one outermost. SystemExit for a name that is none."""
    chosen, broken = parts.settings.middleware, names(parts.settings.broken_middleware)
    _require_known("MIDDLEWARE", chosen)
    _require_known("BROKEN_MIDDLEWARE", broken)
    return [Middleware(BaseHTTPMiddleware, dispatch=MIDDLEWARE[name](parts, name in broken)) for name in chosen]


def _require_known(variable: str, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in MIDDLEWARE:
            raise SystemExit(f"{variable}: unknown middleware {name!r}; known: {', '.join(MIDDLEWARE)}")
