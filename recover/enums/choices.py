"""What a human decides about a repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from recover.errors import UsageError

Strategy = Literal["rename", "expand", "contract", "retype"]


@dataclass(frozen=True)
class Choices:
    """`expand` bridges for writers of old labels, `contract` takes that bridge away, `retype` may rewrite tables.

    `rewrite` has text-bound dependants rewritten where that is exact; those in `ignore` are left to break.
    """

    strategy: Strategy = "rename"
    rewrite: bool = False
    ignore: tuple[str, ...] = ()


def choices_of(strategy: str, *, rewrite: bool, ignore: Sequence[str]) -> Choices:
    """The choices in words. Raises UsageError for a strategy there is none of."""
    known = get_args(Strategy)
    if strategy not in known:
        raise UsageError(f"there is no strategy {strategy!r}", why=f"known: {', '.join(known)}")
    return Choices(strategy, rewrite, tuple(ignore))  # type: ignore[arg-type]  # it is one of them


PLAIN = Choices()
"""Renames; nothing that would break is rewritten or ignored."""
