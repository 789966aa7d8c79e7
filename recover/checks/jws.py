"""A JSON Web Token signed again by another key: what a key that is no longer in use would let in."""

from __future__ import annotations

import base64
import binascii
import hmac
import json

_HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}  # RFC 7518, section 3.2


def signed_by(key: str, token: str) -> str:
    """The token with its claims as they are and the key's signature (RFC 7515, section 5.1).

    "" for a token whose signature needs no shared key: anything else than a JWT with HS256, HS384 or HS512.
    """
    claimed, dot, _ = token.rpartition(".")
    digest = _HASHES.get(_algorithm(claimed.partition(".")[0]))
    if not dot or digest is None:
        return ""
    signature = hmac.digest(key.encode(), claimed.encode(), digest)
    return f"{claimed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _algorithm(header: str) -> str:
    """The `alg` of a JOSE header; "" for what is none."""
    try:
        told = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return ""
    return str(told.get("alg", "")) if isinstance(told, dict) else ""
