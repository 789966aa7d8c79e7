"""The certificates of a replica, good ones and bad ones: `certs/ca.crt`, `ca.key`, and a pair for each name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from recover.drill.damage import Kind, Spoilt
from recover.issuing import Issued, issue, self_signed
from recover.journal.records import write_private

AUTHORITY = "ca"
SUBJECT = "The replica's authority"
BEFORE, AFTER = timedelta(days=400), 3650  # from when, and for how many days from now the authority is valid
DAYS = 90
AGO = 10  # days since a bad one expired, or until it begins


def make(folder: Path, pairs: Mapping[str, Sequence[str]], now: datetime) -> None:
    """An authority, and a good pair for each name; what is there already stays."""
    certs = folder / "certs"
    if pairs and not (certs / f"{AUTHORITY}.crt").exists():
        certs.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(certs, AUTHORITY, _authority(SUBJECT, now))
    for pair, names in pairs.items():
        if not (certs / f"{pair}.crt").exists():
            _write(certs, pair, _issue(certs, names, now))


def spoil(folder: Path, spoilt: Spoilt, now: datetime) -> None:
    """Make the pair anew, bad in this one way: what was bad of it or of its authority before is good again.

    What has loaded it goes on with the old one.
    """
    certs = folder / "certs"
    signs = (certs / f"{AUTHORITY}.key").read_bytes()
    _write(certs, AUTHORITY, _authority(SUBJECT, now, signs))
    _write(certs, spoilt.pair, _leaf(certs, spoilt.names, spoilt.kind, now))
    if spoilt.kind == "other-key":
        write_private(certs / f"{spoilt.pair}.key", _issue(certs, spoilt.names, now).key)
    if spoilt.kind == "expired-authority":
        _write(certs, AUTHORITY, self_signed(SUBJECT, now - BEFORE, days=BEFORE.days - AGO, key=signs))


def _leaf(certs: Path, names: Sequence[str], kind: Kind, now: datetime) -> Issued:
    if kind == "wrong-authority":
        other = _authority("Another authority", now)
        return issue(other.certificate, other.key, names, now, days=DAYS)
    shifts = {"expired": -DAYS - AGO, "not-yet-valid": AGO}
    names = ["other.example"] if kind == "wrong-name" else names
    return _issue(certs, names, now + timedelta(days=shifts.get(kind, 0)))


def _issue(certs: Path, names: Sequence[str], now: datetime) -> Issued:
    authority, key = ((certs / f"{AUTHORITY}.{end}").read_bytes() for end in ("crt", "key"))
    return issue(authority, key, names, now, days=DAYS)


def _authority(subject: str, now: datetime, key: bytes = b"") -> Issued:
    return self_signed(subject, now - BEFORE, days=BEFORE.days + AFTER, key=key)


def _write(certs: Path, name: str, issued: Issued) -> None:
    write_private(certs / f"{name}.key", issued.key)
    certificate = certs / f"{name}.crt"
    write_private(certificate, issued.certificate)
    certificate.chmod(0o644)
