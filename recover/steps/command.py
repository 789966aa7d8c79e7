"""Key `command.run`: one program on this machine. Needs `done_when`: a program cannot vouch for its own outcome."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from recover.errors import StepError
from recover.secrets import end
from recover.world import Action, Check, Forecast, Inverse, Resource, Seconds, Text, View, World


@dataclass(frozen=True)
class RunProgram:
    """Run it to its end; an exit code other than 0 is a failure."""

    argv: tuple[str, ...]
    environment: Mapping[str, Text]
    folder: str | None
    timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The command as a shell would take it."""
        return shlex.join(self.argv)

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The command: what it changes cannot be known."""
        return (f"command:{self.describe}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """Run it. Raises StepError with the end of its output when it fails or takes too long."""
        folder = Path(self.folder) if self.folder else None
        ended = world.commands.run(self.argv, environment=self.environment, folder=folder, timeout=self.timeout)
        if ended.exit_code != 0:
            raise StepError(
                f"{self.describe} ended with exit code {ended.exit_code}", why=end(ended.output, 1000).strip()
            )
        return {"exit_code": 0, "output": end(ended.output, 1000)}

    def forecast(self, forecast: Forecast) -> None:
        """It may change anything; the command itself is what a preview can name."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """None: nobody knows how to take a program back."""
        return None


@dataclass(frozen=True)
class RunCommand:
    """The program: a list of words, no shell. Secrets go into `environment`, never into the words,
    because every user of the machine can read a process's arguments."""

    command: tuple[str, ...]
    environment: Mapping[str, Text] = field(default_factory=dict)
    folder: str | None = None
    timeout: Seconds = Seconds(300)
    repeatable: ClassVar[bool] = False

    def decide(self, view: View) -> tuple[Action, ...]:  # noqa: ARG002 - `done_when` has looked already
        """The program."""
        because = "what it is for is not true yet (done_when)"
        return (RunProgram(self.command, self.environment, self.folder, self.timeout, because),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The command."""
        return frozenset({f"command:{shlex.join(self.command)}"})

    def fingerprint(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - the actions say it all
        """Nothing beside the actions."""
        return {}

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None of its own: `done_when` is asked afterwards."""
        return ()
