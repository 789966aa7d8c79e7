"""Asking Prometheus: its HTTP API's answers, and its own words when it refuses.

Source: Prometheus documentation, "HTTP API", section "Format overview"; compared with the answers of 2.42.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recover.answers import Reply
from recover.errors import Unreachable
from recover.secrets import beginning
from recover.world import View

SHOWN = 300  # characters of an answer that is none of the API's


@dataclass(frozen=True)
class Told:
    """The member `data` of an answer; or, in `missed`, why there is none, and the body it was seen in."""

    data: Mapping[str, Any] = field(default_factory=dict)
    missed: str = ""
    body: str | None = None


def asked(view: View, url: str, path: str, timeout: float) -> Told:
    """What Prometheus at the address answers to a GET of the API's `path`. `timeout` in seconds."""
    try:
        reply = view.web.get(f"{url.rstrip('/')}/api/v1/{path}", timeout=timeout)
    except Unreachable as error:
        return Told(missed=f"no answer: {error.why}")
    answer = reply.json()
    if isinstance(answer, Mapping) and answer.get("status") == "success" and isinstance(answer.get("data"), Mapping):
        return Told(answer["data"], body=reply.text)
    return Told(missed=_refusal(reply, answer), body=reply.text)


def _refusal(reply: Reply, answer: object) -> str:
    if isinstance(answer, Mapping) and answer.get("error"):
        return f"Prometheus refuses, {answer.get('errorType')}: {answer['error']}"
    if reply.cut:
        return "its answer is longer than 64 KiB, and not read to the end"
    words = beginning(" ".join(reply.text.split()), SHOWN)
    return f"status {reply.status}, and no answer of Prometheus' API: {words}"
