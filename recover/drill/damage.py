"""What a break does, as data: the scenario's own change and the chosen faults together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["expired", "not-yet-valid", "wrong-name", "wrong-authority", "other-key", "expired-authority"]
"""In which way a certificate is no good. With `other-key` it is: its key is not."""


@dataclass(frozen=True)
class Spoilt:
    """The pair of the replica that is made anew for these names, and is bad in this way."""

    pair: str
    names: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True)
class Damage:
    """In the order in which it is done; `recover.drill.breaking` does it. Paths begin at the replica's folder."""

    env: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    spoilt: tuple[Spoilt, ...] = ()
    fill: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    wait: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    later: Mapping[str, str] = field(default_factory=dict)

    def and_also(self, other: Damage) -> Damage:
        """Both; where they set the same variable, the other one's value counts."""
        return Damage(
            {**self.env, **other.env},
            _each_once(*self.remove, *other.remove),
            (*self.spoilt, *other.spoilt),
            _each_once(*self.fill, *other.fill),
            _each_once(*self.restart, *other.restart),
            _each_once(*self.wait, *other.wait),
            _each_once(*self.stop, *other.stop),
            {**self.later, **other.later},
        )


def _each_once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
