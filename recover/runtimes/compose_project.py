"""The containers of one project on one engine: found by the labels of compose, stopped ones too."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from recover.runtimes import refusals
from recover.runtimes.engine_api import Engine, Facts, Gone

REPLICA = "dev.recover.replica"


@dataclass(frozen=True)
class ComposeProject:
    """One project. With a `replica` everything in it has to carry that id as its label."""

    name: str
    engine: Engine
    replica: str = ""

    def listed(self, service: str = "") -> list[Facts]:
        """Its containers as the engine lists them. Raises Precondition for those of another stack."""
        found = self.engine.containers(self.name, service)
        for facts in found:
            name = str((facts.get("Names") or [facts["Id"][:12]])[0]).lstrip("/")
            self._require_own(f"the container {name}", facts["Labels"])
        return found

    def inspected(self, service: str) -> list[Facts]:
        """The service's containers in every detail: those that run first, then by name. Raises Unreachable."""
        found = []
        for listed in self.listed(service):
            with suppress(Gone):  # removed since it was listed
                found.append(self.engine.inspect(listed["Id"]))
        if not found:
            self.require_traces()
        return sorted(found, key=lambda facts: (not facts["State"].get("Running"), facts["Name"]))

    def require_own_volume(self, name: str) -> None:
        """Raises Precondition for a volume that belongs to another stack."""
        self._require_own(f"the volume {name}", self.engine.volume_labels(name))

    def require_traces(self) -> None:
        """Raises Unreachable when the engine knows nothing of the project: it is likely another engine."""
        if not (self.replica or self.engine.containers(self.name) or self.engine.volumes(self.name)):
            raise refusals.no_project(self.name, self.engine.said, self.engine.projects())

    def _require_own(self, what: str, labels: Mapping[str, str] | None) -> None:
        if self.replica and labels is not None and labels.get(REPLICA) != self.replica:
            raise refusals.another_stack(self.name, self.engine.said, what)
