"""Key `http.call`: one HTTP request with an effect. Needs `done_when`: a request cannot see its own outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from recover.errors import StepError
from recover.secrets import beginning
from recover.world import Action, Check, Forecast, Inverse, Resource, Seconds, Text, View, World


@dataclass(frozen=True)
class Call:
    """Send the request; an answer outside 2xx is a failure."""

    method: str
    url: str
    headers: Mapping[str, Text]
    json: object
    timeout: float
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """Method and address."""
        return f"{self.method} {self.url}"

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The address: what it changes behind it cannot be known."""
        return (f"web:{self.url}",)

    def apply(self, world: World) -> Mapping[str, object]:
        """One request. Raises StepError for an answer outside 2xx, Unreachable for none."""
        reply = world.web.send(self.method, self.url, headers=self.headers, json=self.json, timeout=self.timeout)
        if reply.status // 100 != 2:  # noqa: PLR2004 - the class of success in RFC 9110
            raise StepError(
                f"{self.describe} answered {reply.status}", where=self.url, why=beginning(reply.text, 300).strip()
            )
        return {"status": reply.status, "seconds": round(reply.seconds, 3)}

    def forecast(self, forecast: Forecast) -> None:
        """Whatever answers over the web may be different afterwards."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """None: nobody knows how to take a request back."""
        return None


@dataclass(frozen=True)
class CallHttp:
    """The request to send."""

    url: str
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Mapping[str, Text] = field(default_factory=dict)
    json: object = None
    timeout: Seconds = Seconds(30)
    repeatable: ClassVar[bool] = False

    def decide(self, view: View) -> tuple[Action, ...]:  # noqa: ARG002 - `done_when` has looked already
        """The request."""
        because = "what it is for is not true yet (done_when)"
        return (Call(self.method, self.url, self.headers, self.json, self.timeout, because),)

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The address."""
        return frozenset({f"web:{self.url}"})

    def fingerprint(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - the actions say it all
        """Nothing beside the actions."""
        return {}

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """None of its own: `done_when` is asked afterwards."""
        return ()
