"""Password hashes by scrypt, at a cost that suits a replica and no real system."""

import hashlib
import hmac

COST, BLOCK, LANES = 1024, 8, 1


def hash_password(password: str, salt: str) -> str:
    """The hash to store; the same password and salt give the same hash."""
    return f"scrypt${salt}${_digest(password, salt)}"


def password_matches(password: str, stored: str) -> bool:
    """Whether the stored hash was made of this password."""
    _, salt, digest = stored.split("$")
    return hmac.compare_digest(digest, _digest(password, salt))


def _digest(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=COST, r=BLOCK, p=LANES).hex()
