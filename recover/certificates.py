"""What is wrong with a TLS certificate: pure functions on PEM and DER.

A path to the authority is followed by issuer and signature. What its certificates say of path lengths, permitted names
or revocation is not looked at. Names are matched as RFC 6125 says, section 6.4: a wildcard stands for the whole
leftmost label; the subject's CN is no name. `cryptography` is imported when it is needed, not at start-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `now` is what of it depends on the moment of asking."""

    fact: str
    now: str = ""

    def __str__(self) -> str:
        return f"{self.fact} ({self.now})" if self.now else self.fact


@dataclass(frozen=True)
class Standard:
    """What a certificate is held against.

    It leads to one of the `authorities` (a file's content), is for each of the `names` (host names or IP addresses),
    and is valid at `now` and for `days_left` days more.
    """

    authorities: bytes
    names: tuple[str, ...]
    now: datetime
    days_left: int = 0


@dataclass(frozen=True)
class Verdict:
    """Everything that is wrong with a certificate, and what it is in one line."""

    findings: tuple[Finding, ...]
    summary: str


def examine(chain: bytes, standard: Standard) -> Verdict:
    """Hold the first certificate of `chain` against the standard; the others are its intermediates.

    Raises ValueError, saying which of the two it is, when chain or authorities hold no certificate.
    """
    leaf, *others = certificates(chain, "the certificate's file")
    anchors = certificates(standard.authorities, "the authority's file")
    findings = (
        *validity(leaf, "it", standard.now),
        *_soon(leaf, standard),
        *_path(leaf, others, anchors, standard.now),
        *_names(leaf, standard.names),
    )
    return Verdict(findings, _summary(leaf, standard.now))


def mismatch(chain: bytes, key: bytes) -> list[Finding]:
    """Does the key belong to the first certificate? Raises ValueError when one of them is none."""
    leaf = certificates(chain, "the certificate's file")[0]
    if leaf.public_key() == private_key(key, "the key's file").public_key():
        return []
    return [Finding("the key does not belong to the certificate: it is the key of another one")]


def certificates(data: bytes, what: str) -> list[Certificate]:
    """The certificates in a file's content, PEM or DER. Raises ValueError, naming `what` holds none."""
    from cryptography import x509

    try:
        if b"-----BEGIN" in data:
            return list(x509.load_pem_x509_certificates(data))
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        raise ValueError(f"{what} holds no certificate that can be read") from None


def private_key(data: bytes, what: str) -> Any:
    """The private key in a file's content, PEM or DER. Raises ValueError, naming `what` holds none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as forms

    load = forms.load_pem_private_key if b"-----BEGIN" in data else forms.load_der_private_key
    try:
        return load(data, None)
    except TypeError:
        raise ValueError(
            f"{what} is protected by a passphrase, which a service that starts alone cannot type"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{what} holds no private key that can be read") from None


# --- time -----------------------------------------------------------------------------------------


def validity(certificate: Certificate, who: str, now: datetime) -> Iterator[Finding]:
    """Has it expired, or does it not begin yet? `who` names it in the sentence."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end < now:
        yield Finding(f"{who} expired on {when(end)}", f"{_span(now - end)} ago")
    if begin > now:
        clocks = "this clock, or that of the machine that made it, may be wrong"
        yield Finding(f"{who} is not valid before {when(begin)}", f"the clock here says {when(now)}: {clocks}")


def _soon(leaf: Certificate, standard: Standard) -> Iterator[Finding]:
    left = leaf.not_valid_after_utc - standard.now
    if timedelta(0) <= left < timedelta(days=standard.days_left):
        until = when(leaf.not_valid_after_utc)
        yield Finding(
            f"it is valid only until {until}, and {standard.days_left} days are wanted", f"{_span(left)} left"
        )


def when(moment: datetime) -> str:
    """The moment to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    if span.days:
        return f"{span.days} day{'s' * (span.days != 1)}"
    hours, rest = divmod(span.seconds, 3600)
    return f"{hours} h" if hours else f"{rest // 60} min"


# --- the path to the authority ----------------------------------------------------------------------


def _path(
    leaf: Certificate, others: Sequence[Certificate], anchors: Sequence[Certificate], now: datetime
) -> Iterator[Finding]:
    """What is wrong on the way from the certificate to one of the anchors."""
    pool = [*sorted(anchors, key=lambda anchor: not _valid(anchor, now)), *others]
    path = [leaf]
    while path[-1] not in anchors:
        issuer = next((one for one in pool if one not in path and _signed(path[-1], one)), None)
        if issuer is None:
            yield _astray(path, anchors)
            path += anchors
            break
        if issuer not in anchors and not _may_sign(issuer):
            yield Finding(
                f"{subject_of(issuer)} signed {_called(path)} and may not: it is no certificate of an authority"
            )
        path.append(issuer)
    for one in path[1:]:
        yield from validity(one, f"the {'authority' if one in anchors else 'intermediate'} {subject_of(one)}", now)


def _astray(path: Sequence[Certificate], anchors: Sequence[Certificate]) -> Finding:
    last, known = path[-1], ", ".join(subject_of(anchor) for anchor in anchors)
    issuer, who = last.issuer.rfc4514_string(), _called(path)
    if any(anchor.subject == last.issuer for anchor in anchors):
        again = "the authority was perhaps made anew under the same name"
        return Finding(f"{who} names {issuer} as its issuer, but the authority's key did not sign it: {again}")
    if last.issuer == last.subject:
        return Finding(f"{who} is signed by itself ({issuer}), not by the authority {known}")
    return Finding(f"{who} does not lead to the authority: its issuer is {issuer}, the authority is {known}")


def _called(path: Sequence[Certificate]) -> str:
    return "it" if len(path) == 1 else f"the intermediate {subject_of(path[-1])}"


def subject_of(certificate: Certificate) -> str:
    """Whom it names, as RFC 4514 writes it: CN=…,O=…."""
    return certificate.subject.rfc4514_string()


def _signed(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_sign(certificate: Certificate) -> bool:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _valid(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


# --- names ----------------------------------------------------------------------------------------


def _names(leaf: Certificate, wanted: Iterable[str]) -> Iterator[Finding]:
    known = names_of(leaf)
    missing = [name for name in wanted if not any(matches(pattern, name) for pattern in known)]
    if missing:
        has = f"only for {', '.join(known)}" if known else f"for no name at all (its subject is {subject_of(leaf)})"
        yield Finding(f"it is not for {', '.join(missing)}: it is {has}")


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """The host names and IP addresses of its subjectAltName."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def matches(pattern: str, name: str) -> bool:
    """Is the name, a host name or an IP address, one that the certificate's name stands for?"""
    if (address := address_of(name)) is not None:
        return address_of(pattern) == address
    pattern, name = pattern.lower().removesuffix("."), name.lower().removesuffix(".")
    if not pattern.startswith("*."):
        return pattern == name
    label, _, rest = name.partition(".")
    return bool(label) and "." in rest and pattern[2:] == rest


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address that the text is, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _summary(leaf: Certificate, now: datetime) -> str:
    until, names = leaf.not_valid_after_utc, ", ".join(names_of(leaf)) or subject_of(leaf)
    return f"valid until {when(until)} ({_span(until - now)}), for {names}, signed by {leaf.issuer.rfc4514_string()}"
