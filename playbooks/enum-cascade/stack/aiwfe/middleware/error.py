"""Masks every unhandled exception: the caller learns nothing, the log everything.

Its logger's name contains "error", and it writes an INFO line for each request: whoever counts lines
with the word error counts these too.
"""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiwfe.parts import Parts

log = logging.getLogger("error_middleware")


def build(parts: Parts, broken: bool):
    """Broken: its log line names the request's id, which nobody sets outside of health, and so masks itself."""

    async def dispatch(request: Request, call_next) -> Response:
        try:
            response = await call_next(request)
            about = request.state.request_id if broken and request.url.path.startswith("/api/v1/") else "request"
            log.info("%s %s %s passed with %d", about, request.method, request.url.path, response.status_code)
        except Exception as unhandled:
            log.exception("%s in %s %s", type(unhandled).__name__, request.method, request.url.path)
            return JSONResponse({"detail": "Server error occurred"}, status_code=500)
        return response

    return dispatch
