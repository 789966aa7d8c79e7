from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeServices

from recover.checks.logs import LogsAre
from recover.errors import PlaybookError
from recover.evidence import Evidence
from recover.world import Seconds

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


# --- how often ------------------------------------------------------------------------------------


def line(text: str, *, seconds_ago: float = 0, level: str = "ERROR") -> str:
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03} {level} {text}"


def test_errors_are_counted_by_their_own_level(services: FakeServices) -> None:
    for number in range(5):
        services.say("api", line(f"app: boom {number}"))
        services.say("api", line("error_middleware: an ERROR was handled", level="INFO"))
        services.say("api", "LookupError: a traceback's line has no level")
    services.say("api", line("app: the end", level="CRITICAL"))
    evidence = ask(services, LogsAre("api", rate_below="7/min"))
    assert evidence.passed
    assert evidence.answer.startswith("6 in the last 60 s, 6/min: ")
    assert evidence.question == "is the log of api with fewer than 7/min errors?"
    evidence = ask(services, LogsAre("api", rate_below="6/min"))
    assert not evidence.passed
    assert evidence.answer.endswith("ERROR app: boom 0")
    assert evidence.attachment is not None
    assert len(evidence.attachment.splitlines()) == 6


@pytest.mark.parametrize(
    ("rate", "window", "passes"),
    [
        ("7/min", 60, True),
        ("6/min", 60, False),
        ("0.11/s", 60, True),
        ("0.1/s", 60, False),
        ("361/h", 60, True),
        ("360/h", 60, False),
        ("13 / min", 30, True),
        ("12/min", 30, False),
    ],
)
def test_a_rate_has_a_unit_and_a_window(services: FakeServices, rate: str, window: float, passes: bool) -> None:
    for _ in range(6):
        services.say("api", line("app: boom"))
    assert ask(services, LogsAre("api", rate_below=rate, window=Seconds(window))).passed is passes


def test_other_lines_are_counted_by_a_pattern(services: FakeServices) -> None:
    for _ in range(3):
        services.say("api", line("app: slow query", level="INFO"))
    assert ask(services, LogsAre("api", rate_below="1/min")).passed
    evidence = ask(services, LogsAre("api", rate_below="3/min", matching="slow quer[y]"))
    assert not evidence.passed
    assert evidence.question == "is the log of api with fewer than 3/min lines with 'slow quer[y]'?"
    assert ask(services, LogsAre("api", rate_below="4/min", matching="slow quer[y]")).passed


def test_lines_older_than_the_window_do_not_count_nor_does_what_belongs_to_them(services: FakeServices) -> None:
    services.be("api", started_at=datetime.now(UTC) - timedelta(hours=1))
    for _ in range(5):
        services.say("api", line("app: boom", seconds_ago=100))
        services.say("api", "LookupError: boom")
    services.say("api", line("app: boom", seconds_ago=30))
    services.say("api", "LookupError: boom")
    assert ask(services, LogsAre("api", rate_below="100/min")).answer.startswith("1 in the last 60 s, 1/min: ")
    counted = ask(services, LogsAre("api", rate_below="100/min", matching="^LookupError"))
    assert counted.answer == "1 in the last 60 s, 1/min: LookupError: boom"
    assert ask(services, LogsAre("api", rate_below="100/min", window=Seconds(300))).answer.startswith("6 in")


def test_lines_have_the_time_of_the_place_of_their_service(services: FakeServices) -> None:
    services.be("api", started_at=datetime.now(UTC) - timedelta(hours=9), zone="Etc/GMT+5")  # five hours behind UTC
    services.say("api", line("app: boom", seconds_ago=5 * 3600 + 30))
    assert ask(services, LogsAre("api", rate_below="100/min")).answer.startswith("1 in the last 60 s")
    services.be("api", zone="UTC")
    assert ask(services, LogsAre("api", rate_below="100/min")).answer.startswith("0 in the last 60 s")


def test_what_an_earlier_incarnation_wrote_is_not_counted(services: FakeServices) -> None:
    services.say("api", "ERROR: boom")
    assert not ask(services, LogsAre("api", rate_below="1/min")).passed
    services.start("api")
    evidence = ask(services, LogsAre("api", rate_below="1/min"))
    assert (evidence.passed, evidence.answer) == (True, "0 in the last 60 s, 0/min")


def test_a_rate_is_asked_beside_the_others(services: FakeServices) -> None:
    check = LogsAre("api", present="startup", rate_below="1/min")
    assert ask(services, check).answer == "1 line matches: startup complete; 0 in the last 60 s, 0/min"
    assert ask(services, check).passed
    assert not ask(services, LogsAre("api", present="shutdown", rate_below="1/min")).passed
    assert not ask(services, LogsAre("api", absent="startup", rate_below="1/min")).passed
    services.say("api", "ERROR: boom")
    assert not ask(services, check).passed


@pytest.mark.parametrize("rate", ["", "10", "10/m", "10 per min", "-1/s", "x/min", "/min"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(PlaybookError, match="is no rate"):
        LogsAre("api", rate_below=rate)


def test_what_makes_no_sense_beside_a_rate_is_refused() -> None:
    with pytest.raises(PlaybookError, match="there is no rate_below"):
        LogsAre("api", absent="x", matching="y")
    with pytest.raises(PlaybookError, match="is no regular expression"):
        LogsAre("api", rate_below="1/s", matching="(")
    with pytest.raises(PlaybookError, match="window"):
        LogsAre("api", rate_below="1/s", window=Seconds(0))
