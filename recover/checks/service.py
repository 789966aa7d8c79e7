"""Key `service`: is a service as it should be?"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recover.errors import RecoverError
from recover.evidence import Evidence
from recover.secrets import MASK
from recover.stack import ServiceState
from recover.world import Resource, View

TAIL = 20
LOOP = 2  # restarts since it was started that make a restart loop
_SECRET = re.compile(r"PASS|_PWD|TOKEN|KEY|SECRET|CREDENTIAL", re.IGNORECASE)
_PATH = re.compile(r"^mount /|FILE$", re.IGNORECASE)
_NAME = rf"(?>[\w-]*(?:{_SECRET.pattern}))[\w-]*+(?<!file)(?<!error)(?<!exception)"
_WORD = r"(?<![\w-])"  # begins here: inside of a long one nothing is looked for again
_IN_TEXT = re.compile(
    rf"(://[^/\s:@]*:)\S+(?=@)"
    rf"""|({_WORD}{_NAME}\\?["'] ?: ?)"""
    r"""(?:\\"[^"\\]*+(?:\\(?!")[^"\\]*+)*(?:\\"|$)|"[^"\\]*+(?:\\.?+[^"\\]*+)*(?:"|$)|'[^']*+(?:'|$))"""
    rf"|({_WORD}(?:--?{_NAME}[ =]|{_NAME}=|(?<!/){_NAME}: |Password (?=')|Authorization: Basic )"
    r"|Bearer |redis-cli (?:\S+ )*?-a )"
    r"""(?:'[^']*'|"[^"]*"|[^\s'"])+"""
    r"|\beyJ[\w-]{8,}+\.[\w-]++\.[\w-]*+",
    re.IGNORECASE,
)
"""The password in an address; the value of an option, variable, header or member of JSON whose name says that it is a
secret, also of a member that was cut in the middle; a JSON Web Token. An exception's message (KeyError:
'DATABASE_URL') is none, nor is what is said of a file (/x/password: no such file).
"""


@dataclass(frozen=True)
class ServiceIs:
    """The service is in the state; `restarts`: at most so many times by itself; `as_declared`: the running
    instance has the environment and every other setting of its file, so a degraded mode was left.

    A one-shot that exited with code 0 is running and healthy: it has done its work. "stopped" is any
    service that does not run, whoever ended it.
    """

    name: str
    state: Literal["running", "stopped", "healthy"] = "healthy"
    restarts: int | None = None
    as_declared: bool = False

    @property
    def about(self) -> frozenset[Resource]:
        """The service."""
        return frozenset({f"service:{self.name}"})

    def ask(self, view: View) -> Evidence:
        """Look at it now. One that has ended by itself, or ends again and again, does not become healthy by waiting."""
        question = f"is {self.name} {self.state}{' and as its file says' if self.as_declared else ''}?"
        try:
            state = view.services.state(self.name, probe=self.state != "stopped")
            missed = self._misses(state)
            settled = state.running and missed == self._other_than_declared(state)
            ended = self.state != "stopped" and (state.status == "exited" or looping(state)) and not finished(state)
            tail = "\n".join(deque(view.services.logs(self.name), TAIL)) if ended else None
        except RecoverError as error:
            return Evidence(question, f"{error.what}: {error.why or error.next}", passed=False)
        hopeless = ended or bool(missed and settled)  # no waiting gives a running instance another configuration
        return Evidence(question, missed or "yes", passed=not missed, hopeless=hopeless, attachment=tail)

    def _misses(self, state: ServiceState) -> str:
        """What is not as wanted, or ""."""
        if self.state == "stopped":
            return f"it is {state.status}" if state.running else ""
        if not (state.status == "running" or finished(state)) or (self.state == "healthy" and not state.ready):
            return f"it is {state.status}{f': {state.detail}' if state.detail else ''}"
        if self.restarts is not None and state.restarts > self.restarts:
            return f"it was restarted {state.restarts} times, wanted at most {self.restarts}"
        return self._other_than_declared(state)

    def _other_than_declared(self, state: ServiceState) -> str:
        return "; ".join(filter(None, [state.note, *undeclared(state)])) if self.as_declared else ""


def undeclared(state: ServiceState) -> list[str]:
    """How the running instance differs from what its file says."""
    return [
        *differences(state.declared, state.environment),
        *differences(state.declared_settings, state.settings),
    ]


def looping(state: ServiceState) -> bool:
    """Does its runtime start it again and again, and it is not ready?"""
    return state.restarts >= LOOP and not state.ready


def finished(state: ServiceState) -> bool:
    """Is it a one-shot that has done its work?"""
    return state.oneshot and state.status == "exited" and state.exit_code == 0


def differences(wanted: Mapping[str, str], has: Mapping[str, str]) -> list[str]:
    """ "MIDDLEWARE is 'a,b', wanted ''" for each variable that differs; values of secrets are masked."""
    return [
        f"{key} is {shown(key, has.get(key))}, wanted {shown(key, wanted.get(key))}"
        for key in {**wanted, **has}
        if wanted.get(key) != has.get(key)
    ]


def shown(key: str, value: str | None) -> str:
    """The value of an environment variable for humans."""
    if value is None:
        return "unset"
    return MASK if looks_secret(key) else repr(masked(value))


def masked(text: str) -> str:
    """The text without what looks like a secret in it."""
    return _IN_TEXT.sub(lambda found: f"{found[1] or found[2] or found[3] or ''}{MASK}", text)


def looks_secret(key: str) -> bool:
    """Does the name of a variable or setting say that its value is a secret? The path of a secret's file is none."""
    return bool(_SECRET.search(key)) and not _PATH.search(key)
