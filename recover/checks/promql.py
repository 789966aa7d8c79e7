"""Key `promql`: does a query give the expected value for every series?"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from recover.checks.prometheus import Told, asked
from recover.errors import PlaybookError
from recover.evidence import Evidence, few
from recover.world import Resource, Seconds, View

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_EXPECT = re.compile(r"\s*(==|!=|>=|<=|>|<)?\s*([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[iI]nf))\s*")


@dataclass(frozen=True)
class PromqlAnswers:
    """The instant query gives at least one series, and the value of each is as `expect` says.

    `expect` is a number or a comparison with one ("== 1", ">= 0.5", "< 3"); NaN satisfies none. `url` is Prometheus'
    own address, `timeout` in seconds. Source: Prometheus documentation, "HTTP API", section "Instant queries".
    Raises PlaybookError for another `expect`.
    """

    url: str
    query: str
    expect: str
    timeout: Seconds = Seconds(5)

    def __post_init__(self) -> None:
        if not _EXPECT.fullmatch(self.expect):
            known = ", ".join(COMPARISONS)
            raise PlaybookError(f"expect is a number, or one after {known}, not {self.expect!r}", next='expect: ">= 1"')

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing by itself: the services come from the URL's ${services.…}."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """Have the query evaluated once, now."""
        question = f"is {' '.join(self.query.split())} {self._wanted}?"
        told = asked(view, self.url, f"query?query={quote(self.query, safe='')}", self.timeout)
        kind = told.data.get("resultType")
        if told.missed or kind not in ("vector", "scalar"):
            answer = told.missed or f"it gives a {kind}, not one number for each series"
            return Evidence(question, answer, passed=False, attachment=told.body)
        series = list(_series(told))
        missed = [f"{name} is {value}" for name, value in series if not self._satisfied(float(value))]
        answer = few(missed) if missed else _summary(series)
        return Evidence(question, answer, passed=bool(series) and not missed, attachment="\n".join(missed) or None)

    @property
    def _wanted(self) -> str:
        comparison, number = self._parts
        return f"{comparison} {number}"

    @property
    def _parts(self) -> tuple[str, str]:
        comparison, number = _EXPECT.findall(self.expect)[0]
        return comparison or "==", number

    def _satisfied(self, value: float) -> bool:
        comparison, number = self._parts
        is_number = value == value  # noqa: PLR0124 - NaN is the one that is not itself
        return is_number and COMPARISONS[comparison](value, float(number))


def _series(told: Told) -> Iterator[tuple[str, str]]:
    """Each series' name and its value as Prometheus writes it: +Inf and NaN are such too."""
    result = told.data.get("result")
    if told.data["resultType"] == "scalar":
        yield "it", str(result[1])  # type: ignore[index]  # the API's [time, value]
        return
    for each in result or ():
        yield _name(each["metric"]), str(each["value"][1])


def _name(metric: Mapping[str, Any]) -> str:
    """A series as PromQL spells it."""
    labels = ",".join(f'{label}="{value}"' for label, value in sorted(metric.items()) if label != "__name__")
    return f"{metric.get('__name__', '')}{{{labels}}}" if labels else str(metric.get("__name__", "it"))


def _summary(series: list[tuple[str, str]]) -> str:
    if not series:
        return "no series"
    return f"yes: {series[0][1]}" if len(series) == 1 else f"yes, all {len(series)} series"
