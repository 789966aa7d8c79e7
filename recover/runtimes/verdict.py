"""What is wrong with a container, in the engine's and the service's own words. Pure, but for `Ask`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from recover.runtimes.engine_api import Gone
from recover.secrets import end
from recover.stack import Status

Facts = Mapping[str, Any]
Ask = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a program in the container: its exit code and what it said. Raises Gone, TimeoutError."""

SETTLED = 1.0  # seconds a service without a health check must have run to count as started
PROBE = 30.0  # seconds a health check may take by default (Docker documentation, HEALTHCHECK --timeout)
LOOP = 2  # restarts by the engine since it was started that make it a restart loop
GAP = timedelta(seconds=0.1)  # the least time from an end to the next start by the engine
KILLED = 128  # exit codes above are a signal's number more (Docker documentation, "Exit status")
STOP_CODES = {0, KILLED + 9, KILLED + 15}
ALWAYS = ("always", "unless-stopped")
OOM = "killed because it used more memory than its limit (OOM)"
WORDS = 500
LOCALTIME = "/etc/localtime"
UNASKED = "its health check has not been asked since it was started"
"""Why a container is not known to be ready, and may be."""


def status_of(facts: Facts) -> Status:
    """The engine's state in our words.

    Whether a container ended by itself or was stopped the API does not say. One that the engine would
    have restarted was stopped; otherwise only the exit codes of a stop speak for one.
    """
    state = facts["State"]
    if state["Status"] in ("running", "restarting", "paused"):
        return state["Status"]  # type: ignore[no-any-return]  # one of the three
    if state["Status"] == "created" and not state.get("Error"):
        return "stopped"
    if state.get("Error") or state.get("OOMKilled"):
        return "exited"
    policy = (facts["HostConfig"].get("RestartPolicy") or {}).get("Name")
    stopped = policy in ALWAYS or state["ExitCode"] in STOP_CODES - {0}
    return "stopped" if stopped else "exited"


def looping(facts: Facts) -> bool:
    """Does the engine start it again and again?"""
    return int(facts["RestartCount"]) >= LOOP


def started_at(facts: Facts) -> datetime | None:
    """When it was last started (UTC), or None."""
    at = instant(facts["State"].get("StartedAt", ""))
    return at if at and at.year > 1 else None


def zone_of(facts: Facts) -> str:
    """That of its programs' own times: of its TZ, of the host whose /etc/localtime it mounts, or else UTC."""
    given = dict(pair.partition("=")[::2] for pair in facts["Config"].get("Env") or ())
    mounted = any(mount.get("Destination") == LOCALTIME for mount in facts.get("Mounts") or ())
    zone = given.get("TZ", "").removeprefix(":")
    return zone if zone not in ("", LOCALTIME) else "" if mounted else "UTC"


def patience(facts: Facts) -> float:
    """Seconds that its health check may take."""
    return float((facts["Config"].get("Healthcheck") or {}).get("Timeout") or 0) / 1e9 or PROBE


def log_begins(facts: Facts) -> datetime | None:
    """From when on its log is that of the present incarnation; None: from its beginning.

    The engine writes down a start after the process has begun, and a fast one has spoken or even ended by
    then. But it starts none again within a tenth of a second (Docker documentation, restart policies).
    """
    began, ended = started_at(facts), instant(facts["State"].get("FinishedAt", ""))
    if began is None or ended is None or ended.year == 1:
        return None
    if facts["State"]["Running"] and ended < began:
        return ended + GAP  # the end of the one before
    return min(began, ended) - GAP


def why_not_ready(facts: Facts, *, oneshot: bool, ask: Ask | None, last_words: Callable[[], str]) -> str:
    """ "" when the container is ready, else why not.

    Ready is a health check that passes now, asked in the container itself, or where that may not be done
    (`ask` is None) the engine's own result, if it is newer than the start. Without a health check: it runs.
    """
    state, status = facts["State"], facts["State"]["Status"]
    if status == "created":
        return (
            f"it was created and could not be started: {state['Error']}"
            if state.get("Error")
            else "it was never started"
        )
    if status in ("exited", "dead"):
        return "" if oneshot and state["ExitCode"] == 0 else _said(f"it {ended(state)}", last_words())
    if status == "paused":
        return f"docker unpause {facts['Name'].lstrip('/')} lets it go on"
    if status == "restarting" or (looping(facts) and not _passes(facts, ask)):
        times = f"it is in a restart loop: the engine has started it again {facts['RestartCount']} times"
        return _said(f"{times}; it {ended(state)}", last_words())
    if oneshot:
        return "it has not ended yet"
    return _health(facts, ask)


def ended(state: Facts) -> str:
    """ "ended with exit code 3", with the engine's reasons; of one that runs again it has forgotten the code."""
    if state["Status"] == "running":
        return f"was {OOM}, and runs again" if state.get("OOMKilled") else "runs again at this moment"
    code = state["ExitCode"]
    signal = f" (signal {code - KILLED})" if KILLED < code < KILLED + 65 else ""
    oom = f", {OOM}" if state.get("OOMKilled") else ""
    error = f": {state['Error']}" if state.get("Error") else ""
    return f"ended with exit code {code}{signal}{oom}{error}"


def _passes(facts: Facts, ask: Ask | None) -> bool:
    return bool(_test(facts)) and not _health(facts, ask)


def _health(facts: Facts, ask: Ask | None) -> str:
    test = _test(facts)
    if not test:
        return _settled(facts)
    if ask is None:
        return _engines_health(facts)
    try:
        code, said = ask(test)
    except Gone as gone:
        return f"its health check cannot be asked: {gone}"
    except TimeoutError:
        return f"its health check did not end within {patience(facts):g} s: {shlex.join(test)}"
    return "" if code == 0 else _said(f"its health check ended with exit code {code}", said)


def _settled(facts: Facts) -> str:
    began = started_at(facts)
    up = (datetime.now(UTC) - began).total_seconds() if began else SETTLED
    return "" if up >= SETTLED or up < 0 else f"it has no health check, and runs since {up:.1f} s"


def _engines_health(facts: Facts) -> str:
    """The engine's last result; one from before the start does not count."""
    health, began = facts["State"].get("Health") or {}, started_at(facts)
    log = health.get("Log") or ()
    last = log[-1] if log else {}
    at = instant(last.get("End", ""))
    if at is None or (began and at < began):
        return UNASKED
    if last["ExitCode"] == 0:
        return ""
    times = f", {health['FailingStreak']} times in a row" if health.get("FailingStreak", 0) > 1 else ""
    return _said(f"its health check ended with exit code {last['ExitCode']}{times}", last.get("Output", ""))


def _test(facts: Facts) -> list[str]:
    """The health check's program, or nothing."""
    words = (facts["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    if words[0] == "CMD":
        return list(words[1:])
    if words[0] != "CMD-SHELL":
        return []
    shell = facts["Config"].get("Shell") or ["/bin/sh", "-c"]
    return [*shell, words[1]]


def instant(text: str) -> datetime | None:
    """A time as the engine writes it: RFC 3339 with up to nine decimals."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if not found:
        return None
    return datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:0<6}{found[3].replace('Z', '+00:00')}")


def _said(what: str, words: str) -> str:
    said = " | ".join(line.strip() for line in words.splitlines() if line.strip())
    return f"{what}: {end(said, WORDS)}" if said else what
