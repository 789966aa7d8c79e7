"""The answers are those of a real Prometheus 2.42."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from servers import Answer, answer, site

from recover.checks.promql import PromqlAnswers
from recover.errors import PlaybookError
from recover.evidence import Evidence
from recover.web import HttpWeb

VIEW: Any = SimpleNamespace(web=HttpWeb())
NO_NUMBERS = ["", "=", "1 ==", "== x", "=> 1", "== NaN", "1 2", "== 1 and 2", "1,5"]


def result(kind: str, found: object) -> Answer:
    return answer(200, {"status": "success", "data": {"resultType": kind, "result": found}})


def series(value: str, **labels: str) -> dict[str, object]:
    return {"metric": labels, "value": [1795971517.524, value]}


def vector(*values: str) -> Answer:
    return result("vector", [series(value, __name__="up", job=f"j{n}") for n, value in enumerate(values)])


def asked(told: Answer, expect: str, query: str = "up") -> Evidence:
    with site(lambda _: told) as here:
        return PromqlAnswers(here.url, query, expect).ask(VIEW)


@pytest.mark.parametrize(
    ("value", "expect", "passes"),
    [
        ("1", "1", True),
        ("1", "== 1", True),
        ("0", "1", False),
        ("0", "!= 1", True),
        ("1", "!= 1", False),
        ("0.5", ">= 0.5", True),
        ("0.49", ">= 0.5", False),
        ("3", "< 3", False),
        ("2.9", "<3", True),
        ("3", "<= 3", True),
        ("3.1", "<= 3", False),
        ("3", "> 3", False),
        ("1e+06", "> 999999", True),
        ("-1", "== -1", True),
        ("0.001", "1e-3", True),
        ("+Inf", "> 5", True),
        ("-Inf", "> 5", False),
        ("+Inf", "== Inf", True),
        ("NaN", "!= 1", False),
        ("NaN", ">= 0", False),
        ("NaN", "< 0", False),
    ],
)
def test_the_value_is_compared(value: str, expect: str, passes: bool) -> None:
    assert asked(vector(value), expect).passed is passes
    assert asked(result("scalar", [1795971517.539, value]), expect).passed is passes


def test_every_series_has_to_satisfy_it() -> None:
    evidence = asked(vector("1", "1"), "== 1")
    assert (evidence.passed, evidence.answer) == (True, "yes, all 2 series")
    evidence = asked(vector("1", "0", "NaN"), "1", "up{\n  x='y'}")
    assert (evidence.passed, evidence.answer) == (False, 'up{job="j1"} is 0; up{job="j2"} is NaN')
    assert evidence.question == "is up{ x='y'} == 1?"


def test_one_value_is_shown() -> None:
    assert asked(vector("0.75"), ">= 0.5").answer == "yes: 0.75"
    assert asked(result("scalar", [1.5, "2"]), "3").answer == "it is 2"
    assert asked(result("vector", [series("2")]), "3").answer == "it is 2"


def test_no_series_is_a_no() -> None:
    evidence = asked(vector(), "== 0")
    assert (evidence.passed, evidence.answer) == (False, "no series")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (result("matrix", [{"metric": {"__name__": "up"}, "values": [[1795971513.467, "1"]]}]), "matrix"),
        (result("string", [1795971517.569, "1"]), "string"),
    ],
)
def test_what_is_not_a_number_for_each_series_is_named(told: Answer, kind: str) -> None:
    evidence = asked(told, "1")
    assert (evidence.passed, evidence.answer) == (False, f"it gives a {kind}, not one number for each series")


def test_prometheus_error_is_shown() -> None:
    words = 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis'
    evidence = asked(answer(400, {"status": "error", "errorType": "bad_data", "error": words}), "1")
    assert (evidence.passed, evidence.answer) == (False, f"Prometheus refuses, bad_data: {words}")


def test_another_answer_and_none_are_named() -> None:
    assert asked(answer(502, "Bad Gateway"), "1").answer == "status 502, and no answer of Prometheus' API: Bad Gateway"
    with site(lambda _: answer()) as here:
        pass
    evidence = PromqlAnswers(here.url, "up", "1").ask(VIEW)
    assert not evidence.passed
    assert "refused" in evidence.answer


def test_the_query_arrives_as_it_was_written() -> None:
    query = 'sum(rate(x{a="b c",d=~"e+&f#%"}[5m])) / 2'
    with site(lambda _: vector("1")) as here:
        assert PromqlAnswers(f"{here.url}/prometheus/", query, "1").ask(VIEW).passed
    parts = urlsplit(here.asked[0].path)
    assert (parts.path, parse_qs(parts.query)) == ("/prometheus/api/v1/query", {"query": [query]})


@pytest.mark.parametrize("expect", NO_NUMBERS)
def test_an_expect_that_is_no_comparison_is_refused(expect: str) -> None:
    with pytest.raises(PlaybookError, match="expect is a number"):
        PromqlAnswers("http://x", "up", expect)
