"""The expected file: which labels the deployed code expects, type by type and column by column.

```yaml
types:
  userrole: [ADMIN, USER]            # named as SQL does: 's1."We ird"'
map: {userstatus: {pending_approval: PENDING}}
columns: {public.accounts.state: [ACTIVE, DISABLED]}     # text columns that hold enum-like values
members:                             # what `recover enums expected` saw behind each column
  public.users.role: {type: userrole, enum: app.models.UserRole, stores: names, pairs: {ADMIN: admin, USER: user}}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Labels = tuple[str, ...]
Pairs = Mapping[str, str]
"""Member name to member value, of one Python enum, in its order."""


@dataclass(frozen=True)
class Member:
    """What the code has behind one column, named `schema.table.column` as SQL does.

    `type` is the enum type of the database it declares, None for a text column (native_enum=False, Literal).
    `stores` says which half of a pair goes into the database; "strings" is a list of bare labels.
    `certain` is False where the reading was a heuristic; `note` says which. `length` is that of a text column,
    in characters, None where it has no limit or none is known.
    """

    type: str | None
    labels: Labels
    enum: str = ""
    stores: Literal["names", "values", "strings"] = "strings"
    pairs: Pairs = field(default_factory=dict)
    certain: bool = True
    note: str = ""
    length: int | None = None


@dataclass(frozen=True)
class Expected:
    """What the deployed code expects. `map` is old label to new, said by a human, and wins over all pairs.

    `types` and `columns` are named as SQL names them. `source` says where this comes from, `notes` what could
    not be read there.
    """

    types: Mapping[str, Labels] = field(default_factory=dict)
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    columns: Mapping[str, Labels] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()

    def pairs(self, type: str) -> tuple[Pairs, ...]:
        """The pairs of every Python enum behind that type, each once."""
        found = [dict(m.pairs) for m in self.members.values() if m.type == type and m.pairs]
        return tuple(pair for at, pair in enumerate(found) if pair not in found[:at])
