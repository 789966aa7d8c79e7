"""The answer to a question of a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from recover.diagnosis.scene import Scene
from recover.diagnosis.shapes import Shape


@dataclass(frozen=True)
class Told:
    """The answer. `about` are the services it is about; `whole`: everything is stopped, by a hand. `next` is what mends
    it, where the answer itself knows.
    """

    answer: Literal["yes", "no", "unknown"]
    words: str
    about: tuple[str, ...] = ()
    whole: bool = False
    next: tuple[str, ...] = ()


Question = Callable[[Scene, Sequence[Shape]], Told]
"""Gets the scene and the shapes that speak of its cause."""


def yes(words: Iterable[str], *about: str) -> Told:
    """Confirmed."""
    return Told("yes", "; ".join(words), about)
