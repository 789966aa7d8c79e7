"""What comes back from outside, as data: an HTTP answer, a program's end; and what a human is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BODY_LIMIT = 64 * 1024  # bytes of an HTTP answer's body that are read


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. `text` is at most the first 64 KiB of the body, `cookies` are those it sets."""

    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float = 0.0
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def cut(self) -> bool:
        """Whether the body may have been longer."""
        return len(self.text.encode()) >= BODY_LIMIT

    def json(self) -> object:
        """The body as JSON, or None when it is none."""
        from json import loads

        try:
            return loads(self.text)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Completed:
    """A command that ended. `output` is stdout and stderr together, the last 64 KiB."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class Question:
    """What a human decides. `approvers` different people have to say yes; `destructive`: a plain --yes does not.

    `within` seconds from when it was first asked; then `otherwise`: the step fails, the rest of its stage is left
    out, or it goes on.
    """

    text: str
    approvers: int = 1
    within: float | None = None
    otherwise: Literal["stop", "skip", "yes"] = "stop"
    destructive: bool = False
