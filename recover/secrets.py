"""Values that must never be shown: a type that prints ***, and redaction by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    the evidence and still give the secret away by its shape.
    """

    _values: dict[str, str] = field(default_factory=dict)

    def learn(self, secret: Secret) -> None:
        """From now on this value is replaced, also in its URL- and JSON-quoted spelling."""
        from json import dumps
        from urllib.parse import quote

        value = secret.reveal()
        if len(value) < SHORTEST:
            return
        for spelling in (value, quote(value, safe=""), dumps(value)[1:-1], dumps(value, ensure_ascii=False)[1:-1]):
            self._values[spelling] = MASK
        self._values = dict(sorted(self._values.items(), key=lambda pair: -len(pair[0])))

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
