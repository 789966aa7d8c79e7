from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeServices

from recover.checks.logs import LogsAre
from recover.errors import PlaybookError
from recover.evidence import Evidence

CAUSE = "'admin' is not among the defined enum values"


@pytest.fixture
def services() -> FakeServices:
    fake = FakeServices({"api": {}})
    fake.start("api")
    fake.say("api", "startup complete")
    return fake


def ask(services: FakeServices, check: LogsAre) -> Evidence:
    view: Any = SimpleNamespace(services=services)
    return check.ask(view)


def test_a_log_without_the_line_is_quiet(services: FakeServices) -> None:
    evidence = ask(services, LogsAre("api", absent="not among the defined"))
    assert evidence.passed
    assert evidence.question == "is the log of api free of 'not among the defined'?"
    assert evidence.answer == "no line of 1 matches"


def test_lines_that_must_not_be_are_counted_and_shown(services: FakeServices) -> None:
    for number in range(25):
        services.say("api", f"{number} LookupError: {CAUSE}")
    evidence = ask(services, LogsAre("api", absent="not among .* enum"))
    assert not evidence.passed
    assert evidence.answer == f"25 lines match: 0 LookupError: {CAUSE}"
    assert evidence.attachment is not None
    assert len(evidence.attachment.splitlines()) == 20


def test_a_long_line_is_cut_in_the_answer_only(services: FakeServices) -> None:
    services.say("api", "x" * 1000)
    evidence = ask(services, LogsAre("api", absent="xxx"))
    assert evidence.answer == f"1 line matches: {'x' * 300}"
    assert evidence.attachment == "x" * 1000


def test_a_line_that_must_be_there(services: FakeServices) -> None:
    assert ask(services, LogsAre("api", present="^startup")).answer == "1 line matches: startup complete"
    evidence = ask(services, LogsAre("api", present="^shutdown"))
    assert (evidence.passed, evidence.answer) == (False, "no line of 1 matches")


def test_both_are_asked(services: FakeServices) -> None:
    assert ask(services, LogsAre("api", absent="LookupError", present="startup")).passed
    assert not ask(services, LogsAre("api", absent="LookupError", present="shutdown")).passed
    services.say("api", "LookupError")
    assert not ask(services, LogsAre("api", absent="LookupError", present="startup")).passed


def test_what_an_earlier_incarnation_wrote_does_not_count(services: FakeServices) -> None:
    services.say("api", CAUSE)
    assert not ask(services, LogsAre("api", absent="enum")).passed
    services.start("api")
    assert ask(services, LogsAre("api", absent="enum")).passed


def test_an_unknown_service_is_an_answer(services: FakeServices) -> None:
    evidence = ask(services, LogsAre("apii", absent="x"))
    assert (evidence.passed, evidence.answer) == (False, "there is no service 'apii': did you mean 'api'?")


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(PlaybookError, match="is no regular expression") as caught:
        LogsAre("api", absent="(")
    assert caught.value.why
    with pytest.raises(PlaybookError, match="absent or present"):
        LogsAre("api")


def test_it_is_about_its_service() -> None:
    assert LogsAre("api", absent="x").about == {"service:api"}
