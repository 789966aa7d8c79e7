"""Content security policy, HSTS and frame options on every answer."""

from starlette.requests import Request
from starlette.responses import Response

from aiwfe.parts import Parts

HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
POLICY = "default-src 'self'; frame-ancestors 'none'"
PASTED_POLICY = POLICY.replace("'self'", "\N{LEFT SINGLE QUOTATION MARK}self\N{RIGHT SINGLE QUOTATION MARK}")


def build(parts: Parts, broken: bool):
    """Broken: the policy of /api/v1 was pasted from a document with typographic quotes, which no header can hold."""

    async def dispatch(request: Request, call_next) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        pasted = broken and request.url.path.startswith("/api/v1/")
        response.headers["Content-Security-Policy"] = PASTED_POLICY if pasted else POLICY
        return response

    return dispatch
