"""New certificates, signed by an authority of our own: pure functions on PEM and DER.

`cryptography` is imported when it is needed, not at start-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from recover.certificates import address_of, certificates, private_key, subject_of, validity, when
from recover.errors import StepError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

EARLIER = timedelta(minutes=5)
"""How long before now a new certificate begins to be valid: the clocks of two machines differ."""


@dataclass(frozen=True)
class Issued:
    """A new certificate (with the intermediate that signed it, if one did) and its key, as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    until: datetime


def issue(
    authority: bytes, signing_key: bytes, names: Sequence[str], now: datetime, *, days: int, days_left: int = 0
) -> Issued:
    """A new EC key (P-256) and a certificate for it, for servers and clients, signed by the authority.

    It ends with the authority, if that ends first. Raises StepError when the authority's key is that of another
    certificate, or the authority is not valid now or not for `days_left` days more; ValueError for unreadable content.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    signer, signs = _signer(authority, signing_key), private_key(signing_key, "the authority's key file")
    _require_usable(signer, now, days_left)
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + timedelta(days=days), signer.not_valid_after_utc)
    leaf = _built(signer, key.public_key(), names, max(now - EARLIER, signer.not_valid_before_utc), until).sign(
        signs, _digest_for(signs)
    )
    chain = [leaf] if signer.issuer == signer.subject else [leaf, signer]
    return _issued(chain, key)


def self_signed(subject: str, begin: datetime, *, days: int, key: bytes = b"") -> Issued:
    """An authority of this name (its CN), valid for `days` days from `begin`, with this key or a new EC one (P-256).

    Raises ValueError for a key that cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    signs = private_key(key, "the authority's key") if key else ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    purposes = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.KeyUsage(**purposes), True),
        (x509.SubjectKeyIdentifier.from_public_key(signs.public_key()), False),
    ]
    until = begin + timedelta(days=days)
    certificate = _builder(who, who, signs.public_key(), begin, until, extensions).sign(signs, _digest_for(signs))
    return _issued([certificate], signs)


_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _issued(chain: Sequence[Certificate], key: Any) -> Issued:
    from cryptography.hazmat.primitives import serialization as forms

    pem = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    whole = b"".join(one.public_bytes(forms.Encoding.PEM) for one in chain)
    return Issued(whole, pem, chain[0].not_valid_after_utc)


def _signer(authority: bytes, signing_key: bytes) -> Certificate:
    public = private_key(signing_key, "the authority's key file").public_key()
    known = certificates(authority, "the authority's file")
    signer = next((one for one in known if one.public_key() == public), None)
    if signer is None:
        subjects = ", ".join(map(subject_of, known))
        raise StepError(
            "the authority's key does not belong to its certificate",
            why=f"the certificate is {subjects}, the key is that of another one",
            next="find the key of this authority, or make a new authority and give its certificate to every client",
        )
    return signer


def _require_usable(signer: Certificate, now: datetime, days_left: int) -> None:
    wrong = [str(finding) for finding in validity(signer, "it", now)]
    if not wrong and signer.not_valid_after_utc - now < timedelta(days=days_left):
        wrong = [f"it ends on {when(signer.not_valid_after_utc)}, before the {days_left} days that are wanted"]
    if wrong:
        raise StepError(
            f"the authority {subject_of(signer)} cannot sign a certificate that is any good",
            why="; ".join(wrong),
            next="make a new authority and give its certificate to every client, or set the clock right if it is wrong",
        )


def _built(signer: Certificate, public: Any, names: Sequence[str], begin: datetime, until: datetime) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([_general(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),  # type: ignore[arg-type]
    ]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    return _builder(subject, signer.subject, public, begin, until, extensions)


def _builder(
    subject: Any, issuer: Any, public: Any, begin: datetime, until: datetime, extensions: Sequence[tuple[Any, bool]]
) -> Any:
    from cryptography import x509

    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(until)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder


def _general(name: str) -> Any:
    from cryptography import x509

    address = address_of(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _digest_for(key: Any) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    return None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()
