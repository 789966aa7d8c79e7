from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from servers import answer, site

from recover.answers import BODY_LIMIT
from recover.checks.scrape import ScrapeWorks, exposition
from recover.evidence import Evidence
from recover.web import HttpWeb

VIEW: Any = SimpleNamespace(web=HttpWeb())
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def asked(body: str, kind: str = TEXT, metric: str | None = None, status: int = 200) -> Evidence:
    headers = {"Content-Type": kind} if kind else {}
    with site(lambda _: answer(status, body, **headers)) as here:
        return ScrapeWorks(f"{here.url}/metrics", metric).ask(VIEW)


# What Prometheus 2.42 itself said of each body when it scraped it.
TAKEN = [
    "a 1\n",
    "a 1",
    "a{} 1\n",
    'a{b="c"} 1\n',
    'a{b="c",} 1\n',
    'a { b = "c" , d="e" } 1 123\n',
    'a{b="c"}1\n',
    'a{b="c\\n\\\\\\""} 1\n',
    'a{b="ü}"} 1\n',
    "a +Inf\n",
    "a -inf\n",
    "a NaN\n",
    "a 1e5\n",
    "a .5\n",
    "a 5.\n",
    "a\t1\n",
    ":a 1\n",
    "# any words\n#\n\n   \n# HELP a\n# TYPE a counter\na 1\n",
]
REFUSED = [
    "a\n",
    "a b\n",
    "1a 1\n",
    "a-b 1\n",
    "a.b 1\n",
    "é 1\n",
    "a 1_0\n",
    "a 0x10\n",
    "a 1 1.5\n",
    "a 1 2 3\n",
    "a 1\r\n",
    "a{b='c'} 1\n",
    'a{b:c="d"} 1\n',
    'a{b="c",,} 1\n',
    'a{b="c} 1\n',
    'a{b="c" 1\n',
    "a{b} 1\n",
    '{a="b"} 1\n',
    "{} 1\n",
    "# TYPE a foo\na 1\n",
    "# TYPE a\na 1\n",
    'a 1 # {x="y"} 1\n',
    "<html>\n",
]


@pytest.mark.parametrize("body", TAKEN)
def test_what_prometheus_takes_passes(body: str) -> None:
    evidence = asked(body, metric=":a" if body[0] == ":" else "a")
    assert (evidence.passed, evidence.answer) == (True, "1 samples")


@pytest.mark.parametrize("body", REFUSED)
def test_what_prometheus_refuses_is_named_by_its_line(body: str) -> None:
    evidence = asked(f"before 1\n{body}")
    assert not evidence.passed
    assert evidence.answer.startswith("line 2 is ")
    assert evidence.answer.endswith(repr(body.split("\n", maxsplit=1)[0].strip()))
    assert evidence.attachment == f"before 1\n{body}"


def test_a_page_is_named_as_what_it_is() -> None:
    evidence = asked("<!doctype html>\n<title>App</title>", "text/html; charset=utf-8")
    assert not evidence.passed
    assert evidence.answer == "it serves text/html, an HTML page, not metrics: <!doctype html> <title>App</title>"


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("{}", "application/json", "it serves application/json, not metrics: {}"),
        ("a 1\n", "", "it names no Content-Type, and Prometheus 3 refuses it for that"),
        ("<html>", TEXT, "line 1 is no sample of the exposition format: '<html>'"),
        ("", TEXT, "it holds no sample"),
        ("# HELP a b\n", TEXT, "it holds no sample"),
        ("a 1\n", OPEN, "it is OpenMetrics and does not end with # EOF: it may be cut off"),
    ],
)
def test_other_answers_are_named(body: str, kind: str, says: str) -> None:
    evidence = asked(body, kind)
    assert (evidence.passed, evidence.answer) == (False, says)


def test_a_refusal_is_shown() -> None:
    evidence = asked("a 1\n", status=503)
    assert (evidence.passed, evidence.answer) == (False, "status 503, wanted 200: a 1")


def test_no_answer_is_a_no_with_the_reason() -> None:
    with site(lambda _: answer()) as here:
        pass
    evidence = ScrapeWorks(here.url).ask(VIEW)
    assert not evidence.passed
    assert "refused" in evidence.answer


def test_it_asks_as_prometheus_does() -> None:
    with site(lambda _: answer(200, "a 1\n", Content_Type=TEXT)) as here:
        assert ScrapeWorks(f"{here.url}/metrics").ask(VIEW).passed
    assert here.asked[0].path == "/metrics"
    assert here.asked[0].headers["Accept"].startswith("application/openmetrics-text")


# --- the metric -----------------------------------------------------------------------------------


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("logins", "Log\nins \\ tried", ["result"], registry=made).labels('a"b\\c\nd,}').inc(exemplar={"id": "x"})
    Counter("unused", "Never seen", ["result"], registry=made)
    Gauge("load", "Load", registry=made).set(float("inf"))
    Histogram("took_seconds", "Time", ["path"], registry=made).labels("/ {x}").observe(0.2, exemplar={"id": "y"})
    Summary("size_bytes", "Size", registry=made).observe(3)
    Info("build", "Build", registry=made).info({"version": "1.0"})
    return made


@pytest.mark.parametrize("kind", [TEXT, OPEN])
@pytest.mark.parametrize("metric", ["logins_total", "load", "took_seconds", "took_seconds_bucket", "size_bytes_count"])
def test_a_metric_is_a_sample_or_a_family(kind: str, metric: str) -> None:
    body = (generate_latest if kind == TEXT else openmetrics)(registry()).decode()
    assert asked(body, kind, metric).passed


FAMILIES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("_sum", "_count"),
    "info": ("_info",),
}


@pytest.mark.parametrize(("type", "part"), [(type, part) for type, parts in FAMILIES.items() for part in parts])
def test_a_family_is_there_with_any_of_its_samples(type: str, part: str) -> None:
    """The suffixes of the OpenMetrics specification; of a family that is not declared they are names like others."""
    found = exposition(f"# TYPE jobs {type}\njobs{part} 1\n")
    assert (found.wrong, found.has("jobs"), found.has(f"jobs{part}")) == ("", True, True)
    assert not exposition(f"jobs{part} 1\n").has("jobs")
    assert not exposition(f"# TYPE jobs {type}\njob{part} 1\n").has("jobs")


def test_a_metric_that_is_not_there() -> None:
    body = generate_latest(registry()).decode()
    assert asked(body, metric="login").answer == "it holds no login"
    assert asked(body, metric="unused_total").answer == "unused_total is declared, but there is no sample of it yet"
    assert asked("# TYPE took histogram\ntook_other 1\n", metric="took").passed is False


def test_a_body_that_is_cut_does_not_fail_by_its_last_line() -> None:
    line = 'requests_total{path="/some/where"} 12345\n'
    body = line * (BODY_LIMIT // len(line) + 10) + "late 1\n"
    assert BODY_LIMIT % len(line)
    evidence = asked(body, metric="requests_total")
    assert (evidence.passed, evidence.answer) == (True, f"{BODY_LIMIT // len(line)} samples in the first 64 KiB")
    assert asked(body, metric="late").answer == "the first 64 KiB hold no late"
    assert asked(body, OPEN).passed


# --- beside prometheus_client ---------------------------------------------------------------------

LABELS = st.dictionaries(st.from_regex(r"[a-zA-Z]\w{0,5}", fullmatch=True).filter(str.isascii), st.text(max_size=8))


@given(labels=LABELS, value=st.floats(), words=st.text(max_size=20))
def test_every_series_that_prometheus_client_writes_is_read(labels: dict[str, str], value: float, words: str) -> None:
    made = CollectorRegistry()
    Gauge("some_gauge", words, [*labels], registry=made).labels(*labels.values()).set(value) if labels else Gauge(
        "some_gauge", words, registry=made
    ).set(value)
    for write, is_open in ((generate_latest, False), (openmetrics, True)):
        found = exposition(write(made).decode(), openmetrics=is_open)
        assert (found.wrong, found.samples, found.names) == ("", 1, {"some_gauge"})


def test_names_and_numbers_are_those_of_prometheus_clients_own_parser() -> None:
    text = generate_latest(registry()).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = exposition(text)
    assert (found.wrong, found.samples) == ("", len(samples))
    assert found.names == {sample.name for sample in samples}


def test_a_name_in_quotes_is_one() -> None:
    found = exposition('# TYPE "some.gauge" gauge\n{"some.gauge",x="y"} 1\n')
    assert (found.wrong, found.has("some.gauge"), found.types) == ("", True, {"some.gauge": "gauge"})
