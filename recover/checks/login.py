"""Can a user log in, and can nobody else? One 200 proves nothing: a login check is a set.

The right password gets a token or cookie that works and belongs to the same user; without it, and with a forged
one, nothing is answered; a wrong password and an unknown user are refused (in the incident a wrong password of an
existing user answered 500), and so are disabled and pending users. All of that as often as there are workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from recover.answers import Reply
from recover.checks.http import Expect
from recover.checks.jws import signed_by
from recover.checks.service import masked
from recover.checks.totp import Totp
from recover.errors import Limited, PlaybookError, Unreachable
from recover.evidence import Evidence
from recover.pacing import TOO_MANY, limited
from recover.secrets import MASK, Secret, revealed
from recover.world import Resource, Seconds, Text, View

DENIED = (401, 403)
LEAST = 16  # characters of a signature; what is shorter behind a token's last dot is none


@dataclass(frozen=True)
class Follow:
    """What to call with the token, and what it must answer.

    Where no JSON is expected, the user's own name has to stand somewhere in the answer.
    """

    get: str
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True)
class Accept:
    """A user who must be let in. `token` is the JSON member that holds the bearer token; with `cookie` it is the
    cookie of that name that lets him in.
    """

    as_: str
    password: Text
    status: int = 200
    token: str = "access_token"  # noqa: S105 - the member's name, not a token
    cookie: str = ""
    then: Follow | None = None


@dataclass(frozen=True)
class Reject:
    """Credentials that must be refused with this status: a wrong password, or a user who may not (yet) log in."""

    as_: str
    password: Text
    status: int = 401


@dataclass(frozen=True)
class Csrf:
    """Where the login form's own token comes from: the cookie of that name or the JSON member, sent back as a header.

    The cookies of that answer are sent back too (OWASP, Cross-Site Request Forgery Prevention, "Double-Submit Cookie").
    """

    get: str
    cookie: str = "csrf_token"
    json: str = "csrf_token"
    header: str = "X-CSRF-Token"


@dataclass(frozen=True)
class LoginWorks:
    """Key `login`: the accepted user gets in and is who they are, every other one is refused.

    Without `reject` a wrong password and an unknown user are tried, with `reject: []` nobody. `workers`: the whole set
    is asked so many times in a row, each call on a connection of its own. `per_minute` is the budget of sign-ins; one
    that would exceed it waits. `send`: the credentials as a form or as JSON. `retired_keys` once signed tokens, those
    of a degraded mode for one: what they sign (HS256, HS384, HS512) must be refused now. Raises PlaybookError for less
    than one worker or call, and for retired keys without `then`.
    """

    url: str
    accept: Accept
    reject: tuple[Reject, ...] | None = None
    user_field: str = "username"
    password_field: str = "password"  # noqa: S105 - the form's field name
    send: Literal["form", "json"] = "form"
    csrf: Csrf | None = None
    totp: Totp | None = None
    workers: int = 1
    per_minute: int | None = None
    retired_keys: tuple[Text, ...] = ()
    timeout: Seconds = Seconds(5)

    def __post_init__(self) -> None:
        if self.workers < 1 or (self.per_minute is not None and self.per_minute < 1):
            raise PlaybookError("login needs one worker and one call per_minute at least")
        if self.retired_keys and self.accept.then is None:
            raise PlaybookError("retired_keys need accept.then: what is called with a token of theirs")

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing by itself: the services come from the URL's ${services.…}."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """The whole set, stopping at the first wrong answer so that no attempts are wasted."""
        question = f"can {self.accept.as_} log in{', and nobody else' if self.rejected else ''}?"
        try:
            for n in range(self.workers):
                if (miss := _Round(self, view).first_miss()).words:
                    times = f" (in round {n + 1} of {self.workers})" if self.workers > 1 else ""
                    return Evidence(question, miss.words + times, passed=False, attachment=miss.body)
        except Limited as error:
            return Evidence(question, f"not asked: {error.why}", passed=False, again_in=error.seconds)
        except Unreachable as error:
            return Evidence(question, f"no answer: {error.why}", passed=False)
        refused = f", {len(self.rejected)} refused as they should be" if self.rejected else ""
        return Evidence(question, f"let in with a token that works{refused}{self._often}", passed=True)

    @property
    def guarding(self) -> LoginWorks:
        """The same without those who must be refused: a wrong password at each step of a run would lock the account."""
        return replace(self, reject=())

    @property
    def rejected(self) -> tuple[Reject, ...]:
        """Who has to be refused."""
        wrong = "not-the-password"
        usual = (Reject(self.accept.as_, wrong), Reject("nobody@example.invalid", wrong))
        return usual if self.reject is None else self.reject

    @property
    def _often(self) -> str:
        return f", {self.workers} times in a row" if self.workers > 1 else ""


@dataclass(frozen=True)
class Miss:
    """What was wrong, "" for nothing, and the body of the answer in which it was."""

    words: str = ""
    body: str | None = None


@dataclass(frozen=True)
class _Round:
    """The set, asked once."""

    check: LoginWorks
    view: View

    def first_miss(self) -> Miss:
        """The first wrong answer."""
        accept = self.check.accept
        reply = self._sign_in(accept.as_, accept.password, accepted=True)
        if reply.status != accept.status:
            return Miss(f"{accept.as_}: status {reply.status}, wanted {accept.status}", self._body(reply))
        credential = self._credential(reply)
        if not credential:
            lacks = f"cookie {accept.cookie}" if accept.cookie else accept.token
            return Miss(f"{accept.as_}: the answer holds no {lacks}", self._body(reply))
        if accept.then and (miss := self._follow(credential, accept.then)).words:
            return miss
        return next((miss for other in self.check.rejected if (miss := self._refused(other)).words), Miss())

    def _refused(self, other: Reject) -> Miss:
        answer = self._sign_in(other.as_, other.password)
        if answer.status == other.status:
            return Miss()
        return Miss(
            f"{other.as_}, who must be refused: status {answer.status}, wanted {other.status}", self._body(answer)
        )

    def _sign_in(self, user: str, password: Text, *, accepted: bool = False) -> Reply:
        check = self.check
        form: dict[str, Text] = {check.user_field: user, check.password_field: password}
        if accepted and check.totp and not check.totp.url:
            form |= check.totp.form()
        reply = self._post(check.url, form, self._csrf())
        if accepted and check.totp and check.totp.url and reply.status < DENIED[0]:
            reply = self._post(check.totp.url, check.totp.form(), {**self._csrf(), **_header(self._credential(reply))})
        return reply

    def _post(self, url: str, form: Mapping[str, Text], headers: Mapping[str, Text]) -> Reply:
        check = self.check
        as_json, pace = check.send == "json", check.per_minute
        return self.view.web.sign_in(url, form, headers=headers, json=as_json, per_minute=pace, timeout=check.timeout)

    def _csrf(self) -> dict[str, Text]:
        csrf = self.check.csrf
        if csrf is None:
            return {}
        reply = self._asked(csrf.get, {})
        body = reply.json()
        token = body.get(csrf.json) if isinstance(body, dict) else None
        cookies = "; ".join(f"{name}={value}" for name, value in reply.cookies.items())
        return {
            csrf.header: str(reply.cookies.get(csrf.cookie) or token or ""),
            **({"Cookie": cookies} if cookies else {}),
        }

    def _credential(self, reply: Reply) -> str:
        """ "Bearer …" or "name=…", whichever lets him in; or ""."""
        if name := self.check.accept.cookie:
            return f"{name}={reply.cookies[name]}" if reply.cookies.get(name) else ""
        body = reply.json()
        token = body.get(self.check.accept.token) if isinstance(body, dict) else None
        return f"Bearer {token}" if isinstance(token, str) and token else ""

    def _body(self, reply: Reply) -> str:
        """What may be kept of the answer: a token that it hands out is as good as a password, under any name."""
        value = _value(self._credential(reply))
        return masked(reply.text.replace(value, MASK) if value else reply.text)

    def _follow(self, credential: str, then: Follow) -> Miss:
        answer = self._get(then, _header(credential))
        if missed := then.expect.misses(answer) or self._of_another(answer, then):
            return Miss(f"with the token, {then.get}: {missed}", masked(answer.text))
        retired = [_retired(credential, key) for key in self.check.retired_keys]
        if not all(retired):
            return Miss("retired_keys: the token is no JWT with an HMAC signature (HS256, HS384 or HS512)")
        fakes: list[tuple[str, Text]] = [("with a forged token", _forged(credential)), ("without a token", "")]
        for what, fake in [*fakes, *(("with a token of a retired key", token) for token in retired)]:
            answer = self._get(then, _header(fake))
            if answer.status not in DENIED:
                return Miss(f"{what}, {then.get}: status {answer.status}, wanted 401 or 403", masked(answer.text))
        return Miss()

    def _of_another(self, answer: Reply, then: Follow) -> str:
        named = then.expect.json is not None or self.check.accept.as_ in answer.text
        return "" if named else f"the answer does not name {self.check.accept.as_}"

    def _get(self, then: Follow, headers: Mapping[str, Text]) -> Reply:
        return self._asked(then.get, headers)

    def _asked(self, url: str, headers: Mapping[str, Text]) -> Reply:
        """GET. Raises Limited for a 429, as a sign-in does."""
        reply = self.view.web.get(url, headers=headers, timeout=self.check.timeout)
        if reply.status == TOO_MANY:
            raise limited(url, reply.headers)
        return reply


def _header(credential: Text) -> dict[str, Text]:
    text = revealed(credential)
    if not text:
        return {}
    return {"Authorization" if text.startswith("Bearer ") else "Cookie": credential}


def _forged(credential: str) -> Secret:
    """The same with one character changed, in the signature where the token is a JWT (RFC 7515): a server that only
    looks at a token's shape or claims takes it. The last character may hold unused bits, so it is not that one.
    """
    value = _value(credential)
    signature = value.rpartition(".")[2]
    at = len(credential) - max(2, len(signature if len(signature) > LEAST else value) // 8)
    return Secret("forged token", credential[:at] + ("B" if credential[at] == "A" else "A") + credential[at + 1 :])


def _retired(credential: str, key: Text) -> Text:
    """The same as a key that is no longer in use would have signed it; "" where it is not signed so."""
    token = _value(credential)
    signed = signed_by(revealed(key), token)
    return Secret("token of a retired key", credential.removesuffix(token) + signed) if signed else ""


def _value(credential: str) -> str:
    """What stands behind "Bearer " or the cookie's name."""
    return credential.partition(" " if credential.startswith("Bearer ") else "=")[2]
