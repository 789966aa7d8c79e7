"""Key `mounts`: is everything there that services mount?"""

from __future__ import annotations

from dataclasses import dataclass

from recover.errors import RecoverError
from recover.evidence import Evidence
from recover.world import Resource, View


@dataclass(frozen=True)
class MountsAreThere:
    """Every named volume, folder, file and secret that the services mount is there: asked before they are started.

    A volume that is not there would begin empty; a folder that is not there would be made by the engine, and a secret
    that is not there keeps the container from starting. Paths are seen only where the engine runs on this machine.
    """

    services: tuple[str, ...]

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing that a step of a playbook changes."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """Look at what each mounts."""
        question = f"is everything there that {', '.join(self.services)} mount?"
        try:
            states = [view.services.state(name, probe=True) for name in self.services]
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why or error.next}", passed=False)
        lost = [f"{state.name} lacks {', '.join(state.lacks)}" for state in states if state.lacks]
        return Evidence(question, "; ".join(lost) or "yes", passed=not lost)
