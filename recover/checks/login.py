"""Can a user log in, and can nobody else? One 200 proves nothing: a login check is a set.

The right password gets a token that works and belongs to the same user; a wrong password and an
unknown user are refused (in the incident a wrong password of an existing user answered 500).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recover.checks.http import Expect
from recover.errors import Unreachable
from recover.evidence import Evidence
from recover.world import Reply, Resource, Seconds, Text, View


@dataclass(frozen=True)
class Follow:
    """What to call with the token, and what it must answer."""

    get: str
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True)
class Accept:
    """A user who must be let in. `token` is the JSON member that holds the bearer token."""

    as_: str
    password: Text
    status: int = 200
    token: str = "access_token"  # noqa: S105 - the member's name, not a token
    then: Follow | None = None


@dataclass(frozen=True)
class Reject:
    """Credentials that must be refused with this status."""

    as_: str
    password: Text
    status: int = 401


@dataclass(frozen=True)
class LoginWorks:
    """Key `login`: the accepted user gets in and is who they are, every other one is refused."""

    url: str
    accept: Accept
    reject: tuple[Reject, ...] = ()
    user_field: str = "username"
    password_field: str = "password"  # noqa: S105 - the form's field name
    timeout: Seconds = Seconds(5)

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing by itself: the services come from the URL's ${services.…}."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """The whole set, stopping at the first wrong answer so that no attempts are wasted."""
        question = f"can {self.accept.as_} log in, and nobody else?"
        try:
            missed, reply = self._first_miss(view)
        except Unreachable as error:
            return Evidence(question, f"no answer: {error.why}", passed=False)
        refused = len(self.reject)
        answer = missed or f"let in with a token that works, {refused} refused as they should be"
        return Evidence(question, answer, passed=not missed, attachment=reply.text if missed else None)

    def _first_miss(self, view: View) -> tuple[str, Reply]:
        reply = self._sign_in(view, self.accept.as_, self.accept.password)
        if reply.status != self.accept.status:
            return f"{self.accept.as_}: status {reply.status}, wanted {self.accept.status}", reply
        if self.accept.then and (missed := self._follow(view, reply, self.accept.then)):
            return missed, reply
        for other in self.reject:
            answer = self._sign_in(view, other.as_, other.password)
            if answer.status != other.status:
                return f"{other.as_} with a wrong password: status {answer.status}, wanted {other.status}", answer
        return "", reply

    def _sign_in(self, view: View, user: str, password: Text) -> Reply:
        return view.web.sign_in(self.url, {self.user_field: user, self.password_field: password}, timeout=self.timeout)

    def _follow(self, view: View, reply: Reply, then: Follow) -> str:
        body = reply.json()
        token = body.get(self.accept.token) if isinstance(body, dict) else None
        if not isinstance(token, str) or not token:
            return f"the answer holds no {self.accept.token}"
        answer = view.web.get(then.get, headers={"Authorization": f"Bearer {token}"}, timeout=self.timeout)
        missed = then.expect.misses(answer)
        return f"with the token, {then.get}: {missed}" if missed else ""
