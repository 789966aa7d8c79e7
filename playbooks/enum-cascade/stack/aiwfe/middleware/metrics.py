"""Counts and times the requests, by method, route and status."""

import time

from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.responses import Response

from aiwfe.parts import Parts

HEALTH = "/api/health"


def build(parts: Parts, broken: bool):
    """Broken: the counter got the label `status`, the call that uses it did not. Health is not measured."""
    labels = ("method", "route", "status")
    count = Counter("aiwfe_requests_total", "Requests answered", labels, registry=parts.registry)
    duration = Histogram("aiwfe_request_seconds", "How long they took", ("method", "route"), registry=parts.registry)

    def note(request: Request, status: int, seconds: float) -> None:
        # The route's template and not the path: a label with ids in it would grow without bound.
        template = getattr(request.scope.get("route"), "path", "unmatched")
        known = (request.method, template) if broken else (request.method, template, str(status))
        count.labels(*known).inc()
        duration.labels(request.method, template).observe(seconds)

    async def dispatch(request: Request, call_next) -> Response:
        if request.url.path == HEALTH:
            return await call_next(request)
        start, status = time.perf_counter(), 500
        try:
            response = await call_next(request)
            status = response.status_code
        finally:
            note(request, status, time.perf_counter() - start)
        return response

    return dispatch
