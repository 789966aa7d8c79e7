"""A new certificate is one that everybody else accepts too, and an authority that is no good is refused."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from authorities import Pair, authority, now
from cryptography import x509
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from recover.certificates import Standard, examine, mismatch
from recover.errors import StepError
from recover.issuing import issue, self_signed

CA = authority()


def test_the_new_one_meets_the_standard_and_openssl_loads_it(tmp_path: Path) -> None:
    made = issue(CA.pem, CA.key_pem, ("db", "10.0.0.1"), now(), days=30, days_left=14)
    assert examine(made.certificate, Standard(CA.pem, ("db", "10.0.0.1"), now(), 14)).findings == ()
    assert mismatch(made.certificate, made.key) == []
    [leaf] = x509.load_pem_x509_certificates(made.certificate)
    assert leaf.not_valid_before_utc < now() - timedelta(minutes=4)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {one.dotted_string for one in purposes} == {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}
    files = tmp_path / "c", tmp_path / "k"
    for file, content in zip(files, (made.certificate, made.key), strict=True):
        file.write_bytes(content)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)


def test_a_new_authority_signs_what_is_good_and_another_one_with_its_key_does_so_too() -> None:
    first = self_signed("Ours", now() - timedelta(days=1), days=100)
    again = self_signed("Ours", now() - timedelta(days=2), days=50, key=first.key)
    leaf = issue(first.certificate, first.key, ("db",), now(), days=30)
    for each in (first, again):
        assert examine(leaf.certificate, Standard(each.certificate, ("db",), now())).findings == ()
    [root] = x509.load_pem_x509_certificates(first.certificate)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert root.not_valid_after_utc == first.until
    with pytest.raises(ValueError, match="no private key"):
        self_signed("Ours", now(), days=1, key=b"-----BEGIN x")


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_an_authority_with_another_kind_of_key_signs_too(kind: str) -> None:
    from cryptography.hazmat.primitives import hashes

    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
    name = CA.certificate.subject
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now()).not_valid_after(now() + timedelta(days=99))
    root = builder.sign(key, hashes.SHA256() if kind == "rsa" else None).public_bytes(forms.Encoding.PEM)  # type: ignore[arg-type]
    pem = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    made = issue(root, pem, ("db",), now(), days=30)
    assert examine(made.certificate, Standard(root, ("db",), now() + timedelta(seconds=2))).findings == ()


def test_an_intermediate_goes_into_the_file_too() -> None:
    middle = CA.intermediate()
    made = issue(middle.pem, middle.key_pem, ("db",), now(), days=30)
    assert examine(made.certificate, Standard(CA.pem, ("db",), now())).findings == ()


def test_it_ends_with_its_authority() -> None:
    short = authority(end=20)
    made = issue(short.pem, short.key_pem, ("db",), now(), days=90, days_left=14)
    assert made.until == short.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    ("ca", "why"),
    [
        (authority("Old", begin=-9, end=-3), "it expired on"),
        (authority("New", begin=3), "it is not valid before"),
        (authority("Short", end=9), "before the 14 days that are wanted"),
    ],
)
def test_an_authority_that_is_not_valid_is_refused_with_what_to_do(ca: Pair, why: str) -> None:
    with pytest.raises(StepError, match="cannot sign") as caught:
        issue(ca.pem, ca.key_pem, ("db",), now(), days=90, days_left=14)
    assert why in caught.value.why
    assert "make a new authority" in caught.value.next


def test_the_key_of_another_authority_is_refused() -> None:
    with pytest.raises(StepError, match="does not belong to its certificate") as caught:
        issue(CA.pem, authority().key_pem, ("db",), now(), days=90)
    assert "find the key" in caught.value.next


def test_the_key_is_not_in_its_printed_form() -> None:
    made = issue(CA.pem, CA.key_pem, ("db",), now(), days=90)
    assert "PRIVATE KEY" not in repr(made)
