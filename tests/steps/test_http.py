from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from servers import answer, site

from recover.errors import StepError
from recover.steps.http import CallHttp
from recover.web import HttpWeb

WORLD: Any = SimpleNamespace(web=HttpWeb())


def test_the_call_is_sent_once_and_its_answer_recorded() -> None:
    with site(lambda _: answer(204)) as here:
        [call] = CallHttp(url=f"{here.url}/flush", headers={"X-A": "b"}, json={"all": True}).decide(WORLD)
        outcome = call.apply(WORLD)
        [asked] = here.asked
    assert (asked.method, asked.path, asked.headers["X-A"], asked.body) == ("POST", "/flush", "b", b'{"all":true}')
    assert outcome["status"] == 204
    assert call.describe == f"POST {here.url}/flush"
    assert call.inverse() is None


def test_an_answer_outside_2xx_is_a_failure_with_the_servers_words() -> None:
    with site(lambda _: answer(409, "already flushing")) as here:
        [call] = CallHttp(url=here.url).decide(WORLD)
        with pytest.raises(StepError, match="answered 409") as caught:
            call.apply(WORLD)
    assert caught.value.why == "already flushing"
