"""Key `confirm`: a human must say yes before the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from recover.answers import Question
from recover.errors import PlaybookError
from recover.world import Action, Check, Forecast, Inverse, Resource, Seconds, View, World


@dataclass(frozen=True)
class AskHuman:
    """Put the question; who answered is the outcome."""

    question: Question
    because: str = "the playbook wants a human to decide here"
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """The question."""
        return f"ask: {self.question.text}"

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
    """The question to answer with yes or no; `approvers` different people have to say yes.

    `within` limits the time from when it is first asked; then `otherwise` decides: stop (the step fails), skip (the
    rest of the stage is left out) or yes. A `destructive` gate is not answered by --yes, only by
    --yes-destructive with its name. Raises PlaybookError for what cannot be meant.
    """

    question: str
    approvers: int = 1
    within: Seconds | None = None
    otherwise: Literal["stop", "skip", "yes"] = "stop"
    destructive: bool = False
    supports: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.approvers < 1:
            raise PlaybookError("confirm needs one approver or more")
        if self.otherwise != "stop" and self.within is None:
            raise PlaybookError("otherwise is what happens when time is up: it needs within")
        if self.otherwise == "yes" and (self.destructive or self.approvers > 1):
            raise PlaybookError("a destructive gate, or one with several approvers, cannot say yes by itself")

    def decide(self, view: View) -> tuple[Action, ...]:  # noqa: ARG002 - a gate depends on nothing seen
        """Always the question: an earlier run's yes was for the world of that time."""
        limit = float(self.within) if self.within is not None else None
        return (AskHuman(Question(self.question, self.approvers, limit, self.otherwise, self.destructive)),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """Nothing."""
        return frozenset()

    def fingerprint(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - the actions say it all
        """Nothing beside the actions."""
        return {}

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None."""
        return ()
