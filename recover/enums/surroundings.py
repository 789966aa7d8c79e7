"""What else is connected to a database whose labels are to change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recover.enums import catalog
from recover.world import SeeDatabase


@dataclass(frozen=True)
class Other:
    """A session (detail: how many of that name), a prepared transaction, a replication slot or a subscription."""

    kind: str
    name: str
    detail: str


@dataclass(frozen=True)
class Surroundings:
    """All of them."""

    others: tuple[Other, ...] = ()

    def words(self) -> Iterable[str]:
        """What each of them means for a change of labels."""
        sessions = [other for other in self.others if other.kind == "session"]
        if sessions:
            names = ", ".join(f"{other.detail} of {other.name}" for other in sessions)
            yield f"other sessions go on with cached plans until they reconnect; restart them afterwards: {names}"
        for other in self.others:
            if other.kind == "prepared transaction":
                yield (
                    f"the prepared transaction {other.name} of {other.detail} holds locks without a process; "
                    f"end it with COMMIT PREPARED or ROLLBACK PREPARED '{other.name}'"
                )
            elif other.kind == "replication slot":
                yield f"the logical replication slot {other.name}: rename the labels on its subscriber too, or it stops"
            elif other.kind == "subscription":
                yield f"the subscription {other.name}: rename the labels on its publisher too, or it stops"


def surroundings(database: SeeDatabase) -> Surroundings:
    """Who else is there. Raises as `rows` does."""
    rows = database.rows("who else is connected", catalog.named("around"))
    return Surroundings(tuple(Other(str(row["kind"]), str(row["name"]), str(row["detail"])) for row in rows))
