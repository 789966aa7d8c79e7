"""The HTTP client: a fresh connection per request, finite time-outs, httpx errors turned into ours.

A fresh connection because a server resets the kept-alive one after an unhandled 500, and a probe
must not fail for that. One TLS context is kept: building it costs 20 ms each time.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from recover.answers import BODY_LIMIT, Reply
from recover.errors import StepError, Unreachable
from recover.pacing import TOO_MANY, Paces, date_of, limited
from recover.secrets import beginning, revealed
from recover.stack import KeyPair, Presented, TlsProtocol
from recover.world import Text

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")

READ = BODY_LIMIT + 4096
"""Bytes of a body that are read: a secret on the limit is masked before the rest is cut."""

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)  # PostgreSQL's documentation, "Message Formats"


class HttpWeb:
    """`world.Web` over httpx. Redirects are not followed, proxies of the environment not used.

    TLS is trusted when it leads to the system's authorities, or to those of the file `authority`.
    """

    def __init__(self, authority: str | None = None) -> None:
        self._paces = Paces()
        self._authority = authority

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context(cafile=self._authority)

    def get(self, url: str, *, headers: Mapping[str, Text] | None = None, timeout: float = 5.0) -> Reply:
        """GET. Raises Unreachable when there is no answer within `timeout` seconds."""
        return self.send("GET", url, headers=headers, timeout=timeout)

    def sign_in(
        self,
        url: str,
        form: Mapping[str, Text],
        *,
        headers: Mapping[str, Text] | None = None,
        json: bool = False,
        per_minute: int | None = None,
        timeout: float = 5.0,
    ) -> Reply:
        """POST of credentials, as `world.SeeWeb` promises."""
        self._paces.take(url, per_minute)
        body: dict[str, Any] = {"json": _plain(form)} if json else {"form": form}
        reply = self.send("POST", url, headers=headers, timeout=timeout, **body)
        if reply.status == TOO_MANY:
            raise limited(url, reply.headers)
        return reply

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
        """One request, whatever its effect; the answer's first 64 KiB.

        `timeout` seconds are for all of it: the name, the connection, TLS, headers and body. Raises Unreachable.
        """
        import httpx

        body: dict[str, Any] = {"data": _plain(form)} if form is not None else {}
        if json is not None:
            body["json"] = json
        told = {"accept-encoding": "identity", **_plain(headers or {})}

        def exchange(lines: _Lines) -> Reply:
            def see(event: str, said: Mapping[str, Any]) -> None:  # httpx documentation, "Request extensions": trace
                if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                    lines.add(said["return_value"].get_extra_info("socket"))

            began = time.monotonic()
            with httpx.Client(verify=self._tls_for(url), timeout=timeout, trust_env=False) as client:
                request = client.build_request(method, url, headers=told, extensions={"trace": see}, **body)
                return _read(client.send(request, stream=True), began)

        try:
            return _within(timeout, exchange)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"{method} {url} got no answer", where=url, why=_reason(error)) from None

    def certificates(
        self,
        host: str,
        port: int,
        *,
        protocol: TlsProtocol = "tls",
        name: str = "",
        client: KeyPair | None = None,
        timeout: float = 5.0,
    ) -> Presented:
        """What the server shows of itself, within `timeout` seconds in all.

        Raises Unreachable when there is no TLS, StepError when the client's files cannot be used.
        """
        context = _unverified(client)

        def exchange(lines: _Lines) -> Presented:
            with socket.create_connection((host, port), timeout) as line:
                lines.add(line)
                if protocol == "postgres":
                    _request_tls(line)
                return _Tls.over(line, context, name or host).presented()

        try:
            return _within(timeout, exchange)
        except (OSError, ValueError) as error:
            where = f"{host}:{port}"
            raise Unreachable(f"{where} shows no certificate", where=where, why=_reason(error)) from None

    def _tls_for(self, url: str) -> ssl.SSLContext | bool:
        return self._tls if url.startswith("https:") else False


def _unverified(client: KeyPair | None) -> ssl.SSLContext:
    """Takes any certificate, because a bad one is to be looked at. Nothing is sent over such a line."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        if client:
            context.load_cert_chain(client.certificate, client.key, _no_passphrase)
    except (OSError, ValueError) as error:
        where = f"{client.certificate}, {client.key}" if client else ""
        raise StepError("our own certificate and key cannot be used", where=where, why=_words(error)) from None
    return context


def _no_passphrase() -> str:
    """Instead of a prompt at the terminal."""
    raise ValueError("the key is protected by a passphrase")


def _request_tls(line: socket.socket) -> None:
    line.sendall(SSL_REQUEST)
    if (said := line.recv(1)) != b"S":
        what = "it has TLS turned off (ssl = off)" if said == b"N" else f"its answer to SSLRequest is {said!r}"
        raise ConnectionError(what)


@dataclass(frozen=True)
class _Tls:
    """TLS over a line that we read ourselves: what came before a reset is still heard."""

    line: socket.socket
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    inner: ssl.SSLObject

    @classmethod
    def over(cls, line: socket.socket, context: ssl.SSLContext, name: str) -> _Tls:
        """The client's side, before its handshake."""
        import ssl

        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return cls(line, incoming, outgoing, context.wrap_bio(incoming, outgoing, server_hostname=name))

    def presented(self) -> Presented:
        """The handshake as far as it goes: a refusal after the certificates were shown is an answer too."""
        import ssl

        refusal = ""
        try:
            self._do(self.inner.do_handshake)
            refusal = self._last_words()
        except (ssl.SSLError, ConnectionError) as error:
            refusal = _words(error)
            if not self._chain():
                raise
        return Presented(self._chain(), refusal)

    def _last_words(self) -> str:
        """Say goodbye, and hear whether we are refused.

        In TLS 1.3 the other side looks at our certificate only after our handshake is over, and to answer the goodbye
        it has to have done so. That it closes without a word, or goes on, is no refusal.
        """
        import ssl

        try:
            with suppress(ssl.SSLWantReadError):
                self.inner.unwrap()
            self._do(lambda: self.inner.read(1))
        except OSError as error:
            return _words(error) if "ALERT" in str(getattr(error, "reason", "")) else ""
        return ""

    def _do(self, act: Callable[[], object]) -> None:
        """The act, with everything it has to send and hear for it."""
        import ssl

        while True:
            try:
                act()
            except ssl.SSLWantReadError:
                self._exchange()
            else:
                break
        self._send()

    def _exchange(self) -> None:
        with suppress(ConnectionError):  # there may be something to hear all the same
            self._send()
        if heard := self.line.recv(BODY_LIMIT):
            self.incoming.write(heard)
        else:
            self.incoming.write_eof()

    def _send(self) -> None:
        self.line.sendall(self.outgoing.read())

    def _chain(self) -> tuple[str, ...]:
        """What the other side has shown; Python tells it since 3.13, and its private object since 3.10."""
        import ssl

        if hasattr(self.inner, "get_unverified_chain"):
            return tuple(ssl.DER_cert_to_PEM_cert(der) for der in self.inner.get_unverified_chain())
        private: Any = self.inner._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        return tuple(one.public_bytes() for one in private.get_unverified_chain() or ())


def ping(url: str, timeout: float = 2.0, *, authority: str | None = None) -> str:
    """Is there a 2xx answer? "" when there is, else the reason in the other side's words.

    `authority` is the file of those that TLS is trusted by, instead of the system's; raises OSError when it is none.
    """
    try:
        reply = HttpWeb(authority).get(url, timeout=timeout)
    except Unreachable as error:
        return error.why
    ok = reply.status // 100 == 2  # noqa: PLR2004 - the class of success in RFC 9110
    return "" if ok else f"HTTP {reply.status}: {beginning(reply.text, 200).strip()}"


class _Lines:
    """The sockets of one exchange: shut down when its time is up, as is what is opened later by its thread."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self._over = False

    def add(self, line: socket.socket) -> None:
        """One that was opened, or put in the place of another by TLS."""
        self._open.append(line)
        if self._over:
            self.hang_up()

    def hang_up(self) -> None:
        """Whoever reads from them, or writes to them, stops waiting."""
        self._over = True
        for line in self._open:
            with suppress(OSError):  # it is closed already
                line.shutdown(socket.SHUT_RDWR)


def _within(seconds: float, exchange: Callable[[_Lines], T]) -> T:
    """What the exchange brings, or raises; TimeoutError when that takes longer, whatever the other side does.

    A time-out of a socket is for each wait: a name that resolves slowly, headers of a byte a second and interim answers
    (1xx) without an end would each renew it. So the exchange has a thread of its own; one that hangs in the resolver
    has no socket yet, and is left behind.
    """
    ended: list[T] = []
    failed: list[BaseException] = []
    lines = _Lines()

    def carry_out() -> None:
        try:
            ended.append(exchange(lines))
        except BaseException as error:  # it is raised where the answer is waited for
            failed.append(error)

    work = threading.Thread(target=carry_out, name="exchange", daemon=True)
    work.start()
    work.join(seconds)
    if ended:
        return ended[0]
    if failed:
        raise failed[0]
    lines.hang_up()
    raise TimeoutError(f"timed out: no whole answer within {seconds:g} s")


def _read(response: Any, began: float) -> Reply:
    body = b"".join(_decoded(response.headers.get("content-encoding", ""), response.iter_raw()))
    headers = {name.lower(): value for name, value in response.headers.items()}
    cookies = _cookies(response.headers.get_list("set-cookie"))
    return Reply(response.status_code, headers, _text(body, response), time.monotonic() - began, cookies)


def _decoded(coding: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The body's first bytes, `READ` of them at most. We ask for no compression, and one layer of it is undone in
    bounded memory all the same; of a body that is no such thing its bytes are given.
    """
    unpack = (
        zlib.decompressobj(zlib.MAX_WBITS | 32) if coding.strip().lower() in ("gzip", "x-gzip", "deflate") else None
    )
    left = READ
    for chunk in chunks:
        try:
            data = unpack.decompress(chunk, left) if unpack else chunk[:left]
        except zlib.error:
            unpack, data = None, chunk[:left]
        yield data
        left -= len(data)
        if left <= 0:
            return


def _text(body: bytes, response: Any) -> str:
    """The body's beginning; an encoding that is none of text (base64), or cannot replace (idna), is taken for UTF-8."""
    try:
        text = body.decode(response.encoding or "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        text = body.decode(errors="replace")
    return text if len(body) <= BODY_LIMIT else beginning(text, BODY_LIMIT)


def _cookies(told: Iterable[str]) -> dict[str, str]:
    """The cookies that Set-Cookie headers set, but none that they take away (RFC 6265, section 4.1).

    Not httpx's: it leaves out one for another domain than the address that is asked here, and refuses two of a name.
    """
    found = {}
    for header in told:
        (name, value), *attributes = (_pair(part) for part in header.split(";"))
        if not _is_over({key.lower(): said for key, said in attributes}):
            found[name] = value
    return found


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value.strip()


def _is_over(attributes: Mapping[str, str]) -> bool:
    """Does it take the cookie away? Where Max-Age says, Expires does not count (section 4.1.2.2)."""
    age = attributes.get("max-age", "")
    if age.removeprefix("-").isdecimal():
        return age.startswith("-") or not age.strip("0")
    until = date_of(attributes.get("expires", ""))
    return until is not None and until <= datetime.now(UTC)


def _plain(values: Mapping[str, Text]) -> dict[str, str]:
    return {key: revealed(value) for key, value in values.items()}


def _words(error: Exception) -> str:
    """ "tlsv1 alert unknown ca", or the system's words."""
    reason = getattr(error, "reason", None)
    said = reason.replace("_", " ").lower() if isinstance(reason, str) else getattr(error, "strerror", None)
    return str(said or error)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
