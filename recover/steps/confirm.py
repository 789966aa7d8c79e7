"""Key `confirm`: a human must say yes before the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from recover.world import Action, Check, Forecast, Inverse, Resource, View, World


@dataclass(frozen=True)
class AskHuman:
    """Put the question; who answered is the outcome."""

    question: str
    because: str = "the playbook wants a human to decide here"
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The question."""
        return f"ask: {self.question}"

    @property
    def touches(self) -> tuple[Resource, ...]:
        """Nothing."""
        return ()

    def apply(self, world: World) -> Mapping[str, object]:
        """The answer. Raises NeedsApproval when nobody is there, StepError on no."""
        return world.gate(self.question)

    def forecast(self, forecast: Forecast) -> None:
        """A question changes nothing."""

    def inverse(self) -> Inverse | None:
        """Nothing to take back."""
        return None


@dataclass(frozen=True)
class Confirm:
    """The question to answer with yes or no."""

    question: str
    supports: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def decide(self, view: View) -> tuple[Action, ...]:  # noqa: ARG002 - a gate depends on nothing seen
        """Always the question: an earlier run's yes was for the world of that time."""
        return (AskHuman(self.question),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """Nothing."""
        return frozenset()

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None."""
        return ()
