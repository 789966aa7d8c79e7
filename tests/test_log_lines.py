"""Lines as the programs really write them; the lines of Prometheus and of node_exporter are those of a real one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recover.log_lines import level_of, time_of, zone_named

AT = datetime(2025, 8, 10, 23, 15, 1, 123000, UTC)
WHOLE = AT.replace(microsecond=0)
EARLIER = AT.replace(hour=21)

LINES = [
    # Python logging in the usual formats, and what writes like it
    ("2025-08-10 23:15:01,123 ERROR aiwfe.api: boom", "error", AT),
    ("2025-08-10 23:15:01,123 INFO error_middleware: an ERROR was handled", "info", AT),
    ("2025-08-10 23:15:01,123 error_middleware INFO: caught an ERROR", "info", AT),
    ("2025-08-10 23:15:01,123 uvicorn.error INFO Started", "info", AT),
    ("2025-08-10 23:15:01,123 - app.error - WARNING - ERROR: bad", "warning", AT),
    ("2025-08-10 23:15:01,123 [CRITICAL] app: out of memory", "critical", AT),
    ("2025-08-10 23:15:01,123 DEBUG sqlalchemy.pool: ERROR", "debug", AT),
    ("INFO 2025-08-10 23:15:01,123 basehttp: ERROR", "info", AT),
    ("ERROR:root:no time", "error", None),
    ("[2025-08-10 23:15:01 +0000] [42] [ERROR] Worker (pid:43) exited", "error", WHOLE),
    ("[2025-08-10 23:15:01,123: WARNING/MainProcess] consumer: lost", "warning", AT),
    ("2025-08-10 23:15:01.123 | ERROR    | app.main:run:12 - boom", "error", AT),
    ("2025-08-10 23:15:01 [error    ] request failed                 path=/x", "error", WHOLE),
    ("INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.", "info", None),
    # uvicorn
    ('INFO:     127.0.0.1:52134 - "GET /error HTTP/1.1" 500 Internal Server Error', "info", None),
    ("\x1b[32mINFO\x1b[0m:     Started server process [1]", "info", None),
    ("ERROR:    Exception in ASGI application", "error", None),
    # JSON lines
    ('{"level":"error","ts":1754867701.123,"logger":"http.log.error","msg":"dial tcp"}', "error", AT),
    ('{"level":"info","ts":1754867701.123,"logger":"http.log.error","msg":"level: error"}', "info", AT),
    ('{"severity":"WARNING","timestamp":"2025-08-10T23:15:01.123Z","message":"level=error"}', "warning", AT),
    ('{"levelname": "ERROR", "asctime": "2025-08-10 23:15:01,123", "message": "x"}', "error", AT),
    ('{"level":30,"time":1754867701123,"msg":"started"}', "info", AT),
    ('{"time":"2025-08-10T23:15:01.123+02:00","msg":"no level"}', None, EARLIER),
    # logfmt: Prometheus, its exporters, Grafana
    ('ts=2025-08-10T23:15:01.123Z caller=main.go:513 level=info msg="No time or size retention"', "info", AT),
    ('ts=2025-08-10T23:15:01.123Z caller=diskstats_linux.go:264 level=error msg="Failed to open"', "error", AT),
    ('level=warn ts=2025-08-10T23:15:01.123Z caller=scrape.go msg="Error on ingesting"', "warning", AT),
    ('time="2025-08-10T23:15:01Z" level=info msg="it said level=error"', "info", WHOLE),
    ('msg="it said level=error ts=2025" level=debug', "debug", None),
    ("time=2025-08-10T23:15:01.123+02:00 level=ERROR source=collector.go:212 msg=x", "error", EARLIER),
    ("logger=provisioning t=2025-08-10T23:15:01.123456789Z level=error msg=x", "error", AT.replace(microsecond=123456)),
    # other Go programs
    ("2025/08/10 23:15:01 listening on :9090", None, WHOLE),
    ("2025/08/10 23:15:01.123\tINFO\tusing provided configuration", "info", AT),
    ("E0810 23:15:01.123456       1 manager.go:1116] Failed to create", "error", None),
    ("2025-08-10T23:15:01Z WRN Health check failed error=x", "warning", WHOLE),
    ("2025-08-10T23:15:01Z INF Starting provider ERROR", "info", WHOLE),
    ("2025-08-10T23:15:01Z FTL cannot listen", "critical", WHOLE),
    # PostgreSQL and PgBouncer
    ('2025-08-10 23:15:01.123 UTC [42] ERROR:  invalid input value for enum userrole: "x"', "error", AT),
    ("2025-08-10 23:15:01.123 UTC [42] app@db LOG:  could not receive data", "info", AT),
    ("2025-08-10 23:15:01.123 UTC [42] WARNING:  there is no transaction", "warning", AT),
    ('2025-08-10 23:15:01.123 UTC [42] FATAL:  password authentication failed for user "app"', "critical", AT),
    ("2025-08-10 23:15:01.123 UTC [1] PANIC:  could not write", "critical", AT),
    ("2025-08-10 23:15:01.123 UTC [42] DETAIL:  ERROR", None, AT),
    ("2025-08-10 23:15:01.123 UTC [42] HINT:  FATAL", None, AT),
    ("2025-08-10 23:15:01.123 UTC [42] STATEMENT:  select 'ERROR:  x'", None, AT),
    ("2025-08-10 23:15:01.123 CEST [42] ERROR:  in a zone that has only a name", "error", None),
    ("2025-08-10 21:15:01.123 -03 [42] ERROR:  in São Paulo", "error", AT.replace(day=11, hour=0)),
    ("2025-08-10 23:15:01.123 +02 [42] app@db ERROR:  in a zone without a name", "error", EARLIER),
    ("2025-08-10 23:15:01.123 UTC [1] WARNING C-0x55: db/app@10.0.0.1:5 pooler error: x", "warning", AT),
    # Redis and Valkey
    ("1:M 10 Aug 2025 23:15:01.123 # Warning: no config file", "warning", AT),
    ("1:M 10 Aug 2025 23:15:01.123 * Ready to accept connections tcp", "info", AT),
    ("1:C 10 Aug 2025 23:15:01.123 . ERROR", "debug", AT),
    # nginx, access logs
    ("2025/08/10 23:15:01 [error] 42#42: *1 open() failed", "error", WHOLE),
    ("2025/08/10 23:15:01 [emerg] 1#1: host not found", "critical", WHOLE),
    ("2025/08/10 23:15:01 [notice] 1#1: error log reopened", "info", WHOLE),
    ('10.0.0.1 - - [10/Aug/2025:23:15:01 +0200] "GET / HTTP/1.1" 500 12', None, EARLIER.replace(microsecond=0)),
    # what is no record
    ("Traceback (most recent call last):", None, None),
    ('  File "error.py", line 1, in ERROR', None, None),
    ("LookupError: 'admin' is not among the defined enum values", None, None),
    ("", None, None),
    ("{broken", None, None),
    ("2025-13-10 23:15:01,123 no such month", None, None),
    ('{"level":["x"],"time":1e400}', None, None),
    ('{"level":"error","time":"0001-01-01T00:00:00Z"}', "error", None),
    ('{"level":"error","time":"0001-01-01T00:00:00+02:00"}', "error", None),
    ("9999-12-31 23:59:59-05:00 ERROR no such hour", "error", None),
    ('{"level":"error","ts":0}', "error", None),
    ('{"level":"error","time":' + "9" * 400 + "}", "error", None),
]


@pytest.mark.parametrize(("line", "level", "at"), LINES)
def test_a_line_says_its_level_and_its_time(line: str, level: str | None, at: datetime | None) -> None:
    assert level_of(line) == level
    assert time_of(line) == at


@pytest.mark.parametrize("line", [line for line, _, at in LINES if at])
def test_every_time_has_its_zone(line: str) -> None:
    at = time_of(line)
    assert at is not None
    assert at.tzinfo is UTC


@given(st.text() | st.builds(lambda line, cut: line[0][:cut], st.sampled_from(LINES), st.integers(0, 90)))
def test_no_line_is_too_odd(line: str) -> None:
    assert level_of(line) in (None, "debug", "info", "warning", "error", "critical")
    at = time_of(line)
    assert at is None or at.tzinfo is UTC


@pytest.mark.parametrize(
    "line",
    [
        "2025-08-10 23:15:01,123 ERROR app: boom",
        '{"level":"error","time":"2025-08-10T23:15:01.123"}',
        "level=error ts=2025-08-10T23:15:01.123 msg=boom",
        "1:M 10 Aug 2025 23:15:01.123 # boom",
    ],
)
def test_a_time_without_a_zone_is_in_that_of_its_service(line: str) -> None:
    at = datetime(2025, 8, 10, 23, 15, 1, 123000, UTC)
    assert time_of(line) == at
    assert time_of(line, zone_named("America/New_York")) == at + timedelta(hours=4)
    assert time_of(line, zone_named(":Europe/Berlin")) == at - timedelta(hours=2)


@pytest.mark.parametrize(
    "line",
    [
        "2025-08-10T23:15:01Z x",
        "2025-08-10 23:15:01 UTC [1] LOG:  x",
        '{"ts":1754867701}',
        '{"timestamp":"2025-08-10 20:15:01 -03","error_severity":"LOG"}',
        '2025-08-11 04:45:01 +0530,"app","shop",42',
        '2025-08-10 20:15:01 -03,"app","shop",42',
    ],
)
def test_a_time_that_says_its_zone_is_believed(line: str) -> None:
    assert time_of(line, zone_named("America/New_York")) == datetime(2025, 8, 10, 23, 15, 1, tzinfo=UTC)


@pytest.mark.parametrize(("day", "ahead"), [("2025-01-10", 1), ("2025-08-10", 2)])
def test_this_machines_zone_is_that_of_the_day_that_a_line_is_of(
    monkeypatch: pytest.MonkeyPatch, day: str, ahead: int
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        at = time_of(f"{day} 23:15:01 x", zone_named(""))
        assert at == datetime.fromisoformat(f"{day}T23:15:01Z") - timedelta(hours=ahead)
        assert time_of("0001-01-01 00:00:00 x", zone_named("")) is None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_zone_without_a_name_is_this_machines_and_an_unknown_one_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "AAA+5")  # as POSIX has it: behind UTC
    time.tzset()
    try:
        assert time_of("2025-08-10 23:15:01 x", zone_named("")) == datetime(2025, 8, 11, 4, 15, 1, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {zone_named(name) for name in ("No/Such", "/etc/passwd", "../x", "America", "x" * 5000, "<+03>-3")} == {UTC}
