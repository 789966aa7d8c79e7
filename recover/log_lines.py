"""What one line of a log says of itself: its level and its time. Pure functions, made for many lines.

The record's own level counts, never a word of its message or of its logger's name: `error_middleware INFO` is
no error. (One word between time and level is taken for the name.) Where a form is not known, nothing is guessed.
The forms, each by its own documentation:
Python logging (and uvicorn, gunicorn, Celery, structlog, loguru), JSON lines, logfmt, PostgreSQL and PgBouncer,
Redis and Valkey, nginx, Caddy and other zap loggers, zerolog (Traefik), Go's `log`, klog, the common log format of web
servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Level = Literal["debug", "info", "warning", "error", "critical"]

_WORDS: Mapping[Level, str] = {
    "debug": "trace trc dbg debug debug1 debug2 debug3 debug4 debug5 verbose finest finer fine noise",
    "info": "info inf information informational notice log success",
    "warning": "warning warn wrn",
    "error": "error err severe",
    "critical": "critical crit fatal ftl panic pnc alert emerg emergency dpanic",
}
_LEVELS: Mapping[str, Level] = {word: level for level, words in _WORDS.items() for word in words.split()}
_MARKS: Mapping[str, Level] = {".": "debug", "-": "debug", "*": "info", "#": "warning"}
"""Redis: debug, verbose, notice, warning (redis.conf, "loglevel"; src/server.c)."""
_KLOG: Mapping[str, Level] = {"I": "info", "W": "warning", "E": "error", "F": "critical"}
_PINO: Mapping[int, Level] = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
"""Numbers as pino and bunyan write them; Python's own stand under `levelno`, which is not read."""

_LEVEL_KEYS = ("level", "severity", "levelname", "lvl", "log_level", "loglevel", "log.level")
LATEST = 1e11  # seconds since 1970: the year 5138; as milliseconds 1973
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
"""What is older is no time: programs write the first instant that they know (Go's is in the year 1) for none."""
_TIME_KEYS = ("time", "timestamp", "ts", "@timestamp", "asctime", "t")

# --- the forms of a line --------------------------------------------------------------------------

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UPPER = "|".join(sorted(map(str.upper, _LEVELS), key=len, reverse=True))
_DATE = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
_ZONE = r"Z|\ ?(?:UTC|GMT)\b|\ ?[+-]\d\d:?\d\d|\ [A-Z]{3,5}(?=\ \[\d+\])|\ [+-]\d\d(?=\ \[\d+\]|,|$)"
# PostgreSQL: " -03 [1]", and in its logs of CSV and of JSON the time alone
_TIME = re.compile(
    rf"(?:\[?[A-Z]+\]?:?[\s-]+)?"  # a level that comes first
    rf"\[?(?P<date>{_DATE})(?P<zone>{_ZONE})?",
    re.VERBOSE,
)
_IN_HEADER = re.compile(
    rf"""[\]:|\s-]*+
    (?:\[[^\]\s]*+\][:|\s-]*+)*?                            # [pid], [thread]
    (?:[^\s\[|-][^\s|]*+[:|\s-]++(?:\[[^\]\s]*+\][:|\s-]*+)*?)??   # at most one bare word: the logger's name
    [\[(<]?(?P<level>{_UPPER})(?=[\]\s:|/,)>]|$)
    """,
    re.VERBOSE,
)
_IN_BRACKETS = re.compile(r"[\]:|\s-]*\[([a-z]+)\s*\]")
_POSTGRES = re.compile(
    r"(?:[^\s:]+\ ){0,5}?"  # log_line_prefix: the zone, the pid, the user, the database, the client
    r"(?P<word>DEBUG[1-5]|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
    r"|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION|BACKTRACE):\ \ ",
    re.VERBOSE,
)
_FIRST = re.compile(rf"\[?(?P<upper>{_UPPER})(?=[\]\s:|]|$)|\[(?P<lower>[a-z]+)\s*\]|(?P<named>[a-z]+):\s")
_REDIS = re.compile(
    r"\d+:[XCSM] (?P<day>\d\d) (?P<month>[A-Z][a-z]{2}) (?P<year>\d{4}) "
    r"(?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?) (?P<mark>[.*#-]) "
)
_KLOG_LINE = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [^\s:\]]+:\d+\]")
_ACCESS = re.compile(
    r"\S+ \S+ \S+ \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):"
    r"(?P<clock>\d\d:\d\d:\d\d) (?P<zone>[+-]\d{4})\]"
)
_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)}
_PAIRS = r'(?:[\w.@-]++=(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s"]\S*+|)\s++)*?'
"""logfmt; a quoted value is never looked into."""
_LOGFMT_LEVEL = re.compile(rf'{_PAIRS}(?:{"|".join(map(re.escape, _LEVEL_KEYS))})="?([A-Za-z]+)(?=["\s]|$)')
_LOGFMT_TIME = re.compile(rf'{_PAIRS}(?:{"|".join(map(re.escape, _TIME_KEYS))})="?([0-9][^"\s]*(?: [0-9:.,]+)?)')
_IS_LOGFMT = re.compile(r"[A-Za-z_@][\w.@-]*=")


def level_of(line: str) -> Level | None:
    """How bad the line says it is; None when it does not say: a traceback's line, a PostgreSQL DETAIL, plain text."""
    line = without_colours(line)
    first = line[:1]
    if first == "{":
        return _json_level(line)
    if first.isdigit() or line[1:2].isdigit():
        return _timed_level(line)
    if first.isspace() or not first:
        return None
    if _IS_LOGFMT.match(line):
        return _word(_LOGFMT_LEVEL.match(line))
    found = _FIRST.match(line)
    return _LEVELS.get((found["upper"] or found["lower"] or found["named"]).lower()) if found else None


def zone_named(name: str) -> tzinfo | None:
    """The zone of that name in the tz database, None for "": this machine's. One that is not known is taken for UTC."""
    if not name:
        return None  # an offset would be that of today, and half of the year has another one
    try:
        return ZoneInfo(name.removeprefix(":"))  # with a colon as POSIX has it in TZ
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def time_of(line: str, zone: tzinfo | None = UTC) -> datetime | None:
    """When the line says it was written, in UTC; None when it does not, or names a zone that is not understood.

    `zone` is that of a time that names none, None this machine's.
    """
    at = _time_of(line, zone)
    return at if at is None or at > EARLIEST else None


def _time_of(line: str, zone: tzinfo | None) -> datetime | None:
    line = without_colours(line)
    if line[:1] == "{":
        return _json_time(line, zone)
    if found := _TIME.match(line):
        return _instant(found["date"], found["zone"] or "", zone)
    if _IS_LOGFMT.match(line):
        told = _LOGFMT_TIME.match(line)
        return _told(told[1], zone) if told else None
    named = _REDIS.match(line) or _ACCESS.match(line)
    return _with_month(named, zone) if named else None


def without_colours(line: str) -> str:
    """The line without what colours it on a terminal."""
    return _COLOUR.sub("", line) if "\x1b" in line else line


def _word(found: re.Match[str] | None) -> Level | None:
    return _LEVELS.get(found[1].lower()) if found else None


def _timed_level(line: str) -> Level | None:
    """The level of a line that begins with its time, or as klog and Redis do."""
    time = _TIME.match(line)
    if time is None:
        if redis := _REDIS.match(line):
            return _MARKS[redis["mark"]]
        klog = _KLOG_LINE.match(line)
        return _KLOG[klog[1]] if klog else None
    end = time.end()
    if ":  " in line and (postgres := _POSTGRES.match(line, end + 1)):
        return _LEVELS.get(postgres["word"].lower())
    if found := _IN_HEADER.match(line, end):
        return _LEVELS[found["level"].lower()]
    return _word(_IN_BRACKETS.match(line, end))


# --- JSON lines -----------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _members(line: str) -> Mapping[str, Any]:
    """The line's object; kept for a moment, because its level and its time are asked one after the other."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _json_level(line: str) -> Level | None:
    members = _members(line)
    told = next((members[key] for key in _LEVEL_KEYS if key in members), None)
    if isinstance(told, str):
        return _LEVELS.get(told.lower())
    return _PINO.get(told) if isinstance(told, int) else None


def _json_time(line: str, zone: tzinfo | None) -> datetime | None:
    members = _members(line)
    told = next((members[key] for key in _TIME_KEYS if key in members), None)
    if isinstance(told, str):
        return _told(told, zone)
    return _since_1970(told) if isinstance(told, int | float) else None


# --- times ----------------------------------------------------------------------------------------


def _told(text: str, zone: tzinfo | None) -> datetime | None:
    """A time that is a value: a date, or seconds since 1970."""
    if found := _TIME.match(text):
        return _instant(found["date"], found["zone"] or "", zone)
    try:
        return _since_1970(float(text))
    except ValueError:
        return None


def _since_1970(number: float) -> datetime | None:
    """Seconds, or their thousandth, millionth or billionth parts: no log is older than 1973 or younger than 5138."""
    size = abs(number)
    parts = next((parts for parts in (1, 1e3, 1e6, 1e9) if size <= LATEST * parts), None)
    try:
        return datetime.fromtimestamp(number / parts, UTC) if parts else None
    except ValueError:
        return None


def _instant(date: str, told: str, zone: tzinfo | None) -> datetime | None:
    """The time in UTC; `told` is the zone that stands beside it, or "" for none."""
    told = told.lstrip()
    if told[:1].isalpha():
        if told not in ("Z", "UTC", "GMT"):
            return None
        told = "+00:00"
    try:
        at = datetime.fromisoformat(date.replace("/", "-") + told)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _with_month(found: re.Match[str], zone: tzinfo | None) -> datetime | None:
    """A time whose month is a name: Redis' (without a zone) and that of an access log."""
    told = found.groupdict()
    month = _MONTHS.get(told["month"])
    date = f"{told['year']}-{month:02}-{told['day']} {told['clock']}" if month else ""
    return _instant(date, told.get("zone", ""), zone)
