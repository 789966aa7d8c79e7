"""The flood of the report: log lines that say "error" and have nothing to do with the incident. A drill's fault.

NOISE=report makes the API and the exporter's stand-in begin with them. They are of 24 hours that ended a minute ago:
older than the fault.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping

DAY, AGO = 24 * 3600.0, 60.0  # seconds
EXPORTER, REQUESTS = 39_686, 7_050  # how many lines of each the report counted
REASONS = ("write: broken pipe", "write: broken pipe", "write: broken pipe", "read: connection reset by peer")
PATHS = ("users/me", "tasks", "documents", "calendar/events", "chat/history", "monitoring/summary")


def make_noise(environ: Mapping[str, str], lines: Callable[[float], Iterator[str]]) -> None:
    """Write the lines to stdout when NOISE is "report"."""
    if environ.get("NOISE") == "report":
        sys.stdout.write("".join(f"{line}\n" for line in lines(time.time() - AGO)))
        sys.stdout.flush()


def exporter_lines(until: float) -> Iterator[str]:
    """As node_exporter complains of a scraper that hangs up."""
    for number, at in enumerate(_times(until, EXPORTER)):
        when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at * 1000) % 1000:03d}Z"
        port, reason = 32768 + number * 7919 % 28000, REASONS[number % len(REASONS)]
        verb = reason.partition(":")[0]
        yield (
            f'ts={when} caller=stdlib.go:105 level=error msg="error encoding and sending metric family: '
            f'{verb} tcp 127.0.0.1:9100->127.0.0.1:{port}: {reason}"'
        )


def request_lines(until: float) -> Iterator[str]:
    """As the API logs requests that went well, by a logger whose name contains "error"."""
    for number, at in enumerate(_times(until, REQUESTS)):
        when = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))},{int(at * 1000) % 1000:03d}"
        path = PATHS[number % len(PATHS)]
        yield f"{when} INFO error_middleware: GET /api/v1/{path} answered 200 in {3 + number * 31 % 97} ms"


def _times(until: float, count: int) -> Iterator[float]:
    """Evenly over the day before, the last one a step before `until`."""
    return (until - DAY + DAY * number / count for number in range(count))
