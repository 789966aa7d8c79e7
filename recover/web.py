"""The HTTP client: a fresh connection per request, finite time-outs, httpx errors turned into ours.

A fresh connection because a server resets the kept-alive one after an unhandled 500, and a probe
must not fail for that. One TLS context is kept: building it costs 20 ms each time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recover.errors import Unreachable
from recover.secrets import Secret
from recover.world import BODY_LIMIT, Reply, Text

if TYPE_CHECKING:
    import ssl


class HttpWeb:
    """`world.Web` over httpx. Redirects are not followed, proxies of the environment not used."""

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context()

    def get(self, url: str, *, headers: Mapping[str, Text] | None = None, timeout: float = 5.0) -> Reply:
        """GET. Raises Unreachable when there is no answer within `timeout` seconds."""
        return self.send("GET", url, headers=headers, timeout=timeout)

    def sign_in(self, url: str, form: Mapping[str, Text], *, timeout: float = 5.0) -> Reply:
        """POST of credentials as a form. Raises Unreachable when there is no answer."""
        return self.send("POST", url, form=form, timeout=timeout)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, Text] | None = None,
        json: object = None,
        form: Mapping[str, Text] | None = None,
        timeout: float = 30.0,
    ) -> Reply:
        """One request, whatever its effect; the answer's first 64 KiB. Raises Unreachable."""
        import httpx

        body: dict[str, Any] = {"data": _plain(form)} if form is not None else {}
        if json is not None:
            body["json"] = json
        began = time.monotonic()
        try:
            with httpx.Client(verify=self._tls_for(url), timeout=timeout, trust_env=False) as client:
                request = client.build_request(method, url, headers=_plain(headers or {}), **body)
                return _read(client, request, began, timeout)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"{method} {url} got no answer", where=url, why=_reason(error)) from None

    def _tls_for(self, url: str) -> ssl.SSLContext | bool:
        return self._tls if url.startswith("https:") else False


def ping(url: str, timeout: float = 2.0) -> str:
    """Is there a 2xx answer? "" when there is, else the reason in the other side's words."""
    try:
        reply = HttpWeb().get(url, timeout=timeout)
    except Unreachable as error:
        return error.why
    ok = reply.status // 100 == 2  # noqa: PLR2004 - the class of success in RFC 9110
    return "" if ok else f"HTTP {reply.status}: {reply.text[:200].strip()}"


def _read(client: Any, request: Any, began: float, timeout: float) -> Reply:
    """The answer, with the whole exchange inside `timeout`: httpx's own limit is per read."""
    import httpx

    response = client.send(request, stream=True)
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if time.monotonic() - began > timeout:
            raise httpx.ReadTimeout(f"the body did not end within {timeout:g} s")
        if len(body) >= BODY_LIMIT:
            break
    text = body[:BODY_LIMIT].decode(response.encoding or "utf-8", errors="replace")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, text, time.monotonic() - began)


def _plain(values: Mapping[str, Text]) -> dict[str, str]:
    return {key: value.reveal() if isinstance(value, Secret) else value for key, value in values.items()}


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
