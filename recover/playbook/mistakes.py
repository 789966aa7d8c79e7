"""Collecting mistakes, so that one look at a playbook names them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

from recover.errors import PlaybookError

SHOWN, ENOUGH = 20, 100


class TooMany(PlaybookError):
    """So many mistakes that no more are looked for."""


@dataclass
class Mistakes:
    """The mistakes of one file: `with mistakes:` notes the one that ends the block.

    The same mistake (a probe's, say) is kept once, however often it is met.
    """

    name: str
    found: dict[tuple[str, str], PlaybookError] = field(default_factory=dict)

    def __enter__(self) -> None:
        """Begin a block whose PlaybookError is noted, after which reading goes on behind the block."""

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, PlaybookError) or isinstance(error, TooMany):
            return False
        self.found.setdefault((error.where, error.what), error)
        if len(self.found) >= ENOUGH:
            self.raise_any()
        return True

    def raise_any(self) -> None:
        """Raise PlaybookError when there are mistakes: the one, or one that lists the first twenty."""
        errors = list(self.found.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            listed = "".join(f"\n\n{error}" for error in errors[:SHOWN])
            more = f"\n\nand {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
            least = "at least " if len(errors) >= ENOUGH else ""
            raise TooMany(f"{least}{len(errors)} mistakes in {self.name}", where=errors[0].where, why=listed + more)
