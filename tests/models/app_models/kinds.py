"""The enums."""
# ruff: noqa: UP042 - (str, Enum) is what applications write

import enum
from enum import Enum, IntEnum, StrEnum, auto
from typing import Literal

PREFIX = "eu"


class Role(str, enum.Enum):
    ADMIN = "admin"
    USER = "user"


class State(StrEnum):
    """With auto(), which lower-cases the name."""

    ACTIVE = auto()
    PAUSED = auto()
    ON_HOLD = "on hold"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Step(Enum):
    FIRST = auto()
    SECOND = auto()
    LAST = SECOND


class Region(str, Enum):
    NORTH = f"{PREFIX}-north"
    SOUTH = PREFIX

    @property
    def short(self) -> str:
        return self.value[:2]


class Shouted(str, Enum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last: list[str]) -> str:
        return name.lower()

    RED = auto()
    BLUE = auto()


Colour = Enum("Colour", "RED GREEN")
Size = Enum("Size", [("SMALL", "s"), ("LARGE", "l")])

Mood = Literal["good", "bad"]
