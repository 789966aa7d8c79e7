"""Limits how often a client may ask, and how often anybody may try to log in as one account. Counts in Redis.

Health and metrics are not counted. While Redis does not answer, nothing is limited.
"""

import logging
from urllib.parse import parse_qs

import redis
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiwfe.parts import Parts

LOGIN = "/api/v1/auth/jwt/login"
UNCOUNTED = ("/api/health", "/api/v1/monitoring/")
MINUTE, TEN_MINUTES = 60, 600
log = logging.getLogger("aiwfe.request_protection")


def build(parts: Parts, broken: bool):
    """Broken: the limits were deployed as 0, so that the first request is one too many."""
    requests = 0 if broken else parts.settings.request_limit
    logins = 0 if broken else parts.settings.login_limit

    def over_limit(client: str, account: str) -> int:
        """Seconds until the client may ask again, 0 when it may now."""
        waits = [count(parts.redis, f"limit:requests:{client}", requests, MINUTE)]
        if account:
            waits.append(count(parts.redis, f"limit:logins:{account}:{client}", logins, TEN_MINUTES))
        return max(waits)

    async def dispatch(request: Request, call_next) -> Response:
        if request.url.path.startswith(UNCOUNTED):
            return await call_next(request)
        client = request.client.host if request.client else "unknown"
        account = await account_of(request) if request.url.path == LOGIN else ""
        if wait := await run_in_threadpool(over_limit, client, account):
            return JSONResponse({"detail": "Too many requests"}, status_code=429, headers={"Retry-After": str(wait)})
        response = await call_next(request)
        response.headers["X-RateLimit-Limit"] = str(requests)
        return response

    return dispatch


async def account_of(request: Request) -> str:
    """The account that the login form names."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    return form.get("username", ["nobody"])[0].lower()


def count(store: redis.Redis, what: str, limit: int, window: int) -> int:
    """Count one more; how many seconds of its window are left once it is over the limit, else 0.

    The window opens with the first request. The key expires with it, and only then.
    """
    try:
        seen, _, left = store.pipeline().incr(what).expire(what, window, nx=True).ttl(what).execute()
    except redis.RedisError as error:
        log.warning("nothing is limited: %s", error)
        return 0
    return max(left, 1) if seen > limit else 0
