"""Values that must never be shown: a type that prints ***, and redaction by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

MASK = "***"
SHORTEST = 4
T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class Secret:
    """A value that prints as *** wherever it ends up; only `reveal()` gives it away."""

    name: str
    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The value itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


def revealed(value: T | Secret) -> T | str:
    """The value itself, for the one call that needs it; what is no secret is it already."""
    return value.reveal() if isinstance(value, Secret) else value


@dataclass
class Redactor:
    """Replaces known secret values in anything that is about to leave the process.

    Values shorter than four characters are not searched for: replacing every "a" would destroy
    the evidence and still give the secret away by its shape. `learn` says so of each.
    """

    _values: dict[str, str] = field(default_factory=dict)

    def learn(self, secret: Secret) -> bool:
        """From now on this value is replaced in all its `spellings`, and so is each of its lines.

        False for one that is too short to be searched for.
        """
        value = secret.reveal()
        lines = [line.strip() for line in value.splitlines()]
        for part in (value, value.strip(), *(line for line in lines if not line.startswith("-----"))):
            if len(part) >= SHORTEST:
                self._values.update(dict.fromkeys(spellings(part), MASK))
        self._values = dict(sorted(self._values.items(), key=lambda pair: -len(pair[0])))
        return len(value) >= SHORTEST

    def text(self, text: str) -> str:
        """The text with every known secret replaced by ***."""
        for value, mask in self._values.items():
            if value in text:
                text = text.replace(value, mask)
        return text

    def data(self, value: object) -> object:
        """The same for JSON-like data, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return [self.data(item) for item in value]
        return MASK if isinstance(value, Secret) else value


def spellings(value: str) -> set[str]:
    """How programs write a value: as it is, percent-encoded, in JSON, Python and shell quotes, in hex and base64."""
    import shlex
    from json import dumps
    from urllib.parse import quote, quote_plus

    raw = value.encode(errors="surrogateescape")
    percent = [quote(value, safe="", errors="surrogateescape"), quote(value, errors="surrogateescape")]
    percent += [quote_plus(value, errors="surrogateescape"), "".join(f"%{byte:02X}" for byte in raw)]
    quoted = [dumps(value), dumps(value, ensure_ascii=False), repr(value), repr(raw)[1:], ascii(value)]
    quoted = [text[1:-1] for text in quoted]
    quoted += [text.replace("/", r"\/") for text in quoted[:2]]  # as PHP writes it
    shell = [shlex.quote(value).removeprefix("'").removesuffix("'"), value.replace("'", "''")]
    hexed = [raw.hex(), raw.hex().upper()]
    found = {value, *percent, *map(_lower_percent, percent), *quoted, *shell, *hexed, *_base64(raw)}
    return {spelling for spelling in found if len(spelling) >= SHORTEST}


def _lower_percent(text: str) -> str:
    import re

    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _base64(raw: bytes) -> Iterator[str]:
    """What stands in base64 of any text that holds these bytes, wherever they begin in a group of three; in both
    alphabets. A character that also tells of a byte beside them is left out (RFC 4648, section 4).
    """
    from base64 import b64encode, urlsafe_b64encode

    for before in range(3):
        begin, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(before) + raw)[begin:end].decode()


_ACTIVE: list[Redactor] = []
"""Those of the commands that are open in this process: what is cut deep below a command is masked before."""


@contextmanager
def masking_cuts(redactor: Redactor) -> Iterator[None]:
    """While this lasts, `beginning` and `end` mask what the redactor knows."""
    _ACTIVE.append(redactor)
    try:
        yield
    finally:
        _ACTIVE[:] = [each for each in _ACTIVE if each is not redactor]


def beginning(text: str, longest: int) -> str:
    """The first `longest` characters of a text, masked before it is cut: half a secret would not be known for one."""
    return _masked(text)[:longest]


def end(text: str, longest: int) -> str:
    """The last `longest` characters of a text, masked before it is cut."""
    return _masked(text)[-longest:]


def _masked(text: str) -> str:
    for redactor in tuple(_ACTIVE):
        text = redactor.text(text)
    return text
