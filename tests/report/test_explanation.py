"""Why a step failed, on one screen and for machines."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from diagnosis.scenes import NOW, line, scene, state

from recover.diagnosis.causes import causes
from recover.diagnosis.scene import ROUNDED
from recover.diagnosis.verdict import judge
from recover.report.explanation import Account, Explanation, data, text


def explanation(*states: Any, logs: Any = None, **account: Any) -> Explanation:
    return Explanation(
        Account("api", **account), judge(scene(*states, logs=logs), causes()), tuple(s.name for s in states), ()
    )


SECRETS = {
    "an answer": {"question": "does it answer?", "answer": "status 500: password=correcthorse"},
    "an error": {"failed": {"what": "it failed", "where": "", "why": "redis://:correcthorse@redis"}},
    "why it was left off": {"left_off": "password=correcthorse"},
}


@pytest.mark.parametrize("account", SECRETS.values(), ids=SECRETS)
def test_what_looks_like_a_secret_is_masked_on_the_screen_and_for_machines(account: Any) -> None:
    it = explanation(state("api"), logs={"api": [line("password=correcthorse")]}, **account)
    for said in ("\n".join(text(it)), json.dumps(data(it))):
        assert "correcthorse" not in said
        assert "***" in said
    assert data(it)["got"]


def test_nothing_that_a_service_says_commands_the_terminal() -> None:
    said = "\x1b]0;title\x07 \x1b[2J it is down"
    it = explanation(state("api", "exited", detail=said), logs={"api": [line(said)]}, answer=said, question="is it?")
    shown = "".join(text(it))
    assert shown.isprintable()
    assert "it is down" in shown


def test_what_was_said_in_the_second_in_which_the_step_began_is_shown() -> None:
    it = explanation(state("api"), logs={"api": [line("it is down", ago=timedelta())]}, began=NOW + ROUNDED / 2)
    assert "it is down" in "".join(text(it))
    it = explanation(state("api"), logs={"api": [line("it is down", ago=timedelta())]}, began=NOW + 2 * ROUNDED)
    assert "it is down" not in "".join(text(it))
