"""What the exporters share: a source that is read anew at each scrape.

BROKEN_EXPORTER and NOISY_EXPORTER name the exporter that serves a page, and the one that writes errors without end.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST as KIND
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from stand_ins.serving import Answer, port_of, serve

PAUSE = 0.05  # seconds between two errors of a noisy exporter
log = logging.getLogger("exporter")


class Sample(NamedTuple):
    """One number: a counter when its name ends in _total, else a gauge."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


Read = Callable[[], Iterable[Sample]]


class Source:
    """A collector over a function; `up` (pg_up, redis_up, …) says whether the function could be called."""

    def __init__(self, up: str, read: Read) -> None:
        self.up = up
        self.read = read

    def collect(self) -> Iterator[Metric]:
        """The families of this scrape. A source that does not answer is `up 0`, not an error."""
        try:
            samples = list(self.read())
        except Exception:
            log.exception("%s 0", self.up)
            samples, good = [], 0.0
        else:
            good = 1.0
        yield GaugeMetricFamily(self.up, "1 when the source answered this scrape", good)
        for name in dict.fromkeys(sample.name for sample in samples):
            yield family(name, [sample for sample in samples if sample.name == name])


def family(name: str, samples: list[Sample]) -> Metric:
    """The samples of one name, which all have the same label names."""
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    made = kind(name, f"{name}, read at the scrape", labels=[label for label, _ in samples[0].labels])
    for sample in samples:
        made.add_metric([value for _, value in sample.labels], sample.value)
    return made


def export(name: str, about: str, up: str, read: Read, first: Callable[[], None] = lambda: None) -> None:
    """Serve /metrics on the port that the command line names; `first` is done once the log has begun."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Source(up, read))
    if os.environ.get("NOISY_EXPORTER") == name:
        threading.Thread(target=complain_for_ever, daemon=True).start()
    broken = os.environ.get("BROKEN_EXPORTER") == name
    page = Answer(f"<html><head><title>{name}</title></head></html>\n".encode(), "text/html; charset=utf-8")
    metrics = {"/metrics": lambda _: page if broken else Answer(generate_latest(registry), KIND)}
    serve(port_of(), about, metrics, first=first)


def complain_for_ever() -> None:
    """An error line many times a second, as the real ones write for each collector that fails."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    while True:
        log.error("collector failed")
        time.sleep(PAUSE)
