"""The answers are those of a real Prometheus 2.42; what it says of a Content-Type is said by 3."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from servers import Answer, answer, site

from recover.checks.targets import TargetsUp
from recover.evidence import Evidence
from recover.web import HttpWeb

VIEW: Any = SimpleNamespace(web=HttpWeb())
REFUSED = 'Get "http://127.0.0.1:19992/metrics": dial tcp 127.0.0.1:19992: connect: connection refused'
HTML = (
    'received unsupported Content-Type "text/html; charset=utf-8" and no fallback_scrape_protocol specified for target'
)


def target(job: str, health: str = "up", error: str = "", instance: str = "127.0.0.1:19990") -> dict[str, object]:
    return {
        "discoveredLabels": {
            "__address__": instance,
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "2s",
            "__scrape_timeout__": "1s",
            "job": job,
        },
        "labels": {"instance": instance, "job": job},
        "scrapePool": job,
        "scrapeUrl": f"http://{instance}/metrics",
        "globalUrl": f"http://vm:{instance.partition(':')[2]}/metrics",
        "lastError": error,
        "lastScrape": "0001-01-01T00:00:00Z" if health == "unknown" else "2026-11-29T16:58:35.467867158Z",
        "lastScrapeDuration": 0 if health == "unknown" else 0.006512038,
        "health": health,
        "scrapeInterval": "2s",
        "scrapeTimeout": "1s",
    }


def listing(*targets: dict[str, object]) -> Answer:
    return answer(200, {"status": "success", "data": {"activeTargets": list(targets), "droppedTargets": []}})


def asked(told: Answer, *up: str) -> Evidence:
    with site(lambda _: told) as here:
        evidence = TargetsUp(f"{here.url}/", up).ask(VIEW)
    assert [each.path for each in here.asked] == ["/api/v1/targets?state=active"]
    return evidence


def test_all_targets_that_are_up() -> None:
    evidence = asked(listing(target("prometheus"), target("node"), target("node", instance="127.0.0.1:2")))
    assert (evidence.passed, evidence.answer) == (True, "yes: 3 up")
    assert evidence.question == "does Prometheus reach all its targets?"


def test_every_target_that_is_not_is_named_in_prometheus_own_words() -> None:
    evidence = asked(
        listing(
            target("prometheus"),
            target("gone", "down", REFUSED, "127.0.0.1:19992"),
            target("api", "down", HTML, "api:8000"),
            target("slow", "unknown"),
        )
    )
    wanted = [
        f"gone at 127.0.0.1:19992: down: {REFUSED}",
        f"api at api:8000: down: {HTML}",
        "slow at 127.0.0.1:19990: not scraped yet",
    ]
    assert (evidence.passed, evidence.answer) == (False, "; ".join(wanted))
    assert evidence.attachment == "\n".join(wanted)
    assert not evidence.hopeless


def test_only_the_named_jobs_count_and_all_of_their_targets() -> None:
    told = listing(target("a"), target("b", "down", "x"), target("c"), target("c", "down", "y", "c:2"))
    assert asked(told, "a").answer == "yes: 1 up"
    assert asked(told, "a").passed
    evidence = asked(told, "a", "c")
    assert (evidence.passed, evidence.answer) == (False, "c at c:2: down: y")


def test_a_job_without_a_target_is_a_no() -> None:
    told = listing(target("ai_workflow_engine"), target("node"))
    evidence = asked(told, "node", "ai_workflow_engin", "postgres")
    assert not evidence.passed
    assert evidence.answer == (
        "ai_workflow_engin: no target, did you mean 'ai_workflow_engine'?; "
        "postgres: no target, known jobs: ai_workflow_engine, node"
    )


@pytest.mark.parametrize("up", [(), ("api",)])
def test_no_target_at_all_is_a_no(up: tuple[str, ...]) -> None:
    evidence = asked(listing(), *up)
    assert (evidence.passed, evidence.answer) == (False, "Prometheus has no active target")


def test_of_many_the_first_are_named() -> None:
    evidence = asked(listing(*(target("j", "down", "x", f"h:{n}") for n in range(9))))
    assert evidence.answer.endswith("j at h:4: down: x; and 4 more")
    assert len((evidence.attachment or "").splitlines()) == 9


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (answer(404, "404 page not found\n"), "status 404, and no answer of Prometheus' API: 404 page not found"),
        (answer(200, "<html>x"), "status 200, and no answer of Prometheus' API: <html>x"),
        (answer(200, ["x"]), 'status 200, and no answer of Prometheus\' API: ["x"]'),
        (answer(200, {"status": "success"}), 'status 200, and no answer of Prometheus\' API: {"status": "success"}'),
        (
            answer(503, {"status": "error", "errorType": "unavailable", "error": "Service Unavailable"}),
            "Prometheus refuses, unavailable: Service Unavailable",
        ),
    ],
)
def test_another_answer_is_named(told: Answer, says: str) -> None:
    evidence = asked(told)
    assert (evidence.passed, evidence.answer) == (False, says)
    assert evidence.attachment == told[2].decode()


def test_an_answer_that_is_too_long_to_be_read_is_named() -> None:
    evidence = asked(listing(*(target(f"job{n}") for n in range(200))))
    assert (evidence.passed, evidence.answer) == (False, "its answer is longer than 64 KiB, and not read to the end")


def test_no_answer_is_a_no_with_the_reason() -> None:
    with site(lambda _: answer()) as here:
        pass
    evidence = TargetsUp(here.url).ask(VIEW)
    assert not evidence.passed
    assert "refused" in evidence.answer
