"""One-time passwords of an authenticator app (RFC 6238)."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from dataclasses import dataclass

from recover.errors import PlaybookError
from recover.secrets import Secret, revealed
from recover.world import Seconds, Text


@dataclass(frozen=True)
class Totp:
    """The second factor: `secret` (base32, as the app was given it) makes the code that is sent as `field`.

    With `url` it is sent in a second call, with what the first one handed out. A server that takes a code only once
    needs `workers: 1`, and checks at least `period` apart.
    """

    secret: Text
    field: str = "totp_code"
    url: str = ""
    digits: int = 6
    period: Seconds = Seconds(30)

    def form(self) -> dict[str, Text]:
        """The code of this moment, under its field. Raises PlaybookError for a secret that is not base32."""
        return {self.field: Secret("one-time password", self.code(time.time()))}

    def code(self, at: float) -> str:
        """The code at an instant (seconds since the epoch): HOTP of the number of periods (RFC 6238, section 4.2)."""
        counter = int(at // self.period).to_bytes(8, "big")
        digest = hmac.digest(self._key, counter, "sha1")
        offset = digest[-1] & 0xF
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
        return f"{number % 10**self.digits:0{self.digits}d}"

    @property
    def _key(self) -> bytes:
        text = revealed(self.secret)
        plain = text.replace(" ", "").rstrip("=").upper()
        try:
            return base64.b32decode(plain + "=" * (-len(plain) % 8))
        except binascii.Error:
            raise PlaybookError("the secret of the one-time passwords is not base32") from None
