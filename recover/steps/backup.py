"""Key `database.backup`: a dump before the schema is touched, kept with the run's evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from recover.evidence import utc_now
from recover.world import Action, Check, Forecast, Inverse, Resource, View, World


@dataclass(frozen=True)
class Dump:
    """pg_dump of one database into the run folder, verified by pg_restore."""

    database: str
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """Where it goes and how."""
        return (
            f"pg_dump --format=custom of {self.database} into the run's evidence folder, read back by pg_restore --list"
        )

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The backup: the database itself is only read."""
        return (f"backup:{self.database}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Dump; {"path", "bytes", "sha256", "seconds"}. Raises StepError, leaving no half a dump."""
        moment = utc_now().strftime("%Y%m%dT%H%M%S.%fZ")
        return world.database(self.database).dump(world.place.folder / "evidence" / f"{self.database}-{moment}.dump")

    def forecast(self, forecast: Forecast) -> None:
        """A backup will be there."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """None: a backup is evidence and stays."""
        return None


@dataclass(frozen=True)
class BackUpDatabase:
    """Always a new dump: an older one does not know what was written since. It serves the steps after it only."""

    database: str
    supports: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def decide(self, view: View) -> tuple[Action, ...]:  # noqa: ARG002 - a backup is wanted whatever is seen
        """One dump."""
        return (Dump(self.database, "before the schema is touched"),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The backup."""
        return frozenset({f"backup:{self.database}"})

    def fingerprint(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - the actions say it all
        """Nothing beside the actions."""
        return {}

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None: the dump is verified before it gets its name."""
        return ()
