"""Is a TLS certificate good: the files on this machine, or what a live endpoint shows?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recover import certificates, inputs
from recover.certificates import Finding, Standard, Verdict
from recover.checks import key_file
from recover.errors import PlaybookError, StepError, Unreachable
from recover.evidence import Evidence, utc_now
from recover.stack import KeyPair, Presented
from recover.world import Forecast, Resource, Seconds, View

PORTS = 65535
DIGITS = 5
DAYS_LEFT = 14
"""Days of validity that a certificate should have left: time to notice and to act."""


@dataclass(frozen=True)
class TlsFiles:
    """A certificate's file, its key's and its authority's, by path; `owner` as in `TlsIsGood`."""

    certificate: str
    key: str | None
    authority: str
    owner: str | None = None

    def judge(self, names: Iterable[str], days_left: int) -> Verdict:
        """Everything that is wrong with the files; one that is missing or unreadable is a finding too."""
        if self.owner is not None:
            key_file.Account.of(self.owner)
        unread: list[Finding] = []
        chain, key = _content(self.certificate, unread), _content(self.key, unread)
        authority = _content(self.authority, unread)
        verdict = Verdict((), "")
        if chain is not None and authority is not None:
            verdict = _examine(chain, authority, names, days_left)
        found = [*unread, *self._of_the_key(chain, key), *verdict.findings]
        return Verdict(tuple(dict.fromkeys(found)), verdict.summary)

    def _of_the_key(self, chain: bytes | None, key: bytes | None) -> list[Finding]:
        if self.key is None or key is None:
            return []
        found: list[Finding] = []
        try:
            found += [Finding(f"{self.key}: {fault}") for fault in key_file.faults(Path(self.key), self.owner)]
            found += certificates.mismatch(chain, key) if chain is not None else []
        except (ValueError, OSError) as error:
            found.append(Finding(str(error)))
        return found


def _content(path: str | None, unread: list[Finding]) -> bytes | None:
    """What the file holds, or None; the system's words are added to `unread`."""
    try:
        return inputs.read(Path(path), inputs.KEYS) if path is not None else None
    except OSError as error:
        unread.append(Finding(f"{path}: {error.strerror or error}"))
        return None


def _examine(chain: bytes, authority: bytes, names: Iterable[str], days_left: int) -> Verdict:
    try:
        return certificates.examine(chain, Standard(authority, tuple(names), utc_now(), days_left))
    except ValueError as error:
        return Verdict((Finding(str(error)),), "")


@dataclass(frozen=True)
class TlsIsGood:
    """Key `tls`: the certificate leads to the authority, is valid now and for `days_left` days, and is for the name.

    Either `certificate`, a file, with its `key`: it belongs to the certificate, nobody else can read it, and `owner`
    can (a user of this machine, or the number of one in a container). Or `endpoint`, "host:port": what is shown there,
    to the `client`'s certificate if the server wants one; `name` is then the host unless given. `protocol: postgres`
    begins with PostgreSQL's SSLRequest. Paths are relative to the working directory unless absolute. Raises
    PlaybookError when not exactly one of the two is given, or keys of the other one.
    """

    authority: str
    certificate: str | None = None
    key: str | None = None
    owner: str | None = None
    endpoint: str | None = None
    protocol: Literal["tls", "postgres"] = "tls"
    client: KeyPair | None = None
    name: str | None = None
    days_left: int = DAYS_LEFT
    timeout: Seconds = Seconds(5)

    def __post_init__(self) -> None:
        if (self.certificate is None) == (self.endpoint is None):
            raise PlaybookError("tls needs either certificate (a file) or endpoint (host:port)")
        if self.endpoint is not None:
            _host_and_port(self.endpoint)
            if self.key is not None or self.owner is not None:
                raise PlaybookError("key and owner go with certificate: the files behind an endpoint cannot be seen")
        elif self.client is not None or self.protocol != "tls":
            raise PlaybookError("client and protocol go with endpoint")
        if self.owner is not None and self.key is None:
            raise PlaybookError("owner goes with key: it is who has to be able to read it")

    @property
    def about(self) -> frozenset[Resource]:
        """The files; the service of an endpoint comes from its ${services.…}."""
        return frozenset(f"file:{path}" for path in (self.certificate, self.key, self.authority) if path)

    def ask(self, view: View) -> Evidence:
        """Look at the files, or at what the endpoint shows now."""
        if isinstance(view, Forecast):
            view.require_settled(*self.about)
        return self._files(self.certificate) if self.certificate is not None else self._live(view)

    def _files(self, certificate: str) -> Evidence:
        question = f"is the certificate {certificate} good{f' for {self.name}' if self.name else ''}?"
        files = TlsFiles(certificate, self.key, self.authority, self.owner)
        try:
            return _evidence(question, files.judge([self.name] if self.name else [], self.days_left))
        except PlaybookError as error:
            return Evidence(question, f"{error.what}: {error.next}", passed=False)

    def _live(self, view: View) -> Evidence:
        host, port = _host_and_port(self.endpoint or "")
        name = self.name or host
        question = f"does {self.endpoint} show a certificate that is good for {name}?"
        try:
            shown = view.web.certificates(
                host, port, protocol=self.protocol, name=name, client=self.client, timeout=self.timeout
            )
        except (Unreachable, StepError) as error:
            unseen = isinstance(error, Unreachable)
            return Evidence(question, f"{error.what}: {error.why}", passed=False, unseen=unseen)
        return _evidence(question, self._judge(shown, name), "".join(shown.chain))

    def _judge(self, shown: Presented, name: str) -> Verdict:
        found: list[Finding] = []
        if shown.refusal:
            whom = "our client certificate" if self.client else "us, who show no client certificate"
            found.append(Finding(f"it refuses {whom}: {shown.refusal}"))
        authority = _content(self.authority, found)
        verdict = Verdict((), "")
        if authority is not None:
            verdict = _examine("".join(shown.chain).encode(), authority, [name], self.days_left)
        return Verdict((*found, *verdict.findings), verdict.summary)


def _evidence(question: str, verdict: Verdict, attachment: str | None = None) -> Evidence:
    wrong = "; ".join(map(str, verdict.findings))
    return Evidence(question, wrong or verdict.summary, passed=not wrong, attachment=attachment if wrong else None)


def _host_and_port(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal() or len(port) > DIGITS or not 0 < int(port) <= PORTS:
        raise PlaybookError(f"endpoint is host:port, not {endpoint!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)
