"""Does an address answer over HTTP as it should?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recover.answers import Reply
from recover.errors import Unreachable
from recover.evidence import Evidence
from recover.pacing import TOO_MANY, retry_after
from recover.secrets import beginning
from recover.world import Resource, Seconds, Text, View

REFUSAL = 400  # statuses from here on say that something is wrong (RFC 9110, section 15)
SHOWN = 300  # characters of such an answer's body that are shown


@dataclass(frozen=True)
class Expect:
    """What the answer must be: status, header values, a part of the body, JSON members.

    `present` are headers and `cookies` cookies that it must set, whatever they hold. `json` is compared as a subset:
    every member named must be there and equal; lists must be equal.
    """

    status: int | None = None
    contains: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    json: object = None

    def misses(self, reply: Reply) -> str:
        """What is wrong with the answer, or ""."""
        if reply.status != (200 if self.status is None else self.status):
            return f"status {reply.status}, wanted {200 if self.status is None else self.status}{_words(reply)}"
        if self.contains is not None and self.contains not in reply.text:
            return f"the body does not contain {self.contains!r}"
        for name, value in self.headers.items():
            if reply.headers.get(name.lower()) != value:
                return f"header {name} is {reply.headers.get(name.lower())!r}, wanted {value!r}"
        if absent := [f"header {name}" for name in self.present if name.lower() not in reply.headers]:
            return f"the answer has no {', no '.join(absent)}"
        if absent := [f"cookie {name}" for name in self.cookies if not reply.cookies.get(name)]:
            return f"the answer sets no {', no '.join(absent)}"
        return "" if self.json is None else differs(self.json, reply.json(), "body")


@dataclass(frozen=True)
class HttpAnswers:
    """Key `http`: a GET of the address gives the expected answer."""

    get: str
    expect: Expect = field(default_factory=Expect)
    headers: Mapping[str, Text] = field(default_factory=dict)
    timeout: Seconds = Seconds(5)

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing by itself: the services come from the URL's ${services.…}."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """One GET on a fresh connection."""
        question = f"does GET {self.get} answer as expected?"
        try:
            reply = view.web.get(self.get, headers=self.headers, timeout=self.timeout)
        except Unreachable as error:
            return Evidence(question, f"no answer: {error.why}", passed=False)
        missed = self.expect.misses(reply)
        answer = missed or f"{reply.status} in {reply.seconds * 1000:.0f} ms"
        again = retry_after(reply.headers.get("retry-after")) if missed and reply.status == TOO_MANY else 0.0
        return Evidence(question, answer, passed=not missed, again_in=again, attachment=reply.text if missed else None)


def _words(reply: Reply) -> str:
    """What a refusal says of itself, to be put after its status; or nothing."""
    said = " ".join(beginning(reply.text, SHOWN).split()) if reply.status >= REFUSAL else ""
    return f": {said}" if said else ""


def differs(wanted: object, got: object, path: str) -> str:
    """Where `got` lacks something of `wanted`, in words, or ""."""
    if isinstance(wanted, Mapping):
        if not isinstance(got, Mapping):
            return f"{path} is not an object"
        for key, value in wanted.items():
            if key not in got:
                return f"{path}.{key} is missing"
            if deeper := differs(value, got[key], f"{path}.{key}"):
                return deeper
        return ""
    return "" if wanted == got else f"{path} is {got!r}, wanted {wanted!r}"
