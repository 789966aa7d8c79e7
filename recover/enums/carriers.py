"""The types that carry an enum's values: itself, domains, arrays; and, buried, ranges, composites and rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from recover.enums import catalog
from recover.world import SeeDatabase


@dataclass(frozen=True)
class Carriers:
    """(enum, type, shape) by their oids; the shape is plain, array or buried."""

    found: tuple[tuple[int, int, str], ...] = ()

    def of(self, oids: Collection[int]) -> Carriers:
        """Those of these enums only."""
        wanted = set(oids)
        return Carriers(tuple(each for each in self.found if each[0] in wanted))

    def args(self, *, buried: bool) -> Mapping[str, object]:
        """What the catalog questions want to be told, with or without the buried ones."""
        some = [each for each in self.found if buried or each[2] != "buried"]
        enums, types, shapes = ([each[place] for each in some] for place in range(3))
        return {"enums": enums, "types": types, **({"shapes": shapes} if buried else {})}


def carriers(database: SeeDatabase, oids: Sequence[int]) -> Carriers:
    """Those of the enum types of these oids. Raises as `rows` does."""
    if not oids:
        return Carriers()
    rows = database.rows("the types that carry enums", catalog.named("carriers", oids=list(oids)))
    return Carriers(tuple((int(str(row["enum"])), int(str(row["type"])), str(row["shape"])) for row in rows))
