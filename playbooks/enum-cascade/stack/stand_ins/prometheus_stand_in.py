"""Stand-in for Prometheus: scrapes its targets every 2 seconds and keeps the last samples, no history.

It answers /-/ready, /-/healthy, /api/v1/targets and /api/v1/query in Prometheus' JSON. A query is a
metric's name, with `label="value"` matchers or without; PromQL it is not, and it says so with a 400.
TARGETS in the environment is `job=host:port/path` separated by blanks.
"""

import http.client
import json
import os
import re
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from stand_ins.serving import Answer, Asked, port_of, serve

EVERY = 2.0  # seconds from one scrape to the next
TIMEOUT = 2.0
QUERY = re.compile(r"\s*([a-zA-Z_:][\w:]*)\s*(?:\{(.*)\})?\s*")
MATCHER = re.compile(r'\s*(\w+)\s*=\s*"([^"]*)"\s*')
TEXT = ("text/plain", "application/openmetrics-text")
READY = Answer(b"Prometheus stand-in is ready.\n", "text/plain")
Labels = Mapping[str, str]


@dataclass
class Target:
    """One scraped address and what came of the last scrape."""

    job: str
    url: str
    health: str = "unknown"
    error: str = ""
    scraped_at: float = 0.0
    took: float = 0.0
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, str]:
        return {"instance": self.url.split("/")[2], "job": self.job}

    def scrape(self) -> None:
        """Read the target once; a failure makes it `down` with the reason, and its samples stale."""
        self.scraped_at, start = time.time(), time.perf_counter()
        try:
            self.samples, self.health, self.error = scraped(self.url), "up", ""
        except (OSError, http.client.HTTPException, ValueError) as failure:
            self.samples, self.health, self.error = [], "down", str(failure) or type(failure).__name__
        self.took = time.perf_counter() - start

    def shown(self) -> dict[str, object]:
        """The target as /api/v1/targets lists it."""
        return {
            "discoveredLabels": {"__address__": self.labels["instance"], "job": self.job},
            "labels": self.labels,
            "scrapePool": self.job,
            "scrapeUrl": self.url,
            "globalUrl": self.url,
            "lastError": self.error,
            "lastScrape": datetime.fromtimestamp(self.scraped_at, UTC).isoformat(),
            "lastScrapeDuration": self.took,
            "health": self.health,
            "scrapeInterval": f"{EVERY:g}s",
            "scrapeTimeout": f"{TIMEOUT:g}s",
        }

    def series(self) -> Iterator[tuple[Labels, float]]:
        """`up` and the scraped samples, with the target's labels. Nothing before the first scrape."""
        if self.health != "unknown":
            yield {"__name__": "up", **self.labels}, float(self.health == "up")
        yield from (({**labels, **self.labels}, value) for labels, value in self.samples)


def scraped(url: str) -> list[tuple[Labels, float]]:
    """The samples at the address. ValueError for an answer that is no exposition, OSError for none."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        kind = answer.headers.get("Content-Type", "")
        if not kind.startswith(TEXT):
            raise ValueError(f'received unsupported Content-Type "{kind}"')
        families = text_string_to_metric_families(answer.read().decode())
        return [({"__name__": s.name, **s.labels}, s.value) for family in families for s in family.samples]


def asked_for(query: str) -> dict[str, str] | None:
    """The labels that the query demands, or None when it is more than a name with equality matchers."""
    form = QUERY.fullmatch(query)
    if form is None:
        return None
    matchers = [MATCHER.fullmatch(each) for each in form[2].split(",") if each.strip()] if form[2] else []
    return None if None in matchers else {"__name__": form[1], **dict(each.groups() for each in matchers if each)}


def listing(targets: list[Target]) -> Answer:
    """Every target with its health."""
    shown = [target.shown() for target in targets]
    return answered({"status": "success", "data": {"activeTargets": shown, "droppedTargets": []}})


def query(targets: list[Target], asked: Asked) -> Answer:
    """An instant vector of every series that matches."""
    wanted = asked_for(asked.query.get("query", ""))
    if wanted is None:
        refusal = 'this stand-in knows a metric\'s name with label="value" matchers only'
        return answered({"status": "error", "errorType": "bad_data", "error": refusal}, 400)
    found = [
        {"metric": labels, "value": [target.scraped_at, f"{value:g}"]}
        for target in targets
        for labels, value in target.series()
        if wanted.items() <= labels.items()
    ]
    return answered({"status": "success", "data": {"resultType": "vector", "result": found}})


def answered(body: object, status: int = 200) -> Answer:
    """The body as JSON."""
    return Answer(json.dumps(body).encode(), status=status)


def parse_targets(text: str) -> list[Target]:
    """The targets of TARGETS: `job=host:port/path`, separated by blanks."""
    return [Target(job, f"http://{address}") for job, _, address in (each.partition("=") for each in text.split())]


def scrape_for_ever(target: Target) -> None:
    """One thread for each target, so that one that hangs delays no other."""
    while True:
        target.scrape()
        time.sleep(EVERY)


def main() -> None:
    """Scrape and answer until a signal comes."""
    targets = parse_targets(os.environ["TARGETS"])
    for target in targets:
        threading.Thread(target=scrape_for_ever, args=(target,), daemon=True).start()
    routes = {
        "/-/ready": lambda _: READY,
        "/-/healthy": lambda _: READY,
        "/api/v1/targets": lambda _: listing(targets),
        "/api/v1/query": lambda asked: query(targets, asked),
    }
    serve(port_of(), "Prometheus without history and PromQL", routes)


if __name__ == "__main__":
    main()
